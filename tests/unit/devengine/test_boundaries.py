"""Boundary events: what they interrupt, and what goes on."""

from __future__ import annotations

from tests.diagrams import (
    a_message,
    a_signal,
    boundary,
    diagram,
    element,
    end,
    extensions,
    mapped,
    message,
    path,
    signal,
    start,
    task,
    timer,
)
from tests.unit.devengine.bench import NOW, Bench


def guarded(definition: str, *, interrupting: bool = True, shared: str = "", inside: str = "") -> Bench:
    guard = boundary("guard", "task", inside, definition, interrupting=interrupting)
    flows = path("start", "task", "end") + path("guard", "told")
    return Bench(diagram(start(), task(), guard, end(), end("told"), flows, shared=shared))


def test_an_interrupting_message_takes_the_job_away() -> None:
    bench = guarded(message("stop"), shared=a_message("stop"))
    instance = bench.start(key="1")
    job = bench.job()
    bench.publish("stop", "1", why="late")
    assert bench.ended_in(instance) == ["told"]
    assert bench.variables(instance) == {"key": "1", "why": "late"}
    (view,) = bench.engine.jobs(instance)
    assert (view.key, view.state) == (job.key, "CANCELED")


def test_a_non_interrupting_message_may_come_often() -> None:
    bench = guarded(message("tell"), interrupting=False, shared=a_message("tell"))
    instance = bench.start(key="1")
    bench.publish("tell", "1")
    bench.publish("tell", "1")
    assert bench.ended_in(instance) == ["told", "told"]
    bench.complete()
    assert bench.ended_in(instance) == ["told", "told", "end"]
    assert bench.state(instance) == "COMPLETED"


def test_an_interrupting_timer_ends_the_activity() -> None:
    bench = guarded(timer("PT1H"))
    instance = bench.start()
    assert bench.engine.due() == NOW + 3600
    bench.advance(3599)
    assert bench.ended_in(instance) == []
    bench.advance(1)
    assert bench.ended_in(instance) == ["told"]


def test_a_non_interrupting_duration_goes_off_once() -> None:
    bench = guarded(timer("PT1H"), interrupting=False)
    instance = bench.start()
    assert bench.advance(100_000) == 1
    assert bench.ended_in(instance) == ["told"]
    assert bench.waits_in(instance) == ["task"]


def test_a_non_interrupting_cycle_goes_off_as_often_as_it_says() -> None:
    bench = guarded(timer(cycle="R3/PT1H"), interrupting=False)
    instance = bench.start()
    assert [bench.advance(3600) for _ in range(5)] == [1, 1, 1, 0, 0]
    assert bench.ended_in(instance) == ["told"] * 3


def test_the_timer_goes_with_its_activity() -> None:
    bench = guarded(timer(cycle="R/PT1H"), interrupting=False)
    instance = bench.start()
    bench.complete()
    assert bench.engine.due() is None
    assert bench.state(instance) == "COMPLETED"


def test_a_signal_reaches_a_boundary() -> None:
    bench = guarded(signal("stop"), shared=a_signal("stop"))
    instance = bench.start()
    bench.engine.broadcast_signal("stop", {"why": 1})
    assert bench.ended_in(instance) == ["told"]
    assert bench.variables(instance) == {"why": 1}


def test_only_mapped_variables_go_up_from_a_boundary() -> None:
    outputs = extensions(mapped(outputs={"reason": "=why"}))
    bench = guarded(message("stop"), shared=a_message("stop"), inside=outputs)
    instance = bench.start(key="1")
    bench.publish("stop", "1", why="late", more=1)
    assert bench.variables(instance) == {"key": "1", "reason": "late"}
    assert bench.local(instance, "guard") == {"why": "late", "more": 1}


def test_a_correlation_key_that_cannot_be_had_is_an_incident_and_makes_no_job() -> None:
    bench = guarded(message("stop"), shared=a_message("stop"))
    instance = bench.start()
    incident = bench.incident(instance)
    assert (incident.kind, incident.element_id) == ("EXTRACT_VALUE_ERROR", "task")
    assert incident.text == (
        "Failed to extract the correlation key for 'key': "
        "The value must be either a string or a number, but was 'NULL'."
    )
    assert bench.take() == []
    bench.engine.set_variables(instance, {"key": "1"})
    bench.engine.resolve_incident(incident.key)
    bench.publish("stop", "1")
    assert bench.ended_in(instance) == ["told"]


def test_several_events_guard_one_activity() -> None:
    bench = Bench(
        diagram(
            start(),
            task(),
            boundary("remind", "task", timer("PT1H"), interrupting=False),
            boundary("give_up", "task", timer("PT2H")),
            end("reminded"),
            end("gave_up"),
            path("start", "task"),
            path("remind", "reminded"),
            path("give_up", "gave_up"),
        )
    )
    instance = bench.start()
    bench.advance(10_000)
    assert bench.ended_in(instance) == ["reminded", "gave_up"]
    assert bench.state(instance) == "COMPLETED"


def test_a_receive_task_waits_for_its_message_and_may_be_interrupted() -> None:
    receive = element("receiveTask", "wait", messageRef="reply")
    guard = boundary("late", "wait", timer("PT1H"))
    flows = path("start", "wait", "end") + path("late", "told")
    bench = Bench(diagram(start(), receive, guard, end(), end("told"), flows, shared=a_message("reply")))
    answered, late = bench.start(key="1"), bench.start(key="2")
    bench.publish("reply", "1", text="yes")
    bench.advance(3600)
    assert (bench.ended_in(answered), bench.ended_in(late)) == (["end"], ["told"])
    assert bench.variables(answered) == {"key": "1", "text": "yes"}


def test_a_step_that_is_tried_again_waits_once() -> None:
    guard = boundary("guard", "task", message("tell"), interrupting=False)
    flows = path("start", "task") + path("guard", "told")
    nodes = (start(), task(job_type="=kind"), guard, end("told"), flows)
    bench = Bench(diagram(*nodes, shared=a_message("tell")))
    instance = bench.start(key="1")
    bench.engine.set_variables(instance, {"kind": "work"})
    bench.engine.resolve_incident(bench.incident(instance).key)
    bench.publish("tell", "1")
    assert bench.ended_in(instance) == ["told"]
    bench.complete()
    assert bench.engine._messages._subscriptions == {}
