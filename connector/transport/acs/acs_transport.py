"""The transport of Azure Communication Services: a message and a resource in, a receipt out.

**One id for each mail.** A send is an operation under an id that is made from what names the mail in the
ledger, so that every attempt, in this worker or the next, asks under the same one. The service does not send
the same operation twice. The id changes only after the service itself has said that the operation failed;
under the old id it would repeat that for ever.

**When a mail counts as sent.** The 202 says that the service has taken the mail, ``Succeeded`` that it is on
its way to the recipients. A send may still fail between the two, for example because all recipients are
suppressed, and nobody else would tell the process. So the end is waited for, and ``Failed`` is an error with
its reason. Where there is no end within ``poll_limit`` the mail counts as sent, with a warning: the service
is responsible for it, as a mail server is after its reply to the final dot, and a failed job would ask people
to send it again. An account may also say that a mail counts as sent when it is accepted (``sent_when``).

**A lost answer.** The state of the operation says what became of it. One that the service does not know is
sent again under the same id. Where the state cannot be asked for either, the mail is in doubt, and the next
attempt begins with that question.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic, time
from uuid import UUID, uuid5

from connector.acs.api import AcsApi, AcsFaultError, Operation
from connector.acs.resources import AcsResources
from connector.acs.verdict import failure, refusal, uncertain
from connector.errors import ConnectorError, Reply
from connector.model.envelope import Message
from connector.model.receipt import Delivery, Receipt
from connector.model.server import AcsRoute, Route
from connector.transport.acs.payload import payload
from connector.transport.port import UNRECORDED, Deliveries, Fate
from connector.webapi.api import Limits

_REFERENCE = "acs"
# Names of operations, apart from all other uses of UUIDs.
_OPERATIONS = UUID("5b1f3a52-6c1c-5d0c-9a57-0d5fbb1b7f0e")
_MOST_SENDS = 3
# A shutdown waits no longer than this for one last look.
_LAST_LOOK_SECONDS = 3.0
_LONGEST_INTERVAL = 10.0
# What may be the service's answer to an id that it knows already.
_PERHAPS_KNOWN = frozenset({400, 409, 422})
_UNFINISHED = (
    "unfinished: Azure Communication Services has accepted the mail, and did not say within acs.poll_limit "
    "whether it is on its way; the operation in the reply tells it later"
)


@dataclass(frozen=True, slots=True)
class _Sending:
    """One mail on its way through one resource."""

    mail: bytes
    operation: str
    api: AcsApi

    @property
    def route(self) -> AcsRoute:
        return self.api.route


class AcsTransport:
    """Sends mails through Azure Communication Services.

    Args:
        resources: Gives requests to them.
        clock: Seconds since the epoch.
    """

    def __init__(self, resources: AcsResources, clock: Callable[[], float] = time) -> None:
        self._resources = resources
        self._limits: Limits = resources.limits
        self._clock = clock

    async def submit(self, message: Message, route: Route, deliveries: Deliveries = UNRECORDED) -> Receipt:
        """See :meth:`connector.transport.port.Transport.submit`; there is one delivery, to all recipients."""
        if not isinstance(route, AcsRoute):
            raise TypeError(f"{type(route).__name__} does not lead to Azure Communication Services")
        mail = await asyncio.to_thread(payload, message, route)
        sending = _Sending(mail, operation_of(message), await self._resources.api(route))
        reference = f"{_REFERENCE}:{sending.operation}@{route.hostname}:{int(self._clock())}"
        recipients = message.envelope.recipients
        await deliveries.committing(Delivery(recipients, reference))
        operation = await self._ended(sending.api, await self._accepted(sending))
        if operation.failed:
            raise failure(operation, route)
        warnings = () if operation.over or not route.poll_limit else (_UNFINISHED,)
        return Receipt(_reply(operation), recipients, warnings=warnings, transport=route.transport)

    async def find(self, reference: str, route: Route) -> Reply | Fate | None:
        """See :meth:`connector.transport.port.Finder.find`."""
        kind, _, rest = reference.partition(":")
        name, _, place = rest.partition("@")
        host, _, since = place.rpartition(":")
        if kind != _REFERENCE or not isinstance(route, AcsRoute) or host != route.hostname:
            return None
        try:
            api = await self._resources.api(route)
            operation = await api.state(name)
        except (AcsFaultError, ConnectorError):
            return Fate.LATER
        if operation is None:
            fresh = self._clock() - int(since) <= route.repeat_within
            return Fate.REPEATABLE if fresh else None
        operation = await self._ended(api, operation)
        return Fate.FAILED if operation.failed else _reply(operation)

    # Until it is accepted

    async def _accepted(self, sending: _Sending) -> Operation:
        """Ask until the service has taken the mail, or has certainly not."""
        interval = self._limits.interval
        for left in reversed(range(_MOST_SENDS)):
            try:
                return await sending.api.send(sending.mail, sending.operation)
            except AcsFaultError as error:
                fault = error
                if left == _MOST_SENDS - 1 and not _doubtful(fault):
                    raise refusal(fault, sending.route) from fault
            except asyncio.CancelledError:
                return await self._stopped(sending)
            except ConnectorError as error:  # no token, or no room, for this one
                if left == _MOST_SENDS - 1:
                    raise
                raise uncertain(error.message, sending.operation, sending.route) from error
            known = await self._known(sending, fault)
            if known is not None:
                return known
            pause = fault.retry_after if fault.retry_after is not None else interval
            if not left or fault.status in _PERHAPS_KNOWN or pause > sending.route.quota.max_wait:
                raise refusal(fault, sending.route) from fault
            await asyncio.sleep(pause)
        raise AssertionError("unreachable")

    async def _known(self, sending: _Sending, lost: AcsFaultError) -> Operation | None:
        """Ask whether the service knows a send whose answer was lost.

        Raises:
            TransportError: ``DELIVERY_UNCERTAIN``: it does not tell.
        """
        interval, until = self._limits.interval, monotonic() + self._limits.look
        while True:
            try:
                return await sending.api.state(sending.operation)
            except (AcsFaultError, ConnectorError) as error:
                if monotonic() >= until:
                    raise uncertain(lost.reason, sending.operation, sending.route) from error
            except asyncio.CancelledError:
                return await self._stopped(sending)
            await asyncio.sleep(interval)
            interval = min(interval * 2, _LONGEST_INTERVAL)

    async def _stopped(self, sending: _Sending) -> Operation:
        """Look for a send that may be on its way to the service, before the worker stops.

        Raises:
            TransportError: ``DELIVERY_UNCERTAIN``.
        """
        known = None
        with suppress(AcsFaultError, ConnectorError, asyncio.CancelledError, TimeoutError):
            async with asyncio.timeout(_LAST_LOOK_SECONDS):
                while known is None:
                    known = await sending.api.state(sending.operation)
                    if known is None:
                        await asyncio.sleep(self._limits.interval)
        if known is None:
            raise uncertain("the worker stops", sending.operation, sending.route)
        return known

    # Until it is over

    async def _ended(self, api: AcsApi, operation: Operation) -> Operation:
        """Wait for the end of a send; as it is known where that takes too long, or the worker stops."""
        route, until = api.route, monotonic() + api.route.poll_limit
        pause = operation.pause
        with suppress(asyncio.CancelledError):
            while not operation.over:
                pause = route.poll_interval if pause is None else pause
                if monotonic() + pause > until:
                    break
                await asyncio.sleep(pause)
                try:
                    operation = await api.state(operation.id) or operation
                    pause = operation.pause
                except AcsFaultError as fault:
                    pause = fault.retry_after
                except ConnectorError:
                    pause = None
        return operation


def operation_of(message: Message) -> str:
    """The id of a mail's send: the same at every attempt, another one after each send that failed."""
    name, _, _ = message.message_id.strip("<>").partition("@")
    return str(uuid5(_OPERATIONS, f"{name}/{message.ended}"))


def _doubtful(fault: AcsFaultError) -> bool:
    """Whether the service may have taken the mail although its answer is none, or no good one."""
    status = fault.status
    return fault.served or (status is not None and (status >= 500 or status in _PERHAPS_KNOWN))


def _reply(operation: Operation) -> Reply:
    status = "Succeeded" if operation.over else "Accepted"
    return Reply(202, f"{status}, operation {operation.id}")
