"""Events that throw: a message by a job, an escalation, a signal, an error, or the end of a scope."""

from __future__ import annotations

from connector.devengine.behaviours.tasks import JobTask
from connector.devengine.core import Core
from connector.devengine.interpreter import Interpreter
from connector.devengine.jobs import Jobs
from connector.devengine.model import ErrorEvent, EscalationEvent, Expression, SignalEvent, TerminateEvent
from connector.devengine.scopes import visible
from connector.devengine.state import ElementInstance
from connector.devengine.throwing import Throwing


class ThrowEvent(JobTask):
    """An intermediate or end event; with a task definition it is a job, and without an event it is passed."""

    def __init__(self, core: Core, interpreter: Interpreter, jobs: Jobs, throwing: Throwing) -> None:
        super().__init__(core, interpreter, jobs)
        self._throwing = throwing

    def leave(self, where: ElementInstance) -> None:
        """Throw what the event throws, or end what else is in its scope.

        Raises:
            StepFailedError: The code or the name cannot be evaluated, or an error is not caught.
        """
        match where.element.event:
            case ErrorEvent(code=Expression() as code):
                self._throwing.error(where, self._evaluated(where, code))
            case EscalationEvent(code=Expression() as code):
                self._throwing.escalation(where, self._evaluated(where, code))
            case SignalEvent(name=name):
                self._throwing.signal(self._evaluated(where, name), where.variables)
            case TerminateEvent() if where.parent is not None:
                self._interpreter.terminate_children(where.parent, spare=where)

    def _evaluated(self, where: ElementInstance, expression: Expression) -> str:
        return self._evaluator.text(expression, visible(where))
