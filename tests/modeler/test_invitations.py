"""Invitations as ical.js reads them, the parser of Thunderbird's calendar; icalendar reads them elsewhere."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.modeler.modeler import HERE
from tests.wire.test_invitations import MEETING, each_step, invited


@pytest.fixture(scope="module")
def node() -> str:
    """Node.js, with ical.js installed beside these tests."""
    found = shutil.which("node")
    if found is not None and (HERE / "node_modules" / "ical.js").is_dir():
        return found
    reason = "Node.js or ical.js is not installed; run npm ci in tests/modeler"
    if os.environ.get("CI"):
        pytest.fail(f"CI must have it: {reason}")
    pytest.skip(reason)


async def read(node: str, calendar: bytes) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        *(node, str(HERE / "calendar.mjs")), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate(calendar)
    assert process.returncode == 0
    event: dict[str, Any] = json.loads(output)
    return event


@each_step
async def test_a_meeting_its_change_and_its_end(
    node: str, tmp_path: Path, changed: dict[str, Any], method: str, status: str
) -> None:
    _, _, octets = await invited(tmp_path, **changed)
    assert await read(node, octets) == {
        "events": 1,
        "method": method,
        "status": status,
        "uid": MEETING["uid"],
        "sequence": changed.get("sequence", 0),
        "summary": MEETING["summary"],
        "location": changed.get("location", "Room 4"),
        "start": "2026-12-01T08:30:00.000Z",
        "organizer": "mailto:ann@example.com",
        "attendees": ["mailto:bob@example.com"],
    }
