"""Compiled expressions are kept, and not too many of them."""

from __future__ import annotations

from threading import Thread

import pytest

from connector import feel
from connector.feel import ExpressionCache, FeelSyntaxError


def test_an_expression_is_parsed_once() -> None:
    cache = ExpressionCache()
    assert cache.get("1 + 1") is cache.get("1 + 1")
    assert cache.get("1 + 1") is not cache.get("1 + 2")
    assert feel.compile("2 + 2") is feel.compile("2 + 2")


def test_the_oldest_expression_is_dropped() -> None:
    cache = ExpressionCache(most=2)
    first, second = cache.get("1"), cache.get("2")
    assert cache.get("1") is first
    cache.get("3")
    assert len(cache) == 2
    assert cache.get("1") is first
    assert cache.get("2") is not second


def test_long_expressions_are_dropped_sooner() -> None:
    cache = ExpressionCache(most=100, most_characters=1_000)
    for number in range(10):
        cache.get(f'"{"x" * 300}{number}"')
    assert len(cache) == 3


def test_mistakes_are_not_kept() -> None:
    cache = ExpressionCache()
    for _ in range(2):
        with pytest.raises(FeelSyntaxError):
            cache.get("1 +")
    assert len(cache) == 0


def test_one_expression_in_many_threads() -> None:
    expression = feel.compile("for i in 1..n return {square: i * i, partial: count(partial)}")
    wrong: list[int] = []

    def work(size: int) -> None:
        expected = [{"square": number**2, "partial": number - 1} for number in range(1, size + 1)]
        wrong.extend(size for _ in range(20) if expression.evaluate({"n": size}).value != expected)

    threads = [Thread(target=work, args=(size,)) for size in (3, 50, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
