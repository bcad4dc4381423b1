"""What an event does where it is caught: at a boundary, in an event subprocess, behind a gateway, alone."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from connector.devengine.interpreter import Interpreter
from connector.devengine.model import Element, Kind
from connector.devengine.recorder import Recorder
from connector.devengine.state import ElementInstance, Phase


class Catching:
    """Lets events take place.

    The *host* of an event is what waits for it: the activity that it is attached to, the scope of its event
    subprocess, the gateway before it, or the event itself.
    """

    def __init__(self, interpreter: Interpreter, recorder: Recorder) -> None:
        self._interpreter = interpreter
        self._recorder = recorder

    def trigger(self, host: ElementInstance, catch: Element, variables: Mapping[str, Any]) -> None:
        """Let an event take place as soon as the steps before it are done."""
        if catch.interrupting and catch.id in host.waits:
            host.waits.pop(catch.id).close()
        self._recorder.caught(host, catch, variables)
        self._interpreter.push(partial(self._catch, catch=catch, variables=variables), host)

    def catch(self, host: ElementInstance, catch: Element, variables: Mapping[str, Any]) -> None:
        """Let an event take place now."""
        self._recorder.caught(host, catch, variables)
        self._catch(host, catch, variables)

    def _catch(self, host: ElementInstance, catch: Element, variables: Mapping[str, Any]) -> None:
        if catch.kind is Kind.BOUNDARY_EVENT:
            self._at_boundary(host, catch, variables)
        elif host.phase >= Phase.COMPLETING:
            return
        elif catch.kind is Kind.START_EVENT:
            self._in_event_subprocess(host, catch, variables)
        elif catch.id == host.element.id:
            self._interpreter.finish(host, variables)
        else:
            self._behind_gateway(host, catch, variables)

    def _at_boundary(self, host: ElementInstance, catch: Element, variables: Mapping[str, Any]) -> None:
        scope = host.parent
        assert scope is not None  # noqa: S101 - only an activity has boundary events, and it stands in a scope
        if catch.interrupting:
            self._interpreter.terminate(host)
        self._interpreter.enter_triggered(catch, scope, variables)

    def _in_event_subprocess(
        self, scope: ElementInstance, start: Element, variables: Mapping[str, Any]
    ) -> None:
        if scope.interrupted:
            return
        if start.interrupting:
            scope.interrupted = True
            for waiting in scope.element.event_starts:
                if waiting in scope.waits:
                    scope.waits.pop(waiting).close()
            self._interpreter.terminate_children(scope)
        subprocess = scope.instance.definition.process.elements[start.scope]
        self._interpreter.enter(subprocess, scope).trigger = (start, variables)

    def _behind_gateway(self, gateway: ElementInstance, catch: Element, variables: Mapping[str, Any]) -> None:
        scope = gateway.parent
        assert scope is not None  # noqa: S101 - a gateway stands in a scope
        (flow,) = (flow for flow in gateway.element.outgoing if flow.target == catch.id)
        gateway.chosen = ()
        self._recorder.flow(flow, scope)
        self._interpreter.enter_triggered(catch, scope, variables)
        self._interpreter.finish(gateway)
