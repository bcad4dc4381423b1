"""Which engine the tests run on: ``--engine`` chooses, and nothing is ever detected.

``light`` starts the project's own engine. ``address`` uses the one that ``ZEEBE_ADDRESS`` names, with its
REST API at ``ZEEBE_REST_ADDRESS``. ``container`` starts the image that ``--engine-image`` names.
Only with ``light`` may the tests run side by side (``-n``): each process then has an engine of its own.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from connector.devengine.local import LocalEngine

_GRPC, _REST = 26500, 8080


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that tests share.

    Attributes:
        grpc_address: ``host:port``.
        rest_address: Base URL of the Orchestration Cluster API, where there is one.
        records: Where it writes what happened, if it is ours.
    """

    grpc_address: str
    rest_address: str | None
    records: Path | None


def add_options(parser: pytest.Parser) -> None:
    """Declare the options of the command line."""
    group = parser.getgroup("engine")
    group.addoption(
        "--engine",
        choices=("light", "address", "container"),
        default="light",
        help="the project's own engine (default), the one at ZEEBE_ADDRESS, or a container",
    )
    group.addoption("--engine-image", metavar="IMAGE", help="the image for --engine=container; no default")
    group.addoption("--engine-command", metavar="ARGUMENTS", help="what the container runs")
    group.addoption(
        "--engine-env",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="for the container; repeatable",
    )


@contextmanager
def chosen(config: pytest.Config, directory: Path) -> Iterator[Engine]:
    """Start or find the engine that the options name."""
    match config.getoption("--engine"):
        case "address":
            if "ZEEBE_ADDRESS" not in os.environ:
                raise pytest.UsageError("--engine=address needs ZEEBE_ADDRESS in the environment")
            yield Engine(os.environ["ZEEBE_ADDRESS"], os.environ.get("ZEEBE_REST_ADDRESS"), None)
        case "container":
            with _container(config) as engine:
                yield engine
        case _:
            with light(directory) as engine:
                yield engine


@contextmanager
def light(directory: Path) -> Iterator[Engine]:
    """Start our own engine as a process, tied to no event loop."""
    records = directory / "records.jsonl"
    engine = LocalEngine(records=records)
    asyncio.run(engine.start())
    try:
        yield Engine(engine.grpc_address, engine.rest_address, records)
    finally:
        asyncio.run(engine.stop())


@contextmanager
def _container(config: pytest.Config) -> Iterator[Engine]:
    image = config.getoption("--engine-image")
    if not image:
        raise pytest.UsageError("--engine=container needs --engine-image=IMAGE; there is no default")
    try:
        from testcontainers.core.container import DockerContainer
    except ImportError as error:
        raise pytest.UsageError("--engine=container needs the extra `container` (testcontainers)") from error
    container = DockerContainer(image).with_exposed_ports(_GRPC, _REST)
    if command := config.getoption("--engine-command"):
        container = container.with_command(command)
    for assignment in config.getoption("--engine-env"):
        name, _, value = assignment.partition("=")
        container = container.with_env(name, value)
    with container:
        host = container.get_container_host_ip()
        grpc_port, rest_port = (container.get_exposed_port(port) for port in (_GRPC, _REST))
        engine = Engine(f"{host}:{grpc_port}", f"http://{host}:{rest_port}", None)
        asyncio.run(until_ready(engine.grpc_address))
        yield engine


async def until_ready(address: str, deadline: float = 180) -> None:
    """Wait until the gateway tells its topology.

    Raises:
        TimeoutError: It did not within ``deadline`` seconds.
    """
    import grpc
    from pyzeebe.proto.gateway_pb2 import TopologyRequest
    from pyzeebe.proto.gateway_pb2_grpc import GatewayStub

    async with asyncio.timeout(deadline), grpc.aio.insecure_channel(address) as channel:
        stub = GatewayStub(channel)
        while True:
            try:
                topology = await stub.Topology(TopologyRequest(), timeout=5)
            except grpc.aio.AioRpcError:
                await asyncio.sleep(0.5)
            else:
                if topology.brokers:
                    return
