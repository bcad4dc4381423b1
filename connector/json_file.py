"""A JSON object that the command line names: a file's, or standard input's.

A name enters, the object leaves, or a sentence for the person who typed the name.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


class UsageError(Exception):
    """The command line cannot be understood."""


def read_object(file: str, holds: str) -> dict[str, Any]:
    """Read a JSON object in UTF-8.

    Args:
        file: The file's path; ``-`` is standard input.
        holds: What the object is for, as the message about another JSON value puts it.

    Raises:
        UsageError: It cannot be read, or is no JSON object.
    """
    name = "standard input" if file == "-" else file
    try:
        read = json.loads(sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{name}: cannot read it: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{name}: not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise UsageError(f"{name}: not JSON: {error}") from None
    except RecursionError:
        raise UsageError(f"{name}: nested too deeply") from None
    if not isinstance(read, dict):
        raise UsageError(f"{name}: expected a JSON object with {holds}")
    return read
