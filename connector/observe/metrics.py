"""The metrics of a worker, and their sum over several processes, in the text format of Prometheus.

The job loop, the pipeline and the ledger report events. Prometheus keeps every label value for ever, so
labels are our own names or names in the operator's settings, never a recipient, a host of a task, or other
data of a job.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from time import perf_counter
from typing import TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from connector.ledger.port import Answer, Entry, LedgerUnavailableError, Operation, State, Store
from connector.model import VERSION
from connector.model.job import Complete, Fail, Outcome, Throw

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_OUTCOMES = {Complete: "complete", Throw: "bpmnError", Fail: "fail"}
# In seconds: from a ledger in memory to the ten minutes that RFC 5321 gives a server.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 600)
# The creation times of counters would double the text, and Prometheus does not use them.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """The metrics of one process; all names begin with ``smtp_connector_``."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._jobs = self._counters("jobs_taken", "Jobs begun.", "task_type")
        self._reported = self._counters(
            "jobs_reported", "Jobs whose outcome was reported to the engine.", "outcome"
        )
        self._lost = self._counter(
            "leases_lost", "Jobs whose lease expired, so that another worker may have got them."
        )
        self._sent = self._counters("mails_sent", "Mails that a server has accepted.", "account")
        self._duplicate = self._counter("mails_duplicate", "Jobs whose mail was already sent.")
        self._failed = self._counters(
            "mails_failed", "Attempts that ended in an error.", "code", "account", "reason"
        )
        self._ledger_errors = self._counter("ledger_errors", "Writes to the ledger that failed.")
        self._job_seconds = self._histogram("job_seconds", "Time from taking a job to reporting its outcome.")
        self._smtp_seconds = self._histogram(
            "smtp_seconds", "Time to submit a mail, including the wait for a connection."
        )
        self._ledger_seconds = self._histogram(
            "ledger_seconds", "Time to write a group of records to the ledger."
        )
        self._tokens = self._counters(
            "token_requests", "Requests for OAuth access tokens.", "credential", "outcome"
        )
        self._token_seconds = self._histogram("token_seconds", "Time to ask for an OAuth access token.")
        self._in_flight = self._gauge("jobs_in_flight", "Jobs in hand.")
        self._connections = self._gauge("smtp_connections", "Open connections to mail servers, used or idle.")
        self._operations = self._counters(
            "mailbox_operations",
            "Operations on mailboxes; the outcome is ok or an error code.",
            "operation",
            "outcome",
        )
        self._mailboxes = self._gauge("mailbox_connections", "Open connections to mailboxes, used or idle.")
        self._bulk = self._gauge("bulk_mails_waiting", "Mails of bulk tasks in hand that were not tried yet.")
        self._bulks: dict[object, Callable[[], int]] = {}
        self._bulk.set_function(lambda: sum(count() for count in self._bulks.values()))
        self._keys = self._gauge(
            "key_expires_timestamp_seconds",
            "When the certificate of an account's key expires, in seconds since 1970.",
            "account",
            "file",
        )
        self._credentials = self._gauge(
            "credential_expires_timestamp_seconds",
            "When the grant, the client secret or the certificate of an OAuth credential expires.",
            "credential",
            "what",
        )
        self._build = self._gauge("build_info", "Always 1, with the version as label.", "version", "python")
        self._build.labels(VERSION, platform.python_version()).set(1)
        self._pools: dict[object, Callable[[], int]] = {}
        self._connections.set_function(lambda: sum(count() for count in self._pools.values()))
        self._mailbox_pools: dict[object, Callable[[], int]] = {}
        self._mailboxes.set_function(lambda: sum(count() for count in self._mailbox_pools.values()))

    def text(self) -> bytes:
        """Return all metrics in Prometheus's text format 0.0.4."""
        return generate_latest(self._registry)

    # The job loop

    def count_in_flight(self, count: Callable[[], int]) -> None:
        """Call this for the number of jobs in flight at each collection."""
        self._in_flight.set_function(count)

    def job_taken(self, task_type: str) -> float:
        """Count a job that starts; return the time, for :meth:`job_reported`."""
        self._jobs(task_type).inc()
        return perf_counter()

    def job_reported(self, outcome: Outcome, begun: float) -> None:
        """Count a job whose outcome was reported."""
        self._reported(_OUTCOMES[type(outcome)]).inc()
        self._job_seconds.observe(perf_counter() - begun)

    def lease_lost(self) -> None:
        """Count a lease that expired while the worker held its job."""
        self._lost.inc()

    # Mails

    def mail_sent(self, account: str | None) -> None:
        """Count a mail that a server accepted; the account is None if the task names a server."""
        self._sent(account or "").inc()

    def mail_duplicate(self) -> None:
        """Count a job whose mail was already sent."""
        self._duplicate.inc()

    def mail_failed(self, code: str, account: str | None, reason: str | None = None) -> None:
        """Count an attempt that ended in an error.

        Args:
            code: The error code.
            account: The account; None before one is chosen.
            reason: Why the job was handed back, with ``CANCELLED``.
        """
        self._failed(code, account or "", reason or "").inc()

    def submitting(self) -> AbstractContextManager[object]:
        """Time a submission, successful or not."""
        return self._smtp_seconds.time()

    @contextmanager
    def pool(self, count: Callable[[], int]) -> Iterator[None]:
        """Call this for the number of open connections while the block lasts; there may be several pools."""
        with _counted(self._pools, count):
            yield

    @contextmanager
    def bulk(self, count: Callable[[], int]) -> Iterator[None]:
        """Call this for the number of mails that a bulk task has not tried yet, while the block lasts."""
        with _counted(self._bulks, count):
            yield

    # Mailboxes

    def mailbox_operation(self, operation: str, outcome: str) -> None:
        """Count an operation on a mailbox; the operation is empty where it was not known yet."""
        self._operations(operation, outcome).inc()

    @contextmanager
    def mailbox_pool(self, count: Callable[[], int]) -> Iterator[None]:
        """Call this for the number of open connections to mailboxes while the block lasts."""
        with _counted(self._mailbox_pools, count):
            yield

    def keys_expire(self, moments: Mapping[tuple[str, str], float]) -> None:
        """Replace the times at which the keys of accounts expire, by account and file."""
        self._keys.clear()
        for labels, moment in moments.items():
            self._keys.labels(*labels).set(moment)

    def credentials_expire(self, moments: Mapping[tuple[str, str], float]) -> None:
        """Replace the times at which something of the OAuth credentials expires, by credential and what."""
        self._credentials.clear()
        for labels, moment in moments.items():
            self._credentials.labels(*labels).set(moment)

    def token_requested(self, credential: str, outcome: str, seconds: float) -> None:
        """Count a request for an access token.

        Args:
            credential: The settings that it was for; ``authentication.oauth`` for those that tasks name.
            outcome: ``ok``, or the error's code.
            seconds: How long it took.
        """
        self._tokens(credential, outcome).inc()
        self._token_seconds.observe(seconds)

    # The ledger

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Time a write to the ledger, and count it if it fails."""
        with self._ledger_seconds.time(), self._ledger_errors.count_exceptions(LedgerUnavailableError):
            yield

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"smtp_connector_{name}", text, labels, registry=self._registry)

    def _counters(self, name: str, text: str, *labels: str) -> Callable[..., Counter]:
        """Return the counter of a label, and keep it, because a look-up costs more than counting.

        A counter appears with its first event.
        """
        return cache(self._counter(name, text, *labels).labels)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"smtp_connector_{name}", text, labels, registry=self._registry)

    def _histogram(self, name: str, text: str) -> Histogram:
        return Histogram(f"smtp_connector_{name}", text, registry=self._registry, buckets=_BUCKETS)


class MeasuredStore:
    """Times the writes of a ledger's store.

    Args:
        store: The store.
        metrics: Receives the times.
    """

    def __init__(self, store: Store, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics
        self.check, self.prune, self.aclose = store.check, store.prune, store.aclose
        self.keys = store.keys

    async def apply(self, operations: Sequence[Operation]) -> list[Answer]:
        """Take the operations; see the port."""
        with self._metrics.recording():
            return await self._store.apply(operations)

    async def entries(self, *, key: str | None, state: State | None, limit: int) -> list[Entry]:
        """Give entries; see the port."""
        return await self._store.entries(key=key, state=state, limit=limit)


_Sample: TypeAlias = tuple[str, str, tuple[tuple[str, str], ...]]
_Totals: TypeAlias = dict[_Sample, float]
# The same in every process, so a sum would be wrong.
_SAME = frozenset(
    {
        "smtp_connector_build_info",
        "smtp_connector_key_expires_timestamp_seconds",
        "smtp_connector_credential_expires_timestamp_seconds",
    }
)


class Addition:
    """The sum of the metrics of several processes, including those that have ended.

    Samples with the same name and labels are added. A counter must not decrease, because Prometheus would
    interpret that as a restart, so the last counters of a process are kept after its end. Gauges are dropped.
    """

    def __init__(self) -> None:
        self._ended: _Totals = {}
        self._running: dict[object, str] = {}
        self._families: dict[str, Metric] = {}

    def heard(self, process: object, text: str) -> None:
        """Replace the metrics of a process."""
        self._running[process] = text

    def ended(self, process: object) -> None:
        """Keep the last counters of a process that has ended."""
        for family in _families([self._running.pop(process, "")]):
            self._families.setdefault(family.name, family)
            if family.type != "gauge":
                _add(self._ended, family)

    def text(self) -> bytes:
        """Return the sum in Prometheus's text format."""
        totals = dict(self._ended)
        for family in _families(self._running.values()):
            self._families.setdefault(family.name, family)
            _add(totals, family)
        return generate_latest(_Summed(self._families, totals))


@contextmanager
def _counted(pools: dict[object, Callable[[], int]], count: Callable[[], int]) -> Iterator[None]:
    key = object()
    pools[key] = count
    try:
        yield
    finally:
        del pools[key]


def _families(texts: Iterable[str]) -> Iterator[Metric]:
    for text in texts:
        yield from text_string_to_metric_families(text)


def _add(totals: _Totals, family: Metric) -> None:
    for sample in family.samples:
        key = (family.name, sample.name, tuple(sample.labels.items()))
        totals[key] = sample.value if family.name in _SAME else totals.get(key, 0.0) + sample.value


class _Summed(CollectorRegistry):
    """A registry that only contains sums."""

    def __init__(self, families: Mapping[str, Metric], totals: _Totals) -> None:
        super().__init__()
        self._families = families
        self._totals = totals

    def collect(self) -> Iterator[Metric]:
        for name, family in self._families.items():
            summed = Metric(name, family.documentation, family.type)
            for (of, sample, labels), value in self._totals.items():
                if of == name:
                    summed.add_sample(sample, dict(labels), value)
            yield summed
