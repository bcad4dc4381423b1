"""The life of a job as a worker sees it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conformance.cluster import RefusedError, Site
from tests.conformance.marks import unverified
from tests.diagrams import an_error, boundary, diagram, end, error, path, start, task, timer

NODES = (start(), task(job_type="~work"), end(), path("start", "task", "end"))
ONE = diagram(*NODES, process_id="~p")
CATCHING = diagram(
    *NODES,
    boundary("caught", "task", error("~E")),
    end("told"),
    path("caught", "told"),
    process_id="~p",
    shared=an_error("~E"),
)


def refused(call: Callable[[], object]) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        call()
    return caught.value


def test_only_fetched_variables_come(site: Site) -> None:
    site.run(ONE, a=1, b=2)
    (job,) = site.take(fetch=("a", "none"))
    assert job.variables == {"a": 1}


def test_jobs_come_in_their_order(site: Site) -> None:
    site.deploy(ONE)
    for number in range(3):
        site.start(n=number)
    taken = [site.job().variables["n"] for _ in range(3)]
    assert taken == [0, 1, 2]


def test_a_lease_that_ends_offers_the_job_again(site: Site) -> None:
    site.run(ONE)
    (job,) = site.take(timeout=10)
    site.advance(10)
    again = site.job()
    assert (again.key, again.retries) == (job.key, 3)


def test_a_lease_is_made_shorter(site: Site) -> None:
    site.run(ONE)
    job = site.job()
    site.cluster.update_timeout(job.key, 0.001)
    site.advance(0.001)
    assert site.job().key == job.key


def test_a_lease_that_has_ended_is_not_extended(site: Site) -> None:
    site.run(ONE)
    (job,) = site.take(timeout=10)
    site.advance(10)
    error_ = refused(lambda: site.cluster.update_timeout(job.key, 60))
    assert (error_.status, "but it is not active" in error_.text) == ("FAILED_PRECONDITION", True)


def test_a_job_is_completed_after_its_lease(site: Site) -> None:
    instance = site.run(ONE)
    (job,) = site.take(timeout=10)
    site.advance(10)
    site.cluster.complete(job.key, {})
    site.ends_in(instance, "end")


def test_a_job_is_completed_once(site: Site) -> None:
    site.run(ONE)
    job = site.complete()
    error_ = refused(lambda: site.cluster.complete(job.key, {}))
    assert error_.status == "NOT_FOUND"
    assert f"Expected to complete job with key '{job.key}', but no such job was found" in error_.text


def test_a_failure_without_back_off(site: Site) -> None:
    site.run(ONE)
    job = site.fail(retries=2)
    assert (site.job().key, job.retries) == (job.key, 3)


@unverified("a real engine looks for ended back-offs about once a second")
def test_a_back_off_is_not_cut_short(site: Site) -> None:
    site.run(ONE)
    job = site.fail(retries=2, backoff=30)
    site.cluster.advance(29)
    assert site.none_to_take()
    site.advance(1)
    assert (site.job().key, job.retries) == (job.key, 3)


@unverified("a job in its back-off can be completed")
def test_completion_during_a_back_off(site: Site) -> None:
    instance = site.run(ONE)
    job = site.fail(retries=2, backoff=30)
    site.cluster.complete(job.key, {})
    site.ends_in(instance, "end")


def test_the_variables_of_a_failure_are_local(site: Site) -> None:
    instance = site.run(ONE, n=1)
    site.fail(retries=2, n=2)
    assert site.job().variables == {"n": 2}
    site.has(instance, n=1)


def test_no_retries_are_an_incident(site: Site) -> None:
    instance = site.run(ONE)
    job = site.fail(message="no such user")
    incident = site.incident(instance)
    assert (incident.kind, incident.text) == ("JOB_NO_RETRIES", "no such user")
    error_ = refused(lambda: site.cluster.complete(job.key, {}))
    assert (error_.status, "but it is in state 'FAILED'" in error_.text) == ("FAILED_PRECONDITION", True)


@unverified("the text of an incident without a message")
def test_no_retries_and_no_message(site: Site) -> None:
    instance = site.run(ONE)
    site.fail(message="")
    assert site.incident(instance).text == "No more retries left."


@unverified("how much of a long message is kept")
def test_a_long_message_is_kept_in_part(site: Site) -> None:
    instance = site.run(ONE)
    site.fail(message="x" * 50_000)
    assert 100 < len(site.incident(instance).text) <= 10_000


def test_retries_alone_do_not_offer_the_job(site: Site) -> None:
    instance = site.run(ONE)
    job = site.fail()
    incident = site.incident(instance)
    site.cluster.update_retries(job.key, 2)
    assert site.none_to_take()
    site.cluster.resolve(incident.key)
    assert site.job().retries == 2
    site.sees(lambda: len(site.cluster.incidents(instance)), 0)


@unverified("a resolution without retries raises a new incident at once")
def test_a_resolution_without_retries(site: Site) -> None:
    instance = site.run(ONE)
    site.fail()
    first = site.incident(instance)
    site.cluster.resolve(first.key)
    site.sees(lambda: [i.key == first.key for i in site.cluster.incidents(instance)], [False])
    assert site.none_to_take()


@pytest.mark.parametrize("retries", [0, -1])
def test_retries_must_be_positive(site: Site, retries: int) -> None:
    site.run(ONE)
    job = site.job()
    assert refused(lambda: site.cluster.update_retries(job.key, retries)).status == "INVALID_ARGUMENT"


@pytest.mark.parametrize("command", ["complete", "fail", "throw", "update_retries", "update_timeout"])
def test_an_unknown_job(site: Site, command: str) -> None:
    calls: dict[str, Callable[[], object]] = {
        "complete": lambda: site.cluster.complete(1, {}),
        "fail": lambda: site.cluster.fail(1, 1, "", 0, {}),
        "throw": lambda: site.cluster.throw(1, "E", "", {}),
        "update_retries": lambda: site.cluster.update_retries(1, 1),
        "update_timeout": lambda: site.cluster.update_timeout(1, 60),
    }
    assert refused(calls[command]).status == "NOT_FOUND"


def test_an_error_that_is_caught(site: Site) -> None:
    instance = site.run(CATCHING)
    site.throw(site.own("~E"), why=550)
    site.ends_in(instance, "told")
    site.has(instance, why=550)


def test_an_error_that_is_not_caught(site: Site) -> None:
    instance = site.run(CATCHING)
    job = site.throw("OTHER", "no such user")
    incident = site.incident(instance)
    assert incident.kind == "UNHANDLED_ERROR_EVENT"
    assert "with the code 'OTHER' with message 'no such user'" in incident.text
    assert f"Available error events are [{site.own('~E')}]" in incident.text
    site.cluster.resolve(incident.key)
    assert site.job().key == job.key


@unverified("the state that a job is in after an error that was not caught")
def test_a_job_whose_error_was_not_caught(site: Site) -> None:
    instance = site.run(CATCHING)
    job = site.throw("OTHER")
    site.incident(instance)
    assert "'ERROR_THROWN'" in refused(lambda: site.cluster.complete(job.key, {})).text


def test_a_job_that_an_event_takes_away(site: Site) -> None:
    guard = boundary("late", "task", timer("PT1H"))
    instance = site.run(diagram(*NODES, guard, end("told"), path("late", "told"), process_id="~p"))
    (job,) = site.take(timeout=100_000)
    site.advance(3600)
    site.ends_in(instance, "told")
    assert refused(lambda: site.cluster.complete(job.key, {})).status == "NOT_FOUND"
    assert refused(lambda: site.cluster.update_timeout(job.key, 60)).status == "NOT_FOUND"


def test_an_instance_is_cancelled_with_jobs_in_hand(site: Site) -> None:
    instance = site.run(ONE)
    job = site.job()
    site.cluster.cancel(instance)
    site.sees(lambda: site.state(instance), "TERMINATED")
    assert refused(lambda: site.cluster.complete(job.key, {})).status == "NOT_FOUND"


def test_a_result_may_be_of_two_megabytes_and_not_of_three(site: Site) -> None:
    site.run(ONE)
    job = site.job()
    error_ = refused(lambda: site.cluster.complete(job.key, {"text": "x" * 3_000_000}))
    assert (error_.status, "EXCEEDED_BATCH_RECORD_SIZE" in error_.text) == ("UNKNOWN", True)
    site.cluster.complete(job.key, {"text": "x" * 2_000_000})
