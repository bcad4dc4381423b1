"""Every benchmark, one after the other: ``python -m benchmarks [FILE.json] [SOAK_MAILS]``.

Their tables are printed at the end and go into the JSON file, with the machine; it takes twenty minutes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from benchmarks import (
    delivery,
    engine,
    large_attachment,
    ledger,
    message_build,
    slow_server,
    smtp,
    soak,
    start_up,
    whole_way,
)
from benchmarks.figures import Row, arguments, report


def main() -> None:
    """Run all of them."""
    report(asyncio.run(_tables(*map(int, arguments()))))


async def _tables(soak_mails: int = soak.MAILS) -> dict[str, Sequence[Row]]:
    return {
        "Building a mail": message_build.measured(),
        "Large attachments": await large_attachment.measured(),
        "SMTP alone": await smtp.measured(),
        "What a ledger costs by itself": await ledger.measured(),
        "What the ledger costs, through the pipeline": await delivery.measured(),
        "Engine alone": await engine.measured(),
        **await whole_way.measured(("default", "light")),
        "Slow server beside a fast one": await slow_server.measured(),
        "Start": await start_up.measured(),
        "Soak": await soak.measured(soak_mails),
    }


if __name__ == "__main__":
    main()
