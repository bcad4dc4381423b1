"""Every fault at every verb: the right code and phase, and never a lie about delivery.

The server's own record is the truth: an error other than ``DELIVERY_UNCERTAIN`` means that nothing was
accepted, and ``DELIVERY_UNCERTAIN`` is raised only when the dot went out without a reply.
"""

from __future__ import annotations

import pytest

from connector.errors import ErrorCode, Phase
from connector.testing.behaviour import (
    Action,
    Behaviour,
    Bytewise,
    Delay,
    Drop,
    Garbage,
    Reset,
    Say,
    Silence,
    Verb,
)
from connector.testing.smtp import Offer, SmtpServer
from tests.cases.scripted_smtp import ScriptedServer
from tests.wire.smtp_submission import (
    as_ada,
    bulky,
    failure,
    good_context,
    message,
    server_for,
    to,
    transport,
)

PHASES = {
    Verb.CONNECT: Phase.GREETING,
    Verb.EHLO: Phase.EHLO,
    Verb.STARTTLS: Phase.STARTTLS,
    Verb.AUTH: Phase.AUTH,
    Verb.MAIL: Phase.MAIL,
    Verb.RCPT: Phase.RCPT,
    Verb.DATA: Phase.DATA,
    Verb.CONTENT: Phase.CONTENT,
    Verb.DOT: Phase.DOT,
}
LIMITS = {Verb.CONNECT: "greeting", Verb.AUTH: "auth", Verb.CONTENT: "data", Verb.DOT: "dot"}

# Contract, section 4.
PERMANENT = {
    Verb.CONNECT: ErrorCode.CLIENT_REJECTED,
    Verb.EHLO: ErrorCode.CLIENT_REJECTED,
    Verb.STARTTLS: ErrorCode.TLS_FAILED,
    Verb.AUTH: ErrorCode.AUTH_FAILED,
    Verb.MAIL: ErrorCode.SENDER_REJECTED,
    Verb.RCPT: ErrorCode.RECIPIENT_REJECTED,
    Verb.DATA: ErrorCode.MESSAGE_REJECTED,
    Verb.CONTENT: ErrorCode.MESSAGE_REJECTED,
    Verb.DOT: ErrorCode.MESSAGE_REJECTED,
}
TRANSIENT = dict.fromkeys(PHASES, ErrorCode.TEMPORARILY_REJECTED) | {Verb.AUTH: ErrorCode.AUTH_UNAVAILABLE}
CLOSING = dict.fromkeys(PHASES, ErrorCode.TEMPORARILY_REJECTED)
BREAK = dict.fromkeys(PHASES, ErrorCode.CONNECTION_FAILED) | {Verb.DOT: ErrorCode.DELIVERY_UNCERTAIN}
HANG = dict.fromkeys(PHASES, ErrorCode.CONNECTION_TIMEOUT) | {Verb.DOT: ErrorCode.DELIVERY_UNCERTAIN}

FAULTS: dict[str, tuple[Action, dict[Verb, ErrorCode]]] = {
    "4xx": (Say(451, "4.3.0 Not now"), TRANSIENT),
    "4xx and close": (Say(451, "4.3.0 Not now", close=True), TRANSIENT),
    "5xx": (Say(554, "5.0.0 No"), PERMANENT),
    "5xx and close": (Say(554, "5.0.0 No", close=True), PERMANENT),
    "5xx in three lines": (Say(554, "5.0.0 No", "5.0.0 means", "5.0.0 no"), PERMANENT),
    "421 and close": (Say(421, "4.3.2 Shutting down", close=True), CLOSING),
    "drop": (Drop(), BREAK),
    "reset": (Reset(), BREAK),
    "garbage": (Garbage(), BREAK),
    "a code of no meaning": (Say(399, "Hm"), BREAK),
    "silence": (Silence(), HANG),
    "half a reply": (Garbage(b"25", then_silent=True), HANG),
}


def witness(behaviour: Behaviour, *, encrypted: bool, pipelining: bool) -> SmtpServer:
    return SmtpServer(
        behaviour=behaviour,
        tls_context=good_context() if encrypted else None,
        users={"ada": "secret"},
        offer=Offer(pipelining=pipelining),
    )


@pytest.mark.parametrize(
    ("verb", "encrypted", "pipelining"),
    [(verb, True, True) for verb in PHASES]
    + [(verb, False, False) for verb in PHASES if verb is not Verb.STARTTLS],
)
@pytest.mark.parametrize("fault", FAULTS)
async def test_fault(fault: str, verb: Verb, encrypted: bool, pipelining: bool) -> None:
    action, codes = FAULTS[fault]
    behaviour = Behaviour().on(verb, action)
    async with witness(behaviour, encrypted=encrypted, pipelining=pipelining) as server:
        error = await failure(
            bulky() if verb is Verb.CONTENT else message(),
            as_ada(server, "secret", encrypted=encrypted),
            **{LIMITS.get(verb, "command"): 0.3},
        )
    assert error.code is codes[verb], error
    assert error.phase is PHASES[verb], error
    assert server.received == []
    assert error.variables["server"] == f"127.0.0.1:{server.port}"
    if isinstance(action, Say) and not (verb is Verb.DOT and action.code == 399):
        assert error.variables["smtpCode"] == action.code
        assert action.lines[0] in error.message


@pytest.mark.parametrize("encrypted", [True, False], ids=["tls", "clear"])
@pytest.mark.parametrize("action", [Drop(), Reset(), Garbage(), Silence()], ids=repr)
async def test_accepted_but_not_heard_of_is_uncertain(action: Action, encrypted: bool) -> None:
    behaviour = Behaviour().on(Verb.DOT, action, keep=True)
    async with witness(behaviour, encrypted=encrypted, pipelining=True) as server:
        error = await failure(message(), as_ada(server, "secret", encrypted=encrypted), dot=0.3)
    assert error.code is ErrorCode.DELIVERY_UNCERTAIN
    assert not error.code.retryable
    assert error.phase is Phase.DOT
    assert len(server.received) == 1


@pytest.mark.parametrize("after", [1, 100_000, 9_000_000])
@pytest.mark.parametrize("encrypted", [True, False], ids=["tls", "clear"])
async def test_a_break_within_the_content_is_never_uncertain(after: int, encrypted: bool) -> None:
    behaviour = Behaviour().on(Verb.CONTENT, Drop(), after=after)
    async with witness(behaviour, encrypted=encrypted, pipelining=True) as server:
        error = await failure(bulky(), as_ada(server, "secret", encrypted=encrypted))
        await server.wait_until_idle()
    assert (error.code, error.phase) == (ErrorCode.CONNECTION_FAILED, Phase.CONTENT)
    assert server.received == []
    assert not server.connections[0].received_bytes.endswith(b"\r\n.\r\n")


@pytest.mark.parametrize("encrypted", [True, False], ids=["tls", "clear"])
async def test_a_server_that_stops_reading_has_not_got_the_dot(encrypted: bool) -> None:
    """The content fits into the buffers on the way, in part; the dot must still be here when time is up."""
    behaviour = Behaviour().on(Verb.CONTENT, Silence())
    async with witness(behaviour, encrypted=encrypted, pipelining=True) as server:
        error = await failure(bulky(), as_ada(server, "secret", encrypted=encrypted), data=0.3)
    assert (error.code, error.phase) == (ErrorCode.CONNECTION_TIMEOUT, Phase.CONTENT)
    assert "smtp.timeouts.data" in error.message


async def test_a_verdict_within_the_content_ends_it() -> None:
    behaviour = Behaviour().on(Verb.CONTENT, Say(552, "5.3.4 Too big", close=True), after=5_000)
    async with SmtpServer(behaviour=behaviour) as server:
        error = await failure(bulky(), to(server))
        await server.wait_until_idle()
    assert (error.code, error.phase) == (ErrorCode.MESSAGE_TOO_LARGE, Phase.CONTENT)
    assert len(server.connections[0].received_bytes) < 16_000_000


async def test_a_reply_too_many_is_not_taken_for_the_verdict() -> None:
    """Out of step by one, the reply to the dot would be read before it was given: a lost mail."""
    behaviour = Behaviour().on(Verb.DATA, Say(354, "Go on\r\n250 2.0.0 Ok: queued as nothing"))
    async with SmtpServer(behaviour=behaviour) as server:
        error = await failure(message(), to(server))
    assert (error.code, error.phase) == (ErrorCode.CONNECTION_FAILED, Phase.CONTENT)
    assert server.received == []


@pytest.mark.parametrize("verb", [verb for verb in PHASES if verb not in (Verb.CONTENT, Verb.STARTTLS)])
@pytest.mark.parametrize("action", [Bytewise(), Delay(0.01)], ids=["bytewise", "slow"])
async def test_slow_and_fragmented_replies_are_good_replies(verb: Verb, action: Action) -> None:
    behaviour = Behaviour().on(verb, action)
    async with witness(behaviour, encrypted=True, pipelining=True) as server, transport() as smtp:
        receipt = await smtp.submit(message(), as_ada(server, "secret"))
    assert receipt.accepted == ("bob@example.com",)
    assert len(server.received) == 1


@pytest.mark.parametrize("action", [Drop(), Reset(), Garbage(), Silence(), Say(500, "5.5.1 What?")], ids=repr)
async def test_how_quit_goes_changes_nothing(action: Action) -> None:
    async with SmtpServer(behaviour=Behaviour().on(Verb.QUIT, action)) as server, transport() as smtp:
        receipt = await smtp.submit(message(), to(server))
        assert receipt.reply
        assert receipt.reply.code == 250
        assert len(server.received) == 1


async def test_greylisting_passes_at_the_second_attempt() -> None:
    behaviour = Behaviour().on(Verb.RCPT, Say(450, "4.2.0 Greylisted, come again"), times=1)
    async with SmtpServer(behaviour=behaviour) as server, transport() as smtp:
        error = await failure(message(), to(server))
        assert (error.code, error.code.retryable) == (ErrorCode.TEMPORARILY_REJECTED, True)
        await smtp.submit(message(), to(server))
    assert len(server.received) == 1


@pytest.mark.parametrize("first", ["554 5.7.1 No", "451 4.3.0 Not now"])
async def test_a_refusal_that_another_reply_follows_is_uncertain(first: str) -> None:
    """The server refused the content before its end, and then took it: a retry would be a second mail."""
    script = {"rules": [{"on": "DOT", "reply": [first, "250 2.0.0 Ok: queued as 4F1"]}]}
    async with ScriptedServer(script) as server:
        error = await failure(message(), server_for("127.0.0.1", server.port))
    assert len(server.mails) == 1
    assert error.code is ErrorCode.DELIVERY_UNCERTAIN
    assert not error.retryable
    assert f"it replied {first}, and then 250 2.0.0 Ok: queued as 4F1" in error.message


@pytest.mark.parametrize(
    "quit_rule",
    [
        {"on": "QUIT", "drop": True},
        {"on": "QUIT", "reply": ["500 5.5.1 What?"]},
        {"on": "QUIT", "reply": ["421 4.3.2 Bye"], "close": True},
    ],
)
async def test_a_refusal_stands_however_quit_is_answered(quit_rule: dict[str, object]) -> None:
    script = {"rules": [{"on": "DOT", "reply": ["451 4.3.0 Not now"]}, quit_rule]}
    async with ScriptedServer(script) as server:
        error = await failure(message(), server_for("127.0.0.1", server.port))
    assert error.code is ErrorCode.TEMPORARILY_REJECTED


async def test_an_old_server_is_greeted_with_helo() -> None:
    behaviour = Behaviour().on(Verb.EHLO, Say(502, "5.5.1 What is EHLO?"))
    async with SmtpServer(behaviour=behaviour) as server, transport() as smtp:
        await smtp.submit(message(), to(server))
        assert server.connections[0].commands[:2] == ["EHLO client.example", "HELO client.example"]
        assert server.received[0].mail_parameters == {}
        assert not server.connections[0].pipelined


async def test_an_old_server_is_not_enough_where_starttls_is_required() -> None:
    behaviour = Behaviour().on(Verb.EHLO, Say(502, "5.5.1 What is EHLO?"))
    async with SmtpServer(behaviour=behaviour) as server:
        error = await failure(message(), as_ada(server, "secret"))
        await server.wait_until_idle()
        assert "HELO client.example" not in server.connections[0].commands
    assert (error.code, error.phase) == (ErrorCode.MESSAGE_REJECTED, Phase.EHLO)


async def test_nobody_listens() -> None:
    async with SmtpServer() as server:
        target = to(server)
    error = await failure(message(), target)
    assert (error.code, error.phase) == (ErrorCode.CONNECTION_FAILED, Phase.CONNECT)
    assert "refuses the connection" in error.message


@pytest.mark.parametrize("hostname", ["no-such-host.invalid", "", "two..dots.example", "x" * 64 + ".example"])
async def test_unknown_host(hostname: str) -> None:
    error = await failure(message(), server_for(hostname, 25))
    assert (error.code, error.phase) == (ErrorCode.DNS_FAILED, Phase.DNS)
    assert error.code.retryable


async def test_an_absurd_size_is_no_limit() -> None:
    """More digits than ``int()`` takes."""
    behaviour = Behaviour().on(Verb.EHLO, Say(250, "test.example", f"SIZE {'9' * 5000}"))
    async with SmtpServer(behaviour=behaviour) as server, transport() as smtp:
        await smtp.submit(message(), to(server))
        assert len(server.received) == 1
