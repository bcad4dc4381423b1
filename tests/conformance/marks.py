"""The mark of a case that speaks for an assumption: it was never seen to pass on a real engine."""

from __future__ import annotations

import pytest


def unverified(reason: str) -> pytest.MarkDecorator:
    """Say what is assumed; the number of such cases is printed at the end of a run."""
    return pytest.mark.unverified(reason=reason)
