"""Commands on process instances: start, cancel, set variables, and the news of their ends."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable

from connector.devengine.commands import CommandRefusedError, Rejection, StartedInstance, Variables
from connector.devengine.core import Core
from connector.devengine.definitions import Definitions
from connector.devengine.interpreter import Interpreter
from connector.devengine.model import Definition
from connector.devengine.state import Phase, ProcessInstance

Ended = Callable[[Variables | None], object]


class Ending:
    """Waits for the end of a process instance."""

    __slots__ = ("_others", "callback")

    def __init__(self, others: dict[Ending, None], callback: Ended) -> None:
        self._others = others
        self.callback = callback
        others[self] = None

    def close(self) -> None:
        """Call back no more."""
        self._others.pop(self, None)


class Instances:
    """Starts and cancels process instances."""

    def __init__(self, core: Core, interpreter: Interpreter, definitions: Definitions) -> None:
        self._state = core.state
        self._scopes = core.scopes
        self._interpreter = interpreter
        self._definitions = definitions
        self._endings: dict[int, dict[Ending, None]] = defaultdict(dict)
        self._ended: deque[ProcessInstance] = deque()
        interpreter.ended.append(self._ended.append)

    def create(self, process: str | int, version: int, variables: Variables) -> StartedInstance:
        """Start a process at its none start event.

        Raises:
            CommandRefusedError: There is no such process, or it has no none start event.
        """
        definition = self._definition(process, version)
        if not definition.process.root.start:
            sentence = (
                "Expected to create instance of process with none start event, but there is no such event"
            )
            raise CommandRefusedError("CREATE", Rejection.INVALID_STATE, sentence)
        instance = self._interpreter.start(definition, variables)
        return StartedInstance(definition.key, definition.process.id, definition.version, instance.key)

    def _definition(self, process: str | int, version: int) -> Definition:
        if isinstance(process, int):
            found, named = self._definitions.by_key(process), f"key '{process}'"
        else:
            found, named = self._definitions.version(process, version), f"process ID '{process}'"
            named += "" if version == -1 else f" and version '{version}'"
        if found is None:
            sentence = f"Expected to find process definition with {named}, but none found"
            raise CommandRefusedError("CREATE", Rejection.NOT_FOUND, sentence)
        return found

    def cancel(self, key: int) -> None:
        """Terminate a process instance and all that it has called.

        Raises:
            CommandRefusedError: There is no such instance, or another one has called it.
        """
        instance = self._state.instances.get(key)
        expected = f"Expected to cancel a process instance with key '{key}', but"
        if instance is None:
            sentence = f"{expected} no such process was found"
            raise CommandRefusedError("CANCEL", Rejection.NOT_FOUND, sentence)
        if instance.caller is not None:
            parent = f"the instance with key '{instance.caller.instance.key}'"
            sentence = f"{expected} it was called by {parent}. Cancel that one instead."
            raise CommandRefusedError("CANCEL", Rejection.INVALID_STATE, sentence)
        self._interpreter.terminate(instance.root)

    def set_variables(self, scope_key: int, variables: Variables, *, local: bool) -> int:
        """Set variables in a scope, or from it upwards; returns a key.

        Raises:
            CommandRefusedError: There is no such scope.
        """
        where = self._state.elements.get(scope_key)
        if where is None:
            sentence = (
                f"Expected to update variables for element with key '{scope_key}', "
                "but no such element was found"
            )
            raise CommandRefusedError("UPDATE", Rejection.NOT_FOUND, sentence)
        key = self._state.next_key()
        if local:
            self._scopes.set_local(where, variables)
        else:
            self._scopes.propagate(where, variables)
        return key

    # Ends

    def on_ended(self, key: int, callback: Ended) -> Ending:
        """Call back at the end of an instance, or at once when it has ended."""
        over = self._state.ended.get(key)
        ending = Ending({} if over else self._endings[key], callback)
        if over is not None:
            callback(_outcome(over))
        return ending

    def settle(self) -> None:
        """Tell of the instances that have ended."""
        while self._ended:
            instance = self._ended.popleft()
            for ending in list(self._endings.pop(instance.key, ())):
                ending.callback(_outcome(instance))


def _outcome(instance: ProcessInstance) -> Variables | None:
    return dict(instance.root.variables) if instance.root.phase is Phase.COMPLETED else None
