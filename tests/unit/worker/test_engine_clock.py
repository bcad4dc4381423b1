"""How long a lease lasts, read from deadlines on somebody else's clock."""

from dataclasses import replace
from time import monotonic, time

import pytest
from structlog.testing import capture_logs

from connector.model.job import Complete, Fail, Job, JobContext
from connector.testing.engine import FakeEngine
from connector.worker import leases as lease_module
from connector.worker.leases import EngineClock, Lease, Leases

JOB = Job(
    key=1,
    type="t",
    process_instance_key=2,
    bpmn_process_id="p",
    process_definition_version=1,
    element_id="e",
    element_instance_key=3,
    headers={},
    retries=3,
    deadline=0.0,
    variables={},
    tenant_id="<default>",
)


def left(clock: EngineClock, deadline: float, *, polled: bool = False) -> float | None:
    end = clock.lease_end(replace(JOB, deadline=deadline), polled=polled)
    return None if end is None else round(end - monotonic(), 1)


@pytest.mark.parametrize("apart", [0, 500, -500])
def test_what_lay_in_the_connection_has_less_left(apart: float) -> None:
    clock = EngineClock(60)
    assert left(clock, time() + apart + 60, polled=True) == 60
    assert left(clock, time() + apart + 45, polled=False) == 45
    assert left(clock, time() + apart - 10, polled=False) is None
    assert left(clock, time() + apart + 60, polled=False) == 60


def test_a_clock_that_is_put_right_is_noticed_at_the_next_poll() -> None:
    clock = EngineClock(60)
    assert left(clock, time() + 60, polled=True) == 60
    assert left(clock, time() - 100, polled=True) == 60
    assert left(clock, time() - 110, polled=False) == 50


def test_setting_this_machines_clock_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, now = EngineClock(60), time()
    assert left(clock, now + 60, polled=True) == 60
    monkeypatch.setattr(lease_module, "time", lambda: time() + 3600)
    assert left(clock, now + 60) == 60
    assert left(clock, now + 45) == 45


class Passing:
    """Time that passes as told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 0.0
        monkeypatch.setattr(lease_module, "monotonic", lambda: monotonic() + self.seconds)


def test_after_the_engines_clock_was_set_back_streamed_jobs_are_taken_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passing, clock, now, back = Passing(monkeypatch), EngineClock(60), time(), 100

    def taken() -> bool:
        job = replace(JOB, deadline=now + passing.seconds - back + 60)
        return clock.lease_end(job, polled=False) is not None

    assert left(clock, now + 60, polled=True) == 60
    assert not taken()
    passing.seconds = 30
    assert not taken()
    passing.seconds = 60
    with capture_logs() as logs:
        assert taken()
    assert [(entry["log_level"], entry["seconds"]) for entry in logs] == [("warning", back)]
    passing.seconds = 61
    assert taken()


def test_stale_jobs_between_others_that_are_in_time_are_no_step_of_the_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passing, clock, now = Passing(monkeypatch), EngineClock(60), time()
    assert clock.lease_end(replace(JOB, deadline=now + 60), polled=True)
    for seconds in range(0, 300, 20):
        passing.seconds = seconds
        assert clock.lease_end(replace(JOB, deadline=now + seconds), polled=False) is None
        assert clock.lease_end(replace(JOB, deadline=now + seconds + 50), polled=False)


def test_a_lease_with_less_than_a_tick_left_stands_no_more() -> None:
    leases = Leases(FakeEngine(), 60, lambda lease: None)
    assert leases.stand(Lease(JOB, monotonic() + 4))
    assert not leases.stand(Lease(JOB, monotonic() + 2.9))
    assert not leases.stand(Lease(JOB, monotonic() + 60, JobContext(lost=True)))


def test_only_a_fail_that_changed_the_retries_is_followed_by_another_attempt() -> None:
    lease = Lease(JOB, 0.0)
    again = replace(JOB, retries=2)
    assert not lease.is_followed_by(JOB)
    assert not lease.is_followed_by(again)
    lease.outcome = Complete()
    assert not lease.is_followed_by(again)
    lease.outcome = Fail("x", retries=3)
    assert not lease.is_followed_by(JOB)
    lease.outcome = Fail("x", retries=2)
    assert not lease.is_followed_by(JOB)
    assert lease.is_followed_by(again)
