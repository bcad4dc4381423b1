"""Closures that repeat: ``for``, ``some`` and ``every``, and filters.

Each turn is charged with the weight of what it evaluates, so a long body is looked after as closely as a
long loop. A loop whose body defines no function keeps one scope for all its turns; a function that is
defined inside must keep the values of its own turn.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from connector.feel.values import NUMBERS, Node, Run, Scope, Value, type_name


@dataclass(frozen=True, slots=True)
class Source:
    """One ``x in …`` of a loop: a list, or the whole numbers from one bound to another."""

    name: str
    items: Node
    end: Node | None = None


@dataclass(frozen=True, slots=True)
class Body:
    """What is evaluated again and again, and what a turn is charged for.

    ``fresh_scope`` says that it defines a function, ``sees_partial`` that it asks for the results so far.
    """

    node: Node
    weight: int
    fresh_scope: bool
    sees_partial: bool


def _items(source: Source, scope: Scope) -> Iterable[Value] | None:
    start = source.items(scope)
    if source.end is None:
        if isinstance(start, list):
            return start
        scope.run.warn(f"'{source.name}' cannot go through a {type_name(start)}: it takes a list")
        return None
    end = source.end(scope)
    if isinstance(start, Decimal) and isinstance(end, Decimal):
        step = 1 if start <= end else -1
        numbers = range(0, int(NUMBERS.subtract(end, start)) + step, step)
        return (NUMBERS.add(start, number) for number in numbers)
    scope.run.warn(f"'{source.name}' cannot count from a {type_name(start)} to a {type_name(end)}")
    return None


def _turns(sources: Sequence[Source], names: dict[str, Value], scope: Scope) -> Iterator[None] | None:
    """Set the names of a loop to each combination of items; None if one of the sources is no list."""
    every: list[tuple[str, Iterable[Value]]] = []
    for source in sources:
        items = _items(source, scope)
        if items is None:
            return None
        # All but the first are gone through more than once.
        every.append((source.name, items if not every else _kept(items, scope.run)))
    return _combine(every, names)


def _kept(items: Iterable[Value], run: Run) -> list[Value]:
    kept: list[Value] = []
    for item in items:
        run.charge(1)
        kept.append(item)
    return kept


def _combine(every: list[tuple[str, Iterable[Value]]], names: dict[str, Value]) -> Iterator[None]:
    (name, items), *others = every
    for item in items:
        names[name] = item
        if others:
            yield from _combine(others, names)
        else:
            yield


def loop(sources: Sequence[Source], body: Body) -> Node:
    """Return a node for ``for x in …, y in … return …``; the body sees the results so far as ``partial``."""
    node, weight, fresh, sees_partial = body.node, body.weight, body.fresh_scope, body.sees_partial

    def evaluate(scope: Scope) -> Value:
        run = scope.run
        results: list[Value] = []
        names: dict[str, Value] = {}
        turns = _turns(sources, names, scope)
        if turns is None:
            return None
        inner = Scope(names, scope, run)
        for _ in turns:
            run.fuel -= weight
            if run.fuel < 0:
                run.refuel()
            if sees_partial:
                # A copy: the body may keep it.
                run.charge_copy(len(results))
                names["partial"] = results.copy()
            if fresh:
                inner = Scope(names.copy(), scope, run)
            results.append(node(inner))
        return results

    return evaluate


def quantified(sources: Sequence[Source], body: Body, *, decisive: bool) -> Node:
    """Return a node for ``some`` (true decides) or ``every`` (false decides); no boolean makes it null."""
    node, weight = body.node, body.weight

    def evaluate(scope: Scope) -> Value:
        names: dict[str, Value] = {}
        turns = _turns(sources, names, scope)
        if turns is None:
            return None
        inner = Scope(names, scope, scope.run)
        result: bool | None = not decisive
        for _ in turns:
            scope.run.charge(weight)
            value = node(inner)
            if value is decisive:
                return decisive
            if type(value) is not bool:
                result = None
        return result

    return evaluate


def index(base: Node, position: int) -> Node:
    """Return a node for ``list[3]``: counted from 1, and from the end if negative."""

    def evaluate(scope: Scope) -> Value:
        return _at(base(scope), position, scope.run)

    return evaluate


def _at(value: Value, position: int, run: Run) -> Value:
    if not isinstance(value, list):
        run.warn(f"A {type_name(value)} has no items: only a list can be filtered")
        return None
    if 0 < position <= len(value):
        return value[position - 1]
    if -len(value) <= position < 0:
        return value[position]
    run.warn(f"The list has no item at {position}: it has {len(value)}")
    return None


def filtered(base: Node, body: Body) -> Node:
    """Return a node for ``list[…]``: a filter that gives a number is a position, true keeps an item.

    The filter sees an item as ``item`` and the entries of a context by their names.
    """
    node, weight = body.node, body.weight

    def evaluate(scope: Scope) -> Value:
        value = base(scope)
        run = scope.run
        if not isinstance(value, list):
            return _at(value, 0, run)
        kept: list[Value] = []
        first = True
        for item in value:
            run.fuel -= weight
            if run.fuel < 0:
                run.refuel()
            names: dict[str, Value] = {"item": item}
            if isinstance(item, dict):
                names.update(item)
            verdict = node(Scope(names, scope, run))
            if verdict is True:
                kept.append(item)
            elif first and type(verdict) is Decimal:
                # What the filter gives for the first item tells which kind it is.
                return _at(value, int(verdict), run)
            first = False
        if not value and isinstance(verdict := node(scope), Decimal):
            return _at(value, int(verdict), run)
        return kept

    return evaluate
