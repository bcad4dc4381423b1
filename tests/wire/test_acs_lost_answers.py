"""Lost answers of Azure Communication Services: what is said of a mail is the service's truth, or doubt."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from connector.errors import ConnectorError, ErrorCode, Reply
from connector.transport.acs.acs_transport import AcsTransport, operation_of
from connector.transport.port import UNRECORDED, Fate
from tests.servers.acs import Acs, acs_server
from tests.wire.acs_submission import message, route, transport
from tests.wire.graph_submission import LIMITS, SHORT_LOOK, Recorded


@pytest.fixture
def acs() -> Iterator[Acs]:
    with acs_server("example.test") as running:
        yield running


# What goes wrong at the request, or at each question for the state.
_POINTS: dict[str, dict[str, Any]] = {
    "refused": {"status": 400},
    "login refused": {"status": 401, "times": 9},
    "not allowed": {"status": 403},
    "unknown domain": {"status": 404, "code": "DomainNotLinked"},
    "too large": {"status": 413},
    "throttled": {"status": 429, "retry_after": "60"},
    "put off": {"status": 503, "retry_after": "60"},
    "500": {"status": 500},
    "503": {"status": 503},
    "504": {"status": 504},
    "cut": {},
    "always 500": {"status": 500, "times": 99},
    "always cut": {"times": 99},
    "accepted and cut": {"after": True},
    "accepted and 500": {"status": 500, "after": True},
    "accepted and 503": {"status": 503, "after": True},
    "accepted and put off": {"status": 503, "after": True, "retry_after": "60"},
    "accepted and 504": {"status": 504, "after": True},
    "accepted and always 504": {"status": 504, "after": True, "times": 99},
}


async def attempted(acs: Acs, limits: Any = LIMITS) -> bool | None:
    """Send a mail once: True where it is said to be sent, False where not, None where in doubt."""
    async with transport(limits) as sending:
        try:
            await sending.submit(message(), route(acs), UNRECORDED)
        except ConnectorError as error:
            return None if error.code is ErrorCode.DELIVERY_UNCERTAIN else False
    return True


@pytest.mark.parametrize("failure", [None, "EmailDropped"], ids=["sent", "failing"])
@pytest.mark.parametrize("point", _POINTS)
async def test_it_tells_the_truth(acs: Acs, point: str, failure: str | None) -> None:
    acs.failure = failure
    acs.fail("send", **_POINTS[point])
    told = await attempted(acs)
    assert told is (len(acs.delivered) == 1)
    assert len(acs.sends) <= 1


@pytest.mark.parametrize("conflict", [None, 409, 400])
@pytest.mark.parametrize("point", [name for name in _POINTS if name.startswith("accepted")])
async def test_without_the_state_it_is_in_doubt_and_never_sent_twice(
    acs: Acs, point: str, conflict: int | None
) -> None:
    acs.conflict = conflict
    acs.fail("send", **_POINTS[point])
    unknown = acs.fail("state", 500, times=999)
    assert await attempted(acs, SHORT_LOOK) is None
    unknown.times = 0
    acs.faults.clear()
    assert await attempted(acs) is True
    assert len(acs.delivered) == 1


async def test_doubt_may_be_retried(acs: Acs) -> None:
    acs.fail("send", after=True)
    acs.fail("state", times=999)
    async with transport(SHORT_LOOK) as sending:
        with pytest.raises(ConnectorError) as caught:
            await sending.submit(message(), route(acs), UNRECORDED)
    assert (caught.value.code, caught.value.retryable) == (ErrorCode.DELIVERY_UNCERTAIN, True)
    assert operation_of(message()) in caught.value.message


async def stopped(acs: Acs, operation: str, hold: Any) -> Any:
    """Stop the worker while an operation is served."""
    reached, loop = asyncio.Event(), asyncio.get_running_loop()

    def before(name: str) -> None:
        if name == operation:
            loop.call_soon_threadsafe(reached.set)

    acs.before = before
    async with transport() as sending:
        mail = asyncio.create_task(sending.submit(message(), route(acs, **hold), UNRECORDED))
        await reached.wait()
        mail.cancel()
        return await mail


async def test_a_worker_that_stops_during_the_request_asks_once_more(acs: Acs) -> None:
    acs.fail("send", after=True)
    receipt = await stopped(acs, "send", {})
    assert (receipt.reply is not None, len(acs.delivered)) == (True, 1)


async def test_a_worker_that_stops_while_it_waits_has_sent_the_mail(acs: Acs) -> None:
    acs.polls = 1000
    receipt = await stopped(acs, "state", {"poll_limit": 600.0, "poll_interval": 0.01})
    assert str(receipt.reply).startswith("202 Accepted")
    assert receipt.warnings[0].startswith("unfinished: ")


# What the next attempt finds


async def recorded(acs: Acs, sending: AcsTransport) -> str:
    record = Recorded()
    with suppress(ConnectorError):
        await sending.submit(message(), route(acs), record)
    (delivery,) = record.committed
    return delivery.reference


async def test_the_next_attempt_finds_what_was_sent(acs: Acs) -> None:
    async with transport() as sending:
        found = await sending.find(await recorded(acs, sending), route(acs))
    assert isinstance(found, Reply)
    assert found.text == f"Succeeded, operation {operation_of(message())}"


async def test_the_next_attempt_waits_for_the_end(acs: Acs) -> None:
    acs.polls = 3
    async with transport() as sending:
        reference = await recorded(acs, sending)
        acs.sends[operation_of(message())].polls = 3
        found = await sending.find(reference, route(acs))
    assert "Succeeded" in str(found)


async def test_a_send_that_failed_makes_room_for_another(acs: Acs) -> None:
    acs.failure = "EmailDropped"
    async with transport() as sending:
        assert await sending.find(await recorded(acs, sending), route(acs)) is Fate.FAILED


async def test_what_the_service_does_not_know_may_be_repeated_for_a_while(acs: Acs) -> None:
    acs.fail("send", 403)
    async with transport() as sending:
        reference = await recorded(acs, sending)
        assert await sending.find(reference, route(acs)) is Fate.REPEATABLE
        assert await sending.find(reference, route(acs, repeat_within=-1.0)) is None
        acs.fail("state", times=99)
        assert await sending.find(reference, route(acs)) is Fate.LATER


@pytest.mark.parametrize("reference", ["graph:1", "acs:1@other.example:0", "acs:", ""])
async def test_references_of_other_places_say_nothing(acs: Acs, reference: str) -> None:
    async with transport() as sending:
        assert await sending.find(reference, route(acs)) is None
    assert acs.asked == []


async def test_a_redirect_says_where_it_leads_and_what_to_change(acs: Acs) -> None:
    acs.fail("send", 308, location="/elsewhere?api-version=1")
    async with transport() as sending:
        with pytest.raises(ConnectorError) as caught:
            await sending.submit(message(), route(acs), UNRECORDED)
    assert caught.value.code is ErrorCode.CONNECTION_FAILED
    assert "answered 308, a redirect to http" in caught.value.message
    assert "/elsewhere, which is not followed. Check accounts." in caught.value.message
    assert "acs.endpoint, the network and the proxy. Nothing was sent." in caught.value.message
    assert acs.delivered == []
