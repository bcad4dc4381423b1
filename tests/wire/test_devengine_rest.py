"""The engine's REST API: the vendor's names, keys as text, problems, searches, the clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest

from tests.devengine import Running, running, until
from tests.engine.processes import send_process

_DAY = 86_400


@pytest.fixture
async def engine() -> AsyncIterator[Running]:
    async with running() as engine:
        engine.deploy(boundaries=["REFUSED"])
        yield engine


@pytest.fixture
async def http(engine: Running) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=engine.rest, trust_env=False, timeout=30) as client:
        yield client


async def post(http: httpx2.AsyncClient, path: str, body: dict[str, Any] | None = None) -> Any:
    """Post what has to go well; the answer's JSON, None where there is none."""
    answer = await http.post(path, json=body or {})
    assert answer.status_code in {200, 204}, answer.text
    return answer.json() if answer.content else None


async def items(http: httpx2.AsyncClient, kind: str, **wanted: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await post(http, f"/v2/{kind}/search", {"filter": wanted}))["items"]
    return found


async def activated(http: httpx2.AsyncClient, **changed: Any) -> list[dict[str, Any]]:
    given = {"type": "p", "worker": "w", "timeout": 60_000, "maxJobsToActivate": 10, "requestTimeout": -1}
    jobs: list[dict[str, Any]] = (await post(http, "/v2/jobs/activation", {**given, **changed}))["jobs"]
    return jobs


async def test_topology_and_status(http: httpx2.AsyncClient) -> None:
    topology = (await http.get("/v2/topology")).json()
    assert topology["gatewayVersion"] == "8.6.0"
    assert topology["brokers"][0]["partitions"] == [{"partitionId": 1, "role": "leader", "health": "healthy"}]
    assert (await http.get("/v2/status")).status_code == 204


async def test_a_deployment_from_a_form(http: httpx2.AsyncClient) -> None:
    diagram = send_process("q", "q", {}, {})
    files = [("resources", ("q.bpmn", diagram, "application/octet-stream"))]
    deployed = (await http.post("/v2/deployments", files=files, data={"tenantId": "<default>"})).json()
    process = deployed["deployments"][0]["processDefinition"]
    assert (process["processDefinitionId"], process["processDefinitionVersion"]) == ("q", 1)
    assert process["resourceName"] == "q.bpmn"
    assert isinstance(process["processDefinitionKey"], str)
    (found,) = await items(http, "process-definitions", processDefinitionId="q")
    assert found["processDefinitionKey"] == process["processDefinitionKey"]


async def test_a_broken_deployment_is_refused(http: httpx2.AsyncClient) -> None:
    files = [("resources", ("broken.bpmn", send_process("q", "", {}, {}), "text/xml"))]
    answer = await http.post("/v2/deployments", files=files)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["title"], problem["status"], problem["instance"]) == (
        "INVALID_ARGUMENT",
        400,
        "/v2/deployments",
    )
    assert "broken.bpmn" in problem["detail"]
    assert (await http.post("/v2/deployments", content=b"hello")).status_code == 400


async def test_a_job_from_start_to_end(http: httpx2.AsyncClient) -> None:
    started = await post(http, "/v2/process-instances", {"processDefinitionId": "p", "variables": {"a": "ü"}})
    (job,) = await activated(http)
    assert job["processInstanceKey"] == started["processInstanceKey"]
    assert job["variables"] == {"a": "ü", "m": 1}
    assert job["customHeaders"] == {"resultVariable": "=mail"}
    assert (job["elementId"], job["retries"], job["worker"], job["kind"]) == ("send", 3, "w", "BPMN_ELEMENT")
    await post(http, f"/v2/jobs/{job['jobKey']}/completion", {"variables": {"answer": [1]}})
    (instance,) = await items(http, "process-instances", processInstanceKey=started["processInstanceKey"])
    assert (instance["state"], instance["hasIncident"]) == ("COMPLETED", False)
    assert datetime.fromisoformat(instance["endDate"]) >= datetime.fromisoformat(instance["startDate"])
    variables = await items(http, "variables", processInstanceKey=started["processInstanceKey"])
    assert {one["name"]: one["value"] for one in variables}["answer"] == "[1]"


async def test_an_instance_that_is_waited_for(http: httpx2.AsyncClient) -> None:
    body = {
        "processDefinitionId": "p",
        "awaitCompletion": True,
        "requestTimeout": 20_000,
        "fetchVariables": ["answer"],
    }
    starting = asyncio.ensure_future(post(http, "/v2/process-instances", body))
    (job,) = await activated(http, requestTimeout=20_000)
    await post(http, f"/v2/jobs/{job['jobKey']}/completion", {"variables": {"answer": 1, "more": 2}})
    assert (await starting)["variables"] == {"answer": 1}


async def test_an_instance_that_is_waited_for_in_vain(http: httpx2.AsyncClient) -> None:
    body = {"processDefinitionId": "p", "awaitCompletion": True, "requestTimeout": 50}
    answer = await http.post("/v2/process-instances", json=body)
    assert (answer.status_code, answer.json()["title"]) == (504, "DEADLINE_EXCEEDED")


async def test_an_incident_is_found_and_resolved(http: httpx2.AsyncClient, engine: Running) -> None:
    instance = engine.start()
    (job,) = await activated(http)
    await post(http, f"/v2/jobs/{job['jobKey']}/failure", {"retries": 0, "errorMessage": "look"})
    (incident,) = await items(http, "incidents", processInstanceKey=str(instance), state="ACTIVE")
    assert (incident["errorType"], incident["errorMessage"]) == ("JOB_NO_RETRIES", "look")
    assert incident["jobKey"] == job["jobKey"]
    assert (await items(http, "process-instances", hasIncident=True))[0]["processInstanceKey"] == str(
        instance
    )
    answer = await http.post(f"/v2/jobs/{job['jobKey']}/completion", json={})
    assert (answer.status_code, answer.json()["title"]) == (409, "INVALID_STATE")
    update = await http.patch(f"/v2/jobs/{job['jobKey']}", json={"changeset": {"retries": 2}})
    assert update.status_code == 204
    await post(http, f"/v2/incidents/{incident['incidentKey']}/resolution")
    (again,) = await activated(http)
    assert (again["jobKey"], again["retries"]) == (job["jobKey"], 2)
    resolved = (await http.get(f"/v2/incidents/{incident['incidentKey']}")).json()
    assert resolved["state"] == "RESOLVED"


async def test_a_lease_is_changed(http: httpx2.AsyncClient, engine: Running) -> None:
    engine.start()
    (job,) = await activated(http)
    answer = await http.patch(f"/v2/jobs/{job['jobKey']}", json={"changeset": {"timeout": 1}})
    assert answer.status_code == 204
    (again,) = await activated(http, requestTimeout=20_000)
    assert again["jobKey"] == job["jobKey"]


async def test_an_error_is_thrown(http: httpx2.AsyncClient, engine: Running) -> None:
    instance = engine.start()
    (job,) = await activated(http)
    await post(http, f"/v2/jobs/{job['jobKey']}/error", {"errorCode": "REFUSED", "variables": {"why": "no"}})
    ends = await items(http, "element-instances", processInstanceKey=str(instance), type="END_EVENT")
    assert [one["elementId"] for one in ends] == ["caught_REFUSED"]
    (found,) = await items(http, "jobs", processInstanceKey=str(instance))
    assert (found["state"], found["errorCode"]) == ("ERROR_THROWN", "REFUSED")


async def test_variables_are_set_and_instances_cancelled(http: httpx2.AsyncClient, engine: Running) -> None:
    instance = engine.start()
    answer = await http.put(f"/v2/element-instances/{instance}/variables", json={"variables": {"set": 7}})
    assert answer.status_code == 204
    (found,) = await items(http, "variables", name="set")
    assert found["value"] == "7"
    await post(http, f"/v2/process-instances/{instance}/cancellation")
    assert (await http.get(f"/v2/process-instances/{instance}")).json()["state"] == "TERMINATED"
    answer = await http.post(f"/v2/process-instances/{instance}/cancellation", json={})
    assert answer.status_code == 404


async def test_a_message_twice_with_the_same_id(http: httpx2.AsyncClient) -> None:
    body = {"name": "m", "correlationKey": "k", "timeToLive": 60_000, "messageId": "one"}
    assert isinstance((await post(http, "/v2/messages/publication", body))["messageKey"], str)
    answer = await http.post("/v2/messages/publication", json=body)
    assert (answer.status_code, answer.json()["title"]) == (409, "ALREADY_EXISTS")


async def test_a_signal(http: httpx2.AsyncClient) -> None:
    answer = await post(http, "/v2/signals/broadcast", {"signalName": "s"})
    assert isinstance(answer["signalKey"], str)


async def test_a_long_value_is_cut_unless_asked_for(http: httpx2.AsyncClient, engine: Running) -> None:
    engine.start(variables={"long": "x" * 10_000})
    (found,) = await items(http, "variables", name="long")
    assert (len(found["value"]), found["isTruncated"]) == (8_191, True)
    whole = await post(http, "/v2/variables/search?truncateValues=false", {"filter": {"name": "long"}})
    assert len(whole["items"][0]["value"]) == 10_002


async def test_the_clock_is_pinned_and_let_go(http: httpx2.AsyncClient, engine: Running) -> None:
    engine.start()
    assert len(await activated(http)) == 1
    at = datetime(2030, 1, 1, tzinfo=UTC).timestamp()
    answer = await http.put("/v2/clock", json={"timestamp": round(at * 1000)})
    assert answer.status_code == 204
    assert engine.service.clock.now() == at
    (job,) = await activated(http)
    assert job["deadline"] == round(at * 1000) + 60_000, (
        "the first lease is over, the next begins at the clock"
    )
    await post(http, "/v2/clock/reset")
    assert abs(engine.service.clock.now() - datetime.now(UTC).timestamp()) < _DAY


async def test_time_runs_on_after_it_was_advanced(engine: Running) -> None:
    engine.start()
    jobs = engine.service.take(_request(3600), 1)
    engine.service.advance(3599)
    assert engine.service.take(_request(60), 1) == []
    engine.service.advance(2)
    assert [one.key for one in engine.service.take(_request(60), 1)] == [jobs[0].key]
    with pytest.raises(ValueError, match="only be advanced"):
        engine.service.advance(-1)


def _request(seconds: float) -> Any:
    from connector.devengine.commands import ActivationRequest

    return ActivationRequest("p", "w", seconds)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"state": "ACTIVE"}, 3),
        ({"state": {"$neq": "ACTIVE"}}, 0),
        ({"state": {"$in": ["ACTIVE", "COMPLETED"]}}, 3),
        ({"state": {"$notIn": ["ACTIVE"]}}, 0),
        ({"processDefinitionId": {"$like": "?"}}, 3),
        ({"processDefinitionId": {"$like": "q*"}}, 0),
        ({"endDate": {"$exists": False}}, 3),
        ({"processDefinitionVersion": {"$gte": 1, "$lt": 2}}, 3),
        ({"startDate": {"$gt": "2020-01-01T00:00:00+02:00"}}, 3),
        ({"processInstanceKey": "1"}, 0),
    ],
)
async def test_filters(http: httpx2.AsyncClient, engine: Running, wanted: dict[str, Any], found: int) -> None:
    for _ in range(3):
        engine.start()
    assert len(await items(http, "process-instances", **wanted)) == found


async def test_sorting_and_pages(http: httpx2.AsyncClient, engine: Running) -> None:
    keys = [str(engine.start()) for _ in range(5)]
    sort = [{"field": "processInstanceKey", "order": "DESC"}]

    async def page(**page: Any) -> Any:
        answer = await post(http, "/v2/process-instances/search", {"sort": sort, "page": page})
        return [item["processInstanceKey"] for item in answer["items"]], answer["page"]

    first, told = await page(limit=2)
    assert (first, told["totalItems"]) == (keys[:2:-1], 5)
    second, told = await page(limit=2, after=told["endCursor"])
    assert second == keys[2:0:-1]
    assert (await page(limit=2, before=told["startCursor"]))[0] == first
    assert (await page(**{"from": 4}))[0] == keys[:1]


@pytest.mark.parametrize(
    ("path", "body", "status", "text"),
    [
        ("/v2/process-instances/search", {"filter": {"colour": "blue"}}, 400, "colour"),
        ("/v2/jobs/search", {"filter": {"state": {"$about": 1}}}, 400, r"$about"),
        ("/v2/jobs/search", {"filter": [1]}, 400, "filter"),
        ("/v2/jobs/search", {"sort": [{"field": "colour"}]}, 400, "colour"),
        ("/v2/jobs/search", {"sort": [{"field": "state", "order": "UP"}]}, 400, "UP"),
        ("/v2/jobs/search", {"page": {"limit": "many"}}, 400, "limit"),
        ("/v2/jobs/activation", {"type": "p"}, 400, "worker"),
        ("/v2/jobs/activation", {"type": 7, "worker": "w", "maxJobsToActivate": 1}, 400, "type"),
        ("/v2/jobs/4711/completion", {}, 404, "4711"),
        ("/v2/jobs/4711/completion", {"variables": [1]}, 400, "root level object"),
        ("/v2/process-instances", {"processDefinitionId": "nobody"}, 404, "nobody"),
        ("/v2/process-instances", {"processDefinitionId": "p", "tenantId": "other"}, 400, "other"),
        ("/v2/process-instances", {"processDefinitionId": "p", "startInstructions": [{}]}, 501, "start"),
        ("/v2/incidents/4711/resolution", {}, 404, "4711"),
        ("/v2/decision-definitions/evaluation", {}, 404, "Camunda 8 cluster"),
        ("/v2/topology", {}, 405, "POST"),
        ("/development/faults", {"fault": "no-such"}, 400, "back-pressure"),
        ("/development/faults", {"amount": 1}, 400, "fault"),
    ],
)
async def test_what_is_wrong_is_told(
    http: httpx2.AsyncClient, path: str, body: dict[str, Any], status: int, text: str
) -> None:
    answer = await http.post(path, json=body)
    assert answer.status_code == status, answer.text
    assert text in answer.json()["detail"]


async def test_what_is_no_json_is_refused(http: httpx2.AsyncClient) -> None:
    for body in (b"{", b"\xff", b"[" * 100_000, b'"a"'):
        assert (await http.post("/v2/jobs/search", content=body)).status_code == 400


async def test_a_page_of_another_site_is_refused(http: httpx2.AsyncClient) -> None:
    answer = await http.post("/v2/clock/reset", headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403


async def test_a_poll_whose_client_hangs_up_takes_no_job(http: httpx2.AsyncClient, engine: Running) -> None:
    for _ in range(10):
        poll = asyncio.ensure_future(activated(http, requestTimeout=20_000))
        await asyncio.sleep(0.02)
        poll.cancel()
        await asyncio.wait({poll})
    engine.start()
    assert len(await activated(http, requestTimeout=5_000)) == 1


async def test_faults_are_ordered(http: httpx2.AsyncClient, engine: Running) -> None:
    await post(http, "/development/faults", {"fault": "back-pressure", "amount": 1})
    answer = await http.post("/v2/jobs/search", json={})
    assert (answer.status_code, answer.json()["title"]) == (503, "RESOURCE_EXHAUSTED")
    await post(http, "/development/faults", {"fault": "no-leader", "amount": 60})
    assert (await http.post("/v2/jobs/search", json={})).status_code == 503
    await post(http, "/development/faults", {"fault": "no-leader", "amount": 0})
    await until(lambda: engine.service.faults.leaderless_for == 0)
    assert (await http.post("/v2/jobs/search", json={})).status_code == 200
