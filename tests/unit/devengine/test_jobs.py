"""The life of a job: leases, outcomes, retries, back-off, incidents, and what is refused when."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from connector.devengine.commands import ActivationRequest, CommandRefusedError, Failure, Rejection
from tests.diagrams import an_error, boundary, diagram, end, error, path, start, task, timer
from tests.unit.devengine.bench import NOW, Bench

ONE = diagram(start(), task(), end(), path("start", "task", "end"))
CATCHING = diagram(
    start(),
    task(),
    boundary("caught", "task", error("A")),
    end(),
    end("told"),
    path("start", "task", "end"),
    path("caught", "told"),
    shared=an_error("A"),
)
INPUT = diagram(start(), task(inputs={"local": "=n"}), end(), path("start", "task", "end"))


@pytest.fixture
def bench() -> Bench:
    return Bench(ONE)


def refused(call: Callable[[], Any]) -> str:
    with pytest.raises(CommandRefusedError) as caught:
        call()
    return caught.value.text


def view(bench: Bench, instance: int) -> Any:
    (job,) = bench.engine.jobs(instance)
    return job


# Activation


def test_an_activated_job_tells_all_about_itself(bench: Bench) -> None:
    instance = bench.start(n=1)
    job = bench.job()
    assert job.type == "work"
    assert job.worker == "worker"
    assert job.deadline == NOW + 60
    assert job.retries == 3
    assert job.tenant_id == "<default>"
    assert job.element_id == "task"
    assert job.bpmn_process_id == "p"
    assert job.process_definition_version == 1
    assert job.process_instance_key == instance
    assert len({job.key, job.process_instance_key, job.element_instance_key, job.process_definition_key}) == 4


def test_jobs_come_oldest_first_and_no_more_than_asked_for(bench: Bench) -> None:
    instances = [bench.start() for _ in range(5)]
    taken = bench.take(limit=3) + bench.take(limit=3)
    assert [job.process_instance_key for job in taken] == instances
    assert bench.take() == []


def test_only_the_variables_that_a_worker_fetches_come(bench: Bench) -> None:
    bench.start(a=1, b=2, c=3)
    request = ActivationRequest("work", "worker", 60, ("a", "c", "none"))
    assert bench.engine.activate(request, 1)[0].variables == {"a": 1, "c": 3}


@pytest.mark.parametrize(
    ("request_", "limit", "wanted"),
    [
        (ActivationRequest(" ", "w", 1), 1, "type to be present"),
        (ActivationRequest("t", "", 1), 1, "worker to be present"),
        (ActivationRequest("t", "w", 0.0009), 1, "timeout to be greater than zero"),
        (ActivationRequest("t", "w", 1), 0, "max jobs to activate to be greater than zero"),
        (ActivationRequest("t", "w", 1, tenants=("<default>", "a")), 1, "tenants to be '<default>' only"),
    ],
)
def test_a_wrong_request_is_refused(
    bench: Bench, request_: ActivationRequest, limit: int, wanted: str
) -> None:
    text = refused(lambda: bench.engine.activate(request_, limit))
    assert text.startswith(
        "Command 'ACTIVATE' rejected with code 'INVALID_ARGUMENT': Expected to activate jobs"
    )
    assert wanted in text


# Leases


def test_a_lease_that_ends_offers_the_job_again_with_its_retries(bench: Bench) -> None:
    bench.start()
    first = bench.job()
    bench.advance(59)
    assert bench.take() == []
    bench.advance(1)
    again = bench.job()
    assert (again.key, again.retries) == (first.key, 3)


def test_a_lease_may_be_made_longer_or_shorter(bench: Bench) -> None:
    instance = bench.start()
    job = bench.job()
    bench.engine.update_job_timeout(job.key, 100)
    bench.advance(99)
    assert view(bench, instance).state == "ACTIVATED"
    bench.engine.update_job_timeout(job.key, 0.001)
    bench.advance(0.001)
    assert view(bench, instance).state == "TIMED_OUT"


def test_only_a_running_lease_can_be_extended(bench: Bench) -> None:
    bench.start()
    job = bench.job()
    bench.advance(60)
    assert refused(lambda: bench.engine.update_job_timeout(job.key, 60)) == (
        "Command 'UPDATE_TIMEOUT' rejected with code 'INVALID_STATE': "
        f"Expected to update the timeout of job with key '{job.key}', but it is not active"
    )


def test_a_job_may_be_completed_after_its_lease_or_without_one(bench: Bench) -> None:
    late, never = bench.start(), bench.start()
    job = bench.take(limit=1)[0]
    bench.advance(60)
    bench.engine.complete_job(job.key)
    bench.engine.complete_job(view(bench, never).key)
    assert bench.ended_in(late) == bench.ended_in(never) == ["end"]
    assert bench.take() == []


def test_a_job_that_no_worker_read_goes_back_at_once(bench: Bench) -> None:
    bench.start()
    job = bench.job()
    bench.engine.release_job(job.key)
    assert bench.job().key == job.key
    bench.engine.complete_job(job.key)
    bench.engine.release_job(job.key)


def test_a_replay_leases_the_job_that_it_names(bench: Bench) -> None:
    bench.start()
    instance = bench.start()
    key = view(bench, instance).key
    request = ActivationRequest("work", "other", 5)
    assert bench.engine.lease_job(key, request).deadline == NOW + 5
    assert len(bench.take()) == 1
    assert "but it is in state 'ACTIVATED'" in refused(lambda: bench.engine.lease_job(key, request))


# Completion


def test_a_job_is_completed_once(bench: Bench) -> None:
    bench.start()
    job = bench.complete()
    assert refused(lambda: bench.engine.complete_job(job.key)) == (
        "Command 'COMPLETE' rejected with code 'NOT_FOUND': "
        f"Expected to complete job with key '{job.key}', but no such job was found"
    )


@pytest.mark.parametrize("command", ["complete_job", "throw_error"])
def test_a_result_that_is_too_large_leaves_the_job_as_it_is(bench: Bench, command: str) -> None:
    instance = bench.start()
    job = bench.job()
    arguments = (job.key, "A", "") if command == "throw_error" else (job.key,)
    call = getattr(bench.engine, command)
    with pytest.raises(CommandRefusedError) as caught:
        call(*arguments, {"text": "x" * 3_000_000})
    assert caught.value.rejection is Rejection.EXCEEDED_BATCH_RECORD_SIZE
    assert view(bench, instance).state == "ACTIVATED"
    bench.engine.complete_job(job.key, {"text": "x" * 2_000_000})
    assert bench.ended_in(instance) == ["end"]


def test_variables_must_be_an_object(bench: Bench) -> None:
    bench.start()
    job = bench.job()
    text = refused(lambda: bench.engine.complete_job(job.key, [1]))  # type: ignore[arg-type]
    assert text == (
        "Command 'COMPLETE' rejected with code 'INVALID_ARGUMENT': "
        "Expected document to be a root level object, but was 'ARRAY'"
    )


# Failure


def test_a_failure_without_back_off_offers_the_job_at_once(bench: Bench) -> None:
    bench.start()
    job = bench.fail(retries=2, message="later")
    again = bench.job()
    assert (again.key, again.retries) == (job.key, 2)


def test_a_back_off_is_waited_for(bench: Bench) -> None:
    instance = bench.start()
    bench.fail(retries=2, backoff=30)
    assert (view(bench, instance).state, view(bench, instance).backoff_until) == ("FAILED", NOW + 30)
    bench.advance(29)
    assert bench.take() == []
    bench.advance(1)
    assert bench.job().retries == 2


def test_the_variables_of_a_failure_stay_with_the_task(bench: Bench) -> None:
    instance = bench.start(n=1)
    bench.fail(retries=2, variables={"n": 2, "why": "x"})
    assert bench.job().variables == {"n": 2, "why": "x"}
    assert bench.variables(instance) == {"n": 1}


@pytest.mark.parametrize("retries", [0, -1])
def test_a_failure_without_retries_is_an_incident(bench: Bench, retries: int) -> None:
    instance = bench.start()
    job = bench.fail(retries=retries, message="no such user", backoff=30)
    incident = bench.incident(instance)
    assert (incident.kind, incident.text, incident.job_key) == ("JOB_NO_RETRIES", "no such user", job.key)
    assert (view(bench, instance).state, view(bench, instance).retries) == ("FAILED", 0)
    assert bench.take() == []


def test_a_failure_without_a_message_has_a_text_of_its_own(bench: Bench) -> None:
    instance = bench.start()
    bench.fail()
    assert bench.incident(instance).text == "No more retries left."


def test_a_long_message_is_kept_shorter(bench: Bench) -> None:
    instance = bench.start()
    bench.fail(message="x" * 20_000)
    assert view(bench, instance).error_message == bench.incident(instance).text == "x" * 10_000


def test_nothing_is_taken_for_a_job_while_its_incident_stands(bench: Bench) -> None:
    bench.start()
    key = bench.fail().key
    state = "but it is in state 'FAILED'"
    assert state in refused(lambda: bench.engine.complete_job(key))
    assert state in refused(lambda: bench.engine.fail_job(key, Failure(1)))
    assert state in refused(lambda: bench.engine.throw_error(key, "A"))


def test_retries_and_resolution_offer_the_job_again(bench: Bench) -> None:
    instance = bench.start()
    key = bench.fail().key
    bench.engine.update_job_retries(key, 2)
    assert bench.take() == []
    bench.engine.resolve_incident(bench.incident(instance).key)
    assert (bench.job().retries, [i.state for i in bench.engine.incidents()]) == (2, ["RESOLVED"])


def test_a_resolution_without_retries_is_a_new_incident(bench: Bench) -> None:
    instance = bench.start()
    bench.fail(message="no such user")
    first = bench.incident(instance)
    bench.engine.resolve_incident(first.key)
    second = bench.incident(instance)
    assert (second.key != first.key, second.text) == (True, "no such user")
    assert bench.take() == []


@pytest.mark.parametrize("retries", [0, -1])
def test_retries_must_be_positive(bench: Bench, retries: int) -> None:
    bench.start()
    key = bench.fail().key
    text = refused(lambda: bench.engine.update_job_retries(key, retries))
    assert text == (
        f"Command 'UPDATE_RETRIES' rejected with code 'INVALID_ARGUMENT': Expected to update retries for job "
        f"with key '{key}' with a positive amount of retries, but the amount given was '{retries}'"
    )


def test_a_job_in_its_back_off_may_still_be_completed(bench: Bench) -> None:
    instance = bench.start()
    key = bench.fail(retries=2, backoff=30).key
    bench.engine.complete_job(key)
    assert bench.ended_in(instance) == ["end"]
    assert bench.engine.due() is None


# Errors


def test_an_error_terminates_the_task_and_activates_its_catcher() -> None:
    bench = Bench(CATCHING)
    instance = bench.start()
    bench.throw("A", message="m", why=1)
    assert bench.ended_in(instance) == ["told"]
    assert (view(bench, instance).state, view(bench, instance).error_code) == ("ERROR_THROWN", "A")


def test_a_job_whose_error_was_not_caught_is_in_that_state() -> None:
    bench = Bench(CATCHING)
    instance = bench.start()
    bench.throw("B")
    key = view(bench, instance).key
    assert "but it is in state 'ERROR_THROWN'" in refused(lambda: bench.engine.complete_job(key))
    bench.engine.cancel_instance(instance)
    assert view(bench, instance).state == "ERROR_THROWN"


# Ends from outside


def test_a_job_goes_with_its_instance(bench: Bench) -> None:
    instance = bench.start()
    key = bench.job().key
    bench.engine.cancel_instance(instance)
    assert view(bench, instance).state == "CANCELED"
    assert "no such job was found" in refused(lambda: bench.engine.complete_job(key))
    assert bench.engine.due() is None


def test_an_oversized_job_holds_an_incident(bench: Bench) -> None:
    instance = bench.start()
    key = bench.job().key
    bench.engine.mark_oversized(key)
    incident = bench.incident(instance)
    assert (incident.kind, incident.job_key) == ("MESSAGE_SIZE_EXCEEDED", key)
    assert bench.take() == []
    bench.engine.resolve_incident(incident.key)
    assert bench.job().key == key


@pytest.mark.parametrize(
    ("command", "arguments", "doing"),
    [
        ("complete_job", ({},), "complete job"),
        ("fail_job", (Failure(1),), "fail job"),
        ("throw_error", ("A",), "throw an error for job"),
        ("update_job_timeout", (1.0,), "update the timeout of job"),
        ("update_job_retries", (1,), "update retries for job"),
    ],
)
def test_an_unknown_job_is_not_found(bench: Bench, command: str, arguments: Any, doing: str) -> None:
    text = refused(lambda: getattr(bench.engine, command)(1, *arguments))
    assert f"'NOT_FOUND': Expected to {doing} with key '1', but no such job was found" in text


def test_a_lease_does_not_outlive_a_boundary() -> None:
    guard = boundary("late", "task", timer("PT1S"))
    bench = Bench(diagram(start(), task(), guard, path("start", "task")))
    bench.start()
    bench.job()
    bench.advance(1)
    assert bench.engine.due() is None


def test_a_result_of_the_name_of_an_input_is_lost_with_the_task() -> None:
    bench = Bench(INPUT)
    instance = bench.start(n=1)
    bench.complete(local=2, other=3)
    assert bench.variables(instance) == {"n": 1, "other": 3}
