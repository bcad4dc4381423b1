"""Streams and polls that wait: who gets a new job, and who is told."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from connector.devengine.commands import ActivatedJob, ActivationRequest, CommandRefusedError, Failure
from tests.diagrams import diagram, end, path, start, task
from tests.unit.devengine.bench import Bench

REQUEST = ActivationRequest("work", "streamer", 30)


@pytest.fixture
def bench() -> Bench:
    return Bench(diagram(start(), task(), end(), path("start", "task", "end")))


class Reader:
    """Takes as many jobs as it has room for."""

    def __init__(
        self, bench: Bench, room: int = 100, then: Callable[[ActivatedJob], object] | None = None
    ) -> None:
        self.jobs: list[ActivatedJob] = []
        self._room = room
        self._then = then
        self.stream = bench.engine.open_stream(REQUEST, self._push)

    def _push(self, job: ActivatedJob) -> bool:
        if len(self.jobs) == self._room:
            return False
        self.jobs.append(job)
        if self._then:
            self._then(job)
        return True


def test_a_stream_gets_new_jobs_and_leaves_the_backlog_to_polls(bench: Bench) -> None:
    bench.start()
    reader = Reader(bench)
    bench.start()
    assert [(job.worker, job.deadline - bench.clock.now()) for job in reader.jobs] == [("streamer", 30)]
    assert len(bench.take()) == 1


def test_streams_take_turns(bench: Bench) -> None:
    readers = [Reader(bench), Reader(bench)]
    for _ in range(4):
        bench.start()
    assert [len(reader.jobs) for reader in readers] == [2, 2]


def test_a_full_stream_is_passed_over(bench: Bench) -> None:
    full, other = Reader(bench, room=1), Reader(bench)
    for _ in range(4):
        bench.start()
    assert (len(full.jobs), len(other.jobs)) == (1, 3)


def test_a_job_that_no_stream_has_room_for_waits_for_a_poll(bench: Bench) -> None:
    Reader(bench, room=0)
    bench.start()
    assert len(bench.take()) == 1
    assert bench.engine.due() == bench.clock.now() + 60


def test_retried_jobs_come_by_the_stream(bench: Bench) -> None:
    instance = bench.start()
    job = bench.job()
    reader = Reader(bench)
    bench.engine.fail_job(job.key, Failure(2))
    bench.engine.fail_job(job.key, Failure(1, backoff=5))
    bench.advance(5)
    bench.engine.fail_job(job.key, Failure(0))
    bench.engine.update_job_retries(job.key, 9)
    bench.engine.resolve_incident(bench.incident(instance).key)
    bench.advance(30)
    assert [job.retries for job in reader.jobs] == [2, 1, 9, 9]


def test_a_closed_stream_gets_nothing(bench: Bench) -> None:
    reader = Reader(bench)
    reader.stream.close()
    reader.stream.close()
    bench.start()
    assert reader.jobs == []


def test_a_reader_may_complete_the_job_that_it_gets(bench: Bench) -> None:
    reader = Reader(bench, then=lambda job: bench.engine.complete_job(job.key))
    instances = [bench.start() for _ in range(3)]
    assert len(reader.jobs) == 3
    assert [bench.state(instance) for instance in instances] == ["COMPLETED"] * 3


def test_a_waiting_poll_is_told_of_a_job(bench: Bench) -> None:
    told: list[int] = []
    watch = bench.engine.on_available("work", lambda: told.append(len(bench.take())))
    bench.engine.on_available("other", lambda: told.append(-1))
    bench.start()
    watch.close()
    watch.close()
    bench.start()
    assert told == [1]


def test_a_poll_is_not_told_of_a_job_that_went_to_a_stream(bench: Bench) -> None:
    told: list[int] = []
    Reader(bench)
    bench.engine.on_available("work", lambda: told.append(1))
    bench.start()
    assert told == []


def test_polls_are_told_until_the_backlog_is_empty(bench: Bench) -> None:
    told: list[str] = []

    def poll(name: str) -> None:
        told.extend(name for _ in bench.take())

    bench.engine.on_available("work", lambda: poll("a"))
    bench.engine.on_available("work", lambda: poll("b"))
    bench.start()
    assert told == ["a"]


@pytest.mark.parametrize("request_", [ActivationRequest("", "w", 1), ActivationRequest("t", "w", 0)])
def test_a_wrong_stream_is_refused(bench: Bench, request_: ActivationRequest) -> None:
    with pytest.raises(CommandRefusedError, match="INVALID_ARGUMENT"):
        bench.engine.open_stream(request_, lambda _: True)
