"""Every benchmark, one after the other: ``python -m benchmarks [FILE.json] [SOAK_MAILS]``.

Each prints its table; those of mails and jobs also go into the JSON file, with the machine.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

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
from benchmarks.figures import Row, show, write


def main() -> None:
    """Run all of them."""
    arguments = sys.argv[1:]
    del sys.argv[1:]  # those of one module look there
    for module in (ledger, start_up):
        print(f"\n### {(module.__doc__ or '').splitlines()[0]}\n")
        module.main()
    tables = asyncio.run(_tables(int(arguments[1]) if len(arguments) > 1 else None))
    for title, rows in tables.items():
        show(title, rows)
    if arguments:
        write(Path(arguments[0]), tables)


async def _tables(soak_mails: int | None) -> dict[str, Sequence[Row]]:
    return {
        "Building a mail": message_build.measured(),
        "Large attachments": await large_attachment.measured(),
        "SMTP alone": await smtp.measured(),
        "What the ledger costs, through the pipeline": await delivery.measured(),
        "Engine alone": await engine.measured(),
        **await whole_way.measured(("default", "light")),
        "Slow server beside a fast one": await slow_server.measured(),
        "Soak": await (soak.measured() if soak_mails is None else soak.measured(soak_mails)),
    }


if __name__ == "__main__":
    main()
