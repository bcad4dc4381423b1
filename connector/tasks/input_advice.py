"""What a modeler should know about a task's inputs although the mail goes out.

A job also carries the variables of the process around it, so an unknown name is no fault by itself; one that
begins almost like ours is most likely a slip, and the mail would go out without what the modeler asked for.
Comparing names is slow, and a process may have any number of them: only so many are looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import SequenceMatcher, get_close_matches
from functools import lru_cache
from itertools import islice
from types import MappingProxyType

from connector.model.mail import ContentType
from connector.settings.model import MessageSettings
from connector.tasks.inputs import Inputs, as_boolean
from connector.tasks.send_inputs import NOT_BUILT

RECIPIENTS = ("smtpEmailToRecipients", "smtpEmailCcRecipients", "smtpEmailBccRecipients")

_PREFIXES = ("smtpemail", "smtpfollow")
# What people call our inputs behind the prefix, where no spelling leads to them.
_OTHER_WORDS = MappingProxyType(
    {
        "from": "smtpEmailMailBoxName",
        "sender": "smtpEmailMailBoxName",
        "recipient": "smtpEmailToRecipients",
        "recipients": "smtpEmailToRecipients",
        "replyto": "smtpEmailDirectReplyTo",
        "body": "smtpEmailContent",
        "html": "smtpEmailContent",
        "message": "smtpEmailContent",
        "text": "smtpEmailTextContent",
        "format": "smtpEmailContentType",
        "priority": "smtpEmailImportance",
        "files": "smtpEmailAttachments",
    }
)
_NEAR = 0.75
_MAX_NAME = 60
_MAX_NAMES = 1000  # more variables than a process that people still understand has
_MAX_WARNINGS = 10
_LOOKED_AT = 20_000  # characters of a body, for a warning
_QUOTED = re.compile(r"\"[^\"]+\"|'[^']+'")


def null_warnings(inputs: Inputs, *, bulk: bool) -> tuple[str, ...]:
    """Warn of nulls from FEEL that a mail can go without: its sender, recipients and key."""
    warnings = []
    if "smtpEmailMailBoxName" in inputs.nulls:
        warnings.append("smtpEmailMailBoxName is null; the account's address is used")
    if RECIPIENTS[0] in inputs.nulls and not bulk:
        warnings.append(f"{RECIPIENTS[0]} is null; the mail goes to the copies' recipients only")
    if "smtpEmailIdempotencyKey" in inputs.nulls:
        warnings.append(
            "smtpEmailIdempotencyKey is null; another task may send the mail again: write string(…) around "
            "a number"
        )
    for name in RECIPIENTS:
        value = inputs.get(name)
        if value and isinstance(value.data, list) and None in value.data:
            warnings.append(f"{value.field}: an item is null and was left out")
    return tuple(warnings)


def habit_warnings(
    inputs: Inputs, content_type: ContentType, settings: MessageSettings, *, foreign: bool
) -> tuple[str, ...]:
    """Warn of what is written for another program, and goes out as it stands."""
    subject, follow_up = inputs.get("smtpEmailSubject"), inputs.get("smtpEmailFollowUp")
    warnings = [] if foreign else [*_escaped_newlines(inputs, content_type)]
    if subject and isinstance(subject.data, str) and _QUOTED.fullmatch(subject.data.strip()):
        warnings.append(f"{subject.field} is in quotes, which the recipient will see; remove them")
    if follow_up and as_boolean(follow_up.data) is not False and not settings.time_zone_is_set:
        warnings.append(
            f"{follow_up.field} is meant in the zone {settings.time_zone}, because message.time_zone is not "
            "set"
        )
    return tuple(warnings)


def _escaped_newlines(inputs: Inputs, content_type: ContentType) -> Iterator[str]:
    names = ["smtpEmailSubject"]
    if content_type is ContentType.TEXT:
        names.append("smtpEmailContent")
    for value in filter(None, map(inputs.get, names)):
        if isinstance(value.data, str) and "\\n" in value.data[:_LOOKED_AT]:
            yield (
                f"{value.field} holds the two characters \\n, which the recipient will see; a line break "
                'needs a FEEL expression, as ="first\\nsecond"'
            )


def misspelling_warnings(names: Iterable[str], known: tuple[str, ...]) -> tuple[str, ...]:
    """Warn of the names that are probably a misspelt input.

    Args:
        names: The names of all the variables that the job carries; the first thousand are looked at.
        known: The names of the inputs, aliases included.

    Returns:
        One sentence for each, ten at most, in the order of the names; then one that counts the others.
    """
    slips = [
        name[:_MAX_NAME]
        for name in islice(names, _MAX_NAMES)
        if name not in known and name not in NOT_BUILT and _looks_like_ours(name[:_MAX_NAME])
    ]
    if not slips:
        return ()
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
    meant = _meant(_folded(name), candidates)
    return f"{name!r} is not an input of this task and was ignored; did you mean {meant}?"


def _meant(folded: str, candidates: Mapping[str, str]) -> str:
    """Find the input that this name means: by another word for it, by its beginning, else by its spelling."""
    word = _OTHER_WORDS.get(folded.removeprefix(_PREFIXES[0]))
    if word in candidates.values():
        return str(word)
    begun = (name for short, name in candidates.items() if short.startswith(folded))
    return next(begun, "") or candidates[get_close_matches(folded, candidates, n=1, cutoff=0.0)[0]]


def _folded(name: str) -> str:
    return name.casefold().replace("_", "").replace("-", "")
