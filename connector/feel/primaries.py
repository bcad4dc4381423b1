"""The bottom of the grammar: literals, names, calls, lists, intervals, contexts and functions.

What follows them behind a dot or in brackets, paths and filters, is read here too.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from datetime import UTC, datetime
from decimal import Decimal

from connector.feel import calls, iteration, nodes
from connector.feel.builtins import REGISTRY
from connector.feel.calls import Arguments
from connector.feel.comparison import INPUT
from connector.feel.errors import FeelLimitError
from connector.feel.iteration import Body
from connector.feel.lexer import NAME, NUMBER, QUOTED, RESERVED, STRING, SYMBOL, Cursor, unquote
from connector.feel.nodes import Entry
from connector.feel.temporal_text import parse_literal
from connector.feel.values import MOST_DIGITS, Node, Scope, Value

_LITERALS: dict[str, Value] = {"null": None, "true": True, "false": False}
# A key of a context may hold blanks and operators.
_KEY = re.compile(r"[^,:{}\[\]()\"`]+")
# A loop or a function is charged for a step per so many tokens of its body.
_TOKENS_PER_STEP = 8


# Names that the engine reads as functions but does not have: a call of one is null, no syntax error.
_UNAVAILABLE = ("list replace", "from base64")


def _names_of_words() -> dict[str, list[str]]:
    """Return the names of built-in functions with blanks, longest first, by their first word."""
    found: dict[str, list[str]] = {}
    for name in sorted([*REGISTRY, *_UNAVAILABLE], key=len, reverse=True):
        first, blank, _ = name.partition(" ")
        if blank:
            found.setdefault(first, []).append(name)
    return found


class Primaries(Cursor, ABC):
    """Reads operands; `Parser` adds the operators."""

    _WORDS = _names_of_words()

    def __init__(self, text: str, start: int) -> None:
        super().__init__(text, start)
        self.functions = 0
        self.tests = 0
        # How often the value that is tested was asked for.
        self.asked = 0
        # Whether the operand that was read last is an interval: no operator may follow it.
        self.was_range = False
        # How deep the upper bound is nested that is being read: a bracket behind it ends the interval.
        self._bound = -1
        self._may_define = "function" in text

    @abstractmethod
    def expression(self) -> Node:
        """Read a whole expression."""

    @abstractmethod
    def arithmetic(self, loosest: int = 0, *, range_allowed: bool = False) -> Node:
        """Read operands joined by arithmetic operators."""

    def operand(self, *, range_allowed: bool = False) -> Node:
        """Read a literal, name, call, list, context or parentheses, and the paths and filters behind it."""
        node = self._primary(range_allowed=range_allowed)
        while self.kinds[self.at] == SYMBOL and not self.was_range:
            if self.is_symbol("."):
                node = self._dotted(node)
            elif self.is_symbol("[") and self.depth != self._bound:
                node = self._filter(node)
            else:
                break
        return node

    def _primary(self, *, range_allowed: bool) -> Node:
        kind, word = self.kinds[self.at], self.words[self.at]
        if kind == NAME:
            return self._named(word)
        if kind == NUMBER:
            return self._number(word)
        if kind == STRING:
            self.at += 1
            return nodes.constant(unquote(word))
        if kind == QUOTED:
            self.at += 1
            return self._variable(word)
        if kind == SYMBOL:
            return self._bracketed(word, range_allowed=range_allowed)
        raise self.unexpected("a value")

    def _number(self, word: str) -> Node:
        if len(word) > MOST_DIGITS:
            raise FeelLimitError(f"A number has more than {MOST_DIGITS} digits", self.starts[self.at])
        self.at += 1
        return nodes.constant(Decimal(word))

    def _named(self, word: str) -> Node:
        for name in self._WORDS.get(word, ()):
            if self.text.startswith(name, self.starts[self.at]) and self.is_symbol("(", name.count(" ") + 1):
                return self._call(name)
        # "and(…)" and "or(…)" are the old names of "all(…)" and "any(…)".
        if self.is_symbol("(", 1) and (word not in RESERVED or word in REGISTRY):
            return self._call(word)
        if word in _LITERALS:
            self.at += 1
            return nodes.constant(_LITERALS[word])
        if word == "function":
            return self._function()
        if word in RESERVED:
            raise self.unexpected("a value")
        self.at += 1
        return self._variable(word)

    def _variable(self, name: str) -> Node:
        keys = self._keys()
        node = nodes.path(name, keys) if keys else nodes.variable(name)
        if not self.is_symbol(".") or not self.is_symbol("(", 2):
            return node
        # Only a path of names may end in a call.
        self.at += 1
        offset = self.starts[self.at]
        return calls.method(node, self.expect_name(), self._arguments(), offset)

    def _keys(self) -> tuple[str, ...]:
        """Read ``.key.key``, up to a key that is called as a function."""
        keys: list[str] = []
        while self.is_symbol(".") and not self.is_symbol("(", 2):
            self.at += 1
            keys.append(self._key())
        return tuple(keys)

    def _key(self) -> str:
        if self.is_word("time") and self.is_word("offset", 1):
            self.at += 2
            return "time offset"
        return self.expect_name()

    def _dotted(self, base: Node) -> Node:
        keys = self._keys()
        if not keys:
            self.at += 2
            raise self.unexpected("an operator or the end")
        return nodes.property_path(base, keys)

    def _filter(self, base: Node) -> Node:
        self.expect_symbol("[")
        sign = -1 if self.is_symbol("-") else 1
        number = self.at + (sign < 0)
        if self.kinds[number] == NUMBER and self.words[number + 1] == "]" and self.words[number].isdigit():
            self.at = number + 2
            return iteration.index(base, sign * int(self.words[number][:18]))
        body = self.body()
        self.expect_symbol("]")
        return iteration.filtered(base, body)

    def body(self) -> Body:
        """Read the expression that a loop, a filter or a function evaluates again and again."""
        start, functions = self.at, self.functions
        node = self.expression()
        weight = 1 + (self.at - start) // _TOKENS_PER_STEP
        return Body(
            node,
            weight,
            fresh_scope=self.functions > functions,
            sees_partial="partial" in self.words[start : self.at],
        )

    def _call(self, name: str) -> Node:
        offset = self.starts[self.at]
        self.at += name.count(" ") + 1
        return calls.call(name, self._arguments(), offset, may_be_defined=self._may_define)

    def _arguments(self) -> Arguments:
        self.expect_symbol("(")
        found: list[Node] = []
        names: list[str] = []
        named = self._is_named()
        while not self.take_symbol(")"):
            if found:
                self.expect_symbol(",")
            if named:
                names.append(self._argument_name())
            found.append(self.expression())
        return Arguments(found, names)

    def _is_named(self) -> bool:
        place = self.at
        while self.kinds[place] in (NAME, QUOTED):
            place += 1
        return place > self.at and self.words[place] == ":"

    def _argument_name(self) -> str:
        start = self.at
        while self.kinds[self.at] in (NAME, QUOTED):
            self.at += 1
        name = " ".join(self.words[start : self.at])
        self.expect_symbol(":")
        return name

    def _function(self) -> Node:
        self.at += 1
        self.functions += 1
        self.expect_symbol("(")
        parameters: list[str] = []
        while not self.take_symbol(")"):
            if parameters:
                self.expect_symbol(",")
            parameters.append(self.expect_name())
        body = self.body()
        return calls.lambda_of(tuple(parameters), body.node, body.weight)

    def _bracketed(self, symbol: str, *, range_allowed: bool) -> Node:
        start = self.at
        self.at += 1
        if symbol == "(":
            return self._parentheses(start, range_allowed=range_allowed)
        if symbol == "[":
            return self._list(start, range_allowed=range_allowed)
        if symbol == "{":
            return self._context()
        if symbol == "]":
            return self.interval(start, self.arithmetic(), range_allowed=range_allowed)
        if symbol == "@" and self.kinds[self.at] == STRING:
            self.at += 1
            return self._temporal(unquote(self.words[self.at - 1]))
        if symbol == INPUT and self.tests:
            self.asked += 1
            return nodes.variable(INPUT)
        self.at = start
        raise self.unexpected("a value")

    def _parentheses(self, start: int, *, range_allowed: bool) -> Node:
        node = self.expression()
        if self.is_symbol(".."):
            return self.interval(start, node, range_allowed=range_allowed)
        self.expect_symbol(")")
        return node

    def _list(self, start: int, *, range_allowed: bool) -> Node:
        items: list[Node] = []
        while not self.take_symbol("]"):
            if items:
                self.expect_symbol(",")
            items.append(self.expression())
            if len(items) == 1 and self.is_symbol(".."):
                return self.interval(start, items[0], range_allowed=range_allowed)
        return nodes.list_of(items)

    def interval(self, start: int, lower: Node, *, range_allowed: bool) -> Node:
        """Read the rest of an interval, from its two dots on; ``start`` is where it is opened."""
        if not range_allowed:
            self.at = start
            raise self.unexpected("a value, not an interval,")
        self.expect_symbol("..")
        outer, self._bound = self._bound, self.depth
        upper = self.arithmetic()
        self._bound = outer
        closing = self.words[self.at]
        if closing not in ("]", ")", "["):
            raise self.unexpected("the end of the interval")
        self.at += 1
        self.was_range = True
        return nodes.range_of(lower, upper, start_closed=self.words[start] == "[", end_closed=closing == "]")

    def _context(self) -> Node:
        entries: list[Entry] = []
        while not self.take_symbol("}"):
            if entries:
                self.expect_symbol(",")
            key, functions = self._context_key(), self.functions
            entries.append(Entry(key, self.expression(), defines=self.functions > functions))
        return nodes.context_of(entries)

    def _context_key(self) -> str:
        kind, word = self.kinds[self.at], self.words[self.at]
        if self.is_symbol(":", 1) and kind in (NAME, STRING, QUOTED):
            self.at += 2
            return unquote(word) if kind == STRING else word
        match = _KEY.match(self.text, self.starts[self.at])
        if match is None or not self.text.startswith(":", match.end()):
            raise self.unexpected("a key, a colon and a value")
        while self.starts[self.at] < match.end():
            self.at += 1
        self.expect_symbol(":")
        return match[0].strip()

    def _temporal(self, text: str) -> Node:
        value = parse_literal(text, lambda: datetime.now(UTC))
        if value is not None:
            return nodes.constant(value)

        def invalid(scope: Scope) -> Value:
            scope.run.warn(f'@"{text}" is no date, time or duration')
            return None

        return invalid
