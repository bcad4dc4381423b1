"""Attacks that must end, soon and small, and work that must not be mistaken for one."""

from __future__ import annotations

import itertools
import tracemalloc
from time import thread_time

import pytest

from connector import feel
from connector.feel import FeelError, FeelLimitError, Limits, evaluate

# Lists that hold the one before twice: a few dozen items, and 2 ** 40 once they are written out.
_SHARED = "for i in 1..40 return if i = 1 then [1] else [partial[-1], partial[-1]]"

ATTACKS = {
    "endless loop": "for x in 1..100000000000 return x",
    "loops in loops": "for a in 1..10000 return for b in 1..10000 return for c in 1..10000 return c",
    "product of loops": "for x in 1..100000, y in 1..100000, z in 1..100000 return x",
    "endless search": "some x in 1..100000000000 satisfies x < 0",
    "heavy body": "for i in 1..1000000 return " + " + ".join(["1"] * 10_000),
    "doubled text": 'for i in 1..100 return if i = 1 then "aaaaaaaa" else partial[-1] + partial[-1]',
    "doubled list": "for i in 1..100 return if i = 1 then [1] else concatenate(partial[-1], partial[-1])",
    "doubled context": (
        "for i in 1..100000 return context put(if i = 1 then {} else partial[-1], string(i), i)"
    ),
    "kept results": "for i in 1..1000000 return partial",
    "shared items as text": f"string({_SHARED})",
    "shared items as JSON": f"to json({_SHARED})",
    "shared items as a result": f"({_SHARED})[-1]",
    "shared items compared": f"{{a: {_SHARED}, b: {_SHARED}, c: a[-1] = b[-1]}}.c",
    "shared items made distinct": f"distinct values({_SHARED})",
    "shared items flattened": f"flatten({_SHARED})",
    "shared items' keys": f"({_SHARED}).a",
    "shared bounds compared": f"{{a: {_SHARED}, b: {_SHARED}, c: [a[-1]..1], d: [b[-1]..1], e: c = d}}.e",
    "recursion": "{f: function(f, n) f(f, n + 1), r: f(f, 1)}.r",
    "branching recursion": "{f: function(f, n) [f(f, n + 1), f(f, n + 1)], r: f(f, 1)}.r",
    "quadratic search": "for i in 1..1000 return index of(for j in 1..10000 return j, j)",
    "long texts": "for i in 1..1000000 return upper case(long)",
    "patterns in a loop": 'for i in 1..1000000 return matches(long, "b" + string(i))',
    "filters in filters": "(for i in 1..100000 return i)[item in (for j in 1..100000 return j)]",
    "filters behind each other": "[1]" * 15_000,
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_attacks_end_with_an_error(attack: str) -> None:
    expression = feel.compile(ATTACKS[attack])
    start = thread_time()
    with pytest.raises(FeelLimitError):
        expression.evaluate({"long": "a" * 20_000})
    # Twice the limit, in CPU time: the limit is checked between steps, and some steps are long.
    assert thread_time() - start < 2 * Limits().seconds


@pytest.mark.parametrize("attack", ["doubled text", "doubled list", "kept results", "shared items as text"])
def test_attacks_stay_small(attack: str) -> None:
    expression = feel.compile(ATTACKS[attack])
    tracemalloc.start()
    try:
        with pytest.raises(FeelLimitError):
            expression.evaluate(limits=Limits(steps=100_000, seconds=60))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 50_000_000


def test_large_but_honest_work_is_done() -> None:
    generous = Limits(seconds=60)
    assert (
        feel.compile('count(for x in 0..1000000 return "Hi there")').evaluate(limits=generous).value
        == 1_000_001
    )
    text = "x" * 2_000_000
    assert feel.compile("string length(t)").evaluate({"t": text}, limits=generous).value == 2_000_000
    rows = [{"id": number, "name": "n" * 20} for number in range(20_000)]
    found = feel.compile("count(rows[id >= 10000].name)").evaluate({"rows": rows}, limits=generous)
    assert found.value == 10_000


def test_budget_counts_steps_exactly() -> None:
    expression = feel.compile("for i in 1..1000 return i")
    # One step for each turn, and one for each item of the result.
    assert expression.evaluate(limits=Limits(steps=2_000, seconds=60)).value == list(range(1, 1_001))
    with pytest.raises(FeelLimitError, match="more than 1999 steps"):
        expression.evaluate(limits=Limits(steps=1_999, seconds=60))


def test_time_is_bounded_even_if_steps_are_not() -> None:
    with pytest.raises(FeelLimitError, match=r"longer than 0\.05 seconds"):
        feel.compile("for x in 1..100000000000 return 1").evaluate(limits=Limits(steps=10**12, seconds=0.05))


def test_depth_of_calls_is_bounded() -> None:
    count = "{f: function(f, n) if n = 0 then 0 else 1 + f(f, n - 1), r: f(f, DEPTH)}.r"
    assert evaluate(count.replace("DEPTH", "39")) == 39
    with pytest.raises(FeelLimitError, match="more than 40 levels deep"):
        evaluate(count.replace("DEPTH", "40"))


def test_deep_json_is_refused() -> None:
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(FeelLimitError, match="nested too deeply"):
        evaluate("x", {"x": nested})
    assert evaluate("from json(text)", {"text": "[" * 100_000}) is None


def test_an_error_leaves_nothing_behind() -> None:
    expression = feel.compile("for i in 1..n return i")
    with pytest.raises(FeelError):
        expression.evaluate({"n": 10**12})
    assert expression.evaluate({"n": 3}).value == [1, 2, 3]


def test_time_that_other_threads_take_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside 31 costly expressions an honest one of 20 ms takes a second on the wall clock."""
    walls = itertools.count(0, 0.01)
    monkeypatch.setattr("connector.feel.values.monotonic", lambda: next(walls))
    evaluation = feel.compile("count(for x in 1..20000 return x)").evaluate(limits=Limits(seconds=60))
    assert evaluation.value == 20_000
    assert next(walls) > 0.3


def test_a_thread_that_gets_no_time_gives_up_at_last(monkeypatch: pytest.MonkeyPatch) -> None:
    walls = itertools.count(0, 10.0)
    monkeypatch.setattr("connector.feel.values.monotonic", lambda: next(walls))
    with pytest.raises(FeelLimitError, match=r"no result after 30\.0 seconds"):
        feel.compile("count(for x in 1..20000 return x)").evaluate(limits=Limits(seconds=60))
