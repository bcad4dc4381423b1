"""The connector beside bare clients in other languages, which keep no ledger and check nothing, all in turn.

``python -m benchmarks.peers [ROUNDS]`` builds the small programs beside this file, where Maven, Go and npm
are installed, and prints the medians of the rounds (five, if not given), the quotients round by round with
ours as 1, and their spread. One worker of ours runs twice in each round: what differs between the two is
noise.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
import tempfile
from asyncio.subprocess import PIPE
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.field import TEXT, Field, drained, field, ledgers, sink
from benchmarks.figures import Row, arguments, report
from connector.settings.model import SEND_TASK_TYPE

_HERE = Path(__file__).parent
_JOBS, _MAILS = 1500, 3000
_WARM = 500  # of the Java client's jobs, while its code is compiled
_AGAIN = "ours, once more (noise)"

_Told = dict[str, float]
_Contender = Callable[[], Awaitable[_Told]]


def main() -> None:
    rounds = int(next(iter(arguments()), "5"))
    report(asyncio.run(measured(rounds)))


async def measured(rounds: int) -> dict[str, Sequence[Row]]:
    """Measure whole workers, and building and sending alone."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        kinds = stack.enter_context(ledgers())
        java = await _java(directory)
        senders = await _other_senders(directory)
        async with field() as here, sink() as (port, _):
            await here.deploy("mail", port)
            workers = {"ours, SQLite": kinds["sqlite"], _AGAIN: kinds["sqlite"], **_others(kinds)}
            contenders = {name: _ours(here, name, settings) for name, settings in workers.items()}
            if java is not None:
                contenders |= {
                    f"Java client + Angus, {how}": _peer(here, java, how) for how in ("kept", "each")
                }
            contenders["pyzeebe + aiosmtplib, kept"] = _python(here)
            return {
                "Whole workers": await _in_turn(contenders, rounds),
                "Building and sending, text": await _in_turn(_senders(senders, port, "text"), rounds),
                "Building and sending, HTML with its text given": await _in_turn(
                    _senders(senders, port, "html"), rounds
                ),
            }


def _others(kinds: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    return {"ours, ledger in memory": kinds["memory"], "our loop, no-op": kinds["no-op"]}


async def _in_turn(contenders: dict[str, _Contender], rounds: int) -> Sequence[Row]:
    told: dict[str, list[_Told]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            told[name].append(await contender())
    first = next(iter(told.values()))
    return [_row(name, own, first) for name, own in told.items()]


def _row(name: str, own: list[_Told], first: list[_Told]) -> Row:
    row: Row = {"who": name}
    for column, figure in {"per second": "jobs_per_second", "CPU, ms": "cpu_ms"}.items():
        shares = sorted(one[figure] / other[figure] for one, other in zip(own, first, strict=True))
        row[column] = median(one[figure] for one in own)
        row[f"{column}: ours = 1"] = f"{median(shares):.2f} ({shares[0]:.2f} to {shares[-1]:.2f})"
    return row


def _ours(here: Field, name: str, settings: dict[str, str]) -> _Contender:
    async def run() -> _Told:
        await here.create("mail", _JOBS)
        kind = "noop" if "no-op" in name else "mail"
        return await drained(kind, _JOBS, {"engine.address": here.address, **settings})

    return run


def _peer(here: Field, java: list[str], how: str) -> _Contender:
    async def run() -> _Told:
        await here.create("mail", _JOBS)
        return await _told(*java, here.address, SEND_TASK_TYPE, str(_JOBS), str(_WARM), how)

    return run


def _python(here: Field) -> _Contender:
    async def run() -> _Told:
        await here.create("mail", _JOBS)
        arguments = (here.address, SEND_TASK_TYPE, str(_JOBS))
        return await _told(sys.executable, "-m", "benchmarks.peers.bare", *arguments)

    return run


def _senders(others: dict[str, list[str]], port: int, kind: str) -> dict[str, _Contender]:
    ours = [sys.executable, "-m", "benchmarks.peers.submitting"]
    commands = {"ours": ours, _AGAIN: ours, **others}
    arguments = (str(port), str(_MAILS), kind)
    return {name: partial(_told, *command, *arguments) for name, command in commands.items()}


async def _told(*command: str) -> _Told:
    """Run a command that prints its figures as its last line of JSON."""
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    out, _ = await process.communicate(TEXT.encode())
    if process.returncode:
        raise SystemExit(f"{command[0]} failed")
    told: _Told = json.loads(out.splitlines()[-1])
    return told


async def _java(directory: Path) -> list[str] | None:
    """Compile the Java program; the command that runs it."""
    if not (shutil.which("mvn") and shutil.which("javac")):
        print("without the Java client: it needs Maven and a JDK")
        return None
    classpath = directory / "classpath"
    build = ["mvn", "-q", "-B", "-f", str(_HERE / "java" / "pom.xml"), f"-Doutput={directory / 'java'}"]
    await _done(*build, "compile", "dependency:build-classpath", f"-Dmdep.outputFile={classpath}")
    return ["java", "-cp", f"{directory / 'java' / 'classes'}:{classpath.read_text().strip()}", "Peer"]


async def _other_senders(directory: Path) -> dict[str, list[str]]:
    """Build what only builds and sends; the command of each."""
    senders: dict[str, list[str]] = {}
    if shutil.which("go"):
        await _done("go", "build", "-C", str(_HERE / "go"), "-o", str(directory / "peer"), ".")
        senders["go-mail, kept"] = [str(directory / "peer")]
    else:
        print("without go-mail: it needs Go")
    if shutil.which("npm"):
        shutil.copytree(_HERE / "node", directory / "node", ignore=shutil.ignore_patterns("node_modules"))
        await _done("npm", "ci", "--silent", "--ignore-scripts", "--prefix", str(directory / "node"))
        senders["nodemailer, pooled"] = ["node", str(directory / "node" / "peer.js")]
    else:
        print("without nodemailer: it needs Node.js and npm")
    return senders


async def _done(*command: str) -> None:
    process = await asyncio.create_subprocess_exec(*command)
    if await process.wait():
        raise SystemExit(f"{command[0]} failed")


if __name__ == "__main__":
    main()
