"""Faults that are ordered: each holds for as much as was asked for, and no more."""

import pytest

from connector.devengine.faults import NAMES, FaultError, Faults


class Time:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_nothing_is_on_by_itself() -> None:
    faults = Faults()
    assert not faults.pushes_back("ActivateJobs")
    assert not faults.doubles()
    assert not faults.garbles()
    assert faults.leaderless_for == 0
    assert faults.lag == 0


def test_back_pressure_counts_calls_and_lets_results_through() -> None:
    faults = Faults()
    faults.order("back-pressure", 2)
    calls = ["CompleteJob", "ThrowError", "FailJob", "Topology", "ActivateJobs", "ActivateJobs"]
    assert [faults.pushes_back(call) for call in calls] == [False, True, False, False, True, False]


@pytest.mark.parametrize(("name", "spent"), [("double-activation", "doubles"), ("undecodable", "garbles")])
def test_jobs_are_counted(name: str, spent: str) -> None:
    faults = Faults()
    faults.order(name, 2)
    assert [getattr(faults, spent)() for _ in range(3)] == [True, True, False]


def test_the_leader_comes_back() -> None:
    time = Time()
    faults = Faults(time)
    faults.order("no-leader", 5)
    time.now += 2
    assert faults.leaderless_for == 3
    time.now += 4
    assert faults.leaderless_for == 0


def test_streams_and_time_outs() -> None:
    faults, ended, changed = Faults(), list[int](), list[int]()
    faults.on_drop_streams = lambda: ended.append(1)
    faults.on_change = lambda: changed.append(1)
    faults.order("drop-streams")
    faults.order("late-time-outs", 1.5)
    assert (ended, faults.lag, len(changed)) == ([1], 1.5, 2)
    faults.order("late-time-outs", 0)
    assert faults.lag == 0


@pytest.mark.parametrize(("name", "amount"), [("no-such", 1), ("no-leader", -1), ("no-leader", float("nan"))])
def test_what_makes_no_sense_is_refused(name: str, amount: float) -> None:
    with pytest.raises(FaultError) as raised:
        Faults().order(name, amount)
    assert name not in NAMES or "negative" in str(raised.value)
