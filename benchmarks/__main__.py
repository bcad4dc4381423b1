"""Every benchmark, one after the other: ``python -m benchmarks [FILE.json] [SOAK_MAILS]``.

Each table is printed, and goes into the JSON file with the machine, as soon as it is measured; all of them
take twenty minutes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from benchmarks import (
    bulk,
    delivery,
    engine,
    hops,
    large_attachment,
    ledger,
    mail_templates,
    message_build,
    pauses,
    signing,
    slow_server,
    smtp,
    soak,
    start_up,
    whole_way,
)
from benchmarks.figures import Row, arguments, show, write


def main() -> None:
    """Run all of them."""
    asyncio.run(_run(*map(int, arguments())))


async def _run(soak_mails: int = soak.MAILS) -> None:
    tables: dict[str, Sequence[Row]] = {}
    async for title, rows in _measured(soak_mails):
        show(title, rows)
        tables[title] = rows
        write(tables)


async def _measured(soak_mails: int) -> AsyncIterator[tuple[str, Sequence[Row]]]:
    yield "Building a mail", message_build.measured()
    yield "Mail templates", mail_templates.measured()
    yield "Large attachments", await large_attachment.measured()
    yield "Longest callback of the loop", await pauses.measured()
    for table in (await signing.measured()).items():
        yield table
    yield "SMTP alone", await smtp.measured()
    yield "What a ledger costs by itself", await ledger.measured()
    yield "What the ledger costs, through the pipeline", await delivery.measured()
    yield "A bulk task beside single jobs", await bulk.measured()
    yield "What the event loop does for each mail", await hops.measured()
    yield "Engine alone", await engine.measured()
    for table in (await whole_way.measured()).items():
        yield table
    yield "Slow server beside a fast one", await slow_server.measured()
    yield "Start", await start_up.measured()
    yield "Soak", await soak.measured(soak_mails)


if __name__ == "__main__":
    main()
