"""The walk of tokens: a queue of small steps, and what every element goes through from its entry to its end.

A command puts steps into the queue and runs it until it is empty. A step that cannot be done becomes an
incident, whose resolution puts the same step into the queue again. What an element itself does is up to its
behaviour; what it waits for is up to `waiting`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

from connector.devengine.core import Core
from connector.devengine.incidents import IncidentKind, StepFailedError
from connector.devengine.model import Definition, Element, Flow, Kind
from connector.devengine.state import ElementInstance, Phase, ProcessInstance

Action = Callable[[ElementInstance], None]

# A command takes a handful of steps for each element. What takes this many is a loop that waits for nothing.
_MOST_STEPS = 1_000_000


class Behaviour(Protocol):
    """What is special about one kind of element."""

    def enter(self, where: ElementInstance) -> None:
        """Begin: make a job, enter what is inside, or finish at once."""

    def leave(self, where: ElementInstance) -> None:
        """Do what there is to do at the end, after the output mappings."""

    def stop(self, where: ElementInstance) -> None:
        """Give up, because the element is terminated."""

    def child_leaves(self, where: ElementInstance, child: ElementInstance) -> None:
        """Look at something inside that is about to end."""

    def child_ended(self, where: ElementInstance) -> None:
        """Go on after something inside has ended and leads nowhere."""


class Waiting(Protocol):
    """Opens and closes what an element instance waits for."""

    def open(self, host: ElementInstance) -> None:
        """Open all subscriptions and timers, or none if one fails."""

    def close(self, host: ElementInstance) -> None:
        """Close all of them."""


class Interpreter:
    """Runs process instances, one step after the other."""

    def __init__(self, core: Core) -> None:
        self._state = core.state
        self._clock = core.clock
        self._scopes = core.scopes
        self._incidents = core.incidents
        self._recorder = core.recorder
        self._queue: deque[tuple[Action, ElementInstance]] = deque()
        self._behaviours: Mapping[Kind, Behaviour] = {}
        self._waiting: Waiting
        self.ended: list[Callable[[ProcessInstance], None]] = []

    def attach(self, behaviours: Mapping[Kind, Behaviour], waiting: Waiting) -> None:
        """Take the parts that need the interpreter themselves."""
        self._behaviours = behaviours
        self._waiting = waiting

    # The queue

    def push(self, action: Action, where: ElementInstance) -> None:
        """Put a step into the queue; it is left out if the element instance has ended by then."""
        self._queue.append((action, where))

    def run(self) -> None:
        """Do steps until the queue is empty."""
        queue, steps = self._queue, 0
        while queue:
            action, where = queue.popleft()
            if where.phase >= Phase.COMPLETED:
                continue
            steps += 1
            try:
                if steps > _MOST_STEPS:
                    raise _endless(where)
                action(where)
            except StepFailedError as fault:
                self._incidents.report(fault, where, partial(self.push, action, where))

    # Beginnings

    def start(
        self,
        definition: Definition,
        variables: Mapping[str, Any],
        trigger: Element | None = None,
        caller: ElementInstance | None = None,
    ) -> ProcessInstance:
        """Start a process at its none start event, or at the event that was triggered."""
        now = self._clock.now()
        instance = ProcessInstance(self._state.next_key(), definition, now)
        if caller is not None:
            instance.caller, instance.depth = caller, caller.instance.depth + 1
        self._state.instances[instance.key] = instance
        root = instance.root = ElementInstance(
            instance.key, definition.process.root, Kind.PROCESS, None, instance
        )
        self._begin(root)
        if trigger is None:
            self._scopes.set_local(root, variables)
        else:
            root.trigger = (trigger, variables)
        self.push(self._activate, root)
        return instance

    def enter(self, element: Element, scope: ElementInstance, kind: Kind | None = None) -> ElementInstance:
        """Enter an element; one with loop characteristics by its body, unless the kind says otherwise."""
        where = self._create(
            element, scope, kind or (Kind.MULTI_INSTANCE_BODY if element.loop else element.kind)
        )
        self.push(self._activate, where)
        return where

    def enter_triggered(self, event: Element, scope: ElementInstance, variables: Mapping[str, Any]) -> None:
        """Enter an event that has taken place already, and leave it with what it brings."""
        self.finish(self._create(event, scope, event.kind), variables)

    def _create(self, element: Element, scope: ElementInstance, kind: Kind) -> ElementInstance:
        where = ElementInstance(self._state.next_key(), element, kind, scope, scope.instance)
        scope.children[where.key] = where
        self._begin(where)
        return where

    def _begin(self, where: ElementInstance) -> None:
        where.started = self._clock.now()
        where.instance.elements.append(where)
        self._state.elements[where.key] = where
        self._recorder.element(where, "ELEMENT_ACTIVATING")

    def _activate(self, where: ElementInstance) -> None:
        if where.element.inputs and where.kind is not Kind.MULTI_INSTANCE_BODY:
            self._scopes.map_inputs(where)
        self._waiting.open(where)
        self._behaviours[where.kind].enter(where)
        self._mark_activated(where)

    def _mark_activated(self, where: ElementInstance) -> None:
        if where.phase is Phase.ACTIVATING:
            where.phase = Phase.ACTIVATED
            self._recorder.element(where, "ELEMENT_ACTIVATED")

    # Ends

    def finish(self, where: ElementInstance, variables: Mapping[str, Any] | None = None) -> None:
        """Complete an element instance with what its job, event or process brings."""
        self._mark_activated(where)
        if variables:
            self._scopes.take_result(where, variables)
        where.phase = Phase.COMPLETING
        self._recorder.element(where, "ELEMENT_COMPLETING")
        self.push(self._complete, where)

    def terminate(self, where: ElementInstance) -> None:
        """End an element instance and everything within it, from the inside out."""
        for one in where.inside_out():
            self._behaviours[one.kind].stop(one)
            self._incidents.drop(one)
            self._end(one, Phase.TERMINATED)

    def terminate_children(self, scope: ElementInstance, spare: ElementInstance | None = None) -> None:
        """End everything within a scope, but for one element instance; tokens that wait at a join go too."""
        scope.arrivals.clear()
        for child in list(scope.children.values()):
            if child is not spare:
                self.terminate(child)

    def _complete(self, where: ElementInstance) -> None:
        if where.element.outputs and where.kind is not Kind.MULTI_INSTANCE_BODY:
            self._scopes.map_outputs(where)
        self._behaviours[where.kind].leave(where)
        if where.phase is Phase.TERMINATED:  # by the error or escalation that it threw itself
            return
        if where.parent is not None:
            self._behaviours[where.parent.kind].child_leaves(where.parent, where)
        self._end(where, Phase.COMPLETED)
        self._go_on(where)

    def _end(self, where: ElementInstance, phase: Phase) -> None:
        where.phase = phase
        where.ended = self._clock.now()
        self._waiting.close(where)
        self._recorder.element(where, f"ELEMENT_{phase.name}")
        del self._state.elements[where.key]
        if where.parent is not None:
            del where.parent.children[where.key]
            return
        instance = where.instance
        instance.ended = where.ended
        self._state.end(instance)
        for listener in self.ended:
            listener(instance)

    # From one element to the next

    def _go_on(self, where: ElementInstance) -> None:
        scope = where.parent or where.instance.caller
        if scope is None:
            return
        flows = where.element.outgoing if where.chosen is None else where.chosen
        if not flows or scope.kind is Kind.MULTI_INSTANCE_BODY:
            self._behaviours[scope.kind].child_ended(scope)
            return
        for flow in flows:
            self._take(flow, scope)

    def _take(self, flow: Flow, scope: ElementInstance) -> None:
        self._recorder.flow(flow, scope)
        target = scope.instance.definition.process.elements[flow.target]
        if target.kind is not Kind.PARALLEL_GATEWAY or target.incoming < 2 or _joined(target, flow, scope):
            self.enter(target, scope)


def _joined(gateway: Element, flow: Flow, scope: ElementInstance) -> bool:
    """Note that a token has come to a join; once one has come by each flow, take one of each away."""
    arrivals = scope.arrivals.setdefault(gateway.id, {})
    arrivals[flow.id] = arrivals.get(flow.id, 0) + 1
    if len(arrivals) < gateway.incoming:
        return False
    left = {name: count - 1 for name, count in arrivals.items() if count > 1}
    del scope.arrivals[gateway.id]
    if left:
        scope.arrivals[gateway.id] = left
    return True


def _endless(where: ElementInstance) -> StepFailedError:
    text = (
        f"The process has taken {_MOST_STEPS} steps without waiting for anything: "
        f"look for a loop without an end around '{where.element.id}'"
    )
    return StepFailedError(IncidentKind.UNKNOWN, text)
