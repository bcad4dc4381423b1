"""Names that look like an input and are none.

A job also carries the variables of the process around it, so an unknown name is no fault by itself; one that
begins almost like ours is most likely a slip, and the mail would go out without what the modeler asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches
from functools import lru_cache

_PREFIXES = ("smtpemail", "smtpfollow")
_NEAR = 0.75
_MAX_NAME = 60
_MAX_WARNINGS = 10


def misspelling_warnings(names: Iterable[str], known: tuple[str, ...]) -> tuple[str, ...]:
    """Warn of the names that are probably a misspelt input.

    Args:
        names: The names of all the variables that the job carries.
        known: The names of the inputs, aliases included.

    Returns:
        One sentence for each, ten at most, in the order of the names.
    """
    unknown = (name for name in names if name not in known)
    warnings = (warning for name in unknown if (warning := _warning(name, known)))
    return tuple(warning for warning, _ in zip(warnings, range(_MAX_WARNINGS), strict=False))


# The same names come with every job of a process.
@lru_cache(maxsize=2048)
def _warning(name: str, known: tuple[str, ...]) -> str | None:
    written = name[:_MAX_NAME]
    folded = written.casefold().replace("_", "").replace("-", "")
    if not any(_begins_like(folded, prefix) for prefix in _PREFIXES):
        return None
    candidates = {candidate.casefold(): candidate for candidate in known}
    near = get_close_matches(folded, candidates, n=1, cutoff=0.0)
    return f"{written!r} is no input of this task and was ignored; did you mean {candidates[near[0]]}?"


def _begins_like(folded: str, prefix: str) -> bool:
    start = folded[: len(prefix)]
    return start == prefix or SequenceMatcher(None, start, prefix, autojunk=False).ratio() >= _NEAR
