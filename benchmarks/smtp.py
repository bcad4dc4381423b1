"""SMTP alone: our pool beside aiosmtplib, the fastest asyncio client and Postfix's ``smtp-source``.

``python -m benchmarks.smtp`` sends one mail of 2 KB again and again over loopback, sixteen at a time:
plain, with AUTH, with AUTH after STARTTLS. Every
client is measured in turn in several rounds and its best round counts; the ratios are what to trust, the
CPU's above all, as a sink on the same two cores, or anything else that runs, takes from the rates.
"""

from __future__ import annotations

import asyncio
import resource
import shutil
import sys
import tempfile
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import trustme

from benchmarks import smtp_clients
from benchmarks.field import sink
from benchmarks.figures import Row, report
from benchmarks.smtp_clients import Target

_SECONDS = 1.0
_ROUNDS = 3
_MAIL = (
    b"Subject: Your order\r\n\r\n" + b"Dear Jane, your order has been shipped and arrives Monday.\r\n" * 32
)
_CLIENTS: dict[str, Callable[[Target], Awaitable[int]]] = {
    "ours, kept": smtp_clients.ours_kept,
    "ours, by default": smtp_clients.ours,
    "fastest asyncio": smtp_clients.bare,
    "aiosmtplib, kept": smtp_clients.library_kept,
    "aiosmtplib.send()": smtp_clients.library_send,
}
_SOURCE = "smtp-source (C)"
# From profiles (cProfile and perf): what takes the time of each.
_LIMITS = {
    "ours, kept": "three send(2), then checking what goes out and reading what comes back",
    "ours, by default": "the same, and a hundredth of a connection",
    "fastest asyncio": "send(2), recv(2), epoll and asyncio's loop",
    "aiosmtplib, kept": "a round trip, a lock and a timer for each command",
    "aiosmtplib.send()": "a connection for each mail: its task and streams, the login, the TLS handshake",
    _SOURCE: "the kernel and the sink",
}


@dataclass(frozen=True, slots=True)
class _Case:
    name: str
    auth: bool
    starttls: bool


@dataclass(frozen=True, slots=True)
class _Round:
    """What one client did; CPU in µs for each mail."""

    rate: float
    cpu: float


_CASES = (_Case("plain", False, False), _Case("AUTH", True, False), _Case("STARTTLS and AUTH", True, True))


def main() -> None:
    """Measure and print."""
    report({"SMTP alone": asyncio.run(measured())})
    if not shutil.which("smtp-source"):
        print("\nwithout smtp-source and smtp-sink: Postfix is not installed")


async def measured() -> Sequence[Row]:
    """Measure every client in each case."""
    rows: list[Row] = []
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        authorities, certificate = _certificates(directory)
        for case in _CASES:
            port = await stack.enter_async_context(_sink(case, certificate))
            rows += _rows(case, await _best(case, port, authorities))
    return rows


def _rows(case: _Case, best: dict[str, _Round]) -> list[Row]:
    ours = best["ours, kept"].cpu
    return [
        {
            "case": case.name,
            "client": name,
            "mails/s": round(figure.rate),
            "CPU µs/mail": round(figure.cpu),
            "CPU, ours = 1": figure.cpu / ours,
            "limited by": _LIMITS[name],
        }
        for name, figure in best.items()
    ]


async def _best(case: _Case, port: int, authorities: Path) -> dict[str, _Round]:
    best: dict[str, _Round] = {}

    def keep(name: str, figure: _Round) -> None:
        if name not in best or figure.cpu < best[name].cpu:
            best[name] = figure

    for _ in range(_ROUNDS):
        for name, client in _CLIENTS.items():
            target = Target(port, case.auth, case.starttls, authorities, _MAIL, perf_counter() + _SECONDS)
            keep(name, await _round(client(target), resource.RUSAGE_SELF))
        if not case.auth and shutil.which("smtp-source"):
            keep(_SOURCE, await _round(_smtp_source(port), resource.RUSAGE_CHILDREN))
    return best


async def _round(sending: Awaitable[int], who: int) -> _Round:
    begun, spent = perf_counter(), _cpu(who)
    sent = await sending
    seconds, spent = perf_counter() - begun, _cpu(who) - spent
    return _Round(sent / seconds, spent / sent * 1e6)


async def _smtp_source(port: int) -> int:
    mails = 20_000
    # Without STARTTLS and AUTH: it has neither.
    options = ("-d", "-s", str(smtp_clients.WORKERS), "-l", str(len(_MAIL)), "-m", str(mails))
    process = await asyncio.create_subprocess_exec("smtp-source", *options, f"127.0.0.1:{port}")
    if await process.wait():
        raise SystemExit("smtp-source failed; what it said stands above")
    return mails


def _cpu(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


@asynccontextmanager
async def _sink(case: _Case, certificate: Path) -> AsyncIterator[int]:
    """A server in a process of its own: Postfix's where it will do and is installed."""
    if not case.auth and shutil.which("smtp-sink"):
        async with sink() as (port, _):
            yield port
        return
    command = ("-m", "benchmarks.smtp_sink", str(certificate))
    process = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=PIPE)
    assert process.stdout is not None
    try:
        yield int(await process.stdout.readline())
    finally:
        process.terminate()
        await process.wait()


def _certificates(directory: Path) -> tuple[Path, Path]:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(directory / "authority.pem"))
    authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        str(directory / "server.pem")
    )
    return directory / "authority.pem", directory / "server.pem"


if __name__ == "__main__":
    main()
