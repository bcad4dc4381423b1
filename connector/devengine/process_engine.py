"""The engine: commands go in, each runs to its end before it returns, and everything can be read back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from connector.devengine.backlog import Backlog, Push, Stream, Watch
from connector.devengine.behaviours import behaviours
from connector.devengine.catching import Catching
from connector.devengine.clock import Clock
from connector.devengine.commands import (
    ActivatedJob,
    ActivationRequest,
    CommandRefusedError,
    Deployment,
    EngineVersion,
    Failure,
    MessageToPublish,
    Rejection,
    Resource,
    StartedInstance,
    Variables,
)
from connector.devengine.core import Core
from connector.devengine.definitions import Definitions
from connector.devengine.deployment import Deployments
from connector.devengine.expressions import type_of
from connector.devengine.instances import Ended, Ending, Instances
from connector.devengine.interpreter import Interpreter
from connector.devengine.jobs import Jobs, check_request
from connector.devengine.messages import Messages
from connector.devengine.model import Definition
from connector.devengine.records import RecordLog
from connector.devengine.signals import Signals
from connector.devengine.throwing import Throwing
from connector.devengine.timers import Timers
from connector.devengine.views import (
    ElementView,
    IncidentView,
    InstanceView,
    JobView,
    VariableView,
    Views,
    WaitView,
)
from connector.devengine.waiting import Waiting


class ProcessEngine:
    """Runs processes in memory: synchronous, for one thread, and deterministic.

    The same commands at the same times with the same seed give the same state and the same keys. Nothing
    happens by itself: what is due happens in `tick`.

    Every command raises `CommandRefusedError` where it cannot be carried out, and has then changed nothing.

    Args:
        clock: Gives the time.
        version: Whose rules a deployment has to follow.
        records: Takes every change; None for no records.
        seed: Where ``random number()`` and ``uuid()`` of FEEL begin.
        history: How many ended process instances can still be read.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        version: EngineVersion = "8.6",
        records: RecordLog | None = None,
        seed: int = 0,
        history: int = 2_000,
    ) -> None:
        core = Core.of(clock, records, seed, history)
        interpreter = Interpreter(core)
        catching = Catching(interpreter, core.recorder)
        self._messages = Messages(core, interpreter, catching)
        self._signals = Signals(core, interpreter, catching)
        waiting = Waiting(self._messages, self._signals, Timers(core, interpreter, catching))
        throwing = Throwing(catching, self._signals, core.recorder)
        self._backlog = Backlog()
        self._jobs = Jobs(core, interpreter, throwing, self._backlog)
        self._definitions = Definitions()
        self._deployments = Deployments(core, self._definitions, waiting, version)
        interpreter.attach(behaviours(core, interpreter, self._jobs, throwing, self._definitions), waiting)
        self._core, self._interpreter = core, interpreter
        self._instances = Instances(core, interpreter, self._definitions)
        self._views = Views(core.state)

    def _settle(self) -> None:
        """Do all steps, then tell those who wait for jobs and ends."""
        self._interpreter.run()
        self._backlog.settle(self._jobs)
        self._instances.settle()

    # Processes

    def deploy(self, resources: Sequence[Resource]) -> Deployment:
        """Deploy all resources or none."""
        deployment = self._deployments.deploy(resources)
        self._settle()
        return deployment

    def create_instance(
        self, process: str | int, version: int = -1, variables: Variables | None = None
    ) -> StartedInstance:
        """Start a process by its id (-1: the latest version) or by its definition's key."""
        started = self._instances.create(process, version, _checked("CREATE", variables))
        self._settle()
        return started

    def cancel_instance(self, key: int) -> None:
        """Terminate a process instance."""
        self._instances.cancel(key)
        self._settle()

    def set_variables(self, scope_key: int, variables: Variables, *, local: bool = False) -> int:
        """Set variables of a scope, or of the scopes around it that have them; returns a key."""
        key = self._instances.set_variables(scope_key, _checked("UPDATE", variables), local=local)
        self._settle()
        return key

    # Jobs

    def activate(self, request: ActivationRequest, limit: int) -> list[ActivatedJob]:
        """Take what is in the backlog, oldest first."""
        check_request(request, limit)
        return [self._jobs.lease(job, request) for job in self._backlog.oldest(request.type, limit)]

    def lease_job(self, key: int, request: ActivationRequest) -> ActivatedJob:
        """Take this job, for a replay, which knows who got which job; it has to be in the backlog."""
        return self._jobs.lease(self._jobs.find_offered(key), request)

    def release_job(self, key: int) -> None:
        """Put a job back at once that no worker has read, without the loss of a retry."""
        self._jobs.release(key)
        self._settle()

    def open_stream(self, request: ActivationRequest, push: Push) -> Stream:
        """Push every job that becomes available; ``push`` returns False when there is no room for it."""
        check_request(request)
        return self._backlog.open_stream(request, push)

    def on_available(self, job_type: str, callback: Callable[[], object]) -> Watch:
        """Call back after each command that has put jobs of a type into the backlog."""
        return self._backlog.watch(job_type, callback)

    def complete_job(self, key: int, variables: Variables | None = None) -> None:
        """Complete a job."""
        self._jobs.complete(key, _checked("COMPLETE", variables))
        self._settle()

    def fail_job(self, key: int, failure: Failure) -> None:
        """Fail a job; without retries there is an incident."""
        _checked("FAIL", failure.variables)
        self._jobs.fail(key, failure)
        self._settle()

    def throw_error(self, key: int, code: str, message: str = "", variables: Variables | None = None) -> None:
        """Throw a BPMN error."""
        self._jobs.throw(key, code, message, _checked("THROW_ERROR", variables))
        self._settle()

    def update_job_timeout(self, key: int, seconds: float) -> None:
        """Let the lease end so many seconds from now."""
        self._jobs.update_timeout(key, seconds)

    def update_job_retries(self, key: int, retries: int) -> None:
        """Set the number of attempts that are left."""
        self._jobs.update_retries(key, retries)

    def mark_oversized(self, key: int) -> None:
        """Raise an incident on a job whose variables do not fit into an answer; it is leased to no worker."""
        self._jobs.mark_oversized(key)
        self._settle()

    def resolve_incident(self, key: int) -> None:
        """Try again what the incident stopped."""
        self._core.incidents.resolve(key)
        self._settle()

    # Messages, signals, time

    def publish_message(self, message: MessageToPublish) -> int:
        """Publish a message; returns its key."""
        _checked("PUBLISH", message.variables)
        key = self._messages.publish(message)
        self._settle()
        return key

    def broadcast_signal(self, name: str, variables: Variables | None = None) -> int:
        """Broadcast a signal; returns a key."""
        key = self._signals.broadcast(name, _checked("BROADCAST", variables))
        self._settle()
        return key

    def due(self) -> float | None:
        """Return when `tick` next has something to do, in seconds since the epoch."""
        return self._core.agenda.next_due()

    def tick(self) -> int:
        """Do everything that is due, in order of time; returns how much that was."""
        done = 0
        while (action := self._core.agenda.take(self._core.clock.now())) is not None:
            action()
            self._settle()
            done += 1
        return done

    def on_ended(self, process_instance_key: int, callback: Ended) -> Ending:
        """Call back once, with the root's variables, or None when the instance was terminated.

        It is called at once for an instance that has ended already.
        """
        return self._instances.on_ended(process_instance_key, callback)

    # What there is to read

    def definitions(self) -> Iterable[Definition]:
        """Return all deployed processes, oldest first."""
        return self._definitions.all()

    def instances(self) -> Iterator[InstanceView]:
        """Return the process instances, oldest first."""
        return self._views.instances()

    def elements(self, process_instance_key: int | None = None) -> Iterator[ElementView]:
        """Return the element instances, of one process instance or of all."""
        return self._views.elements(process_instance_key)

    def jobs(self, process_instance_key: int | None = None) -> Iterator[JobView]:
        """Return the jobs in all states, of one process instance or of all."""
        return self._views.jobs(process_instance_key)

    def open_jobs(self) -> Iterator[JobView]:
        """Return the jobs that have not ended, oldest first."""
        return self._views.open_jobs()

    def open_streams(self, job_type: str | None = None) -> int:
        """Return how many streams are open, for one type or for all."""
        return self._backlog.streams(job_type)

    def waits(self, process_instance_key: int) -> Iterator[WaitView]:
        """Return the messages, signals and times that a process instance waits for."""
        return self._views.waits(process_instance_key)

    def incidents(self, process_instance_key: int | None = None) -> Iterator[IncidentView]:
        """Return the incidents, resolved ones too."""
        return self._views.incidents(process_instance_key)

    def variables(self, process_instance_key: int | None = None) -> Iterator[VariableView]:
        """Return the variables of all scopes; those of an ended scope as they were at its end."""
        return self._views.variables(process_instance_key)


def _checked(intent: str, variables: object) -> Variables:
    if variables is None:
        return {}
    if not isinstance(variables, Mapping):
        sentence = f"Expected document to be a root level object, but was '{type_of(variables)}'"
        raise CommandRefusedError(intent, Rejection.INVALID_ARGUMENT, sentence)
    return variables
