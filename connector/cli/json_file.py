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
        octets = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        read = json.loads(octets.decode("utf-8"))
    except AttributeError:  # there is no standard input
        raise UsageError(f"{name}: it is closed") from None
    except OSError as error:
        raise UsageError(f"{name}: cannot read it: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{name}: not UTF-8 text") from None
    except (ValueError, RecursionError) as error:  # also numbers too long and brackets too deep to read
        raise UsageError(f"{name}: not JSON that can be read: {error}") from None
    if not isinstance(read, dict):
        raise UsageError(f"{name}: expected a JSON object with {holds}")
    return read
