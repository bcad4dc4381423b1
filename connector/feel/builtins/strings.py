"""String functions.

Positions and lengths count UTF-16 units, as Java's strings do: an emoji counts as two.
"""

from __future__ import annotations

import base64
import uuid as uuids
from decimal import Decimal

from connector.feel.errors import FeelError
from connector.feel.functions import builtin
from connector.feel.patterns import extract_all, find, replace_all, split_at
from connector.feel.values import Run, Value

# Blanks to Python that are none to Java: they do not break a line.
_UNBREAKABLE = "\u00a0\u2007\u202f"
_JAVA_BLANKS = "".join(map(chr, range(0x21)))


def _is_wide(text: str) -> bool:
    return not text.isascii() and max(text) > "\uffff"


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


@builtin("substring(string: string, start position: number)")
def substring(run: Run, text: str, start: Decimal) -> str | None:
    """Return the rest of a string from a position; the first is 1, the last -1."""
    return _cut(run, text, start, None)


@builtin("substring(string: string, start position: number, length: number)")
def substring_of_length(run: Run, text: str, start: Decimal, length: Decimal) -> str | None:
    """Return so many characters from a position, or the rest if it is shorter."""
    return _cut(run, text, start, length)


def _cut(run: Run, text: str, start: Decimal, length: Decimal | None) -> str | None:
    run.charge_text(len(text))
    size = _units(text) if _is_wide(text) else len(text)
    # The engine fails outside of the string, rather than give null.
    if abs(start) > size + 1 or -start > size or (length is not None and length <= -1):
        raise FeelError(f"The string has no character at {start}")
    begin = int(start) - 1 if start > 0 else size + int(start)
    end = size if length is None else begin + int(min(length, Decimal(size)))
    if not _is_wide(text):
        return text[begin:end]
    return text.encode("utf-16-le", "surrogatepass")[begin * 2 : end * 2].decode("utf-16-le", "replace")


@builtin("string length(string: string)")
def string_length(run: Run, text: str) -> Decimal:
    """Return how long a string is."""
    run.charge_text(len(text))
    return Decimal(_units(text) if _is_wide(text) else len(text))


@builtin("upper case(string: string)")
def upper_case(run: Run, text: str) -> str:
    """Return the string in capitals."""
    run.charge_text(len(text))
    return text.upper()


@builtin("lower case(string: string)")
def lower_case(run: Run, text: str) -> str:
    """Return the string in small letters."""
    run.charge_text(len(text))
    return text.lower()


@builtin("substring before(string: string, match: string)")
def substring_before(run: Run, text: str, match: str) -> str:
    """Return what comes before the first match; nothing if there is none."""
    run.charge_text(len(text))
    at = text.find(match)
    return text[:at] if at > 0 else ""


@builtin("substring after(string: string, match: string)")
def substring_after(run: Run, text: str, match: str) -> str:
    """Return what comes after the first match; nothing if there is none."""
    run.charge_text(len(text))
    at = text.find(match)
    return text[at + len(match) :] if at >= 0 else ""


@builtin("contains(string: string, match: string)")
def contains(run: Run, text: str, match: str) -> bool:
    """Tell whether a string is in another."""
    run.charge_text(len(text))
    return match in text


@builtin("starts with(string: string, match: string)")
def starts_with(text: str, match: str) -> bool:
    """Tell whether a string starts with another."""
    return text.startswith(match)


@builtin("ends with(string: string, match: string)")
def ends_with(text: str, match: str) -> bool:
    """Tell whether a string ends with another."""
    return text.endswith(match)


@builtin("matches(input: string, pattern: string)", "matches(input: string, pattern: string, flags: string)")
def matches(run: Run, text: str, pattern: str, flags: str = "") -> bool | None:
    """Tell whether a regular expression is found in a string."""
    return find(run, text, pattern, flags)


@builtin(
    "replace(input: string, pattern: string, replacement: string)",
    "replace(input: string, pattern: string, replacement: string, flags: string)",
)
def replace(run: Run, text: str, pattern: str, replacement: str, flags: str = "") -> str | None:
    """Return the string with all matches of a regular expression replaced; ``$1`` is its first group."""
    return replace_all(run, text, pattern, flags, replacement)


@builtin("split(string: string, delimiter: string)")
def split(run: Run, text: str, delimiter: str) -> Value:
    """Return the parts of a string between the matches of a regular expression."""
    return split_at(run, text, delimiter)


@builtin("extract(string: string, pattern: string)")
def extract(run: Run, text: str, pattern: str) -> Value:
    """Return all matches of a regular expression."""
    return extract_all(run, text, pattern)


@builtin("trim(string: string)")
def trim(run: Run, text: str) -> str:
    """Return the string without blanks at its ends."""
    run.charge_text(len(text))
    return text.strip(_JAVA_BLANKS)


@builtin("is blank(string: string)")
def is_blank(run: Run, text: str) -> bool:
    """Tell whether a string holds nothing but blanks."""
    run.charge_text(len(text))
    return not text or (text.isspace() and not any(blank in text for blank in _UNBREAKABLE))


@builtin("to base64(value: string)")
def to_base64(run: Run, value: str) -> str:
    """Return the string's UTF-8 bytes in Base64."""
    run.charge_text(len(value))
    return base64.b64encode(value.encode("utf-8", "replace")).decode("ascii")


@builtin("uuid()")
def uuid() -> str:
    """Return a random UUID."""
    return str(uuids.uuid4())


@builtin("string join(list: list)", "string join(list: list, delimiter: string?)")
def string_join(run: Run, items: list[Value], delimiter: str | None = None) -> str | None:
    """Return the strings of a list as one; null items are left out, any other value gives null."""
    run.charge(len(items))
    parts = [item for item in items if item is not None]
    if not all(isinstance(part, str) for part in parts):
        return None
    run.charge_text(sum(map(len, parts)) + len(delimiter or "") * len(parts))  # type: ignore[arg-type]
    return (delimiter or "").join(parts)  # type: ignore[arg-type]


@builtin("string join(list: list, delimiter: string?, prefix: string?, suffix: string?)")
def string_join_within(
    run: Run, items: list[Value], delimiter: str | None, prefix: str | None, suffix: str | None
) -> str | None:
    """Return the strings of a list as one, with something before and after."""
    joined = string_join(run, items, delimiter)
    return None if joined is None else f"{prefix or ''}{joined}{suffix or ''}"
