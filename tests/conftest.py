"""What every test may use: an authority for certificates, and Postfix and PostgreSQL where installed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.servers import postfix as postfix_server
from tests.servers import postgres as postgres_server
from tests.servers.postfix import Postfix
from tests.servers.postgres import Postgres
from tests.shared import shared_file


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A certificate authority of this session's own."""
    return trustme.CA()


@pytest.fixture
def shared_data() -> Path:
    """The folder of shared cases; skipped where it is absent, but never in CI."""
    return shared_file("")


@pytest.fixture(scope="session")
def postfix(tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA) -> Iterator[Postfix]:
    """A private Postfix; skipped where it is not installed, but never in CI."""
    if reason := postfix_server.missing():
        if os.environ.get("CI"):
            pytest.fail(f"CI must have Postfix: {reason}")
        pytest.skip(f"Postfix cannot be run here: {reason}")
    # Below pytest's own directory Postfix's users could not reach their mailboxes: it is the owner's alone.
    with postfix_server.running(authority) as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A private PostgreSQL; skipped where it is not installed, but never in CI."""
    if reason := postgres_server.missing():
        if os.environ.get("CI"):
            pytest.fail(f"CI must have PostgreSQL: {reason}")
        pytest.skip(f"PostgreSQL cannot be run here: {reason}")
    with postgres_server.running() as server:
        yield server
