"""The engine's clock."""

from __future__ import annotations

import pytest

from connector.devengine.clock import Clock


def test_it_runs_like_its_source() -> None:
    times = iter([1.0, 2.5])
    clock = Clock(lambda: next(times))
    assert (clock.now(), clock.now(), clock.pinned) == (1.0, 2.5, False)


def test_it_stands_where_it_is_pinned() -> None:
    clock = Clock(lambda: 1.0)
    clock.pin(100.0)
    clock.advance(5)
    assert (clock.now(), clock.pinned) == (105.0, True)


def test_it_goes_on_from_where_it_is_advanced() -> None:
    times = iter([1.0, 2.0])
    clock = Clock(lambda: next(times))
    clock.advance(10)
    clock.advance(10)
    assert (clock.now(), clock.now()) == (21.0, 22.0)


def test_a_reset_returns_to_the_real_time() -> None:
    clock = Clock(lambda: 1.0)
    clock.advance(10)
    clock.pin(5)
    clock.reset()
    assert (clock.now(), clock.pinned) == (1.0, False)


def test_it_is_not_advanced_backwards() -> None:
    with pytest.raises(ValueError, match="pin it to go back"):
        Clock().advance(-1)
