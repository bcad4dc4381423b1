"""Call activities: another process runs inside, with variables copied in and back."""

from __future__ import annotations

from connector.devengine.behaviours.passing import Passing
from connector.devengine.core import Core
from connector.devengine.definitions import Definitions
from connector.devengine.incidents import IncidentKind, StepFailedError
from connector.devengine.interpreter import Interpreter
from connector.devengine.model import Call, Definition
from connector.devengine.scopes import visible
from connector.devengine.state import ElementInstance

# A process that calls itself would go on until the memory is full.
_MOST_DEPTH = 1_000


class CallActivity(Passing):
    """Waits for the end of the process that it has started."""

    def __init__(self, core: Core, interpreter: Interpreter, definitions: Definitions) -> None:
        super().__init__(interpreter)
        self._evaluator = core.evaluator
        self._definitions = definitions

    def enter(self, where: ElementInstance) -> None:
        """Start the latest version of the process.

        Raises:
            StepFailedError: There is no such process, or calls are nested too deeply.
        """
        call, seen = _call(where), visible(where)
        definition = self._callable(self._evaluator.text(call.process_id, seen), where)
        variables = seen if call.all_in else where.variables
        where.called = self._interpreter.start(definition, variables, caller=where)

    def child_ended(self, where: ElementInstance) -> None:
        """Take the variables of the process that has ended, and go on."""
        called, where.called = where.called, None
        assert called is not None  # noqa: S101 - it is what has ended
        takes = _call(where).all_back or where.element.outputs
        self._interpreter.finish(where, called.root.variables if takes else None)

    def _callable(self, process_id: str, where: ElementInstance) -> Definition:
        definition = self._definitions.latest(process_id)
        if definition is None:
            raise _failed(
                f"Expected process with BPMN process id '{process_id}' to be deployed, but not found."
            )
        if not definition.process.root.start:
            raise _failed(f"Expected process '{process_id}' to have a none start event, but it has none.")
        if where.instance.depth >= _MOST_DEPTH:
            raise _failed(f"Expected at most {_MOST_DEPTH} nested calls; does the process call itself?")
        return definition


def _call(where: ElementInstance) -> Call:
    assert where.element.call is not None  # noqa: S101 - asked for at deployment
    return where.element.call


def _failed(text: str) -> StepFailedError:
    return StepFailedError(IncidentKind.CALLED_ELEMENT_ERROR, text)
