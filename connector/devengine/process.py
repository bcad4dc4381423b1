"""The engine as a process: both doors on one event loop, until it is told to stop.

``python -m connector.devengine.process --help`` lists its options. When it is ready it prints one line of
JSON with its addresses. With ``--with-parent`` it ends when its standard input does: when the process that
started it closes the other end, or dies in any way.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from connector.devengine.gateway import Gateway
from connector.devengine.http_server import HttpServer
from connector.devengine.journal import JournalError
from connector.devengine.rest import RestApi
from connector.devengine.rest_paths import ROUTES
from connector.devengine.service import EngineService, Options

LOOPBACK = "127.0.0.1"
_STDIN = 0


@dataclass(frozen=True, slots=True)
class Listen:
    """Where an engine listens; port 0 takes a free one.

    Attributes:
        host: The address; anything but loopback lets every machine in that reaches it.
        grpc: The gateway's port.
        rest: The port of the REST API.
    """

    host: str = LOOPBACK
    grpc: int = 0
    rest: int = 0


@asynccontextmanager
async def serving(options: Options, listen: Listen) -> AsyncIterator[tuple[Listen, EngineService]]:
    """Run an engine with both of its doors; gives where it listens, and the engine.

    Raises:
        JournalError: The journal cannot be used.
        OSError: A port is taken, or a file cannot be opened.
    """
    async with (
        EngineService(options) as service,
        Gateway(service, listen.host, listen.grpc) as gateway,
        HttpServer(RestApi(service, ROUTES).handle, listen.host, listen.rest) as rest,
    ):
        yield Listen(listen.host, gateway.port, rest.port), service


def main(arguments: Sequence[str]) -> int:
    """Run an engine until SIGTERM or SIGINT; gives the exit code."""
    given = _parser().parse_args(arguments)
    if given.with_parent:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    options = Options(given.version, given.journal, given.records)
    try:
        asyncio.run(_serve(options, Listen(given.host, given.port, given.rest_port)))
    except (JournalError, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - a program of its own
        return 1
    return 0


async def _serve(options: Options, listen: Listen) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with serving(options, listen) as (at, _):
        print(json.dumps({"grpc": at.grpc, "rest": at.rest}), flush=True)  # noqa: T201 - the ready line
        await stop.wait()


def _end_with_parent() -> None:
    """Wait for the end of standard input in a thread, so that a loop that hangs ends as well."""
    while os.read(_STDIN, 1024):
        pass
    os._exit(0)  # at once: there is no one left to answer


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m connector.devengine.process")
    parser.add_argument("--host", default=LOOPBACK)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--rest-port", type=int, default=0)
    parser.add_argument("--version", choices=("8.6", "8.8"), default="8.6")
    parser.add_argument("--journal", type=Path)
    parser.add_argument("--records", type=Path)
    parser.add_argument("--with-parent", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
