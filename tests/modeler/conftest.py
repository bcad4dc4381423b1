"""The modeler for a test; without a browser or its library the tests are skipped, but never in CI."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest

from tests.modeler import modeler as browser
from tests.modeler.modeler import Modeler


@pytest.fixture(scope="session")
def modeler_library() -> None:
    """Chromium, Node.js and the modeler's packages."""
    if reason := browser.missing():
        if os.environ.get("CI"):
            pytest.fail(f"CI must have the modeler: {reason}")
        pytest.skip(f"The modeler cannot be run here: {reason}")


@pytest.fixture
async def modeler(modeler_library: None) -> AsyncIterator[Modeler]:
    """A modeler in a browser of its own."""
    async with browser.modeler() as opened:
        yield opened
