"""Multi-instance: one instance for each item, together or one after the other."""

from __future__ import annotations

import pytest

from tests.diagrams import (
    a_message,
    an_error,
    boundary,
    diagram,
    element,
    end,
    error,
    loop,
    path,
    start,
    subprocess,
    task,
    timer,
)
from tests.unit.devengine.bench import Bench


def collecting(*, sequential: bool = False, until: str = "") -> str:
    """A loop whose results become a list."""
    return loop(sequential=sequential, until=until, output="results", collect="=result")


def many(characteristics: str, *more: str, flows: str = "", shared: str = "", **given: str) -> Bench:
    node = task("task", characteristics, **given)  # type: ignore[arg-type]
    return Bench(diagram(start(), node, end(), *more, path("start", "task", "end"), flows, shared=shared))


def test_parallel_instances_start_together() -> None:
    bench = many(loop())
    instance = bench.start(items=["a", "b", "c"])
    jobs = bench.take()
    assert [(job.variables["item"], job.variables["loopCounter"]) for job in jobs] == [
        ("a", 1),
        ("b", 2),
        ("c", 3),
    ]
    for job in jobs:
        assert bench.ended_in(instance) == []
        bench.engine.complete_job(job.key)
    assert bench.ended_in(instance) == ["end"]


def test_sequential_instances_start_one_after_the_other() -> None:
    bench = many(collecting(sequential=True))
    instance = bench.start(items=[1, 2, 3])
    for item in (1, 2, 3):
        (job,) = bench.take()
        assert job.variables["item"] == item
        bench.engine.complete_job(job.key, {"result": item * 10})
    assert bench.ended_in(instance) == ["end"]
    assert bench.variables(instance)["results"] == [10, 20, 30]


def test_outputs_stand_at_the_place_of_their_item() -> None:
    bench = many(collecting())
    instance = bench.start(items=["a", "b", "c"])
    jobs = bench.take()
    for job in (jobs[2], jobs[0]):
        bench.engine.complete_job(job.key, {"result": job.variables["item"]})
    assert "results" not in bench.variables(instance)
    bench.engine.complete_job(jobs[1].key)
    assert bench.variables(instance) == {"items": ["a", "b", "c"], "results": ["a", None, "c"]}


def test_a_nested_output_element_keeps_its_variable_inside() -> None:
    bench = many(loop(output="results", collect="=result.to"))
    instance = bench.start(items=[1])
    bench.complete(result={"to": "x"})
    assert bench.variables(instance) == {"items": [1], "results": ["x"]}


@pytest.mark.parametrize("sequential", [True, False])
def test_an_empty_list_is_done_at_once(sequential: bool) -> None:
    bench = many(collecting(sequential=sequential))
    instance = bench.start(items=[])
    assert bench.ended_in(instance) == ["end"]
    assert bench.variables(instance) == {"items": [], "results": []}


def test_what_is_no_list_is_an_incident() -> None:
    bench = many(loop())
    instance = bench.start(items="abc")
    incident = bench.incident(instance)
    assert incident.kind == "EXTRACT_VALUE_ERROR"
    assert incident.text == "Expected result of the expression 'items' to be 'ARRAY', but was 'STRING'."
    bench.engine.set_variables(instance, {"items": [1]})
    bench.engine.resolve_incident(incident.key)
    assert len(bench.take()) == 1


def test_a_completion_condition_ends_the_others() -> None:
    bench = many(collecting(until="=result = 2"))
    instance = bench.start(items=[1, 2, 3])
    first, second, _ = bench.take()
    bench.engine.complete_job(first.key, {"result": 1})
    bench.engine.complete_job(second.key, {"result": 2})
    assert bench.ended_in(instance) == ["end"]
    assert bench.variables(instance)["results"] == [1, 2, None]
    assert [job.state for job in bench.engine.jobs(instance)] == ["COMPLETED", "COMPLETED", "CANCELED"]


def test_a_completion_condition_stops_a_sequence() -> None:
    bench = many(collecting(until="=result = 2", sequential=True))
    instance = bench.start(items=[1, 2, 3])
    bench.complete(result=1)
    bench.complete(result=2)
    assert bench.variables(instance)["results"] == [1, 2, None]


def test_a_completion_condition_sees_the_numbers_of_instances() -> None:
    condition = (
        "=numberOfInstances = 3 and numberOfActiveInstances = 1 and numberOfCompletedInstances = 2 "
        "and numberOfTerminatedInstances = 0"
    )
    bench = many(loop(until=condition))
    instance = bench.start(items=[1, 2, 3])
    for job in bench.take()[:2]:
        assert bench.ended_in(instance) == []
        bench.engine.complete_job(job.key)
    assert bench.ended_in(instance) == ["end"]


def test_a_completion_condition_that_is_null_is_an_incident() -> None:
    bench = many(loop(until="=enough"))
    instance = bench.start(items=[1, 2])
    bench.complete()
    assert bench.incident(instance).kind == "EXTRACT_VALUE_ERROR"
    bench.engine.set_variables(instance, {"enough": True})
    bench.engine.resolve_incident(bench.incident(instance).key)
    assert bench.ended_in(instance) == ["end"]


def test_mappings_belong_to_each_instance() -> None:
    node = task("task", loop(), inputs={"double": "=item * 2"}, outputs={"last": "=double"})
    bench = Bench(diagram(start(), node, end(), path("start", "task", "end")))
    instance = bench.start(items=[1, 2])
    for job in bench.take():
        assert job.variables["double"] == job.variables["item"] * 2
        bench.engine.complete_job(job.key)
    assert bench.variables(instance)["last"] == 4


def test_a_boundary_interrupts_all_instances_without_output() -> None:
    guard = boundary("late", "task", timer("PT1H"))
    bench = many(collecting(), guard, end("told"), flows=path("late", "told"))
    instance = bench.start(items=[1, 2])
    bench.complete(result=1)
    assert bench.advance(3600) == 1
    assert bench.ended_in(instance) == ["told"]
    assert bench.variables(instance) == {"items": [1, 2]}


def test_an_error_of_one_instance_ends_all() -> None:
    guard = boundary("caught", "task", error("A"))
    bench = many(loop(), guard, end("told"), flows=path("caught", "told"), shared=an_error("A"))
    instance = bench.start(items=[1, 2])
    bench.engine.throw_error(bench.take()[0].key, "A")
    assert bench.ended_in(instance) == ["told"]
    assert bench.take() == []


def test_a_subprocess_may_run_many_times() -> None:
    inside = (start("in"), task(), end("out"), path("in", "task", "out"))
    sub = subprocess("sub", *inside, collecting())
    bench = Bench(diagram(start(), sub, end(), path("start", "sub", "end")))
    instance = bench.start(items=["x", "y"])
    for job in bench.take():
        bench.engine.complete_job(job.key, {"result": job.variables["item"]})
    assert bench.variables(instance)["results"] == ["x", "y"]


def test_receive_tasks_wait_for_a_message_each() -> None:
    receive = element("receiveTask", "wait", loop(), messageRef="reply")
    shared = a_message("reply", "=item")
    bench = Bench(diagram(start(), receive, end(), path("start", "wait", "end"), shared=shared))
    instance = bench.start(items=["1", "2"])
    bench.publish("reply", "2")
    assert bench.ended_in(instance) == []
    bench.publish("reply", "1")
    assert bench.ended_in(instance) == ["end"]


def test_an_instance_needs_no_variable_for_its_item() -> None:
    bench = many(loop(item=None))
    bench.start(items=["a"])
    assert bench.job().variables == {"items": ["a"], "loopCounter": 1}
