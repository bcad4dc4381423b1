"""From tokens to a closure: the grammar of FEEL as Camunda's engine reads it, by recursive descent.

From loose to tight: ``if``/``for``/``some``/``every``, ``or``, ``and``, one comparison (``=``, ``between``,
``in``, ``instance of``), ``+ -``, ``* /``, ``**``, sign, and then what `primaries` reads. An interval such as
``[1..5]`` is an operand of ``and``, never of an operator.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable

from connector.feel import arithmetic, comparison, iteration, nodes
from connector.feel.arithmetic import Operator
from connector.feel.comparison import INPUT, Test, Verdict
from connector.feel.iteration import Source
from connector.feel.lexer import END, NAME, QUOTED, SYMBOL
from connector.feel.primaries import Primaries
from connector.feel.values import Node, Scope, Value

# How tightly an operator binds, and what it does.
_OPERATORS: dict[str, tuple[int, Operator]] = {
    "+": (0, arithmetic.add),
    "-": (0, arithmetic.subtract),
    "*": (1, arithmetic.multiply),
    "/": (1, arithmetic.divide),
    "**": (2, arithmetic.power),
}
_ORDERS: dict[str, Verdict] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_TYPES: dict[str, frozenset[str]] = {
    "date and time": frozenset({"date and time"}),
    "days and time duration": frozenset({"days and time duration"}),
    "years and months duration": frozenset({"years and months duration"}),
    **{
        name: frozenset({name}) for name in ("boolean", "number", "string", "date", "time", "list", "context")
    },
    "function": frozenset({"function"}),
    "Any": frozenset(),
}
_TYPE = re.compile(
    rf"(?:{'|'.join(sorted(map(re.escape, _TYPES), key=len, reverse=True))})(?![\w.])|[^\W\d]\w*(?:\.\w+)*"
)
# What may stand behind a word for it to be a name and not the start of an expression.
_AFTER_NAME = frozenset(
    {"=", "!=", "<", "<=", ">", ">=", "+", "*", "**", "/", ".", "..", ",", ")", "]", "}", ":"}
)


class Parser(Primaries):
    """Reads one expression; `parse` returns its closure."""

    # What a test may have to tell apart: the operand that was read last, and the last interval.
    _read_last: Node
    _interval_read_last: Node | None = None

    def parse(self) -> Node:
        """Return the closure of the whole text.

        Raises:
            FeelSyntaxError: It is not one FEEL expression.
            FeelLimitError: It is nested too deeply.
        """
        node = self.expression()
        if self.kinds[self.at] != END:
            raise self.unexpected("an operator or the end")
        return node

    def expression(self) -> Node:
        """Read a whole expression."""
        self.descend()
        word = self.words[self.at]
        if word == "if" and self._starts_condition():
            node = self._condition()
        elif word in ("for", "some", "every") and self._starts_loop():
            node = self._loop(word)
        else:
            node = self._logic()
        self.ascend()
        return node

    def _starts_condition(self) -> bool:
        following = self.at + 1
        return (
            self.kinds[self.at] == NAME
            and self.kinds[following] != END
            and not (self.kinds[following] == SYMBOL and self.words[following] in _AFTER_NAME)
        )

    def _starts_loop(self) -> bool:
        return (
            self.kinds[self.at] == NAME
            and self.kinds[self.at + 1] in (NAME, QUOTED)
            and self.is_word("in", 2)
        )

    def _condition(self) -> Node:
        branches: list[tuple[Node, Node]] = []
        while self.take_word("if"):
            test = self.expression()
            self.expect_word("then")
            branches.append((test, self.expression()))
            # Camunda's FEEL has no "if" without "else".
            self.expect_word("else")
        return nodes.condition(branches, self.expression())

    def _loop(self, word: str) -> Node:
        self.at += 1
        sources = [self._source()]
        while self.take_symbol(","):
            sources.append(self._source())
        self.expect_word("return" if word == "for" else "satisfies")
        body = self.body()
        if word == "for":
            return iteration.loop(sources, body)
        return iteration.quantified(sources, body, decisive=word == "some")

    def _source(self) -> Source:
        name = self.expect_name()
        self.expect_word("in")
        items = self.arithmetic()
        return Source(name, items, self.arithmetic() if self.take_symbol("..") else None)

    def _logic(self) -> Node:
        """Read comparisons joined by ``and`` and, looser, by ``or``."""
        disjuncts: list[Node] = []
        conjuncts = [self._comparison()]
        while True:
            if self.take_word("and"):
                conjuncts.append(self._comparison())
                continue
            disjuncts.append(nodes.conjunction(conjuncts) if len(conjuncts) > 1 else conjuncts[0])
            if not self.take_word("or"):
                return nodes.disjunction(disjuncts) if len(disjuncts) > 1 else disjuncts[0]
            conjuncts = [self._comparison()]

    def _comparison(self) -> Node:
        if self.kinds[self.at] == SYMBOL and self.words[self.at] in _ORDERS:
            return self._open_comparison()
        left = self.arithmetic(range_allowed=True)
        if self.was_range:
            self.was_range = False
            self._interval_read_last = left
            return left
        kind, word = self.kinds[self.at], self.words[self.at]
        if kind == SYMBOL:
            return self._compared(left, word)
        if kind == NAME:
            return self._tested(left, word)
        return left

    def _compared(self, left: Node, word: str) -> Node:
        if word in ("=", "!="):
            self.at += 1
            return nodes.equality(left, self.arithmetic(), wanted=word == "=")
        if word in _ORDERS:
            self.at += 1
            return nodes.comparison(left, self.arithmetic(), _ORDERS[word])
        return left

    def _tested(self, left: Node, word: str) -> Node:
        if word == "in":
            self.at += 1
            return comparison.within(left, self._test())
        if word == "between":
            self.at += 1
            lower = self.arithmetic()
            self.expect_word("and")
            return nodes.between(left, lower, self.arithmetic())
        if word == "instance" and self.is_word("of", 1):
            self.at += 2
            return self._instance_of(left)
        return left

    def _instance_of(self, left: Node) -> Node:
        match = _TYPE.match(self.text, self.starts[self.at])
        if match is None:
            raise self.unexpected("the name of a type")
        while self.starts[self.at] < match.end():
            self.at += 1
        if match[0] in _TYPES:
            return nodes.instance_of(left, _TYPES[match[0]])

        def unknown(scope: Scope) -> Value:
            scope.run.warn(f"There is no type '{match[0]}'")
            return False

        return unknown

    def _open_comparison(self) -> Node:
        """Read ``< 5``, a comparison with the value that is tested; without one it is null."""
        word = self.words[self.at]
        self.at += 1
        self.asked += 1
        return nodes.comparison(nodes.variable(INPUT), self.arithmetic(), _ORDERS[word])

    def arithmetic(self, loosest: int = 0, *, range_allowed: bool = False) -> Node:
        """Read operands joined by arithmetic operators that bind at least as tightly as ``loosest``."""
        node = self._signed(range_allowed=range_allowed)
        while self.kinds[self.at] == SYMBOL and not self.was_range:
            found = _OPERATORS.get(self.words[self.at])
            if found is None or found[0] < loosest:
                break
            node = self._chain(node, found[0])
        return node

    def _chain(self, first: Node, binding: int) -> Node:
        """Read the operands that follow with operators of one precedence; ``**`` is left-associative too."""
        rest: list[tuple[Operator, Node]] = []
        while self.kinds[self.at] == SYMBOL:
            found = _OPERATORS.get(self.words[self.at])
            if found is None or found[0] != binding:
                break
            self.at += 1
            rest.append((found[1], self.arithmetic(binding + 1)))
        return nodes.chain(first, rest)

    def _signed(self, *, range_allowed: bool) -> Node:
        """Read an operand with its signs, which bind tighter than any operator: ``-2 ** 2`` is 4."""
        start = self.at
        while self.take_symbol("-"):
            pass
        signs = self.at - start
        if not signs:
            return self.operand(range_allowed=range_allowed)
        return nodes.negation(self.operand(), signs)

    def _test(self) -> Test:
        """Read what stands behind ``in``."""
        self.descend()
        self.tests += 1
        test = self._test_list() if self.is_symbol("(") else self._single_test(self._comparison)
        self.tests -= 1
        self.ascend()
        return test

    def _test_list(self) -> Test:
        """Read ``(a, b, c)``, or an interval that starts with a parenthesis."""
        start = self.at
        tests: list[Test] = []
        self.expect_symbol("(")
        while not tests or self.take_symbol(","):
            test = self._single_test(self.expression)
            if not tests and self.is_symbol(".."):
                interval = self.interval(start, self._read_last, range_allowed=True)
                self.was_range = False
                return comparison.inside(interval)
            tests.append(test)
        self.expect_symbol(")")
        return comparison.one_of(tests) if len(tests) > 1 else tests[0]

    def _single_test(self, read: Callable[[], Node]) -> Test:
        """Read an expression that tests the value: an interval, or anything else."""
        asked = self.asked
        node = self._read_last = read()
        if node is self._interval_read_last:
            return comparison.inside(node)
        return comparison.matching(node, asks=self.asked > asked)
