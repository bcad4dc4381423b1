"""What a modeler should know about a task's headers, found without evaluating anything.

The headers enter as the diagram holds them; sentences leave, for the response and for an incident. They are
warnings: a header of another connector may resemble ours, and an expression may mean what it says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import lru_cache
from itertools import pairwise

from connector.errors import ErrorCode
from connector.feel import CONNECTOR_FUNCTIONS
from connector.feel.functions import REGISTRY, asked
from connector.feel.lexer import KEYWORDS, NAME, STRING, SYMBOL, Tokens, tokenize, unquote

_NEAR = 0.85
_MOST = 10
_LONGEST = 60
# What a success puts at top level; an expression that reads none of these and no error decides blindly.
_OF_THE_OUTCOME = frozenset(
    ("error", "response", "status", "message", "messageId", "account", "transport", "accepted", "rejected")
) | {"reply", "sentAt", "duplicate", "warnings", "partial", "followUpAt"}
# The codes that a reply code or an HTTP status most likely stands for.
_BY_NUMBER = {
    "401": (ErrorCode.AUTH_FAILED,),
    "403": (ErrorCode.AUTH_FAILED, ErrorCode.CLIENT_REJECTED),
    "404": (ErrorCode.ATTACHMENT_NOT_FOUND, ErrorCode.ACCOUNT_NOT_FOUND),
    "408": (ErrorCode.CONNECTION_TIMEOUT,),
    "429": (ErrorCode.RATE_LIMITED,),
    "535": (ErrorCode.AUTH_FAILED,),
}
_BY_CLASS = {
    "4": (ErrorCode.TEMPORARILY_REJECTED, ErrorCode.RATE_LIMITED),
    "5": (ErrorCode.RECIPIENT_REJECTED, ErrorCode.MESSAGE_REJECTED, ErrorCode.CONNECTION_FAILED),
}
_OPENING = {")": "(", "]": "["}
_FUNCTIONS = frozenset({*REGISTRY, *CONNECTOR_FUNCTIONS})


def header_warnings(headers: Mapping[str, str], known: tuple[str, ...]) -> tuple[str, ...]:
    """Warn of headers that resemble ours, and of error codes that do not exist.

    Args:
        headers: The task's headers.
        known: The names of ours.
    """
    misspelt = (warning for name in headers if (warning := _resembling(name[:_LONGEST], known)))
    return tuple([*misspelt, *_unknown_codes(headers.get("errorExpression", ""))][:_MOST])


@lru_cache(maxsize=512)
def _resembling(name: str, known: tuple[str, ...]) -> str:
    if name in known:
        return ""
    folded = {ours.lower(): ours for ours in known}
    plain = name.strip().lower().replace("_", "").replace("-", "")
    near = get_close_matches(plain, folded, n=1, cutoff=_NEAR)
    return f"the task header {name!r} was ignored; did you mean {folded[near[0]]}?" if near else ""


@lru_cache(maxsize=512)
def decides_blindly(expression: str) -> bool:
    """Whether an error expression reads neither an error nor the response, and so answers every outcome."""
    tokens = tokenize(expression)
    return not any(_is_name(tokens, place, *_OF_THE_OUTCOME) for place in range(len(tokens.kinds)))


@lru_cache(maxsize=512)
def unknown_functions(expression: str) -> tuple[str, ...]:
    """Tell of calls of functions that neither FEEL, this connector nor the expression itself has."""
    tokens = tokenize(expression)
    own = {word for word, following in pairwise(tokens.words) if following == ":"}
    called = (
        _called(tokens, place)
        for place in range(1, len(tokens.kinds))
        if tokens.words[place] == "(" and tokens.kinds[place - 1] == NAME
    )
    unknown = dict.fromkeys(names[0] for names in called if names and not _FUNCTIONS & set(names))
    return tuple(_no_function(name) for name in unknown if name not in own)[:_MOST]


def _called(tokens: Tokens, place: int) -> list[str]:
    """Give the names by which a function may be called here, the shortest first: some have several words."""
    first = place
    while first > 0 and tokens.kinds[first - 1] == NAME and tokens.words[first - 1] not in KEYWORDS:
        first -= 1
    if first > 0 and tokens.words[first - 1] == ".":  # of a value, as sorted.filter(…)
        return []
    return [" ".join(tokens.words[start:place]) for start in reversed(range(first, place))]


def _no_function(name: str) -> str:
    return f"there is no function {name[:_LONGEST]}{asked(name[:_LONGEST], sorted(_FUNCTIONS))}"


def _is_name(tokens: Tokens, place: int, *names: str) -> bool:
    """Whether a variable of one of these names stands here, and not a key of something else."""
    if tokens.kinds[place] != NAME or tokens.words[place] not in names:
        return False
    return (place == 0 or tokens.words[place - 1] != ".") and tokens.words[place + 1] != ":"


@lru_cache(maxsize=512)
def _unknown_codes(expression: str) -> tuple[str, ...]:
    tokens = tokenize(expression)
    found = (unquote(word) for place in _places(tokens) for word in _compared(tokens, place))
    return tuple(_unknown(code) for code in dict.fromkeys(found) if code not in set(ErrorCode))


def _places(tokens: Tokens) -> Iterator[int]:
    """Find ``error.code``, by the place of its first word."""
    for place in range(len(tokens.kinds) - 2):
        if _is_name(tokens, place, "error") and tokens.words[place + 1 : place + 3] == [".", "code"]:
            yield place


def _compared(tokens: Tokens, place: int) -> Iterator[str]:
    """Give the literals that it is compared with, by ``=``, ``in`` or ``list contains([…], error.code)``."""
    before, behind = place - 1, place + 3
    if tokens.words[behind] in ("=", "!=") and tokens.kinds[behind + 1] == STRING:
        yield tokens.words[behind + 1]
    elif tokens.words[behind] == "in":
        yield from _listed(tokens, behind + 1)
    if before > 0 and tokens.words[before] in ("=", "!=") and tokens.kinds[before - 1] == STRING:
        yield tokens.words[before - 1]
    elif before > 0 and tokens.words[before] == "," and tokens.words[before - 1] == "]":
        opened = max((at for at in range(before) if tokens.words[at] == "["), default=before)
        yield from _listed(tokens, opened)


def _listed(tokens: Tokens, place: int) -> Iterator[str]:
    """Give the literals of a list, or the one literal that stands here."""
    if tokens.kinds[place] == STRING:
        yield tokens.words[place]
        return
    opened = tokens.words[place]
    for at in range(place + 1, len(tokens.kinds)):
        if tokens.kinds[at] == SYMBOL and _OPENING.get(tokens.words[at]) == opened:
            return
        if tokens.kinds[at] == STRING:
            yield tokens.words[at]


def _unknown(code: str) -> str:
    numeric = code.isdigit() and len(code) == 3
    near = _BY_NUMBER.get(code) or _BY_CLASS.get(code[:1], ()) if numeric else ()
    near = near or tuple(get_close_matches(code.upper()[:_LONGEST], [*ErrorCode], n=2, cutoff=0.5))
    told = f'errorExpression compares error.code with "{code[:_LONGEST]}", which is not an error code'
    advice = f"; did you mean {' or '.join(near)}?" if near else ""
    return told + advice + (f" A server's reply code is error.variables.smtpCode = {code}" if numeric else "")
