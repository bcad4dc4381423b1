"""What every test may use: certificates, an engine, Postfix and PostgreSQL where installed."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import hypothesis
import pytest
import trustme
from pyzeebe import ZeebeClient, create_insecure_channel

from connector.testing import plugin
from tests import engines
from tests.engine.records import Records
from tests.engine.watch import RestWatch, Watch
from tests.engines import Engine
from tests.servers import authorization, sink
from tests.servers import dovecot as dovecot_server
from tests.servers import postfix as postfix_server
from tests.servers import postgres as postgres_server
from tests.servers.authorization import AuthorizationServer
from tests.servers.dovecot import Dovecot
from tests.servers.postfix import Postfix
from tests.servers.postgres import Postgres
from tests.servers.sink import Sink

# A deadline is a wall-clock limit, which a shared machine exceeds without a fault.
hypothesis.settings.register_profile("project", deadline=None)
hypothesis.settings.load_profile("project")


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A certificate authority of this session's own."""
    return trustme.CA()


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
def dovecot_sink() -> Iterator[Sink]:
    """Where Dovecot's submission server passes mail on to."""
    with sink.running() as server:
        yield server


@pytest.fixture(scope="session")
def dovecot(authority: trustme.CA, dovecot_sink: Sink) -> Iterator[Dovecot]:
    """A private Dovecot; skipped where it is not installed, but never in CI."""
    if reason := dovecot_server.missing():
        if os.environ.get("CI"):
            pytest.fail(f"CI must have Dovecot: {reason}")
        pytest.skip(f"Dovecot cannot be run here: {reason}")
    with dovecot_server.running(authority, dovecot_sink.address) as server:
        yield server


@pytest.fixture(scope="session")
def token_postfix(authority: trustme.CA, dovecot: Dovecot) -> Iterator[Postfix]:
    """A Postfix whose logins, with passwords or access tokens, that Dovecot verifies."""
    if reason := postfix_server.missing():
        if os.environ.get("CI"):
            pytest.fail(f"CI must have Postfix: {reason}")
        pytest.skip(f"Postfix cannot be run here: {reason}")
    with postfix_server.running(authority, dovecot.ports["sasl"]) as server:
        yield server


@pytest.fixture
def authorization_server() -> Iterator[AuthorizationServer]:
    """An authorization server of this test's own."""
    with authorization.running() as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A private PostgreSQL; skipped where it is not installed, but never in CI."""
    yield from _postgres()


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A PostgreSQL for one test alone, which may stop it."""
    yield from _postgres()


def _postgres() -> Iterator[Postgres]:
    if reason := postgres_server.missing():
        if os.environ.get("CI"):
            pytest.fail(f"CI must have PostgreSQL: {reason}")
        pytest.skip(f"PostgreSQL cannot be run here: {reason}")
    with postgres_server.running() as server:
        yield server


def pytest_configure(config: pytest.Config) -> None:
    """Have the fixture ``bpmn`` in a checkout that is not installed, too."""
    if not config.pluginmanager.is_registered(plugin):
        config.pluginmanager.register(plugin, "bpmn")


def pytest_addoption(parser: pytest.Parser) -> None:
    engines.add_options(parser)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the records of our own engine: `-m 'not records_only'` leaves it out."""
    for item in items:
        if "records" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.records_only)


@pytest.fixture(scope="session")
def shared_engine(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The engine that `--engine` chooses, tied to no event loop."""
    with engines.chosen(pytestconfig, tmp_path_factory.mktemp("engine")) as engine:
        yield engine


@pytest.fixture(scope="session")
def engine_address(shared_engine: Engine) -> str:
    """``host:port`` of the gateway's gRPC interface."""
    return shared_engine.grpc_address


@pytest.fixture
def records(shared_engine: Engine) -> Records:
    """Everything that the engine did."""
    if shared_engine.records is None:
        pytest.skip("only the project's own engine writes its records (--engine=light)")
    return Records(shared_engine.records)


@pytest.fixture
def watch(shared_engine: Engine) -> Watch:
    """What became of process instances: from the records where there are some, else by REST searches."""
    if shared_engine.records is not None:
        return Records(shared_engine.records)
    if shared_engine.rest_address is None:
        pytest.skip("what became of a process instance is seen over REST: set ZEEBE_REST_ADDRESS")
    return RestWatch(shared_engine.rest_address)


@pytest.fixture
async def zeebe(engine_address: str) -> AsyncIterator[ZeebeClient]:
    """A client to deploy and start processes with, on a channel of its own."""
    channel = create_insecure_channel(grpc_address=engine_address)
    try:
        yield ZeebeClient(channel)
    finally:
        await channel.close(None)


@pytest.fixture
def process_id() -> str:
    """A BPMN process id that no other test uses; tests share one engine."""
    return f"test-{uuid4().hex}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many cases rest on an assumption that was never checked on a real engine."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, [])]
    unverified = sum("unverified" in report.keywords for report in reports)
    if unverified:
        terminalreporter.write_line(f"{unverified} unverified: assumptions about Camunda's engine")
