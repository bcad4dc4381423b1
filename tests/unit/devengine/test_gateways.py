"""Gateways: conditions, defaults, forks, joins and races of events."""

from __future__ import annotations

import pytest

from tests.diagrams import (
    a_message,
    a_signal,
    catch,
    diagram,
    element,
    end,
    extensions,
    flow,
    message,
    path,
    signal,
    start,
    task,
    timer,
    zeebe,
)
from tests.unit.devengine.bench import Bench

NO_WAY = "Expected at least one condition to evaluate to true, or to have a default flow"


def choice(tag: str, *flows: str, default: str | None = None) -> bytes:
    gateway = element(tag, "choose", default=default)
    return diagram(start(), gateway, end("a"), end("b"), end("c"), path("start", "choose"), *flows)


def to(target: str, condition: str = "") -> str:
    return flow("choose", target, condition)


THREE = (to("a", "=n > 10"), to("b", "=n > 5"), to("c"))


@pytest.mark.parametrize(("n", "ends"), [(11, ["a"]), (6, ["b"]), (1, ["c"])])
def test_an_exclusive_gateway_takes_the_first_open_flow(n: int, ends: list[str]) -> None:
    bench = Bench(choice("exclusiveGateway", *THREE, default="choose_c"))
    assert bench.ended_in(bench.start(n=n)) == ends


@pytest.mark.parametrize(("n", "ends"), [(11, ["a", "b"]), (6, ["b"]), (1, ["c"])])
def test_an_inclusive_gateway_takes_every_open_flow(n: int, ends: list[str]) -> None:
    bench = Bench(choice("inclusiveGateway", *THREE, default="choose_c"))
    assert bench.ended_in(bench.start(n=n)) == ends


def test_the_condition_of_the_default_flow_is_not_looked_at() -> None:
    flows = (to("a", "=assert(null, false)"), to("b", "=true"))
    bench = Bench(choice("exclusiveGateway", *flows, default="choose_a"))
    assert bench.ended_in(bench.start()) == ["b"]


@pytest.mark.parametrize("tag", ["exclusiveGateway", "inclusiveGateway"])
def test_no_way_out_is_an_incident_until_there_is_one(tag: str) -> None:
    bench = Bench(choice(tag, to("a", "=n > 10"), to("b", "=n > 5")))
    instance = bench.start(n=1)
    incident = bench.incident(instance)
    assert (incident.kind, incident.text, incident.element_id) == ("CONDITION_ERROR", NO_WAY, "choose")
    bench.engine.set_variables(instance, {"n": 7})
    bench.engine.resolve_incident(incident.key)
    assert bench.ended_in(instance) == ["b"]


def test_a_condition_that_is_null_is_an_incident() -> None:
    bench = Bench(choice("exclusiveGateway", to("a", "=missing"), to("b"), default="choose_b"))
    incident = bench.incident(bench.start())
    assert incident.kind == "EXTRACT_VALUE_ERROR"
    assert incident.text == "Expected result of the expression 'missing' to be 'BOOLEAN', but was 'NULL'."


def test_a_gateway_with_one_flow_needs_no_condition() -> None:
    bench = Bench(choice("exclusiveGateway", to("a")))
    assert bench.ended_in(bench.start()) == ["a"]


FORK = diagram(
    start(),
    element("parallelGateway", "fork"),
    task("left", job_type="left"),
    task("right", job_type="right"),
    element("parallelGateway", "join"),
    end(),
    path("start", "fork", "left", "join", "end"),
    path("fork", "right", "join"),
)


def test_a_parallel_join_waits_for_each_flow() -> None:
    bench = Bench(FORK)
    instance = bench.start()
    bench.complete("left")
    assert bench.waits_in(instance) == ["right"]
    bench.complete("right")
    assert bench.ended_in(instance) == ["end"]
    assert bench.passed(instance).count("join") == 1


def test_a_token_that_comes_twice_by_one_flow_is_kept_for_the_next_join() -> None:
    bench = Bench(
        diagram(
            start(),
            element("parallelGateway", "fork"),
            task("again", job_type="again"),
            element("exclusiveGateway", "merge"),
            task("left", job_type="left"),
            task("right", job_type="right"),
            element("parallelGateway", "join"),
            end(),
            path("start", "fork", "merge", "left", "join", "end"),
            path("fork", "again", "merge"),
            path("fork", "right", "join"),
        )
    )
    instance = bench.start()
    bench.complete("left")
    bench.complete("again")
    bench.complete("left")
    bench.complete("right")
    assert bench.ended_in(instance) == ["end"]
    assert bench.state(instance) == "ACTIVE"


def test_an_instance_whose_join_never_opens_stays() -> None:
    bench = Bench(
        diagram(
            start(),
            element("exclusiveGateway", "one", default="one_join"),
            element("parallelGateway", "join"),
            task("other"),
            end(),
            path("start", "one", "join", "end"),
            path("other", "join"),
            flow("one", "other", "=false"),
        )
    )
    instance = bench.start()
    assert (bench.state(instance), bench.waits_in(instance)) == ("ACTIVE", [])


RACE = diagram(
    start(),
    element("eventBasedGateway", "race"),
    catch("paid", message("paid")),
    catch("stopped", signal("stop")),
    catch("late", timer("PT1H")),
    end("a"),
    end("b"),
    end("c"),
    path("start", "race", "paid", "a"),
    path("race", "stopped", "b"),
    path("race", "late", "c"),
    shared=a_message("paid") + a_signal("stop"),
)


def test_the_first_event_behind_a_gateway_wins() -> None:
    bench = Bench(RACE)
    instance = bench.start(key="4711")
    assert bench.waits_in(instance) == ["race"]
    bench.publish("paid", "4711", amount=5)
    assert bench.ended_in(instance) == ["a"]
    assert bench.passed(instance) == ["start", "race", "paid", "a"]
    assert bench.variables(instance) == {"key": "4711", "amount": 5}
    assert bench.engine.due() is None


def test_a_timer_or_a_signal_may_win_the_race() -> None:
    bench = Bench(RACE)
    late, stopped = bench.start(key="1"), bench.start(key="2")
    bench.engine.broadcast_signal("stop")
    assert bench.ended_in(stopped) == bench.ended_in(late) == ["b"]
    late = bench.start(key="3")
    bench.advance(3600)
    assert bench.ended_in(late) == ["c"]


def test_only_one_of_two_events_at_once_wins() -> None:
    bench = Bench(
        diagram(
            start(),
            element("eventBasedGateway", "race"),
            catch("first", signal("one")),
            catch("second", signal("two")),
            end("a"),
            end("b"),
            path("start", "race", "first", "a"),
            path("race", "second", "b"),
            shared=element("signal", "one", name="same") + element("signal", "two", name='="same"'),
        )
    )
    instance = bench.start()
    bench.engine.broadcast_signal("same")
    assert bench.ended_in(instance) == ["a"]
    assert bench.state(instance) == "COMPLETED"


def test_properties_are_ignored() -> None:
    gateway = element(
        "exclusiveGateway", "choose", extensions(zeebe("properties", zeebe("property", name="a")))
    )
    bench = Bench(diagram(start(), gateway, end(), path("start", "choose", "end")))
    assert bench.ended_in(bench.start()) == ["end"]
