"""How long a lease lasts, read from deadlines on somebody else's clock."""

from dataclasses import replace
from time import monotonic, time

import pytest

from connector.engine.lease import EngineClock, Lease
from connector.engine.port import Complete, Fail, Job

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


def left(clock: EngineClock, deadline: float, *, polled: bool) -> float:
    return round(clock.lease_end(replace(JOB, deadline=deadline), polled=polled) - monotonic(), 1)


@pytest.mark.parametrize("apart", [0, 500, -500])
def test_what_lay_in_the_connection_has_less_left(apart: float) -> None:
    clock = EngineClock(60)
    assert left(clock, time() + apart + 60, polled=True) == 60
    assert left(clock, time() + apart + 45, polled=False) == 45
    assert left(clock, time() + apart - 10, polled=False) == -10
    assert left(clock, time() + apart + 60, polled=False) == 60


def test_a_clock_that_is_put_right_is_noticed_at_the_next_poll() -> None:
    clock = EngineClock(60)
    assert left(clock, time() + 60, polled=True) == 60
    assert left(clock, time() - 100, polled=True) == 60
    assert left(clock, time() - 110, polled=False) == 50


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
