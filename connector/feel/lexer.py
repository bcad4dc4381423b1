"""From the text of an expression to its tokens, and the cursor that the parser moves over them.

Blanks and comments separate tokens and are dropped. A character that starts no token becomes a token of its
own kind, so that the parser can say where it is and what it expected there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from connector.feel.errors import FeelLimitError, FeelSyntaxError, shortened
from connector.feel.functions import REGISTRY, asked

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
    # An unclosed comment or string takes the rest of the text: looking for its end again at each
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


# Words that can never be a name. The others ("if", "for", "some", "between", "of", …) are names wherever
# they do not start or join an expression.
RESERVED = frozenset(
    {"null", "true", "false", "function", "in", "return", "then", "else", "satisfies", "and", "or"}
)
_CLOSED_BY = {"(": ")", "[": "]", "{": "}"}
KEYWORDS = frozenset({"if", "for", "some", "every", "not", "between", "instance", "of"}) | RESERVED
# What people write who think in another language.
_FOREIGN = {
    "==": "FEEL writes = for equality",
    "<>": "FEEL writes !=",
    "&": "FEEL writes and, or + to join strings",
    "|": "FEEL writes or",
    "'": 'FEEL writes strings in double quotes: "text"',
    "!": "FEEL writes not(…), and != for inequality",
    "?": "FEEL writes if … then … else …",
    "%": "FEEL writes modulo(a, b)",
    "$": "FEEL writes a variable's name alone, without ${ }",
    ";": "FEEL separates with a comma",
    "`": "a backtick is never closed",
}
# Deeper than anybody writes, and shallow enough for Python's own stack, also when a job is deep in calls.
_DEEPEST = 64


class Cursor:
    """Walks through the tokens from left to right."""

    def __init__(self, text: str, start: int) -> None:
        tokens = tokenize(text, start)
        self.text = text
        self.kinds, self.words, self.starts = tokens.kinds, tokens.words, tokens.starts
        self.at = 0
        self.depth = 0

    def is_symbol(self, symbol: str, ahead: int = 0) -> bool:
        """Tell whether the token, or one ahead of it, is this symbol."""
        place = self.at + ahead
        return place < len(self.kinds) and self.words[place] == symbol and self.kinds[place] == SYMBOL

    def is_word(self, word: str, ahead: int = 0) -> bool:
        """Tell whether the token, or one ahead of it, is this word."""
        place = self.at + ahead
        return place < len(self.kinds) and self.words[place] == word and self.kinds[place] == NAME

    def take_symbol(self, symbol: str) -> bool:
        """Step over a symbol if it stands here."""
        if self.words[self.at] == symbol and self.kinds[self.at] == SYMBOL:
            self.at += 1
            return True
        return False

    def take_word(self, word: str) -> bool:
        """Step over a word if it stands here."""
        if self.words[self.at] == word and self.kinds[self.at] == NAME:
            self.at += 1
            return True
        return False

    def expect_symbol(self, symbol: str) -> None:
        """Step over a symbol that must stand here."""
        if not self.take_symbol(symbol):
            raise self.unexpected(f"'{symbol}'")

    def expect_word(self, word: str) -> None:
        """Step over a word that must stand here."""
        if not self.take_word(word):
            raise self.unexpected(f"'{word}'")

    def expect_name(self) -> str:
        """Step over a name, in backticks or not, and return it."""
        kind, word = self.kinds[self.at], self.words[self.at]
        if kind == QUOTED or (kind == NAME and word not in RESERVED):
            self.at += 1
            return word
        raise self.unexpected("a name")

    def descend(self) -> None:
        """Enter a nested expression.

        Raises:
            FeelLimitError: It is nested too deeply.
        """
        self.depth += 1
        if self.depth > _DEEPEST:
            message = f"The expression is nested more than {_DEEPEST} levels deep"
            raise FeelLimitError(message, self.starts[self.at])

    def ascend(self) -> None:
        """Leave a nested expression."""
        self.depth -= 1

    def unexpected(self, wanted: str) -> FeelSyntaxError:
        """Return the error that something else than what is wanted stands here."""
        kind, word, start = self.kinds[self.at], self.words[self.at], self.starts[self.at]
        opened = self._opened()
        if kind == END and opened is not None:
            missing = _CLOSED_BY[self.words[opened]]
            return FeelSyntaxError(f"'{missing}' is missing: {self._never_closed(opened)}", start)
        if kind == END:
            needs = "; every if needs an else, as else null" if wanted == "'else'" else ""
            return FeelSyntaxError(f"The expression ends where {wanted} should follow{needs}", start)
        if kind == STRANGE and word.startswith(('"', "/*")):
            what = "string" if word[0] == '"' else "comment"
            return FeelSyntaxError(f"The {what} that starts here is never closed", start)
        message = f"'{shortened(word)}' stands where {wanted} should"
        if advice := self._advice():
            message += f"; {advice}"
        elif kind == SYMBOL and word in _CLOSED_BY.values():
            message += self._unmatched(word, opened)
        return FeelSyntaxError(message, start)

    def _advice(self) -> str:
        """Name FEEL's spelling where the token, or the one before it, is that of another language."""
        kind, word = self.kinds[self.at], self.words[self.at]
        last = self.words[self.at - 1] if self.at else ""
        if kind == SYMBOL and self.at and self.starts[self.at] == self.starts[self.at - 1] + 1:
            word = last + word if last + word in _FOREIGN else word
        if kind != NAME:
            return _FOREIGN.get(word[:2]) or _FOREIGN.get(word[:1], "")
        for name in (last, word):
            if name.lower() in KEYWORDS and name != name.lower():
                return f"FEEL writes {name.lower()} in lower case"
        if last == "not":
            return "FEEL writes not(…)"
        if self.at and self.kinds[self.at - 1] == NAME:
            if self.words[self.at + 1] == "(" and (meant := asked(f"{last} {word}", REGISTRY)):
                return meant.removeprefix("; ")
            return f"a name with blanks is written in backticks: `{shortened(f'{last} {word}')}`"
        return ""

    def _opened(self) -> int | None:
        """Find the innermost bracket that is open here."""
        stack: list[int] = []
        for place in range(self.at):
            word = self.words[place]
            if self.kinds[place] != SYMBOL:
                continue
            if word in _CLOSED_BY:
                stack.append(place)
            elif word in _CLOSED_BY.values() and stack:
                # An interval may end with another kind of bracket than it begins with.
                stack.pop()
        return stack[-1] if stack else None

    def _unmatched(self, closing: str, opened: int | None) -> str:
        if opened is None:
            return "; no bracket is open here"
        if _CLOSED_BY[self.words[opened]] != closing:
            return f"; {self._never_closed(opened)}"
        return "; remove the comma before it" if self.words[self.at - 1] == "," else ""

    def _never_closed(self, place: int) -> str:
        offset = self.starts[place]
        line = self.text.count("\n", 0, offset) + 1
        column = offset - self.text.rfind("\n", 0, offset)
        return f"the '{self.words[place]}' in line {line}, column {column} is never closed"
