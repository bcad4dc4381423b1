"""The ledger cannot be written: nothing is sent, readiness says so, and all goes on once it is back."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.contract.test_ledger_sqlite import remount, small_disk
from tests.engine.worker_process import Running, probe
from tests.faults.site import Site
from tests.faults.verdicts import Table
from tests.servers.postgres import Postgres

__all__ = ["small_disk"]  # a fixture of the ledger's own tests

JOBS = [f"job {number}" for number in range(5)]


async def test_postgresql_is_stopped(site: Site, table: Table, postgres: Postgres) -> None:
    @contextmanager
    def stopped() -> Iterator[None]:
        postgres.stop()
        try:
            yield
        finally:
            postgres.start()

    settings = {"ledger.kind": "postgres", "ledger.url": postgres.create_database()}
    await nothing_is_sent_while(site, table, "ledger down (PostgreSQL stopped)", stopped, settings)


@pytest.mark.long  # each attempt waits some seconds for the other process
async def test_another_process_holds_the_file(site: Site, table: Table) -> None:
    @contextmanager
    def locked() -> Iterator[None]:
        other = sqlite3.connect(site.directory / "ledger.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            other.close()

    await nothing_is_sent_while(site, table, "ledger held by another process", locked)


async def test_the_disk_is_full(site: Site, table: Table, small_disk: Path) -> None:
    @contextmanager
    def full() -> Iterator[None]:
        ballast = small_disk / "ballast"
        with ballast.open("wb", buffering=0) as file:
            while shutil.disk_usage(small_disk).free:
                file.write(bytes(512))
        try:
            yield
        finally:
            ballast.unlink()

    settings = {"ledger.path": str(small_disk / "ledger.db")}
    # As much as the file has room for by itself is still recorded.
    await nothing_is_sent_while(site, table, "ledger's disk full", full, settings, content="x" * 1000)


async def test_the_disk_is_read_only(site: Site, table: Table, small_disk: Path) -> None:
    @contextmanager
    def read_only() -> Iterator[None]:
        yield
        remount(small_disk, "rw")

    remount(small_disk, "ro")
    settings = {"ledger.path": str(small_disk / "ledger.db")}
    await nothing_is_sent_while(site, table, "ledger read-only", read_only, settings, ready_at_first=False)


async def nothing_is_sent_while(
    site: Site,
    table: Table,
    fault: str,
    away: Callable[[], AbstractContextManager[None]],
    settings: dict[str, str] | None = None,
    *,
    ready_at_first: bool = True,
    content: str = "Hello.",
) -> None:
    """Give the worker jobs while its ledger is away, and see it recover by itself."""
    with table.row(fault) as row:
        process = await site.deploy()
        async with site.worker({"health.listen": "127.0.0.1:0", **(settings or {})}) as worker:
            await worker.logged("worker ready")
            if ready_at_first:
                await ready(worker, 200)
            with away():
                await ready(worker, 503)
                await site.start(process, JOBS, content=content)
                await site.outcomes.until(lambda: all(site.instance(job).failures for job in JOBS), 30)
                assert await probe(worker, "live") == 200
                assert site.smtp.connections == []
            await ready(worker, 200)
            await site.all_over(40)
        site.judge_completed(row)
        assert site.retries_spent() == []
        said = {message.partition(":")[0] for job in JOBS for *_, message in site.instance(job).failures}
        assert said == {"LEDGER_UNAVAILABLE"}


async def ready(worker: Running, status: int) -> None:
    """Wait until the readiness probe answers so."""
    async with asyncio.timeout(30):
        while await probe(worker, "ready") != status:  # noqa: ASYNC110 - a probe is how an operator sees it
            await asyncio.sleep(0.2)
