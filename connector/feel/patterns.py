"""Regular expressions, within the time that is left to the evaluation.

They are written as for Java and run by the ``regex`` package, which can be stopped. A pattern that Java
refuses gives null.
"""

from __future__ import annotations

from functools import lru_cache

import regex

from connector.feel.errors import FeelLimitError, shortened
from connector.feel.java_pattern import JavaPatternError, translate
from connector.feel.limits import Run
from connector.feel.values import Value

_LONGEST_PATTERN = 2_000
# Seconds for one search. The package counts the processor's time, not that of the clock on the wall, so this
# stays well below what an evaluation may take.
_LONGEST_SEARCH = 0.3
# Flags that are unknown are passed over, as the engine does; "s" and "x" are resolved in the pattern.
_FLAGS = {"m": regex.MULTILINE, "i": regex.IGNORECASE | regex.ASCII}


def find(run: Run, text: str, pattern: str, flags: str) -> bool | None:
    """Tell whether a pattern is found anywhere in a text; None if it is no pattern."""
    compiled = _compiled(run, text, pattern, flags)
    if compiled is None:
        return None
    try:
        return compiled.search(text, timeout=_time(run)) is not None
    except TimeoutError:
        raise _too_slow(pattern) from None


def replace_all(run: Run, text: str, pattern: str, flags: str, replacement: str) -> str | None:
    """Replace all matches; in the replacement, dollar and backslash mean what they mean in Java."""
    compiled = _compiled(run, text, pattern, flags)
    parts = None if compiled is None else _template(replacement, compiled.groups)
    if compiled is None or parts is None:
        return None

    def expand(match: regex.Match[str]) -> str:
        found = "".join(part if isinstance(part, str) else match[part] or "" for part in parts)
        run.charge_text(len(found))
        return found

    try:
        return compiled.sub(expand, text, timeout=_time(run))
    except TimeoutError:
        raise _too_slow(pattern) from None


def split_at(run: Run, text: str, pattern: str) -> Value:
    """Split a text at the matches; empty parts are kept, except before a match of nothing at the start."""
    compiled = _compiled(run, text, pattern, "")
    if compiled is None:
        return None
    parts: list[Value] = []
    begin = 0
    try:
        for match in compiled.finditer(text, timeout=_time(run)):
            run.charge(1)
            if match.end() == 0:
                continue
            parts.append(text[begin : match.start()])
            begin = match.end()
    except TimeoutError:
        raise _too_slow(pattern) from None
    return [*parts, text[begin:]]


def extract_all(run: Run, text: str, pattern: str) -> Value:
    """Return all matches, whole."""
    compiled = _compiled(run, text, pattern, "")
    if compiled is None:
        return None
    found: list[Value] = []
    try:
        for match in compiled.finditer(text, timeout=_time(run)):
            run.charge(1)
            found.append(match[0])
    except TimeoutError:
        raise _too_slow(pattern) from None
    return found


def _compiled(run: Run, text: str, pattern: str, flags: str) -> regex.Pattern[str] | None:
    run.charge_text(len(text))
    if len(pattern) > _LONGEST_PATTERN:
        raise FeelLimitError(f"A regular expression is longer than {_LONGEST_PATTERN} characters")
    compiled = _compile(pattern, "".join(sorted(set(flags))))
    if compiled is None:
        run.warn(f"'{pattern[:100]}' is no regular expression")
    return compiled


def _time(run: Run) -> float:
    return max(min(run.seconds_left(), _LONGEST_SEARCH), 0.001)


def _too_slow(pattern: str) -> FeelLimitError:
    return FeelLimitError(f"The regular expression '{shortened(pattern)}' takes too long")


@lru_cache(maxsize=256)
def _compile(pattern: str, flags: str) -> regex.Pattern[str] | None:
    chosen = regex.VERSION1
    for flag in flags:
        chosen |= _FLAGS.get(flag, 0)
    if "s" in flags:
        chosen |= regex.DOTALL
    try:
        return regex.compile(translate(pattern, flags), chosen)
    except (regex.error, JavaPatternError, ValueError, OverflowError, RecursionError):
        return None


def _template(replacement: str, groups: int) -> list[str | int] | None:
    """Split a replacement into texts and numbers of groups; None if it names one that is not there."""
    parts: list[str | int] = []
    at = 0
    while at < len(replacement):
        char = replacement[at]
        following = replacement[at + 1 : at + 2]
        if char not in "\\$":
            parts.append(char)
            at += 1
            continue
        if char == "\\" and following:
            parts.append(following)
        elif char == "$" and following.isdigit() and int(following) <= groups:
            parts.append(int(following))
        else:
            return None
        at += 2
    return parts
