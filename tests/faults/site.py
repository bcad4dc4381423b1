"""One engine, one mail server that knows the truth, and the jobs between them.

Every mail has a subject of its own, so that each copy at the server belongs to one job. The worker is not
part of it: it runs as a process of its own, where it can be killed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import httpx2
from pyzeebe import ZeebeClient
from pyzeebe.errors import ZeebeGatewayUnavailableError
from pyzeebe.proto.gateway_pb2 import ResolveIncidentRequest, UpdateJobRetriesRequest, UpdateJobTimeoutRequest
from pyzeebe.proto.gateway_pb2_grpc import GatewayStub

from connector.devengine import faults
from connector.testing.smtp import SmtpServer
from tests.engine.processes import Static, send_process
from tests.engine.service import NATIVE, RESULT
from tests.engine.worker_process import Running, run
from tests.faults.outcomes import Instance, Outcomes
from tests.faults.verdicts import Row

# How many process instances are started at a time.
_AT_A_TIME = 16
# How long an engine may take until it takes commands, and how often it is asked.
_ENGINE_SECONDS, _PAUSE = 30, 0.1
RESULT_VARIABLE = RESULT["resultVariable"]
END = "end"
RETRIES = 3
UNCERTAIN = "DELIVERY_UNCERTAIN"

# Soon after a fault the job comes again; and the log can be read by `json.loads`.
_QUICK = {
    "worker.lease": "2",
    "worker.retry_backoff": "0.2",
    "worker.rejection_backoff": "0.2",
    "worker.poll_interval": "0.5",
    "log.format": "json",
}
_MAIL = {
    "authentication.hostname": Static("=hostname"),
    "authentication.port": Static("=port"),
    "smtpEmailMailBoxName": "workflow@example.test",
    "smtpEmailToRecipients": ["ann@example.test"],
    "smtpEmailSubject": Static("=subject"),
    "smtpEmailContent": Static("=content"),
}


@dataclass(slots=True)
class Site:
    """Where faults happen.

    Attributes:
        address: The engine's gateway.
        rest_address: Its REST API.
        directory: Of this test; the SQLite ledger lies there.
        jobs: The process instance of each subject.
        asked_for: How often a person has asked for a mail in doubt to be sent again.
    """

    address: str
    rest_address: str
    channel: grpc.aio.Channel
    outcomes: Outcomes
    smtp: SmtpServer
    directory: Path
    jobs: dict[str, int] = field(default_factory=dict)
    asked_for: Counter[str] = field(default_factory=Counter)

    # Work

    async def deploy(
        self,
        inputs: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        retries: int = RETRIES,
        boundaries: Iterable[str] = (),
    ) -> str:
        """Deploy a process with one send task that takes subject and content from its instance; its id."""
        process_id = f"faults-{uuid4().hex}"
        file = self.directory / f"{process_id}.bpmn"
        file.write_bytes(
            send_process(
                process_id,
                NATIVE,
                {**_MAIL, **(inputs or {})},
                {**RESULT, **(headers or {})},
                retries,
                boundaries=boundaries,
            )
        )
        async with asyncio.timeout(_ENGINE_SECONDS):
            while not await self._deployed(file):  # noqa: ASYNC110 - not polling: each turn is a new attempt
                await asyncio.sleep(_PAUSE)
        return process_id

    async def _deployed(self, file: Path) -> bool:
        """Try once: an engine that has just started may not have found its own partition yet."""
        try:
            await ZeebeClient(self.channel).deploy_resource(str(file))
        except ZeebeGatewayUnavailableError:
            return False
        return True

    async def start(self, process_id: str, subjects: Iterable[str], **variables: str | int) -> None:
        """Start an instance for each subject."""
        client, turns = ZeebeClient(self.channel), asyncio.Semaphore(_AT_A_TIME)
        usual: dict[str, Any] = {
            "hostname": self.smtp.hostname,
            "port": self.smtp.port,
            "content": "Hello.",
            **variables,
        }

        async def begin(subject: str) -> None:
            async with turns:
                started = await client.run_process(process_id, {**usual, "subject": subject})
            self.jobs[subject] = started.process_instance_key

        await asyncio.gather(*map(begin, subjects))

    def instance(self, subject: str) -> Instance:
        """What became of a job by now."""
        return self.outcomes.of(self.jobs[subject])

    async def all_over(self, deadline: float = 30) -> None:
        """Wait until every job has ended or is an incident."""
        await self.outcomes.over(self.jobs.values(), deadline)

    async def order(self, fault: str, amount: float = 1) -> None:
        """Have the engine do what a cluster does now and then; see :mod:`connector.devengine.faults`."""
        async with httpx2.AsyncClient(trust_env=False) as client:
            answer = await client.post(
                f"{self.rest_address}/development/faults", json={"fault": fault, "amount": amount}
            )
        assert answer.status_code == 204, answer.text

    async def end_faults(self) -> None:
        """Have the engine behave well again."""
        for fault in faults.NAMES:
            if fault != "drop-streams":
                await self.order(fault, 0)

    # What a person or an operator does

    async def retry(self, subject: str) -> None:
        """Give the job a retry and resolve its incident, as Operate's button does."""
        incident = self.instance(subject).incident
        assert incident is not None
        self.asked_for[subject] += incident.code == UNCERTAIN
        stub = GatewayStub(self.channel)
        await stub.UpdateJobRetries(UpdateJobRetriesRequest(jobKey=incident.job_key, retries=1))
        await stub.ResolveIncident(ResolveIncidentRequest(incidentKey=incident.key))
        instance = self.jobs[subject]
        await self.outcomes.until(lambda: self.outcomes.of(instance).incident is not incident, 10)

    def retries_spent(self) -> list[str]:
        """Jobs whose failed attempts have cost a retry."""
        return [
            subject
            for subject in self.jobs
            if any(retries < RETRIES for retries, *_ in self.instance(subject).failures)
        ]

    async def end_lease(self, job_key: int) -> bool:
        """End a job's lease in the engine, whoever works on it; False when nobody does."""
        try:
            await GatewayStub(self.channel).UpdateJobTimeout(
                UpdateJobTimeoutRequest(jobKey=job_key, timeout=1)
            )
        except grpc.aio.AioRpcError:
            return False
        return True

    @asynccontextmanager
    async def worker(
        self,
        settings: Mapping[str, str] | None = None,
        *,
        address: str | None = None,
        die_at: str | None = None,
    ) -> AsyncIterator[Running]:
        """Run a worker.

        Args:
            settings: By dotted path; without a ledger among them it is the SQLite file of this site.
            address: The gateway, or what stands before it.
            die_at: A point of :mod:`tests.faults.trap`.
        """
        ledger = {"ledger.kind": "sqlite", "ledger.path": str(self.directory / "ledger.db")}
        every = {**_QUICK, **ledger, **(settings or {})}
        options = [word for path, value in every.items() for word in ("--set", f"{path}={value}")]
        program = ("tests.faults.trap", die_at) if die_at else ("connector",)
        async with run(address or self.address, None, *options, program=program) as running:
            yield running

    # The truth

    def copies(self) -> Counter[str]:
        """How many copies of each mail the server has taken."""
        return Counter(str(message_from_bytes(mail.data)["Subject"]) for mail in self.smtp.received)

    def lost(self) -> list[str]:
        """Jobs that ended well without a copy of their mail, or are not over."""
        copies = self.copies()
        return [
            subject
            for subject in self.jobs
            if not self.instance(subject).over or (self.instance(subject).end == END and copies[subject] == 0)
        ]

    def twice(self) -> list[str]:
        """Mails of which there are more copies than one and those that a person has asked for."""
        return [subject for subject, number in self.copies().items() if number > 1 + self.asked_for[subject]]

    def in_doubt(self) -> list[str]:
        """Jobs that were ever an incident because nobody knew whether their mail was out."""
        return [subject for subject in self.jobs if UNCERTAIN in self.instance(subject).incidents]

    def judge(self, row: Row, *, twice: int = 0, lost: int = 0) -> None:
        """Count this site's jobs into the row.

        Args:
            twice: How many mails the operator's policy has sent twice; a person's decision does not count.
            lost: How many it has taken for sent.

        Raises:
            AssertionError: There are others.
        """
        missing, doubled = self.lost(), self.twice()
        row.runs += len(self.jobs)
        row.lost += len(missing)
        row.twice += len(doubled)
        row.uncertain += len(self.in_doubt())
        assert len(missing) == lost, missing
        assert len(doubled) == twice, doubled

    def judge_completed(self, row: Row) -> None:
        """The same, and every job has ended in order, with one copy of its mail."""
        self.judge(row)
        assert {subject: self.instance(subject).end for subject in self.jobs} == dict.fromkeys(self.jobs, END)
        assert self.copies() == Counter(dict.fromkeys(self.jobs, 1))
