"""Files of test data: our own in ``tests/data``, and those that stay outside the repository."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

_OWN_DATA = Path(__file__).parent / "data"
_BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"

# Where a checkout lies elsewhere, as a second worktree does, SHARED_DATA names the folder.
SHARED_DATA = Path(os.environ.get("SHARED_DATA", _BESIDE))


def data_file(name: str) -> Path:
    """Give a file of our own, or else one that stays outside; a test without the latter is skipped."""
    own, shared = _OWN_DATA / name, SHARED_DATA / name
    if not own.exists() and not shared.exists():
        pytest.skip(f"{name} stays outside the repository and is not in {SHARED_DATA}")
    return own if own.exists() else shared


def data_cases(name: str) -> list[Any]:
    """Give the cases of a file of our own as the parameters of a test, each named by its ``id``."""
    cases = json.loads((_OWN_DATA / name).read_text("utf-8"))["cases"]
    return [pytest.param(case, id=case["id"]) for case in cases]
