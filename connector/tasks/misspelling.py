"""Names that look like an input and are none.

A job also carries the variables of the process around it, so an unknown name is no fault by itself; one that
begins almost like ours is most likely a slip, and the mail would go out without what the modeler asked for.
Comparing names is slow, and a process may have any number of them: only so many are looked at.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches
from functools import lru_cache
from itertools import islice

_PREFIXES = ("smtpemail", "smtpfollow")
_NEAR = 0.75
_MAX_NAME = 60
_MAX_NAMES = 1000  # more variables than a process that people still understand has
_MAX_WARNINGS = 10


def misspelling_warnings(names: Iterable[str], known: tuple[str, ...]) -> tuple[str, ...]:
    """Warn of the names that are probably a misspelt input.

    Args:
        names: The names of all the variables that the job carries; the first thousand are looked at.
        known: The names of the inputs, aliases included.

    Returns:
        One sentence for each, ten at most, in the order of the names; then one that counts the others.
    """
    unknown = (name[:_MAX_NAME] for name in islice(names, _MAX_NAMES) if name not in known)
    slips = [name for name in unknown if _looks_like_ours(name)]
    warnings = tuple(_warning(name, known) for name in slips[:_MAX_WARNINGS])
    more = len(slips) - len(warnings)
    return (*warnings, f"… and {more} more names like these") if more else warnings


def _looks_like_ours(name: str) -> bool:
    folded = _folded(name)
    return any(_is_like(folded[: len(prefix)], prefix) for prefix in _PREFIXES)


# The same names come with every job of a process.
@lru_cache(maxsize=2048)
def _is_like(start: str, prefix: str) -> bool:
    return start == prefix or SequenceMatcher(None, start, prefix, autojunk=False).ratio() >= _NEAR


@lru_cache(maxsize=512)
def _warning(name: str, known: tuple[str, ...]) -> str:
    candidates = {candidate.casefold(): candidate for candidate in known}
    near = get_close_matches(_folded(name), candidates, n=1, cutoff=0.0)
    return f"{name!r} is no input of this task and was ignored; did you mean {candidates[near[0]]}?"


def _folded(name: str) -> str:
    return name.casefold().replace("_", "").replace("-", "")
