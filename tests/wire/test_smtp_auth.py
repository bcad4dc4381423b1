"""Logging in: once, in the form the server offers, and never repeated to anybody."""

from __future__ import annotations

import base64

import pytest
from pydantic import SecretStr

from connector.errors import ErrorCode, Phase
from connector.model.server import Security, Server
from connector.testing.behaviour import Behaviour, Bytewise, Say, Verb
from connector.testing.smtp import Offer, SmtpServer
from tests.wire.smtp_submission import as_ada, failure, good_context, message, to, transport

PASSWORD = "pa55 wörd=ß"
BASE64 = base64.b64encode(PASSWORD.encode()).decode()
PLAIN = base64.b64encode(b"\0ada\0" + PASSWORD.encode()).decode()


def submission_server(*mechanisms: str, behaviour: Behaviour | None = None) -> SmtpServer:
    return SmtpServer(
        tls_context=good_context(),
        users={"ada": PASSWORD},
        offer=Offer(auth=mechanisms),
        behaviour=behaviour,
    )


def auth_commands(server: SmtpServer) -> list[str]:
    return [line for line in server.connections[-1].commands if line.startswith("AUTH")]


@pytest.mark.parametrize(
    ("mechanisms", "command"),
    [
        (("PLAIN", "LOGIN"), f"AUTH PLAIN {PLAIN}"),
        (("LOGIN", "PLAIN"), f"AUTH PLAIN {PLAIN}"),
        (("CRAM-MD5", "LOGIN"), "AUTH LOGIN"),
    ],
)
async def test_the_mechanism_is_chosen_by_the_offer(mechanisms: tuple[str, ...], command: str) -> None:
    async with submission_server(*mechanisms) as server, transport() as smtp:
        await smtp.submit(message(), as_ada(server, PASSWORD))
        assert auth_commands(server) == [command]
        assert server.received[0].username == "ada"


async def test_a_long_password_follows_on_its_own_line() -> None:
    password = "p" * 600
    async with (
        SmtpServer(tls_context=good_context(), users={"ada": password}) as server,
        transport() as smtp,
    ):
        await smtp.submit(message(), as_ada(server, password))
        assert auth_commands(server) == ["AUTH PLAIN"]


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
async def test_a_wrong_password_is_tried_once(mechanism: str) -> None:
    async with submission_server(mechanism) as server:
        error = await failure(message(), as_ada(server, "wrong"))
        await server.wait_until_idle()
        assert len(auth_commands(server)) == 1
        assert len(server.connections) == 1
    assert (error.code, error.phase) == (ErrorCode.AUTH_FAILED, Phase.AUTH)
    assert error.variables["smtpCode"] == 535


async def test_a_wrong_password_is_tried_once_where_several_mechanisms_are_offered() -> None:
    async with submission_server("LOGIN", "PLAIN", "CRAM-MD5") as server:
        await failure(message(), as_ada(server, "wrong"))
        await server.wait_until_idle()
        assert len(auth_commands(server)) == 1


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Say(535, "5.7.8 No"), ErrorCode.AUTH_FAILED),
        (Say(534, "5.7.9 Too weak"), ErrorCode.AUTH_FAILED),
        (Say(504, "5.5.4 Not that one"), ErrorCode.AUTH_FAILED),
        (Say(538, "5.7.11 Encrypt"), ErrorCode.AUTH_FAILED),
        (Say(454, "4.7.0 Later"), ErrorCode.AUTH_UNAVAILABLE),
        (Say(432, "4.7.12 Transition needed"), ErrorCode.AUTH_UNAVAILABLE),
        (Say(421, "4.7.0 Going"), ErrorCode.TEMPORARILY_REJECTED),
    ],
    ids=lambda value: str(getattr(value, "code", value)),
)
@pytest.mark.parametrize("verb", [Verb.AUTH, Verb.CREDENTIALS])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
async def test_refusals(mechanism: str, verb: Verb, reply: Say, code: ErrorCode) -> None:
    async with submission_server(mechanism, behaviour=Behaviour().on(verb, reply)) as server:
        error = await failure(message(), as_ada(server, PASSWORD))
        await server.wait_until_idle()
        assert len(auth_commands(server)) == 1
    assert (error.code, error.phase) == (code, Phase.AUTH)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
async def test_replies_in_single_octets(mechanism: str) -> None:
    behaviour = Behaviour().on(Verb.CREDENTIALS, Bytewise())
    async with submission_server(mechanism, behaviour=behaviour) as server, transport() as smtp:
        await smtp.submit(message(), as_ada(server, PASSWORD))
        assert len(server.received) == 1


@pytest.mark.parametrize(
    ("mechanisms", "explanation"),
    [((), "offers no login"), (("XOAUTH2", "CRAM-MD5"), "offers only XOAUTH2, CRAM-MD5")],
)
async def test_nothing_is_sent_where_no_mechanism_fits(mechanisms: tuple[str, ...], explanation: str) -> None:
    async with submission_server(*mechanisms) as server:
        error = await failure(message(), as_ada(server, PASSWORD))
        await server.wait_until_idle()
        assert auth_commands(server) == []
    assert (error.code, error.phase) == (ErrorCode.AUTH_FAILED, Phase.AUTH)
    assert explanation in error.message


async def test_nul_cannot_move_the_borders_of_plain() -> None:
    async with submission_server("PLAIN") as server:
        error = await failure(message(), as_ada(server, "x\0ada"))
        await server.wait_until_idle()
        assert auth_commands(server) == []
    assert error.code is ErrorCode.AUTH_FAILED


async def test_a_challenge_too_many_is_called_off() -> None:
    behaviour = Behaviour().on(Verb.CREDENTIALS, Say(334, "bW9yZQ=="))
    async with submission_server("PLAIN", behaviour=behaviour) as server:
        error = await failure(message(), as_ada(server, PASSWORD))
        await server.wait_until_idle()
        assert "*" in server.connections[0].commands
    assert error.code is ErrorCode.AUTH_FAILED


@pytest.mark.parametrize("echo", [PASSWORD, BASE64, BASE64.rstrip("="), PLAIN, f"AUTH PLAIN {PLAIN}"])
@pytest.mark.parametrize("verb", [Verb.CREDENTIALS, Verb.MAIL, Verb.DOT])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
async def test_a_server_that_repeats_the_credentials_is_not_quoted(
    mechanism: str, verb: Verb, echo: str
) -> None:
    behaviour = Behaviour().on(verb, Say(535, "5.7.8 Refused:", echo, "x" * (460 - len(echo)) + echo))
    async with submission_server(mechanism, behaviour=behaviour) as server:
        error = await failure(message(), as_ada(server, PASSWORD))
    told = f"{error} {error.variables} {error!r} {error.reply}"
    for secret in (PASSWORD, BASE64.rstrip("="), PLAIN.rstrip("=")):
        assert secret not in told
        assert secret[:8] not in told
    assert "Refused:" in told


def echoing(verb: Verb, reply: Say, username: str, password: str) -> SmtpServer:
    return SmtpServer(users={username: password}, behaviour=Behaviour().on(verb, reply))


@pytest.mark.parametrize("verb", [Verb.CONNECT, Verb.EHLO, Verb.CREDENTIALS, Verb.RCPT, Verb.DOT])
async def test_no_half_of_a_password_is_quoted(verb: Verb) -> None:
    password = "zqxsecret-4711"
    for before in range(485, 505):
        async with echoing(verb, Say(554, "x" * before + password), "ada", password) as server:
            target = Server("127.0.0.1", server.port, Security.NONE, "ada", SecretStr(password))
            error = await failure(message(), target)
        assert "zqx" not in f"{error} {error.variables}"


@pytest.mark.parametrize(
    ("password", "verb", "reply", "code", "enhanced"),
    [
        ("1", Verb.RCPT, Say(550, "5.1.1 User unknown"), ErrorCode.RECIPIENT_REJECTED, "5.1.1"),
        ("3", Verb.MAIL, Say(552, "5.3.4 Too big"), ErrorCode.MESSAGE_TOO_LARGE, "5.3.4"),
        ("size", Verb.DOT, Say(552, "Message size exceeds limit"), ErrorCode.MESSAGE_TOO_LARGE, None),
        ("4.7.28", Verb.DOT, Say(421, "4.7.28 unusual rate"), ErrorCode.RATE_LIMITED, "4.7.28"),
        ("rate", Verb.RCPT, Say(450, "4.2.1 unusual rate"), ErrorCode.RATE_LIMITED, "4.2.1"),
    ],
)
async def test_concealing_changes_no_meaning(
    password: str, verb: Verb, reply: Say, code: ErrorCode, enhanced: str | None
) -> None:
    async with echoing(verb, reply, "ada", password) as server:
        error = await failure(message(), as_ada(server, password, encrypted=False))
    assert error.code is code
    assert error.variables["enhancedCode"] == enhanced


async def test_the_mechanisms_offered_are_quoted_short_and_without_credentials() -> None:
    async with submission_server(PASSWORD.encode().hex(), *(f"X{n}" for n in range(1000))) as server:
        error = await failure(message(), as_ada(server, PASSWORD.encode().hex()))
    assert "[concealed]" in error.message
    assert error.message.endswith("No credentials were sent.")
    assert len(error.message) < 800


async def test_a_password_that_is_not_utf8_is_no_fault_of_the_program() -> None:
    """What Python makes of an environment variable that is not UTF-8."""
    async with submission_server("PLAIN") as server:
        error = await failure(message(), as_ada(server, "pa\udcff55"))
    assert error.code is ErrorCode.AUTH_FAILED
    assert "UTF-8" in error.message


async def test_no_login_without_a_user_name() -> None:
    async with SmtpServer(tls_context=good_context()) as server, transport() as smtp:
        await smtp.submit(message(), to(server))
        assert auth_commands(server) == []


async def test_a_server_that_wants_a_login_is_quoted() -> None:
    async with submission_server("PLAIN") as server:
        error = await failure(message(), to(server))
    assert error.code is ErrorCode.AUTH_FAILED
    assert "530 5.7.0 Authentication required" in error.message
