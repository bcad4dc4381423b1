"""The life of a job: created, leased, completed, failed and tried again, or ended with its element.

A completion or a failure is taken from every worker as long as the job exists; only the extension of a lease
needs the lease. The key stays the same over all attempts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

from connector.devengine.backlog import Backlog
from connector.devengine.commands import (
    DEFAULT_TENANT,
    ActivatedJob,
    ActivationRequest,
    CommandRefusedError,
    Failure,
    Rejection,
)
from connector.devengine.core import Core
from connector.devengine.incidents import IncidentKind, StepFailedError
from connector.devengine.interpreter import Interpreter
from connector.devengine.scopes import visible
from connector.devengine.state import ElementInstance, Job, JobState
from connector.devengine.throwing import Throwing

# A real engine was seen to take 2,000,000 characters and to refuse 3,000,000.
_MOST_RESULT = 2_500_000
_LONGEST_MESSAGE = 10_000
_SHORTEST_LEASE = 0.001
_NO_MESSAGE = "No more retries left."
_OVERSIZED = "The job with its variables is larger than an answer to a worker may be. Fetch fewer variables."
_REFUSING = {JobState.FAILED, JobState.ERROR_THROWN}


class Jobs:
    """Creates, leases and ends jobs."""

    def __init__(self, core: Core, interpreter: Interpreter, throwing: Throwing, backlog: Backlog) -> None:
        self._state = core.state
        self._clock = core.clock
        self._agenda = core.agenda
        self._scopes = core.scopes
        self._recorder = core.recorder
        self._incidents = core.incidents
        self._interpreter = interpreter
        self._throwing = throwing
        self._backlog = backlog

    def create(self, where: ElementInstance, job_type: str, retries: int, headers: dict[str, str]) -> None:
        """Create the job of an element instance."""
        job = where.job = Job(self._state.next_key(), job_type, retries, headers, where)
        self._state.jobs[job.key] = job
        where.instance.jobs.append(job)
        self._recorder.job(job, "CREATED")
        self._backlog.add(job)

    def cancel(self, job: Job) -> None:
        """End the job of an element that is terminated; one that has ended stays as it is."""
        if self._state.jobs.pop(job.key, None) is not None:
            self._withdraw(job)
            if job.state is not JobState.ERROR_THROWN:
                job.state = JobState.CANCELED
                self._recorder.job(job, "CANCELED")

    # Leases

    def lease(self, job: Job, request: ActivationRequest) -> ActivatedJob:
        """Take a job out of the backlog for a worker."""
        self._backlog.remove(job)
        job.state = JobState.ACTIVATED
        job.worker = request.worker
        self._set_deadline(job, request.timeout)
        self._recorder.job(job, "ACTIVATED")
        return _activated(job, request)

    def find_offered(self, key: int) -> Job:
        """Return a job that is in the backlog.

        Raises:
            CommandRefusedError: There is no such job, or it is in other hands.
        """
        job = self._find(key, "ACTIVATE", "activate job")
        if job.state not in {JobState.CREATED, JobState.TIMED_OUT}:
            raise _refused("ACTIVATE", "activate job", key, f"it is in state '{job.state}'")
        return job

    def put_back(self, job: Job) -> None:
        """Put a job into the backlog that no worker wanted, without offering it again."""
        self._release(job, JobState.CREATED)
        self._backlog.keep(job)

    def release(self, key: int) -> None:
        """Offer a leased job again that its worker has not read; any other job stays as it is."""
        job = self._state.jobs.get(key)
        if job is not None and job.state is JobState.ACTIVATED:
            self._offer(job, "YIELDED")

    def update_timeout(self, key: int, seconds: float) -> None:
        """Let the lease end so many seconds from now.

        Raises:
            CommandRefusedError: There is no such job, or no lease runs.
        """
        job = self._find(key, "UPDATE_TIMEOUT", "update the timeout of job")
        if job.state is not JobState.ACTIVATED:
            raise _refused("UPDATE_TIMEOUT", "update the timeout of job", key, "it is not active")
        self._set_deadline(job, seconds)
        self._recorder.job(job, "TIMEOUT_UPDATED")

    def _set_deadline(self, job: Job, seconds: float) -> None:
        if job.alarm is not None:
            job.alarm.close()
        job.deadline = self._clock.now() + seconds
        job.alarm = self._agenda.at(job.deadline, partial(self._offer, job, "TIMED_OUT"))

    def _release(self, job: Job, state: JobState) -> None:
        if job.alarm is not None:
            job.alarm.close()
        job.alarm = job.deadline = job.backoff_until = None
        job.state = state

    def _withdraw(self, job: Job) -> None:
        self._release(job, job.state)
        self._backlog.remove(job)

    def _offer(self, job: Job, intent: str = "") -> None:
        if intent:
            self._recorder.job(job, intent)
        self._release(job, JobState.TIMED_OUT if intent == "TIMED_OUT" else JobState.CREATED)
        self._backlog.add(job)

    # Outcomes

    def complete(self, key: int, variables: Mapping[str, Any]) -> None:
        """Complete a job.

        Raises:
            CommandRefusedError: There is no such job, or an incident stands, or the result is too large.
        """
        job = self._find_open(key, "COMPLETE", "complete job")
        _check_size("COMPLETE", variables)
        del self._state.jobs[key]
        self._withdraw(job)
        job.state = JobState.COMPLETED
        self._recorder.job(job, "COMPLETED", variables=dict(variables))
        self._interpreter.finish(job.element_instance, variables)

    def fail(self, key: int, failure: Failure) -> None:
        """Note a failed attempt.

        Raises:
            CommandRefusedError: There is no such job, or an incident stands.
        """
        job = self._find_open(key, "FAIL", "fail job")
        self._withdraw(job)
        job.retries = max(failure.retries, 0)
        job.error_message = failure.message[:_LONGEST_MESSAGE]
        backoff = failure.backoff if job.retries else 0.0
        asked_for = round(failure.backoff * 1000)
        self._recorder.job(job, "FAILED", retryBackoff=asked_for, variables=dict(failure.variables))
        self._scopes.set_local(job.element_instance, failure.variables)
        if not job.retries:
            self._stop(job, StepFailedError(IncidentKind.JOB_NO_RETRIES, job.error_message or _NO_MESSAGE))
        elif backoff > 0:
            self._back_off(job, backoff)
        else:
            self._offer(job)

    def throw(self, key: int, code: str, message: str, variables: Mapping[str, Any]) -> None:
        """Throw a BPMN error; where nothing catches it, an incident holds the job.

        Raises:
            CommandRefusedError: There is no such job, or an incident stands, or the variables are too large.
        """
        job = self._find_open(key, "THROW_ERROR", "throw an error for job")
        _check_size("THROW_ERROR", variables)
        self._withdraw(job)
        job.state, job.error_code, job.error_message = JobState.ERROR_THROWN, code, message
        self._recorder.job(job, "ERROR_THROWN", variables=dict(variables))
        try:
            self._throwing.error(job.element_instance, code, message, variables)
        except StepFailedError as fault:
            retry = partial(self._offer, job)
            self._incidents.report(fault, job.element_instance, retry, job)

    def update_retries(self, key: int, retries: int) -> None:
        """Set the number of attempts that are left; a failed job waits for its incident all the same.

        Raises:
            CommandRefusedError: There is no such job, or the number is less than 1.
        """
        job = self._find(key, "UPDATE_RETRIES", "update retries for job")
        if retries < 1:
            sentence = (
                f"Expected to update retries for job with key '{key}' with a positive amount of retries, "
                f"but the amount given was '{retries}'"
            )
            raise CommandRefusedError("UPDATE_RETRIES", Rejection.INVALID_ARGUMENT, sentence)
        job.retries = retries
        self._recorder.job(job, "RETRIES_UPDATED")

    def mark_oversized(self, key: int) -> None:
        """Take a job back that does not fit into an answer, and raise an incident.

        Raises:
            CommandRefusedError: There is no such job, or an incident stands.
        """
        job = self._find_open(key, "ACTIVATE", "activate job")
        self._withdraw(job)
        self._stop(job, StepFailedError(IncidentKind.MESSAGE_SIZE_EXCEEDED, _OVERSIZED))

    def _back_off(self, job: Job, seconds: float) -> None:
        job.state = JobState.BACKING_OFF
        job.backoff_until = self._clock.now() + seconds
        job.alarm = self._agenda.at(job.backoff_until, partial(self._offer, job, "RECURRED_AFTER_BACKOFF"))

    def _stop(self, job: Job, fault: StepFailedError) -> None:
        job.state = JobState.FAILED
        self._incidents.report(fault, job.element_instance, partial(self._try_again, job, fault), job)

    def _try_again(self, job: Job, fault: StepFailedError) -> None:
        if job.retries:
            self._offer(job)
        else:
            self._stop(job, fault)

    def _find(self, key: int, intent: str, doing: str) -> Job:
        job = self._state.jobs.get(key)
        if job is None:
            raise _refused(intent, doing, key, "no such job was found", Rejection.NOT_FOUND)
        return job

    def _find_open(self, key: int, intent: str, doing: str) -> Job:
        job = self._find(key, intent, doing)
        if job.state in _REFUSING:
            raise _refused(intent, doing, key, f"it is in state '{job.state}'")
        return job


def _activated(job: Job, request: ActivationRequest) -> ActivatedJob:
    where = job.element_instance
    definition = where.instance.definition
    variables = visible(where)
    if request.fetch_variables:
        variables = {name: variables[name] for name in request.fetch_variables if name in variables}
    return ActivatedJob(
        key=job.key,
        type=job.type,
        process_instance_key=where.instance.key,
        bpmn_process_id=definition.process.id,
        process_definition_version=definition.version,
        process_definition_key=definition.key,
        element_id=where.element.id,
        element_instance_key=where.key,
        custom_headers=job.custom_headers,
        worker=job.worker,
        retries=job.retries,
        deadline=job.deadline or 0.0,
        variables=variables,
        tenant_id=DEFAULT_TENANT,
    )


def _check_size(intent: str, variables: Mapping[str, Any]) -> None:
    if variables and len(json.dumps(variables, ensure_ascii=False)) > _MOST_RESULT:
        # The vendor's engine says nothing after the code either.
        raise CommandRefusedError(intent, Rejection.EXCEEDED_BATCH_RECORD_SIZE, "")


def _refused(
    intent: str, doing: str, key: int, but: str, rejection: Rejection = Rejection.INVALID_STATE
) -> CommandRefusedError:
    return CommandRefusedError(intent, rejection, f"Expected to {doing} with key '{key}', but {but}")


def check_request(request: ActivationRequest, limit: int = 1) -> None:
    """Refuse what a worker must not ask for.

    Raises:
        CommandRefusedError: The type or the worker is missing, the timeout or the limit is less than 1, or
            there is a tenant, which this engine does not have.
    """
    faults = {
        "type to be present": not request.type.strip(),
        "worker to be present": not request.worker.strip(),
        "timeout to be greater than zero": request.timeout < _SHORTEST_LEASE,
        "max jobs to activate to be greater than zero": limit < 1,
        f"tenants to be '{DEFAULT_TENANT}' only": bool(set(request.tenants) - {DEFAULT_TENANT}),
    }
    for wanted, is_wrong in faults.items():
        if is_wrong:
            sentence = f"Expected to activate jobs with {wanted}, but it was not"
            raise CommandRefusedError("ACTIVATE", Rejection.INVALID_ARGUMENT, sentence)
