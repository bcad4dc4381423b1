"""A mail's way stays short: what the event loop does for each is counted, and held down.

Counts hardly depend on the machine. They may fall, not rise: see ``benchmarks/README.md`` for what they are
now, and run ``python -m benchmarks.hops`` to see where they come from.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks.field import field, sink
from benchmarks.hops import hops

JOBS = 300
# A third above what was counted: how full polls and groups are is chance.
MOST = {"tasks": 3.4, "futures": 10.0, "call_soon": 18.5}


@pytest.mark.skipif(shutil.which("smtp-sink") is None, reason="smtp-sink is not installed")
async def test_a_mail_with_the_ledger_in_a_file_takes_few_hops(tmp_path: Path) -> None:
    async with field() as here, sink() as (port, _):
        await here.deploy("mail", port)
        counted = await hops(here, "mail", {"ledger.path": str(tmp_path / "ledger.db")}, JOBS)
    assert {name: count for name, count in counted.items() if count > MOST.get(name, float("inf"))} == {}
