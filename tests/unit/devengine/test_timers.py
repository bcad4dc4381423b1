"""Timers in a process: catching events, start events, and what time does to them."""

from __future__ import annotations

import pytest

from tests.diagrams import catch, diagram, end, path, start, task, timer
from tests.unit.devengine.bench import NOW, Bench


def waiting(definition: str) -> Bench:
    return Bench(diagram(start(), catch("wait", definition), end(), path("start", "wait", "end")))


def begun(definition: str) -> bytes:
    return diagram(start("start", definition), task(), path("start", "task"))


@pytest.mark.parametrize(
    ("definition", "seconds"),
    [
        (timer("PT15M"), 900),
        (timer('=duration("PT" + string(n) + "M")'), 60),
        (timer('=@"P1D"'), 86_400),
        (timer(date="2026-09-21T14:14:20Z"), 60),
        (timer(date='=date and time("2026-09-21T16:14:20@Europe/Berlin")'), 60),
        (timer(date='=now() + duration("PT5M")'), 300),
    ],
)
def test_a_timer_goes_off_at_its_time_and_never_early(definition: str, seconds: float) -> None:
    bench = waiting(definition)
    instance = bench.start(n=1)
    bench.advance(seconds - 0.001)
    assert bench.ended_in(instance) == []
    bench.advance(0.001)
    assert bench.ended_in(instance) == ["end"]


@pytest.mark.parametrize("definition", [timer("PT0S"), timer("-PT1H"), timer(date="2020-01-01T00:00:00Z")])
def test_a_time_that_has_passed_is_due_at_once(definition: str) -> None:
    bench = waiting(definition)
    instance = bench.start()
    due = bench.engine.due()
    assert due is not None
    assert due <= NOW
    assert bench.advance(0) == 1
    assert bench.ended_in(instance) == ["end"]


@pytest.mark.parametrize(
    ("definition", "text"),
    [
        (timer("=n"), "Expected result of the expression 'n' to be 'STRING', but was 'NUMBER'."),
        (timer("=missing"), "Expected result of the expression 'missing' to be 'STRING', but was 'NULL'."),
        (timer('="soon"'), "Invalid duration 'soon' for expression '\"soon\"': write an ISO 8601 duration"),
        (
            timer(date='="soon"'),
            "Invalid date 'soon' for expression '\"soon\"': write an ISO 8601 date and time",
        ),
    ],
)
def test_what_is_no_time_is_an_incident(definition: str, text: str) -> None:
    bench = waiting(definition)
    incident = bench.incident(bench.start(n=1))
    assert incident.kind == "EXTRACT_VALUE_ERROR"
    assert incident.text.startswith(text)


def test_timers_go_off_in_the_order_of_their_time() -> None:
    bench = waiting(timer("=wait"))
    instances = [bench.start(wait=wait) for wait in ("PT3S", "PT1S", "PT2S")]
    bench.advance(10)
    ends = [
        r["value"]["processInstanceKey"]
        for r in bench.records.since()
        if r["value"].get("elementId") == "end"
    ]
    assert list(dict.fromkeys(ends)) == [instances[1], instances[2], instances[0]]


def test_a_cycle_starts_a_process_each_time() -> None:
    bench = Bench(begun(timer(cycle="R2/PT1H")))
    assert [bench.advance(3600) for _ in range(3)] == [1, 1, 0]
    assert len(bench.take()) == 2


def test_a_date_starts_a_process_once() -> None:
    bench = Bench(begun(timer(date='=now() + @"PT1H"')))
    assert bench.advance(10_000) == 1
    assert len(bench.take()) == 1
    assert bench.engine.due() == bench.clock.now() + 60  # the lease


def test_cron_starts_a_process() -> None:
    bench = Bench(begun(timer(cycle="0 0 9 * * MON-FRI")))
    assert bench.engine.due() == NOW + (24 - 14 + 9) * 3600 - 13 * 60 - 20


def test_a_new_version_cancels_the_timers_of_the_old_one() -> None:
    bench = Bench(begun(timer(cycle="R/PT1H")))
    bench.deploy(begun(timer(cycle="R/PT2H")))
    assert bench.advance(7200) == 1
    assert bench.job().process_definition_version == 2


def test_the_same_resource_again_leaves_its_timers_alone() -> None:
    bench = Bench()
    bench.deploy(begun(timer(cycle="R/PT1H")))
    bench.clock.advance(1800)
    bench.deploy(begun(timer(cycle="R/PT1H")))
    assert bench.advance(1800) == 1


def test_a_cancelled_instance_leaves_no_timer() -> None:
    bench = waiting(timer("PT1H"))
    bench.engine.cancel_instance(bench.start())
    assert bench.engine.due() is None


def test_a_moved_clock_is_seen_by_expressions() -> None:
    bench = waiting(timer(date='=now() + @"PT1M"'))
    bench.clock.advance(1000)
    bench.start()
    assert bench.engine.due() == NOW + 1060
