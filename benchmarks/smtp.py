"""SMTP alone: our pool beside aiosmtplib, the fastest asyncio client and Postfix's ``smtp-source``.

``python -m benchmarks.smtp [FILE]`` sends one mail of 2 KB again and again over loopback, sixteen at a time:
plain, with AUTH, with AUTH after STARTTLS. It prints a table and, if told so, writes it to a JSON file. Every
client is measured in turn in several rounds and its best round counts; the ratios are what to trust, the
CPU's above all, as a sink on the same two cores, or anything else that runs, takes from the rates.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

import trustme

from benchmarks import smtp_clients
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
class Figure:
    """What one client did in its best round."""

    case: str
    client: str
    mails_per_second: float
    cpu_microseconds: float
    limit: str


@dataclass(frozen=True, slots=True)
class _Case:
    name: str
    auth: bool
    starttls: bool


_CASES = (_Case("plain", False, False), _Case("AUTH", True, False), _Case("STARTTLS and AUTH", True, True))


def main() -> None:
    """Measure and print."""
    figures: list[Figure] = []
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        authorities, certificate = _certificates(directory)
        for case in _CASES:
            figures += _measure(case, stack.enter_context(_sink(case, certificate)), authorities)
    _print(figures)
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(
            json.dumps({"machine": _machine(), "smtp": [*map(asdict, figures)]}, indent=2)
        )


def _measure(case: _Case, port: int, authorities: Path) -> list[Figure]:
    best: dict[str, Figure] = {}
    for _ in range(_ROUNDS):
        for name, client in _CLIENTS.items():
            target = Target(port, case.auth, case.starttls, authorities, _MAIL, perf_counter() + _SECONDS)
            begun, spent = perf_counter(), _cpu(resource.RUSAGE_SELF)
            sent = asyncio.run(_counted(client, target))
            _keep_best(best, case, name, sent, perf_counter() - begun, _cpu(resource.RUSAGE_SELF) - spent)
        if not case.auth and shutil.which("smtp-source"):
            begun, spent = perf_counter(), _cpu(resource.RUSAGE_CHILDREN)
            sent = _smtp_source(port)
            _keep_best(
                best, case, _SOURCE, sent, perf_counter() - begun, _cpu(resource.RUSAGE_CHILDREN) - spent
            )
    return list(best.values())


async def _counted(client: Callable[[Target], Awaitable[int]], target: Target) -> int:
    return await client(target)


def _keep_best(  # noqa: PLR0913, PLR0917 - one measurement
    best: dict[str, Figure], case: _Case, name: str, sent: int, seconds: float, cpu: float
) -> None:
    figure = Figure(case.name, name, sent / seconds, cpu / sent * 1e6, _LIMITS[name])
    if name not in best or figure.cpu_microseconds < best[name].cpu_microseconds:
        best[name] = figure


def _smtp_source(port: int) -> int:
    mails = 20_000
    # Without STARTTLS and AUTH: it has neither.
    command = ["smtp-source", "-d", "-s", str(smtp_clients.WORKERS), "-l", str(len(_MAIL)), "-m", str(mails)]
    subprocess.run([*command, f"127.0.0.1:{port}"], check=True)
    return mails


def _cpu(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


@contextmanager
def _sink(case: _Case, certificate: Path) -> Iterator[int]:
    """A server in a process of its own: Postfix's where it will do and is installed."""
    if case.auth or not shutil.which("smtp-sink"):
        command = [sys.executable, "-m", "benchmarks.smtp_sink", str(certificate)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                yield int(process.stdout.readline())
            finally:
                process.terminate()
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    with subprocess.Popen(["smtp-sink", *user, f"127.0.0.1:{port}", "500"]) as process:
        try:
            _wait_for(port)
            yield port
        finally:
            process.terminate()


def _wait_for(port: int) -> None:
    until = perf_counter() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            if perf_counter() > until:
                raise
        else:
            return


def _certificates(directory: Path) -> tuple[Path, Path]:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(directory / "authority.pem"))
    authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        str(directory / "server.pem")
    )
    return directory / "authority.pem", directory / "server.pem"


def _print(figures: list[Figure]) -> None:
    print("| case | client | mails/s | CPU µs/mail | CPU, ours = 1 | limited by |")
    print("| --- | --- | ---: | ---: | ---: | --- |")
    for figure in figures:
        ours = next(other for other in figures if (other.case, other.client) == (figure.case, "ours, kept"))
        ratio = figure.cpu_microseconds / ours.cpu_microseconds
        row = (
            f"{figure.mails_per_second:,.0f}",
            f"{figure.cpu_microseconds:,.0f}",
            f"{ratio:.2f}",
            figure.limit,
        )
        print(f"| {figure.case} | {figure.client} | {' | '.join(row)} |")
    if not shutil.which("smtp-source"):
        print("\nwithout smtp-source and smtp-sink: Postfix is not installed")


def _machine() -> dict[str, str | int | None]:
    return {
        "system": platform.platform(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    main()
