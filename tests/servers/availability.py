"""A program that a test needs and a machine may lack."""

from __future__ import annotations

import os

import pytest


def require(missing: str | None) -> None:
    """Skip the test with the reason why a program cannot be run here; in CI it fails.

    Args:
        missing: The reason, or None when it can be run.
    """
    if missing is None:
        return
    if os.environ.get("CI"):
        pytest.fail(f"CI must have it: {missing}")
    pytest.skip(missing)
