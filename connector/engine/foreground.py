"""``smtp-connector engine``: the engine for development, in the foreground until it is interrupted."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping

from rich.console import Console
from rich.markup import escape

from connector.engine.local import LocalEngine, LocalEngineError
from connector.interrupt import until_interrupted


async def run_engine(
    *, durable: bool = False, console: Console | None = None, environ: Mapping[str, str] = os.environ
) -> int:
    """Start an engine, print how to reach it, and keep it until SIGINT or SIGTERM.

    The first line on standard output is ``ZEEBE_ADDRESS=host:port``, for scripts; all else goes to
    standard error.

    Args:
        durable: See :class:`~connector.engine.local.LocalEngine`.
        console: Where everything but the addresses goes; by default standard error.
        environ: See :class:`~connector.engine.local.LocalEngine`.

    Returns:
        The exit code: 0 once interrupted, 1 when the engine cannot be started.
    """
    notes = console or Console(stderr=True)
    try:
        await until_interrupted(_serve(LocalEngine(durable=durable, environ=environ, console=notes), notes))
    except LocalEngineError as error:
        notes.print(f"[red]✗[/] {escape(str(error))}", highlight=False)
        return 1
    return 0


async def _serve(engine: LocalEngine, notes: Console) -> None:
    addresses = Console(soft_wrap=True)
    await engine.start()
    try:
        addresses.print(f"ZEEBE_ADDRESS={engine.grpc_address}", highlight=False)
        addresses.print(f"ZEEBE_REST_ADDRESS={engine.rest_address}", highlight=False)
        addresses.file.flush()
        notes.print(
            "Everything is kept in memory and on temporary files: it is gone when the engine stops.\n"
            "Put the first line into the environment of the worker, zbctl or a client. Ctrl-C stops it.",
            highlight=False,
        )
        await asyncio.Event().wait()
    finally:
        notes.print("Stopping the engine.", highlight=False)
        await engine.stop()
