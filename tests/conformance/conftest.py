"""The engine under test, and the mark of what was never seen on a real one."""

from __future__ import annotations

import pytest

from tests.conformance.cluster import Cluster, Site
from tests.conformance.in_memory import InMemory


@pytest.fixture
def cluster() -> Cluster:
    """The light engine, with the rules of 8.6."""
    return InMemory("8.6")


@pytest.fixture
def site(cluster: Cluster) -> Site:
    return Site(cluster)
