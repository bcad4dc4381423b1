"""A ledger in a file: what it keeps and says when disk, file or other processes are in the way."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from connector.ledger.ledger import Ledger
from connector.ledger.port import AlreadySent, Granted, HeldElsewhere, LedgerUnavailableError, Sent, State
from connector.ledger.sqlite import SqliteStore
from tests.contract.attempts import MARK
from tests.contract.conftest import works


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with half a megabyte."""
    directory = tmp_path / "disk"
    directory.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(directory)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield directory
    finally:
        subprocess.run(["umount", str(directory)], check=True)


def remount(directory: Path, mode: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{mode}", str(directory)], check=True)


@contextmanager
def files_limited_to(octets: int) -> Iterator[None]:
    """Let no file of this process grow beyond so much: what a full disk is to a write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_a_full_disk_is_said_and_recovered_from(small_disk: Path) -> None:
    ledger = Ledger(SqliteStore(small_disk / "ledger.db"))
    held = await ledger.begin("held", "h", 60)
    assert isinstance(held, Granted)
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        while shutil.disk_usage(small_disk).free:
            file.write(bytes(512))
    with pytest.raises(LedgerUnavailableError, match="the disk is full: make room"):
        await fill(ledger)
    with pytest.raises(LedgerUnavailableError, match=r"disk is full|cannot be used"):
        await ledger.settle(held.attempt, Sent("x" * 100_000))
    ballast.unlink()
    await ledger.settle(held.attempt, Sent("{}"))
    assert await works(ledger, "after")
    await ledger.aclose()


async def fill(ledger: Ledger) -> None:
    """Begin mails until one cannot be recorded; none that was refused is there afterwards."""
    for number in range(10_000):
        await ledger.begin(f"fill/{number}", "h" * 1000, 60)


async def test_a_write_that_fails_is_not_recorded(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = Ledger(SqliteStore(path))
    held = await ledger.begin("held", "h", 60)
    assert isinstance(held, Granted)
    with files_limited_to(path.with_name("ledger.db-wal").stat().st_size):
        results = await asyncio.gather(
            ledger.committing(held.attempt, MARK), ledger.begin("new", "h", 60), return_exceptions=True
        )
        assert [type(result) for result in results] == [LedgerUnavailableError] * 2
        assert "ledger.db cannot be used" in str(results[0])
    assert [(entry.key, entry.state) for entry in await ledger.entries()] == [("held", State.ATTEMPTING)]
    await ledger.committing(held.attempt, MARK)
    assert await works(ledger, "new")
    await ledger.aclose()


async def test_a_check_writes_each_time(tmp_path: Path) -> None:
    """A disk that became read-only can still be read, so only a write shows that the ledger works."""
    path = tmp_path / "ledger.db"
    ledger = Ledger(SqliteStore(path))
    written = []
    for _ in range(2):
        await ledger.check()
        with closing(sqlite3.connect(path)) as other:
            written += other.execute("SELECT * FROM probes").fetchall()
    await ledger.aclose()
    (first, at), (second, later) = written
    assert first == second
    assert later > at


async def test_a_read_only_disk_is_said_and_recovered_from(small_disk: Path) -> None:
    path = small_disk / "ledger.db"
    ledger = Ledger(SqliteStore(path))
    await ledger.check()
    await ledger.aclose()
    remount(small_disk, "ro")
    ledger = Ledger(SqliteStore(path))
    for operation in (ledger.check(), ledger.begin("k", "h", 60)):
        with pytest.raises(LedgerUnavailableError, match=r"Read-only file system: set ledger\.path to"):
            await operation
    remount(small_disk, "rw")
    assert await works(ledger, "k")
    await ledger.aclose()


@contextmanager
def unprivileged() -> Iterator[Path]:
    """Be nobody, with a directory of his, since root may write any file."""
    nobody = 65534
    with tempfile.TemporaryDirectory() as name:
        if os.geteuid() != 0:
            yield Path(name)
            return
        os.chown(name, nobody, nobody)
        os.seteuid(nobody)
        try:
            yield Path(name)
        finally:
            os.seteuid(0)


async def test_a_file_that_may_not_be_written_is_said() -> None:
    with unprivileged() as directory:
        path = directory / "ledger.db"
        path.touch(0o400)
        ledger = Ledger(SqliteStore(path))
        with pytest.raises(LedgerUnavailableError, match=r"Permission denied: set ledger\.path"):
            await ledger.check()
        path.chmod(0o600)
        assert await works(ledger, "k")
        await ledger.aclose()


async def test_a_path_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "ledger.db"):
        ledger = Ledger(SqliteStore(path))
        with pytest.raises(LedgerUnavailableError, match=r"set ledger\.path to a file"):
            await ledger.begin("k", "h", 60)
        await ledger.aclose()


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"A text file, longer than a header of SQLite's. " * 50, "not an SQLite database"), (None, "damaged")],
    ids=["foreign", "damaged"],
)
async def test_a_file_that_is_no_ledger_is_left_alone(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    path = tmp_path / "ledger.db"
    if content is None:
        ledger = Ledger(SqliteStore(path))
        await asyncio.gather(*(ledger.begin(f"k{n}", "h" * 900, 60) for n in range(50)))
        await ledger.aclose()
        whole = path.read_bytes()
        content = whole[:4096] + b"\xa5" * (len(whole) - 4096)
    path.write_bytes(content)
    ledger = Ledger(SqliteStore(path))
    with pytest.raises(LedgerUnavailableError, match=f"{reason}.*restore it"):
        await ledger.begin("k1", "h", 60)
    assert path.read_bytes() == content
    await ledger.aclose()


async def test_another_process_that_holds_the_file_is_waited_for_and_then_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector.ledger.sqlite._BUSY_SECONDS", 0.1)
    path = tmp_path / "ledger.db"
    ledger = Ledger(SqliteStore(path))
    await ledger.check()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(LedgerUnavailableError, match="another process holds it"):
        await ledger.begin("k", "h", 60)
    other.execute("ROLLBACK")
    other.close()
    assert await works(ledger, "k")
    await ledger.aclose()


async def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "made" / "for it" / "ledger.db"
    ledger = Ledger(SqliteStore(path))
    await ledger.begin("k", "h", 60)
    assert {file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {0o600}
    assert path.parent.stat().st_mode & 0o777 == 0o700
    await ledger.aclose()


async def test_only_what_must_survive_a_loss_of_power_waits_for_the_disk(tmp_path: Path) -> None:
    kept = SqliteStore(tmp_path / "ledger.db")
    ledger = Ledger(kept)

    def synchronous() -> int:
        assert kept._connection is not None
        return int(kept._connection.execute("PRAGMA synchronous").fetchone()[0])

    decision = await ledger.begin("k", "h", 60)
    assert isinstance(decision, Granted)
    normal, full = 1, 2
    assert synchronous() == normal
    await ledger.committing(decision.attempt, MARK)
    assert synchronous() == full
    await ledger.extend([decision.attempt])
    assert synchronous() == normal
    await ledger.settle(decision.attempt, Sent("{}"))
    assert synchronous() == full
    await ledger.aclose()


async def test_the_readiness_probe_writes(tmp_path: Path) -> None:
    path, now = tmp_path / "ledger.db", 1_000.0
    ledger = Ledger(SqliteStore(path, lambda: now))
    for now in (1_000.0, 2_000.0):
        await ledger.check()
        with closing(sqlite3.connect(path)) as reader:
            assert reader.execute("SELECT at FROM probes").fetchall() == [(now,)]
    await ledger.aclose()


async def test_a_newer_schema_is_said_to_whom_only_reads(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = Ledger(SqliteStore(path))
    await ledger.check()
    with closing(sqlite3.connect(path)) as newer:
        newer.execute("PRAGMA user_version = 99")
    with pytest.raises(LedgerUnavailableError, match="has schema 99"):
        await ledger.entries()
    await ledger.aclose()


def statements(store: SqliteStore) -> list[str]:
    """Note the first word of each statement that the store runs from now on."""
    noted: list[str] = []
    assert store._connection is not None
    store._connection.set_trace_callback(lambda text: noted.append(text.split()[0]))
    return noted


async def test_a_mail_on_its_usual_way_is_one_statement_for_each_operation(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "ledger.db")
    ledger = Ledger(store)
    assert await works(ledger, "first")
    noted = statements(store)
    decision = await ledger.begin("k", "h", 60)
    assert isinstance(decision, Granted)
    await ledger.committing(decision.attempt, MARK)
    await ledger.settle(decision.attempt, Sent("{}"))
    assert [word for word in noted if word != "PRAGMA"] == ["INSERT"] * 3
    await ledger.aclose()


async def test_a_guess_that_is_wrong_for_one_mail_writes_nothing_and_is_decided_anew(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "ledger.db")
    ledger, other = Ledger(store), Ledger(SqliteStore(tmp_path / "ledger.db"))
    assert await works(ledger, "sent")
    assert isinstance(await other.begin("held", "h", 60), Granted)
    noted = statements(store)
    answers = await asyncio.gather(*(ledger.begin(key, "h", 60) for key in ("new", "held", "sent")))
    assert [type(answer) for answer in answers] == [Granted, HeldElsewhere, AlreadySent]
    assert [word for word in noted if word != "PRAGMA"] == ["INSERT", "BEGIN", "SELECT", "INSERT", "COMMIT"]
    await ledger.aclose()
    await other.aclose()


async def test_a_time_is_kept_with_all_its_digits(tmp_path: Path) -> None:
    moment = 1_795_828_592.123456789
    store = SqliteStore(tmp_path / "ledger.db", lambda: moment)
    ledger = Ledger(store)
    assert await works(ledger, "k")
    (entry,) = await ledger.entries()
    assert entry.changed == moment
    await ledger.aclose()
