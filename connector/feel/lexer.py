"""From the text of an expression to its tokens.

Blanks and comments separate tokens and are dropped. A character that starts no token becomes a token of
its own kind, so that the parser can say where it is and what it had expected there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

# The kinds of tokens.
NAME, NUMBER, STRING, QUOTED, SYMBOL, STRANGE, END = range(7)

_TOKEN = re.compile(
    r"""(?:\s+|//[^\n]*|/\*.*?\*/)*
    (?:(?P<name>[^\W\d]\w*)
    |(?P<number>\d+(?:\.\d+)?|\.\d+)
    |(?P<string>"(?:[^"\\]|\\.)*")
    |`(?P<quoted>[^`]+)`
    |(?P<open>/\*.*|".*)
    |(?P<symbol>\*\*|\.\.|!=|<=|>=|[-+*/=<>()\[\]{},:.@?])
    |(?P<strange>.)
    |\Z)""",
    re.VERBOSE | re.DOTALL,
)
_KINDS = {
    "name": NAME,
    "number": NUMBER,
    "string": STRING,
    "quoted": QUOTED,
    # A comment or string that nobody closes takes the rest of the text: looking for its end again at each
    # further quote would take quadratic time.
    "open": STRANGE,
    "symbol": SYMBOL,
    "strange": STRANGE,
}

# The escapes that FEEL resolves; any other backslash stays, which is how "\s" reaches a regular expression.
_ESCAPE = re.compile(r"""\\([bnrtf"'\\])""")
_ESCAPED = {"b": "\b", "n": "\n", "r": "\r", "t": "\t", "f": "\f"}


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of an expression, column by column: kinds, words and places."""

    kinds: list[int]
    words: list[str]
    starts: list[int]


def tokenize(text: str, start: int = 0) -> Tokens:
    """Split an expression into tokens; the last one is always END."""
    kinds: list[int] = []
    words: list[str] = []
    starts: list[int] = []
    for match in _TOKEN.finditer(text, start):
        group = match.lastgroup
        if group is None:
            break
        kinds.append(_KINDS[group])
        words.append(match[group])
        starts.append(match.start(group))
    kinds.append(END)
    words.append("")
    starts.append(len(text))
    return Tokens(kinds, words, starts)


def unquote(literal: str) -> str:
    """Return the string that a literal, with its quotes, stands for."""
    body = literal[1:-1]
    if "\\" not in body:
        return body
    return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), body)
