"""The engine under test, and the mark of what was never seen on a real one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.cluster import Cluster, Site
from tests.conformance.in_memory import InMemory
from tests.conformance.over_the_wire import OverTheWire
from tests.engines import Engine


@pytest.fixture
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The light engine in this process, with the rules of 8.6, or the one that ``--engine`` chooses."""
    if request.config.getoption("--engine") == "light":
        yield InMemory("8.6")
        return
    engine: Engine = request.getfixturevalue("shared_engine")
    if engine.rest_address is None:
        pytest.skip("what a case looks at is searched over REST: set ZEEBE_REST_ADDRESS")
    cluster = OverTheWire(engine.grpc_address, engine.rest_address)
    yield cluster
    cluster.close()


@pytest.fixture
def site(cluster: Cluster) -> Site:
    return Site(cluster)
