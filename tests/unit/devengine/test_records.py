"""Records: every change in the form that tests and tools read."""

from __future__ import annotations

import json
from typing import Any

from connector.devengine.records import Record, RecordLog
from tests.diagrams import (
    a_message,
    a_signal,
    an_error,
    an_escalation,
    boundary,
    diagram,
    end,
    error,
    escalation,
    path,
    start,
    subprocess,
    task,
)
from tests.unit.devengine.bench import NOW, Bench

ONE = diagram(start(), task(), end(), path("start", "task", "end"))


def of(bench: Bench, kind: str, intent: str = "") -> list[dict[str, Any]]:
    return [
        r["value"] for r in bench.records.since() if r["valueType"] == kind and intent in {"", r["intent"]}
    ]


def test_the_way_of_an_instance() -> None:
    bench = Bench(ONE)
    instance = bench.start(n=1)
    bench.complete(m={"a": "ä"})
    steps = [
        (r["intent"], r["value"]["elementId"], str(r["value"]["bpmnElementType"]))
        for r in bench.records.since()
        if r["valueType"] == "PROCESS_INSTANCE"
    ]
    assert steps[:2] == [
        ("ELEMENT_ACTIVATING", "p", "PROCESS"),
        ("ELEMENT_ACTIVATING", "start", "START_EVENT"),
    ]
    assert ("SEQUENCE_FLOW_TAKEN", "start_task", "SEQUENCE_FLOW") in steps
    assert [step for step in steps if step[0] == "ELEMENT_COMPLETED"] == [
        ("ELEMENT_COMPLETED", "start", "START_EVENT"),
        ("ELEMENT_COMPLETED", "task", "SERVICE_TASK"),
        ("ELEMENT_COMPLETED", "end", "END_EVENT"),
        ("ELEMENT_COMPLETED", "p", "PROCESS"),
    ]
    assert {value["processInstanceKey"] for value in of(bench, "PROCESS_INSTANCE")} == {instance}
    values = {value["name"]: json.loads(value["value"]) for value in of(bench, "VARIABLE", "CREATED")}
    assert values == {"n": 1, "m": {"a": "ä"}}


def test_the_life_of_a_job() -> None:
    bench = Bench(ONE)
    instance = bench.start()
    bench.fail(retries=2, message="later", backoff=1.5)
    bench.advance(1.5)
    bench.take()
    bench.advance(60)
    bench.fail(message="no")
    incident = bench.incident(instance).key
    bench.engine.update_job_retries(bench.incident(instance).job_key or 0, 1)
    bench.engine.resolve_incident(incident)
    bench.complete()
    intents = [r["intent"] for r in bench.records.since() if r["valueType"] == "JOB"]
    assert intents == [
        "CREATED",
        "ACTIVATED",
        "FAILED",
        "RECURRED_AFTER_BACKOFF",
        "ACTIVATED",
        "TIMED_OUT",
        "ACTIVATED",
        "FAILED",
        "RETRIES_UPDATED",
        "ACTIVATED",
        "COMPLETED",
    ]
    first, second = of(bench, "JOB", "FAILED")
    assert (first["retries"], first["retryBackoff"], first["errorMessage"]) == (2, 1500, "later")
    assert (second["retries"], second["retryBackoff"]) == (0, 0)
    (raised,) = of(bench, "INCIDENT", "CREATED")
    assert (raised["errorType"], raised["errorMessage"]) == ("JOB_NO_RETRIES", "no")
    assert raised["jobKey"] == next(bench.engine.jobs()).key
    assert len(of(bench, "INCIDENT", "RESOLVED")) == 1


def test_what_was_caught() -> None:
    sub = subprocess("sub", start("in"), task(), end("warn", escalation("W")), path("in", "task", "warn"))
    guards = boundary("warned", "sub", escalation("W"), interrupting=False) + boundary(
        "bad", "sub", error("E")
    )
    shared = an_escalation("W") + an_error("E")
    bench = Bench(diagram(start(), sub, guards, path("start", "sub"), shared=shared))
    bench.start()
    bench.complete()
    (escalated,) = of(bench, "ESCALATION", "ESCALATED")
    assert (escalated["escalationCode"], escalated["catchElementId"]) == ("W", "warned")
    bench.start()
    bench.throw("E", secret="hidden")
    assert of(bench, "PROCESS_EVENT")[-1]["variables"] == {"secret": "hidden"}
    assert of(bench, "JOB", "ERROR_THROWN")[0]["errorCode"] == "E"


def test_messages_signals_and_deployments() -> None:
    bench = Bench(ONE)
    bench.publish("m", "1", ttl=5, text="x")
    bench.advance(5)
    bench.engine.broadcast_signal("s")
    assert [r["intent"] for r in bench.records.since() if r["valueType"] == "MESSAGE"] == [
        "PUBLISHED",
        "EXPIRED",
    ]
    assert of(bench, "SIGNAL")[0]["signalName"] == "s"
    assert of(bench, "PROCESS")[0]["bpmnProcessId"] == "p"


def test_every_record_is_json_with_a_position_and_a_time() -> None:
    bench = Bench(ONE, diagram(start(), process_id="q", shared=a_message("m") + a_signal("s")))
    bench.start(n=1)
    bench.fail()
    records = bench.records.since()
    assert [record["position"] for record in records] == list(range(1, len(records) + 1))
    assert {record["timestamp"] for record in records} == {round(NOW * 1000)}
    assert [json.loads(json.dumps(record)) for record in records] == records


def test_the_log_keeps_the_last_and_hands_on_all() -> None:
    handed: list[Record] = []
    log = RecordLog(most=3, sink=handed.append)
    for number in range(5):
        log.add({"number": number})
    assert [record["number"] for record in log.since()] == [2, 3, 4]
    assert [record["number"] for record in log.since(4)] == [4]
    assert log.since(5) == []
    assert len(handed) == 5
