"""What a worker counts and times, in the form that Prometheus reads.

Events enter from the job loop, the pipeline and the ledger; text leaves for ``/metrics``. Apart from logging,
because a label lives for ever in the memory of whoever collects it: labels are names that we or the
operator's settings made, never a recipient, a host that a task names, or anything else out of a job.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

from connector import __version__
from connector.ledger.port import Answer, Entry, LedgerUnavailableError, Operation, State, Store
from connector.model.job import Complete, Fail, Outcome, Throw

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_OUTCOMES = {Complete: "complete", Throw: "bpmnError", Fail: "fail"}
# Seconds: from a ledger in memory to a server that takes the ten minutes that RFC 5321 allows it.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600)
# When each of them began to count doubles what is sent, and nobody reads it.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """The numbers of one process; all begin with ``smtp_connector_``."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._jobs = self._counters("jobs_taken", "Jobs begun.", "task_type")
        self._reported = self._counters("jobs_reported", "Jobs whose outcome the engine knows.", "outcome")
        self._lost = self._counter("leases_lost", "Jobs that another worker may have got meanwhile.")
        self._sent = self._counters("mails_sent", "Mails that a server has accepted.", "account")
        self._duplicate = self._counter("mails_duplicate", "Jobs that found their mail sent already.")
        self._failed = self._counters("mails_failed", "Attempts that ended in an error.", "code", "account")
        self._ledger_errors = self._counter("ledger_errors", "Writes to the ledger that failed.")
        self._job_seconds = self._histogram(
            "job_seconds", "From taking a job until the engine knows its end."
        )
        self._smtp_seconds = self._histogram("smtp_seconds", "Submitting a mail, the connection included.")
        self._ledger_seconds = self._histogram("ledger_seconds", "Writing a group of steps to the ledger.")
        self._in_flight = self._gauge("jobs_in_flight", "Jobs in hand.")
        self._connections = self._gauge("smtp_connections", "Connections to mail servers that are open.")
        self._build = self._gauge("build_info", "1, with the version as label.", "version", "python")
        self._build.labels(__version__, platform.python_version()).set(1)
        self._pools: dict[object, Callable[[], int]] = {}
        self._connections.set_function(lambda: sum(count() for count in self._pools.values()))

    def text(self) -> bytes:
        """Everything as Prometheus reads it (text format 0.0.4)."""
        return generate_latest(self._registry)

    # The job loop

    def count_in_flight(self, count: Callable[[], int]) -> None:
        """Ask this for the jobs in hand whenever somebody reads."""
        self._in_flight.set_function(count)

    def job_taken(self, task_type: str) -> float:
        """Count a job that begins; the moment, for :meth:`job_reported`."""
        self._jobs(task_type).inc()
        return perf_counter()

    def job_reported(self, outcome: Outcome, begun: float) -> None:
        """Count a job whose outcome the engine knows."""
        self._reported(_OUTCOMES[type(outcome)]).inc()
        self._job_seconds.observe(perf_counter() - begun)

    def lease_lost(self) -> None:
        """Count a lease that ended while its job was in hand."""
        self._lost.inc()

    # Mails

    def mail_sent(self, account: str | None) -> None:
        """Count a mail that went out; its account, None where the task names a server."""
        self._sent(account or "").inc()

    def mail_duplicate(self) -> None:
        """Count a job whose mail was out already when it came."""
        self._duplicate.inc()

    def mail_failed(self, code: str, account: str | None) -> None:
        """Count an attempt that ended in an error; its account as long as it got that far."""
        self._failed(code, account or "").inc()

    def submitting(self) -> AbstractContextManager[object]:
        """Time a submission, whatever becomes of it."""
        return self._smtp_seconds.time()

    @contextmanager
    def pool(self, count: Callable[[], int]) -> Iterator[None]:
        """Ask this for open connections as long as the block lasts; there may be several pools."""
        key = object()
        self._pools[key] = count
        try:
            yield
        finally:
            del self._pools[key]

    # The ledger

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Time a write to the ledger, and count it when it fails."""
        with self._ledger_seconds.time(), self._ledger_errors.count_exceptions(LedgerUnavailableError):
            yield

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"smtp_connector_{name}", text, labels, registry=self._registry)

    def _counters(self, name: str, text: str, *labels: str) -> Callable[..., Counter]:
        """Give the counter of each label; kept, since to look one up costs more than to count.

        None is there before its first event, and there are no more than labels that are names.
        """
        return cache(self._counter(name, text, *labels).labels)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"smtp_connector_{name}", text, labels, registry=self._registry)

    def _histogram(self, name: str, text: str) -> Histogram:
        return Histogram(f"smtp_connector_{name}", text, registry=self._registry, buckets=_BUCKETS)


class MeasuredStore:
    """A ledger's store whose writes are timed.

    Args:
        store: What does the work.
        metrics: Where it is counted.
    """

    def __init__(self, store: Store, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics
        self.check, self.prune, self.aclose = store.check, store.prune, store.aclose

    async def apply(self, operations: Sequence[Operation]) -> list[Answer]:
        """Take the operations; see the port."""
        with self._metrics.recording():
            return await self._store.apply(operations)

    async def entries(self, *, key: str | None, state: State | None, limit: int) -> list[Entry]:
        """Give entries; see the port."""
        return await self._store.entries(key=key, state=state, limit=limit)
