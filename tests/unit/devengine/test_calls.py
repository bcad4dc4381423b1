"""Call activities: another process inside, with variables in and back."""

from __future__ import annotations

import pytest

from connector.devengine.commands import CommandRefusedError
from tests.diagrams import (
    a_message,
    an_error,
    boundary,
    diagram,
    element,
    end,
    error,
    extensions,
    mapped,
    message,
    path,
    start,
    task,
    timer,
    zeebe,
)
from tests.unit.devengine.bench import Bench

CHILD = diagram(start(), task(), end(), path("start", "task", "end"), process_id="child")


def caller(*more: str, process: str = "child", inside: str = "", shared: str = "", **given: str) -> bytes:
    called = zeebe("calledElement", processId=process, **given)
    call = element("callActivity", "call", extensions(called, inside))
    return diagram(start(), call, end(), path("start", "call", "end"), *more, shared=shared)


def test_the_called_process_runs_as_an_instance_of_its_own() -> None:
    bench = Bench(CHILD, caller())
    instance = bench.start(n=1)
    job = bench.complete(result=2)
    assert job.process_instance_key != instance
    assert (job.bpmn_process_id, job.variables) == ("child", {"n": 1})
    assert bench.ended_in(instance) == ["end"]
    assert bench.variables(instance) == {"n": 1, "result": 2}
    child = next(view for view in bench.engine.instances() if view.bpmn_process_id == "child")
    assert (child.state, child.parent_process_instance_key) == ("COMPLETED", instance)


def test_only_local_variables_go_in_where_the_diagram_says_so() -> None:
    inside = mapped({"given": "=n + 1"})
    bench = Bench(CHILD, caller(inside=inside, propagateAllParentVariables="false"))
    bench.start(n=1)
    assert bench.job().variables == {"given": 2}


def test_nothing_comes_back_where_the_diagram_says_so() -> None:
    bench = Bench(CHILD, caller(propagateAllChildVariables="false"))
    instance = bench.start(n=1)
    bench.complete(result=2)
    assert bench.variables(instance) == {"n": 1}


@pytest.mark.parametrize("propagate", ["true", "false"])
def test_output_mappings_choose_what_comes_back(propagate: str) -> None:
    inside = mapped(outputs={"answer": "=result"})
    bench = Bench(CHILD, caller(inside=inside, propagateAllChildVariables=propagate))
    instance = bench.start(n=1)
    bench.complete(result=2, more=3)
    assert bench.variables(instance) == {"n": 1, "answer": 2}


def test_a_missing_process_is_an_incident_until_it_is_deployed() -> None:
    bench = Bench(caller())
    instance = bench.start()
    incident = bench.incident(instance)
    assert incident.kind == "CALLED_ELEMENT_ERROR"
    assert incident.text == "Expected process with BPMN process id 'child' to be deployed, but not found."
    bench.deploy(CHILD)
    bench.engine.resolve_incident(incident.key)
    bench.complete()
    assert bench.ended_in(instance) == ["end"]


def test_a_process_that_only_a_message_starts_cannot_be_called() -> None:
    child = diagram(start("start", message("go")), process_id="child", shared=a_message("go"))
    bench = Bench(child, caller())
    assert bench.incident(bench.start()).kind == "CALLED_ELEMENT_ERROR"


def test_the_process_may_be_named_by_an_expression() -> None:
    bench = Bench(CHILD, caller(process="=which"))
    bench.start(which="child")
    assert bench.job().bpmn_process_id == "child"


def test_the_latest_version_is_called() -> None:
    bench = Bench(CHILD, caller())
    bench.deploy(CHILD.replace(b'type="work"', b'type="new"'))
    bench.start()
    assert bench.job("new").process_definition_version == 2


def test_an_error_goes_through_into_the_caller() -> None:
    guard = boundary("caught", "call", error("A"))
    parent = caller(guard, end("told"), path("caught", "told"), shared=an_error("A"))
    bench = Bench(CHILD, parent)
    instance = bench.start()
    bench.throw("A", why=1)
    assert bench.ended_in(instance) == ["told"]
    assert bench.variables(instance) == {"why": 1}
    assert {view.state for view in bench.engine.instances()} == {"COMPLETED", "TERMINATED"}


def test_an_interrupted_call_ends_what_it_called() -> None:
    bench = Bench(CHILD, caller(boundary("late", "call", timer("PT1H")), end("told"), path("late", "told")))
    instance = bench.start()
    bench.advance(3600)
    assert bench.ended_in(instance) == ["told"]
    assert bench.take() == []


def test_a_called_instance_cannot_be_cancelled_alone() -> None:
    bench = Bench(CHILD, caller())
    instance = bench.start()
    child = bench.job().process_instance_key
    with pytest.raises(CommandRefusedError, match=r"INVALID_STATE.*Cancel that one instead"):
        bench.engine.cancel_instance(child)
    bench.engine.cancel_instance(instance)
    assert {view.state for view in bench.engine.instances()} == {"TERMINATED"}


def test_a_process_that_calls_itself_comes_to_an_incident(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector.devengine.behaviours.call._MOST_DEPTH", 20)
    bench = Bench(caller(process="p"))
    bench.start()
    (incident,) = bench.engine.incidents()
    assert incident.kind == "CALLED_ELEMENT_ERROR"
    assert incident.text == "Expected at most 20 nested calls; does the process call itself?"


def test_calls_may_be_nested_deeply() -> None:
    bench = Bench(caller(process="p"))
    instance = bench.start()
    assert len(list(bench.engine.instances())) == 1_000
    bench.engine.cancel_instance(instance)
    assert {view.state for view in bench.engine.instances()} == {"TERMINATED"}


def test_a_call_that_has_come_back_is_cancelled_without_what_it_called() -> None:
    bench = Bench(CHILD, caller(inside=mapped(outputs={"answer": "=assert(result, false)"})))
    instance = bench.start()
    bench.complete()
    assert bench.incident(instance).kind == "IO_MAPPING_ERROR"
    bench.engine.cancel_instance(instance)
    assert [view.state for view in bench.engine.instances()] == ["TERMINATED", "COMPLETED"]
