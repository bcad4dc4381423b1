"""What a worker needs beside mail servers: the engine that gives it jobs, and the ledger.

Settings enter, a finding about each leaves.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

from connector.check.findings import Finding, Report, Status, Step
from connector.engine.connect import gateway_address
from connector.engine.grpc import GrpcEngine
from connector.engine.port import EngineDeniedError, EngineRefusedError, EngineUnavailableError
from connector.errors import ErrorCode
from connector.ledger import LedgerUnavailableError, open_ledger
from connector.settings.ledger import LedgerSettings
from connector.settings.model import EngineSettings, Settings


async def check_engine(settings: Settings, seconds: float) -> Report:
    """Ask the gateway for its version, which takes a connection, and TLS and credentials where set."""
    target = gateway_address(settings.engine)
    credentials = settings.engine.client_id is not None
    facts: dict[str, Any] = {"credentials": credentials, "tls": _encrypted(settings.engine)}
    try:
        async with asyncio.timeout(seconds), GrpcEngine(settings.engine, settings.worker) as engine:
            version = await engine.version()
    except TimeoutError:
        message = f"{target} did not answer in {seconds:g} s."
        finding = Finding(Step.ENGINE, Status.FAILED, message, _engine_away(settings.engine), facts=facts)
    except EngineDeniedError as error:
        fix = "Correct engine.client_id, client_secret, oauth_url and audience, or the client's permissions."
        finding = Finding(Step.ENGINE, Status.FAILED, str(error), fix, facts=facts)
    except (EngineUnavailableError, EngineRefusedError, OSError) as error:
        finding = Finding(Step.ENGINE, Status.FAILED, str(error), _engine_away(settings.engine), facts=facts)
    else:
        let_in = ", which accepts the credentials" if credentials else ""
        facts["version"] = version
        finding = Finding(Step.ENGINE, Status.OK, f"Zeebe gateway {version}{let_in}", facts=facts)
    return Report("engine", "engine", target, (finding,))


def _encrypted(settings: EngineSettings) -> bool:
    return bool(settings.tls) or settings.client_id is not None


def _engine_away(settings: EngineSettings) -> str:
    if settings.address is None and settings.cluster_id is None:
        return "Set engine.address (ZEEBE_ADDRESS): it is not set, and no engine runs on this machine."
    tls = "on" if _encrypted(settings) else "off"
    return (
        "Check engine.address (the gateway's gRPC port, 26500 by default), that the gateway runs, that no "
        f"firewall stands between, and that engine.tls, which is {tls}, is as the gateway has it."
    )


async def check_ledger(settings: LedgerSettings, seconds: float) -> Report:
    """Write something of no meaning into the ledger.

    A file that is not there is not made: it would belong to whoever checks, and perhaps not to the worker.
    """
    facts: dict[str, Any] = {"kind": settings.kind}
    target = str(settings.path) if settings.kind == "sqlite" else settings.kind
    try:
        message = _missing(settings)
        if message is None:
            async with asyncio.timeout(seconds), open_ledger(settings) as ledger:
                await ledger.check()
            message = "it can be written"
    except (LedgerUnavailableError, TimeoutError) as error:
        reason = str(error) or f"The ledger did not answer in {seconds:g} s."
        code, fix = ErrorCode.LEDGER_UNAVAILABLE, _ledger_fix(settings)
        finding = Finding(Step.LEDGER, Status.FAILED, reason, fix, code, facts=facts)
    else:
        finding = _writable(settings, message, facts)
    return Report("ledger", "ledger", target, (finding,))


def _writable(settings: LedgerSettings, message: str, facts: dict[str, Any]) -> Finding:
    if settings.kind != "memory":
        return Finding(Step.LEDGER, Status.OK, message, facts=facts)
    warning = "it forgets everything when the worker stops, so that a mail may then go twice"
    fix = "Set ledger.kind to sqlite or postgres."
    return Finding(Step.LEDGER, Status.WARNING, warning, fix, facts=facts)


def _missing(settings: LedgerSettings) -> str | None:
    """Say that the worker will make the file; None when there is one, or none is used.

    Raises:
        LedgerUnavailableError: This user could not make it.
    """
    if settings.kind != "sqlite":
        return None
    try:
        path = settings.path.expanduser()
    except RuntimeError:  # no home directory; whoever opens it says so
        return None
    if path.exists():
        return None
    directory = next(parent for parent in path.absolute().parents if parent.exists())
    if not _may_make(directory):
        raise LedgerUnavailableError(f"The ledger {path} is not there and cannot be made in {directory}.")
    return "it is not there yet; the worker makes it when it starts"


def _may_make(directory: Path) -> bool:
    return directory.is_dir() and os.access(directory, os.W_OK | os.X_OK)


def _ledger_fix(settings: LedgerSettings) -> str:
    if settings.kind == "postgres":
        return "Check ledger.url: host, port, database, user and password, and that the server runs."
    return "Set ledger.path to a file on a local disk that the worker's user may make and write."
