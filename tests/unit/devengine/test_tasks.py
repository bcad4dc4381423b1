"""Tasks: what becomes of a job, a script, or nothing at all."""

from __future__ import annotations

import pytest

from tests.diagrams import catch, diagram, element, end, extensions, path, start, task, throw, timer, zeebe
from tests.unit.devengine.bench import Bench

MESSAGE = "<bpmn:messageEventDefinition/>"
WORK = extensions(zeebe("taskDefinition", type="work"))


def run(node: str) -> Bench:
    return Bench(diagram(start(), node, end(), path("start", "node", "end")))


@pytest.mark.parametrize("tag", ["serviceTask", "sendTask", "businessRuleTask", "scriptTask"])
def test_a_task_with_a_definition_is_a_job(tag: str) -> None:
    bench = run(task("node", tag=tag))
    instance = bench.start(n=1)
    job = bench.complete(done=True)
    assert (job.element_id, job.variables, job.retries) == ("node", {"n": 1}, 3)
    assert bench.ended_in(instance) == ["end"]
    assert bench.variables(instance) == {"n": 1, "done": True}


def test_a_message_that_is_thrown_is_a_job() -> None:
    bench = run(throw("node", MESSAGE, WORK))
    instance = bench.start()
    bench.complete()
    assert bench.ended_in(instance) == ["end"]


def test_a_message_at_the_end_is_a_job() -> None:
    bench = Bench(diagram(start(), end("end", MESSAGE, WORK), path("start", "end")))
    instance = bench.start()
    assert bench.ended_in(instance) == []
    bench.complete(sent=1)
    assert bench.ended_in(instance) == ["end"]
    assert bench.variables(instance) == {"sent": 1}


@pytest.mark.parametrize("tag", ["task", "manualTask", "intermediateThrowEvent"])
def test_what_does_nothing_is_passed(tag: str) -> None:
    bench = run(element(tag, "node"))
    assert bench.ended_in(bench.start()) == ["end"]


def test_a_script_sets_a_variable() -> None:
    script = zeebe("script", expression="=n * 2", resultVariable="twice")
    bench = run(element("scriptTask", "node", extensions(script)))
    assert bench.variables(bench.start(n=21)) == {"n": 21, "twice": 42}


def test_a_script_that_fails_is_an_incident() -> None:
    script = zeebe("script", expression="=assert(n, n > 1)", resultVariable="out")
    bench = run(element("scriptTask", "node", extensions(script)))
    instance = bench.start(n=1)
    assert bench.incident(instance).kind == "EXTRACT_VALUE_ERROR"
    bench.engine.set_variables(instance, {"n": 2})
    bench.engine.resolve_incident(bench.incident(instance).key)
    assert bench.variables(instance)["out"] == 2


def test_type_and_retries_may_be_expressions() -> None:
    bench = run(task("node", job_type='="work-" + kind', retries="=n"))
    bench.start(kind="a", n=7)
    assert bench.job("work-a").retries == 7


@pytest.mark.parametrize(
    ("job_type", "retries", "text"),
    [
        ("=kind", "3", "Expected result of the expression 'kind' to be 'STRING', but was 'NUMBER'."),
        (
            "work",
            "=kind + 0.5",
            "Expected result of the expression 'kind + 0.5' to be 'NUMBER', but was 'NUMBER'.",
        ),
        ("work", "=nothing", "Expected result of the expression 'nothing' to be 'NUMBER', but was 'NULL'."),
        ("work", "three", "Expected result of the expression 'three' to be 'NUMBER', but was 'STRING'."),
    ],
)
def test_a_type_or_retries_of_another_kind_is_an_incident(job_type: str, retries: str, text: str) -> None:
    bench = run(task("node", job_type=job_type, retries=retries))
    incident = bench.incident(bench.start(kind=1))
    assert (incident.kind, incident.text) == ("EXTRACT_VALUE_ERROR", text)
    assert list(bench.engine.jobs()) == []


def test_a_user_task_is_a_job_with_headers() -> None:
    node = element(
        "userTask",
        "node",
        extensions(
            zeebe("assignmentDefinition", assignee="=who", candidateGroups="sales, desk"),
            zeebe("taskSchedule", dueDate="=null", followUpDate="2026-10-01T00:00:00Z"),
            zeebe("formDefinition", formKey="the-form"),
            zeebe("taskHeaders", zeebe("header", key="own", value="=as it is")),
        ),
    )
    bench = run(node)
    instance = bench.start(who="ann")
    job = bench.complete("io.camunda.zeebe:userTask", approved=True)
    assert job.retries == 1
    assert job.custom_headers == {
        "own": "=as it is",
        "io.camunda.zeebe:assignee": "ann",
        "io.camunda.zeebe:candidateGroups": '["sales", "desk"]',
        "io.camunda.zeebe:followUpDate": "2026-10-01T00:00:00Z",
        "io.camunda.zeebe:formKey": "the-form",
    }
    assert bench.variables(instance) == {"who": "ann", "approved": True}


def test_flows_alone_define_the_graph() -> None:
    node = catch("node", "<bpmn:incoming>nonsense</bpmn:incoming>", timer("PT1S"))
    bench = run(node)
    instance = bench.start()
    bench.advance(1)
    assert bench.ended_in(instance) == ["end"]


def test_every_flow_out_of_a_task_is_taken() -> None:
    bench = Bench(diagram(start(), task(), end("a"), end("b"), path("start", "task", "a"), path("task", "b")))
    instance = bench.start()
    bench.complete()
    assert bench.ended_in(instance) == ["a", "b"]


def test_a_process_may_end_without_an_end_event() -> None:
    bench = Bench(diagram(start(), task(), path("start", "task")))
    instance = bench.start()
    bench.complete()
    assert bench.state(instance) == "COMPLETED"


def test_a_loop_that_waits_for_nothing_is_an_incident(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector.devengine.interpreter._MOST_STEPS", 1_000)
    bench = Bench(diagram(start(), element("task", "node"), path("start", "node"), path("node", "node")))
    incident = bench.incident(bench.start())
    assert incident.kind == "UNKNOWN"
    assert "look for a loop without an end around 'node'" in incident.text
