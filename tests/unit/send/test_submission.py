"""One attempt at a mail, with a transport that does as it is told and no ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from connector.accounts.accounts import Accounts
from connector.errors import ErrorCode, Phase, Reply, TransportError
from connector.ledger.progress import NO_PROGRESS, Delivered, Mark
from connector.message.content.reader import ContentReader
from connector.model.envelope import Message
from connector.model.mail import WhenUncertain
from connector.model.receipt import Delivery, Receipt
from connector.model.server import Route, Server
from connector.observe.metrics import Metrics
from connector.secrets.masker import Masker
from connector.secrets.providers import open_secrets
from connector.send.submission import Stages, Submission
from connector.settings.model import SEND_TASK_TYPE, Settings
from connector.tasks import send_task
from connector.transport.pacing import Pacing
from connector.transport.port import Deliveries
from tests.jobs import job

NOW = datetime(2026, 11, 20, 20, 50, 33, tzinfo=UTC)
OK = Reply(250, "2.0.0 Ok")
MAIL = {
    "authentication": {"hostname": "mail.example", "port": 25, "username": "ada", "password": "secrets.PW"},
    "smtpEmailMailBoxName": "ada@example.com",
    "smtpEmailToRecipients": ["bob@example.com", "joe@example.com"],
    "smtpEmailSubject": "Hello",
    "smtpEmailContent": "Hello.",
}
REFUSED = TransportError(ErrorCode.AUTH_FAILED, "refused", phase=Phase.AUTH, server="mail.example:25")


class Told:
    """A transport that keeps what it is handed, and answers in turn as told; the last answer goes on."""

    def __init__(self, *answers: Receipt | Exception, delivers: tuple[str, ...] = ()) -> None:
        self.handed: list[tuple[Message, Route]] = []
        self._answers = list(answers)
        self._delivers = delivers

    async def submit(self, message: Message, route: Route, deliveries: Deliveries) -> Receipt:
        self.handed.append((message, route))
        if self._delivers:
            await deliveries.committing(Delivery(self._delivers))
            await deliveries.delivered(Delivery(self._delivers), OK)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class Heard:
    """What the ledger would have heard."""

    repeated = False

    def __init__(self) -> None:
        self.marks: list[Mark] = []
        self.replies: list[Delivered] = []

    async def committing(self, mark: Mark) -> None:
        self.marks.append(mark)

    async def delivered(self, delivery: Delivered) -> None:
        self.replies.append(delivery)


@asynccontextmanager
async def submission(
    transport: Told, environ: Mapping[str, str] | None = None, **changed: Any
) -> AsyncIterator[Submission]:
    settings = Settings()
    environ = {"SECRET_PW": "secret"} if environ is None else environ
    async with open_secrets(settings.secrets, environ, lambda _: None) as secrets:
        stages = Stages(
            settings,
            Accounts(settings),
            secrets,
            ContentReader(settings.attachments),
            lambda: pytest.fail("nothing is to be signed"),
            lambda: pytest.fail("nothing is to be rendered"),
            Pacing(),
            {Server.transport: transport},
            lambda credential: pytest.fail(f"no token of {credential.place} is needed"),
            lambda: pytest.fail("nothing goes through Microsoft Graph"),
            Masker(),
            Masker(),
            Metrics(),
            lambda: NOW,
            lambda: pytest.fail("no mailbox is used"),
        )
        variables = {**MAIL, **changed}
        yield Submission(job(variables), send_task(SEND_TASK_TYPE), "<default>/instance:12", stages)


def receipt(*accepted: str) -> Receipt:
    return Receipt(OK, accepted)


async def test_the_transport_gets_the_message_and_the_route() -> None:
    transport = Told(receipt("bob@example.com", "joe@example.com"))
    async with submission(transport) as attempt:
        response = await attempt.submit(NO_PROGRESS, Heard())
    ((message, route),) = transport.handed
    assert message.envelope.recipients == ("bob@example.com", "joe@example.com")
    assert b"Subject: Hello\r\n" in message.data
    assert route.password is not None
    assert (route.hostname, route.password.get_secret_value()) == ("mail.example", "secret")
    assert (response["messageId"], response["sentAt"]) == (message.message_id, "2026-11-20T20:50:33Z")
    assert response["accepted"] == ["bob@example.com", "joe@example.com"]


async def test_two_attempts_make_the_same_message() -> None:
    transport = Told(receipt("bob@example.com"))
    for _ in range(2):
        async with submission(transport) as attempt:
            await attempt.submit(NO_PROGRESS, Heard())
    (first, _), (second, _) = transport.handed
    assert first == second


async def test_a_rotated_password_is_tried_once_more() -> None:
    environ = {"SECRET_PW": "former"}
    transport = Told(REFUSED, receipt("bob@example.com"))
    async with submission(transport, environ) as attempt:
        await attempt.policy(NO_PROGRESS)  # reads the task, with the password as it is
        environ["SECRET_PW"] = "present"
        await attempt.submit(NO_PROGRESS, Heard())
    passwords = [route.password.get_secret_value() for _, route in transport.handed if route.password]
    assert passwords == ["former", "present"]


async def test_the_same_password_is_not_tried_again() -> None:
    transport = Told(REFUSED)
    async with submission(transport) as attempt:
        with pytest.raises(TransportError):
            await attempt.submit(NO_PROGRESS, Heard())
    assert len(transport.handed) == 1, "a second attempt would lock the account sooner"


async def test_a_mail_that_some_have_is_not_begun_again_with_another_password() -> None:
    environ = {"SECRET_PW": "former"}
    transport = Told(REFUSED, delivers=("bob@example.com",))
    heard = Heard()
    async with submission(transport, environ) as attempt:
        await attempt.policy(NO_PROGRESS)
        environ["SECRET_PW"] = "present"
        with pytest.raises(TransportError) as caught:
            await attempt.submit(NO_PROGRESS, heard)
    assert len(transport.handed) == 1, "bob would get it twice"
    assert caught.value.accepted == ("bob@example.com",)
    assert [reply.recipients for reply in heard.replies] == [("bob@example.com",)]


@pytest.mark.parametrize(
    ("changed", "policy"),
    [({}, WhenUncertain.INCIDENT), ({"smtpEmailWhenUncertain": "resend"}, WhenUncertain.RESEND)],
)
async def test_the_task_decides_about_doubt_before_the_settings(
    changed: dict[str, Any], policy: WhenUncertain
) -> None:
    async with submission(Told(receipt()), **changed) as attempt:
        assert await attempt.policy(NO_PROGRESS) is policy


@pytest.mark.parametrize(
    ("code", "attempts"), [(ErrorCode.AUTH_FAILED, 2), (ErrorCode.TEMPORARILY_REJECTED, 1)]
)
async def test_only_a_refused_login_is_tried_again_and_only_once(code: ErrorCode, attempts: int) -> None:
    environ = {"SECRET_PW": "0"}

    class Rotating(Told):
        """A transport beside which the password changes all the time."""

        async def submit(self, message: Message, route: Route, deliveries: Deliveries) -> Receipt:
            environ["SECRET_PW"] += "x"
            return await super().submit(message, route, deliveries)

    transport = Rotating(TransportError(code, "refused", phase=Phase.AUTH, server="mail.example:25"))
    async with submission(transport, environ) as attempt:
        with pytest.raises(TransportError):
            await attempt.submit(NO_PROGRESS, Heard())
    assert len(transport.handed) == attempts
