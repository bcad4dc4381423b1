"""Cases that several projects share and that stay outside this one: ``shared/data`` beside the checkout."""

from __future__ import annotations

import os
from pathlib import Path

_BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"

# Where a checkout lies elsewhere, as a second worktree does, SHARED_DATA names the folder.
SHARED_DATA = Path(os.environ.get("SHARED_DATA", _BESIDE))
