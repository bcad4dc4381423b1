"""Errors and escalations: where they are caught, and what becomes of the others."""

from __future__ import annotations

import pytest

from tests.diagrams import (
    an_error,
    an_escalation,
    boundary,
    diagram,
    element,
    end,
    error,
    escalation,
    extensions,
    mapped,
    path,
    start,
    subprocess,
    task,
    throw,
)
from tests.unit.devengine.bench import Bench

ERRORS = an_error("A") + an_error("B")
ESCALATIONS = an_escalation("A") + an_escalation("B")


def caught(event_id: str, host: str, code: str | None, *inside: str) -> str:
    """A boundary event for an error, and an end event behind it."""
    target = f"{event_id}_end"
    return boundary(event_id, host, *inside, error(code)) + end(target) + path(event_id, target)


def on_error(event_id: str, code: str | None) -> str:
    """An event subprocess for an error."""
    target = f"{event_id}_end"
    inside = (start(f"{event_id}_start", error(code)), end(target), path(f"{event_id}_start", target))
    return subprocess(event_id, *inside, triggered=True)


def nested(*around: str, inside: str = "", beside: str = "") -> Bench:
    """A task in a subprocess; ``inside`` stands in the subprocess, ``beside`` next to it."""
    sub = subprocess("sub", start("in"), task(), path("in", "task"), inside)
    return Bench(diagram(start(), sub, path("start", "sub"), beside, *around, shared=ERRORS))


@pytest.mark.parametrize(
    ("inside", "beside", "ends"),
    [
        (caught("here", "task", "A"), caught("out", "sub", "A"), "here_end"),
        (caught("here", "task", "B"), caught("out", "sub", "A"), "out_end"),
        (caught("here", "task", None), caught("out", "sub", "A"), "here_end"),
        (caught("any", "task", None) + caught("here", "task", "A"), "", "here_end"),
        (caught("here", "task", "A") + on_error("on", "A"), "", "here_end"),
        (on_error("on", "A"), caught("out", "sub", "A"), "on_end"),
        (on_error("on", "B"), caught("out", "sub", None), "out_end"),
        ("", on_error("on", None), "on_end"),
        (caught("here", "task", "B") + on_error("in_on", "B"), on_error("on", "A"), "on_end"),
    ],
)
def test_an_error_is_caught_at_the_nearest_place(inside: str, beside: str, ends: str) -> None:
    bench = nested(inside=inside, beside=beside)
    instance = bench.start()
    bench.throw("A")
    assert bench.ended_in(instance) == [ends]
    assert bench.state(instance) == "COMPLETED"


def test_the_variables_of_an_error_go_up_without_mappings() -> None:
    bench = nested(beside=caught("out", "sub", "A"))
    instance = bench.start(order=1)
    bench.throw("A", reply=550)
    assert bench.variables(instance) == {"order": 1, "reply": 550}


def test_the_variables_of_an_error_are_mapped_where_the_event_says_so() -> None:
    outputs = extensions(mapped(outputs={"code": "=reply"}))
    bench = nested(beside=caught("out", "sub", "A", outputs))
    instance = bench.start()
    bench.throw("A", reply=550)
    assert bench.variables(instance) == {"code": 550}


def test_an_error_that_is_not_caught_is_an_incident_that_offers_the_job_again() -> None:
    bench = Bench(diagram(start(), task(), caught("here", "task", "B"), path("start", "task"), shared=ERRORS))
    instance = bench.start()
    bench.throw("A", message="no such user")
    incident = bench.incident(instance)
    assert incident.kind == "UNHANDLED_ERROR_EVENT"
    assert incident.text == (
        "Expected to throw an error event with the code 'A' with message 'no such user', "
        "but it was not caught. Available error events are [B]"
    )
    (view,) = bench.engine.jobs(instance)
    assert (view.state, view.error_code, view.error_message) == ("ERROR_THROWN", "A", "no such user")
    assert bench.take() == []
    bench.engine.resolve_incident(incident.key)
    bench.throw("B")
    assert bench.ended_in(instance) == ["here_end"]


def test_the_incident_says_that_there_are_no_error_events() -> None:
    bench = nested()
    instance = bench.start()
    bench.throw("A")
    assert bench.incident(instance).text == (
        "Expected to throw an error event with the code 'A', but it was not caught. "
        "No error events are available in the scope."
    )


def test_an_error_end_event_is_caught_around_its_scope() -> None:
    sub = subprocess("sub", start("in"), end("bad", error("A")), path("in", "bad"))
    bench = Bench(diagram(start(), sub, caught("out", "sub", "A"), path("start", "sub"), shared=ERRORS))
    instance = bench.start()
    assert bench.ended_in(instance) == ["out_end"]


def test_an_error_end_event_that_is_not_caught_cannot_be_resolved() -> None:
    bench = Bench(diagram(start(), end("bad", error("A")), path("start", "bad"), shared=ERRORS))
    instance = bench.start()
    first = bench.incident(instance)
    assert (first.kind, first.element_id) == ("UNHANDLED_ERROR_EVENT", "bad")
    bench.engine.resolve_incident(first.key)
    assert bench.incident(instance).key != first.key


def test_the_code_of_an_error_end_event_may_be_an_expression() -> None:
    sub = subprocess("sub", start("in"), end("bad", error("E")), path("in", "bad"))
    shared = ERRORS + element("error", "E", errorCode="=code")
    bench = Bench(diagram(start(), sub, caught("out", "sub", "A"), path("start", "sub"), shared=shared))
    assert bench.ended_in(bench.start(code="A")) == ["out_end"]


# Escalations


def escalating(thrower: str, *, interrupting: bool, code: str | None = "A") -> Bench:
    sub = subprocess("sub", start("in"), thrower, end("after"), path("in", "warn"), path("warn", "after"))
    guard = boundary("caught", "sub", escalation(code), interrupting=interrupting)
    flows = path("start", "sub", "end") + path("caught", "told")
    return Bench(diagram(start(), sub, guard, end(), end("told"), flows, shared=ESCALATIONS))


WARN = throw("warn", escalation("A"))


def test_a_non_interrupting_escalation_goes_on_in_both_places() -> None:
    bench = escalating(WARN, interrupting=False)
    instance = bench.start()
    assert sorted(bench.ended_in(instance)) == ["after", "end", "told"]


def test_an_interrupting_escalation_ends_the_scope_of_its_thrower() -> None:
    bench = escalating(WARN, interrupting=True)
    instance = bench.start()
    assert bench.ended_in(instance) == ["told"]
    assert bench.state(instance) == "COMPLETED"


@pytest.mark.parametrize("code", ["A", None])
def test_an_escalation_is_caught_by_its_code_or_by_any(code: str | None) -> None:
    bench = escalating(WARN, interrupting=False, code=code)
    assert "told" in bench.ended_in(bench.start())


def test_an_escalation_that_is_not_caught_goes_on() -> None:
    bench = escalating(WARN, interrupting=True, code="B")
    assert bench.ended_in(bench.start()) == ["after", "end"]
    assert [r["intent"] for r in bench.records.since() if r["valueType"] == "ESCALATION"] == ["NOT_ESCALATED"]


def test_an_escalation_end_event_completes_where_it_is_not_interrupted() -> None:
    sub = subprocess("sub", start("in"), end("warn", escalation("A")), path("in", "warn"))
    guard = boundary("caught", "sub", escalation("A"), interrupting=False)
    flows = path("start", "sub", "end") + path("caught", "told")
    bench = Bench(diagram(start(), sub, guard, end(), end("told"), flows, shared=ESCALATIONS))
    assert sorted(bench.ended_in(bench.start())) == ["end", "told", "warn"]


def test_the_code_beats_the_catch_all() -> None:
    sub = subprocess("sub", start("in"), WARN, path("in", "warn"))
    guards = boundary("any", "sub", escalation(), interrupting=False)
    guards += boundary("exact", "sub", escalation("A"), interrupting=False)
    ends = end("any_end") + end("exact_end") + path("any", "any_end") + path("exact", "exact_end")
    bench = Bench(diagram(start(), sub, guards, ends, path("start", "sub"), shared=ESCALATIONS))
    assert bench.ended_in(bench.start()) == ["exact_end"]
