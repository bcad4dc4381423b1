"""The facade: starting, cancelling, versions, keys, ends, and what can be read back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from connector.devengine.clock import Clock
from connector.devengine.commands import CommandRefusedError, Resource
from connector.devengine.process_engine import ProcessEngine
from tests.diagrams import (
    a_message,
    diagram,
    element,
    end,
    extensions,
    flow,
    message,
    path,
    start,
    task,
    zeebe,
)
from tests.unit.devengine.bench import NOW, Bench

ONE = diagram(start(), task(), end(), path("start", "task", "end"))


@pytest.fixture
def bench() -> Bench:
    return Bench(ONE)


def refused(call: Callable[[], Any]) -> str:
    with pytest.raises(CommandRefusedError) as caught:
        call()
    return caught.value.text


def test_the_first_key_tells_the_partition() -> None:
    bench = Bench()
    assert bench.deploy(ONE) == 2251799813685250  # 2251799813685249 is the deployment's
    assert bench.start() == 2251799813685251


def test_each_change_of_a_resource_is_a_version(bench: Bench) -> None:
    first = bench.deploy(ONE, "a.bpmn")
    second = bench.deploy(ONE + b" ", "a.bpmn")
    third = bench.deploy(ONE + b" ", "b.bpmn")
    assert bench.deploy(ONE + b" ", "b.bpmn") == third
    assert len({first, second, third}) == 3
    assert [definition.version for definition in bench.engine.definitions()] == [1, 2, 3, 4]


def test_the_version_before_comes_back_as_a_new_one(bench: Bench) -> None:
    bench.deploy(ONE + b" ", "0.bpmn")
    bench.deploy(ONE, "0.bpmn")
    assert [definition.version for definition in bench.engine.definitions()] == [1, 2, 3]


def test_a_process_is_started_by_id_by_version_or_by_key(bench: Bench) -> None:
    second = bench.deploy(ONE + b" ")
    versions = [
        bench.engine.create_instance("p").version,
        bench.engine.create_instance("p", 1).version,
        bench.engine.create_instance(second).version,
    ]
    assert versions == [2, 1, 2]


def test_instances_stay_with_their_version(bench: Bench) -> None:
    instance = bench.start()
    bench.deploy(diagram(start(), process_id="p"))
    bench.complete()
    assert bench.ended_in(instance) == ["end"]


@pytest.mark.parametrize(
    ("process", "version", "named"),
    [
        ("none", -1, "process ID 'none'"),
        ("p", 2, "process ID 'p' and version '2'"),
        (17, -1, "key '17'"),
    ],
)
def test_an_unknown_process_is_not_found(bench: Bench, process: str | int, version: int, named: str) -> None:
    assert refused(lambda: bench.engine.create_instance(process, version)) == (
        "Command 'CREATE' rejected with code 'NOT_FOUND': "
        f"Expected to find process definition with {named}, but none found"
    )


def test_a_process_without_a_none_start_event_cannot_be_started() -> None:
    bench = Bench(diagram(start("start", message("go")), shared=a_message("go")))
    assert refused(bench.start) == (
        "Command 'CREATE' rejected with code 'INVALID_STATE': "
        "Expected to create instance of process with none start event, but there is no such event"
    )


@pytest.mark.parametrize("variables", [[1], "x", 1])
def test_variables_must_be_an_object(bench: Bench, variables: Any) -> None:
    text = refused(lambda: bench.engine.create_instance("p", variables=variables))
    assert "'INVALID_ARGUMENT': Expected document to be a root level object" in text


def test_an_instance_that_is_cancelled_is_terminated(bench: Bench) -> None:
    instance = bench.start()
    bench.engine.cancel_instance(instance)
    assert bench.state(instance) == "TERMINATED"
    assert {view.state for view in bench.engine.elements(instance)} == {"TERMINATED", "COMPLETED"}
    for key in (instance, 1):
        assert refused(lambda key=key: bench.engine.cancel_instance(key)) == (  # type: ignore[misc]
            "Command 'CANCEL' rejected with code 'NOT_FOUND': "
            f"Expected to cancel a process instance with key '{key}', but no such process was found"
        )


def test_the_incidents_of_a_cancelled_instance_go(bench: Bench) -> None:
    instance = bench.start()
    bench.fail()
    key = bench.incident(instance).key
    bench.engine.cancel_instance(instance)
    assert [view.state for view in bench.engine.incidents()] == ["RESOLVED"]
    assert refused(lambda: bench.engine.resolve_incident(key)) == (
        "Command 'RESOLVE' rejected with code 'NOT_FOUND': "
        f"Expected to resolve incident with key '{key}', but no such incident was found"
    )


def test_a_long_text_of_a_refusal_is_cut() -> None:
    text = refused(lambda: Bench(ONE).start("ü" * 3_000))
    assert len(text.encode()) <= 4_096
    assert text.endswith("…")


# Ends


def test_the_end_of_an_instance_is_told_once(bench: Bench) -> None:
    told: list[object] = []
    instance = bench.start(n=1)
    bench.engine.on_ended(instance, told.append)
    closed = bench.engine.on_ended(instance, told.append)
    closed.close()
    closed.close()
    bench.complete(m=2)
    assert told == [{"n": 1, "m": 2}]


def test_an_end_that_is_over_is_told_at_once(bench: Bench) -> None:
    told: list[object] = []
    completed, cancelled = bench.start(n=1), bench.start()
    bench.complete()
    bench.engine.cancel_instance(cancelled)
    bench.engine.on_ended(completed, told.append)
    bench.engine.on_ended(cancelled, told.append)
    assert told == [{"n": 1}, None]


def test_a_terminated_instance_has_no_variables_to_tell(bench: Bench) -> None:
    told: list[object] = []
    instance = bench.start(n=1)
    bench.engine.on_ended(instance, told.append)
    bench.engine.cancel_instance(instance)
    assert told == [None]


# What there is to read


def test_an_instance_can_be_read_back(bench: Bench) -> None:
    instance = bench.start()
    bench.clock.advance(5)
    bench.complete()
    (view,) = bench.engine.instances()
    assert (view.key, view.bpmn_process_id, view.version) == (instance, "p", 1)
    assert (view.state, view.started, view.ended, view.has_incident) == ("COMPLETED", NOW, NOW + 5, False)


def test_elements_can_be_read_back(bench: Bench) -> None:
    instance = bench.start()
    bench.fail()
    process, begun, working = bench.engine.elements(instance)
    assert (process.key, process.type, process.scope_key) == (instance, "PROCESS", None)
    assert (begun.element_id, begun.type, begun.state) == ("start", "START_EVENT", "COMPLETED")
    assert (working.state, working.scope_key) == ("ACTIVE", instance)
    assert working.incident_key == bench.incident(instance).key
    assert [view.has_incident for view in bench.engine.instances()] == [True]


def test_variables_can_be_read_back_by_scope(bench: Bench) -> None:
    first, second = bench.start(a=1), bench.start(b=2)
    assert [(v.name, v.value, v.scope_key) for v in bench.engine.variables()] == [
        ("a", 1, first),
        ("b", 2, second),
    ]
    assert [v.name for v in bench.engine.variables(second)] == ["b"]
    assert len({v.key for v in bench.engine.variables()}) == 2


def test_only_the_last_ended_instances_are_kept() -> None:
    bench = Bench(diagram(start()), history=3)
    instances = [bench.start() for _ in range(5)]
    assert [view.key for view in bench.engine.instances()] == instances[2:]
    assert list(bench.engine.elements(instances[0])) == []


def test_chance_is_repeated_with_its_seed() -> None:
    script = zeebe("script", expression="=[random number(), uuid()]", resultVariable="chance")
    node = element("scriptTask", "node", extensions(script))
    content = diagram(start(), node, path("start", "node"))

    def chance(seed: int) -> Any:
        engine = ProcessEngine(Clock(), seed=seed)
        engine.deploy([Resource("a.bpmn", content)])
        engine.create_instance("p")
        (variable,) = engine.variables()
        return variable.value

    assert chance(1) == chance(1) != chance(2)
    number, uuid = chance(1)
    assert 0 <= number < 1
    assert len(uuid) == 36


def test_several_processes_in_one_file_and_several_files_deploy_together() -> None:
    both = diagram(start(), shared=element("process", "q", start("s"), isExecutable="true"))
    other = diagram(start(), process_id="r")
    bench = Bench()
    deployed = bench.engine.deploy([Resource("a.bpmn", both), Resource("b.bpmn", other)])
    assert [(p.bpmn_process_id, p.resource_name) for p in deployed.processes] == [
        ("p", "a.bpmn"),
        ("q", "a.bpmn"),
        ("r", "b.bpmn"),
    ]
    assert len({deployed.key, *(p.key for p in deployed.processes)}) == 4


def test_a_deployment_is_all_or_nothing(bench: Bench) -> None:
    broken = diagram(element("task", "alone"), flow("alone", "nowhere"), process_id="q")
    refused(lambda: bench.engine.deploy([Resource("a.bpmn", ONE + b" "), Resource("b.bpmn", broken)]))
    assert [definition.version for definition in bench.engine.definitions()] == [1]
    assert bench.start() == 2251799813685251
