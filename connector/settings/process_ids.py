"""BPMN process ids, and patterns of them such as ``mortgage-*``: what they match, and which goes first.

A ``*`` stands for any characters, also none. An id that is written out goes before every pattern, and a
longer pattern before a shorter one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from itertools import combinations

_ANY = "*"


def is_pattern(text: str) -> bool:
    """Whether a text stands for several ids."""
    return _ANY in text


def matches(text: str, process_id: str) -> bool:
    """Whether an id, or a pattern, means this id."""
    if not is_pattern(text):
        return text == process_id
    return fnmatchcase(process_id, text.replace("[", "[[]").replace("?", "[?]"))


def any_matches(texts: Iterable[str], process_id: str) -> bool:
    """Whether one of several ids and patterns means this id."""
    return any(matches(text, process_id) for text in texts)


def precedence(text: str) -> tuple[bool, int]:
    """Return what is larger for the text that goes first."""
    return not is_pattern(text), len(text)


def chosen(tags: Mapping[str, Sequence[str]], process_id: str) -> str | None:
    """Choose the name whose ids and patterns fit best.

    Args:
        tags: Ids and patterns by name.
        process_id: The id to find a name for.
    """
    found = [(precedence(tag), name) for name, own in tags.items() for tag in own if matches(tag, process_id)]
    return max(found)[1] if found else None


def overlap(one: str, other: str) -> bool:
    """Whether an id exists that both patterns match."""

    @cache
    def meet(i: int, j: int) -> bool:
        if i == len(one) or j == len(other):
            return not (one[i:] + other[j:]).strip(_ANY)
        if one[i] == _ANY:
            return meet(i + 1, j) or meet(i, j + 1)
        if other[j] == _ANY:
            return meet(i, j + 1) or meet(i + 1, j)
        return one[i] == other[j] and meet(i + 1, j + 1)

    return meet(0, 0)


def process_id_faults(tags: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield a line for each process id, and each two patterns, that lead to several accounts."""
    yield from _repeated(tags, "process_ids", "process id")
    patterns = [(tag, name) for name, own in tags.items() for tag in set(own) if is_pattern(tag)]
    for (one, first), (other, second) in combinations(sorted(patterns), 2):
        rivals = first != second and one != other and len(one) == len(other)
        if rivals and overlap(one, other):
            yield (
                f"the patterns {one} (accounts.{first}.process_ids) and {other} "
                f"(accounts.{second}.process_ids) are equally long and match the same ids: make one longer"
            )


def tenant_faults(tags: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield a line for each tenant that leads to several accounts."""
    return _repeated(tags, "tenants", "tenant")


def _repeated(tags: Mapping[str, Sequence[str]], setting: str, kind: str) -> Iterator[str]:
    times = Counter(tag for own in tags.values() for tag in set(own))
    for tag in sorted(tag for tag, number in times.items() if number > 1):
        names = ", ".join(sorted(name for name, own in tags.items() if tag in own))
        yield f"the {kind} {tag} is in {setting} of several accounts ({names}): keep one"
