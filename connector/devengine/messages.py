"""Messages: subscriptions that wait for a name and a key, and messages that wait for a subscription.

A message reaches each process, by its id, at most once: a waiting instance, or else a start event. With a
time to live it is kept for subscriptions that open later.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from connector.devengine.catching import Catching
from connector.devengine.commands import CommandRefusedError, MessageToPublish, Rejection
from connector.devengine.core import Core
from connector.devengine.expressions import type_of
from connector.devengine.incidents import IncidentKind, StepFailedError
from connector.devengine.interpreter import Interpreter
from connector.devengine.model import Definition, Element, Expression, MessageEvent
from connector.devengine.starts import Starts
from connector.devengine.state import ElementInstance, Opening, ProcessInstance

Topic = tuple[str, str]  # name and correlation key


class Message:
    """A message that is kept, and the ids of the processes that it has reached."""

    __slots__ = ("key", "published", "reached")

    def __init__(self, key: int, published: MessageToPublish) -> None:
        self.key = key
        self.published = published
        self.reached: set[str] = set()


class Subscription:
    """A place in a process instance that waits for a message."""

    __slots__ = ("_messages", "catch", "host", "topic")

    def __init__(self, messages: Messages, topic: Topic, host: ElementInstance, catch: Element) -> None:
        self._messages = messages
        self.topic = topic
        self.host = host
        self.catch = catch

    @property
    def process_id(self) -> str:
        """The id of the process that waits."""
        return self.host.instance.definition.process.id

    @property
    def awaited(self) -> str:
        """The message with its key, for people to read."""
        name, key = self.topic
        return f"the message {name!r} with the key {key!r}"

    def close(self) -> None:
        """Wait no more; a second time does nothing."""
        self._messages.unsubscribe(self)


class Messages:
    """Publishes messages, keeps them, and correlates them."""

    def __init__(self, core: Core, interpreter: Interpreter, catching: Catching) -> None:
        self._state = core.state
        self._clock = core.clock
        self._agenda = core.agenda
        self._recorder = core.recorder
        self._evaluator = core.evaluator
        self._interpreter = interpreter
        self._catching = catching
        self._subscriptions: dict[Topic, dict[Subscription, None]] = defaultdict(dict)
        self._starts = Starts()
        self._kept: dict[Topic, dict[int, Message]] = defaultdict(dict)
        self._ids: set[tuple[str, str, str]] = set()
        # By process id and correlation key: at most one instance that a message has started.
        self._running: dict[tuple[str, str], ProcessInstance] = {}
        interpreter.ended.append(self._start_next)

    # Subscriptions

    def prepare(
        self, host: ElementInstance, catch: Element, event: MessageEvent, seen: Mapping[str, Any]
    ) -> Callable[[], None]:
        """Evaluate name and key now; what is returned opens the subscription.

        Raises:
            StepFailedError: One of them cannot be evaluated.
        """
        name = self._evaluator.text(event.name, seen)
        assert event.correlation_key is not None  # noqa: S101 - asked for at deployment
        return partial(self._subscribe, (name, self._key(event.correlation_key, seen)), host, catch)

    def _key(self, expression: Expression, seen: Mapping[str, Any]) -> str:
        value = self._evaluator.value(expression, seen)
        if isinstance(value, str):
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        text = (
            f"Failed to extract the correlation key for '{expression.quoted}': "
            f"The value must be either a string or a number, but was '{type_of(value)}'."
        )
        raise StepFailedError(IncidentKind.EXTRACT_VALUE_ERROR, text)

    def _subscribe(self, topic: Topic, host: ElementInstance, catch: Element) -> None:
        subscription = Subscription(self, topic, host, catch)
        self._subscriptions[topic][subscription] = None
        host.waits[catch.id] = subscription
        for message in list(self._kept.get(topic, {}).values()):
            if subscription.process_id not in message.reached:
                self._correlate(message, subscription)
                if catch.interrupting:
                    return

    def unsubscribe(self, subscription: Subscription) -> None:
        """Close a subscription; a second time does nothing."""
        waiting = self._subscriptions.get(subscription.topic)
        if waiting is not None:
            waiting.pop(subscription, None)
            if not waiting:
                del self._subscriptions[subscription.topic]

    def prepare_start(self, start: Element, event: MessageEvent) -> Opening:
        """Evaluate the name of a start event now; what is returned opens it.

        Raises:
            StepFailedError: The name cannot be evaluated.
        """
        return self._starts.prepare(self._evaluator.text(event.name, {}), start)

    # Messages

    def publish(self, published: MessageToPublish) -> int:
        """Correlate a message, and keep it for its time to live; returns its key.

        Raises:
            CommandRefusedError: A message with this name, key and id is kept.
        """
        topic = (published.name, published.correlation_key)
        self._refuse_duplicate(published)
        message = Message(self._state.next_key(), published)
        self._record(message, "PUBLISHED")
        for subscription in list(self._subscriptions.get(topic, ())):
            if subscription.process_id not in message.reached:
                self._correlate(message, subscription)
        for definition, start in self._starts.waiting_for(published.name):
            self._start(message, definition, start)
        if published.ttl > 0:
            self._keep(message, topic)
        return message.key

    def _refuse_duplicate(self, published: MessageToPublish) -> None:
        if published.message_id and _identity(published) in self._ids:
            sentence = (
                f"Expected to publish a new message with id '{published.message_id}', "
                "but a message with that id was already published"
            )
            raise CommandRefusedError("PUBLISH", Rejection.ALREADY_EXISTS, sentence)

    def _keep(self, message: Message, topic: Topic) -> None:
        self._kept[topic][message.key] = message
        if message.published.message_id:
            self._ids.add(_identity(message.published))
        self._agenda.at(self._clock.now() + message.published.ttl, partial(self._expire, message, topic))

    def _expire(self, message: Message, topic: Topic) -> None:
        del self._kept[topic][message.key]
        if not self._kept[topic]:
            del self._kept[topic]
        self._ids.discard(_identity(message.published))
        self._record(message, "EXPIRED")

    def _correlate(self, message: Message, subscription: Subscription) -> None:
        message.reached.add(subscription.process_id)
        self._record(message, "CORRELATED")
        self._catching.trigger(subscription.host, subscription.catch, message.published.variables)

    def _start(self, message: Message, definition: Definition, start: Element) -> None:
        process_id, key = definition.process.id, message.published.correlation_key
        if process_id in message.reached or (process_id, key) in self._running:
            return
        message.reached.add(process_id)
        self._record(message, "CORRELATED")
        instance = self._interpreter.start(definition, message.published.variables, start)
        if key:
            instance.correlation_key = key
            self._running[process_id, key] = instance

    def _start_next(self, ended: ProcessInstance) -> None:
        """Start a process with the oldest message that was kept while this instance had its key."""
        process_id, key = ended.definition.process.id, ended.correlation_key
        if not key:
            return
        del self._running[process_id, key]
        kept = [
            (message.key, message, definition, start)
            for name, definition, start in self._starts.of(process_id)
            for message in self._kept.get((name, key), {}).values()
            if process_id not in message.reached
        ]
        if kept:
            _, message, definition, start = min(kept, key=lambda entry: entry[0])
            self._start(message, definition, start)

    def _record(self, message: Message, intent: str) -> None:
        published = message.published
        value = {
            "name": published.name,
            "correlationKey": published.correlation_key,
            "timeToLive": round(published.ttl * 1000),
            "messageId": published.message_id,
            "variables": dict(published.variables),
        }
        self._recorder.event("MESSAGE", intent, message.key, value)


def _identity(published: MessageToPublish) -> tuple[str, str, str]:
    return published.name, published.correlation_key, published.message_id
