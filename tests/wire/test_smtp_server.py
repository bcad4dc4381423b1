"""The test server itself, judged by another client: the standard library's."""

from __future__ import annotations

import asyncio
import base64
import smtplib
import ssl
from collections.abc import Callable

import pytest

from connector.testing.behaviour import Behaviour, Reset, Say, Verb
from connector.testing.smtp import Offer, ReceivedMail, SmtpServer
from tests.wire.smtp_submission import authority, good_context

DATA = b"Subject: x\r\n\r\n.dot\r\n..\r\nend\r\n"


async def talk(server: SmtpServer, dialogue: Callable[[smtplib.SMTP], object]) -> object:
    def run() -> object:
        with smtplib.SMTP("localhost", server.port, local_hostname="client.example", timeout=10) as client:
            return dialogue(client)

    return await asyncio.to_thread(run)


async def test_a_mail_is_kept_as_it_was_sent() -> None:
    seen: list[ReceivedMail] = []
    async with SmtpServer(on_received=seen.append) as server:
        await talk(
            server,
            lambda client: client.sendmail(
                "a@x.example", ["b@x.example", "c@x.example"], DATA, ["BODY=8BITMIME"], ["NOTIFY=NEVER"]
            ),
        )
        (mail,) = await server.wait_for(1)
    assert seen == [mail]
    assert (mail.sender, mail.recipients, mail.data) == ("a@x.example", ("b@x.example", "c@x.example"), DATA)
    assert mail.mail_parameters == {"BODY": "8BITMIME", "SIZE": str(len(DATA))}
    assert mail.rcpt_parameters["c@x.example"] == {"NOTIFY": "NEVER"}
    assert (mail.tls, mail.username) == (False, None)
    assert b"\r\n..dot\r\n...\r\nend\r\n.\r\n" in server.connections[0].received_bytes
    assert server.connections[0].sent_bytes.startswith(b"220 ")
    assert server.connections[0].accepted == 1


async def test_starttls_and_login() -> None:
    context = ssl.create_default_context()
    authority().configure_trust(context)

    def dialogue(client: smtplib.SMTP) -> None:
        client.starttls(context=context)
        client.login("ada", "secret")
        client.sendmail("a@x.example", ["b@x.example"], DATA)

    async with SmtpServer(tls_context=good_context(), users={"ada": "secret"}) as server:
        await talk(server, dialogue)
        assert (server.received[0].tls, server.received[0].username) == (True, "ada")
        assert b"AUTH" in server.connections[0].received_bytes
        assert b"AUTH" not in server.connections[0].received_in_clear


@pytest.mark.parametrize(("token", "code"), [("the-token", 235), ("another", 535)])
@pytest.mark.parametrize(
    ("mechanism", "message"),
    [
        ("XOAUTH2", "user=ada@x.example\x01auth=Bearer {}\x01\x01"),
        ("OAUTHBEARER", "n,a=ada@x.example,\x01host=x.example\x01port=25\x01auth=Bearer {}\x01\x01"),
    ],
)
async def test_a_login_with_a_token(mechanism: str, message: str, token: str, code: int) -> None:
    initial = base64.b64encode(message.format(token).encode()).decode()

    def dialogue(client: smtplib.SMTP) -> tuple[int, bytes]:
        client.ehlo()
        return client.docmd("AUTH", f"{mechanism} {initial}")

    offer = Offer(auth=(mechanism,))
    async with SmtpServer(users={"ada@x.example": "the-token"}, offer=offer) as server:
        reply = await talk(server, dialogue)
    assert isinstance(reply, tuple)
    assert reply[0] == code


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("MAIL FROM:<a@x> SIZE=1000000000", 552),
        ("MAIL FROM:<a@x> NONSENSE=1", 555),
        ("MAIL a@x", 501),
        ("RCPT TO:<a@x>", 503),
        ("DATA", 554),
        ("STARTTLS", 502),
        ("AUTH PLAIN AGEAYg==", 504),
        ("TURN", 500),
        ("NOOP", 250),
    ],
)
async def test_it_is_strict(command: str, code: int) -> None:
    async with SmtpServer() as server:
        reply = await talk(server, lambda client: (client.ehlo(), client.docmd(command))[1])
    assert isinstance(reply, tuple)
    assert reply[0] == code


async def test_what_is_not_offered_is_refused() -> None:
    async with SmtpServer(offer=Offer(size=None, dsn=False, smtputf8=False)) as server:
        for parameter in ("SIZE=1", "RET=HDRS", "SMTPUTF8"):
            reply = await talk(server, lambda client, p=parameter: client.docmd(f"MAIL FROM:<a@x> {p}"))  # type: ignore[misc]
            assert reply == (555, b"5.5.4 Parameter not recognized or not implemented")


async def test_rules_apply_in_order_and_run_out() -> None:
    behaviour = (
        Behaviour()
        .on(Verb.RCPT, Say(450, "4.2.0 one", "4.2.0 two"), containing="grey@", times=1)
        .on(Verb.RCPT, Say(550, "5.1.1 no"), containing="bad@")
    )

    def dialogue(client: smtplib.SMTP) -> list[int]:
        client.ehlo()
        client.mail("a@x.example")
        return [client.rcpt(name)[0] for name in ("grey@x", "grey@x", "bad@x", "bad@x", "good@x")]

    async with SmtpServer(behaviour=behaviour) as server:
        assert await talk(server, dialogue) == [450, 250, 550, 550, 250]


async def test_reset_is_a_reset() -> None:
    async with SmtpServer(behaviour=Behaviour().on(Verb.CONNECT, Reset())) as server:
        with pytest.raises((ConnectionResetError, smtplib.SMTPServerDisconnected)):
            await talk(server, lambda client: client.noop())


async def test_waiting_for_too_many_ends() -> None:
    async with SmtpServer() as server:
        with pytest.raises(TimeoutError):
            await server.wait_for(1, timeout=0.05)


def test_implicit_tls_needs_a_certificate() -> None:
    with pytest.raises(ValueError, match="tls_context"):
        SmtpServer(implicit_tls=True)
