"""Cases that several projects share and that stay outside this one: ``shared/data`` beside the checkout."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

_BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"

# Where a checkout lies elsewhere, as a second worktree does, SHARED_DATA names the folder.
SHARED_DATA = Path(os.environ.get("SHARED_DATA", _BESIDE))


def shared_file(name: str) -> Path:
    """Give a file of the folder; a test whose folder is absent is skipped, but never in CI."""
    if not SHARED_DATA.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"CI must have the shared cases: {SHARED_DATA}")
        pytest.skip(f"The shared cases are not there: {SHARED_DATA}")
    return SHARED_DATA / name


def shared_cases(name: str) -> list[Any]:
    """Give the cases of a file as the parameters of a test, each named by its ``id``.

    Such a test uses the fixture ``shared_data``, which skips or fails it where the folder is absent: here,
    while tests are collected, a failure would keep every other test from running.
    """
    if not SHARED_DATA.is_dir():
        return [pytest.param(None, id="absent")]
    cases = json.loads((SHARED_DATA / name).read_text("utf-8"))["cases"]
    return [pytest.param(case, id=case["id"]) for case in cases]
