"""The example that answers a mail, on an engine, with its mailbox on Dovecot."""

from __future__ import annotations

import asyncio
from email import message_from_bytes, policy
from pathlib import Path

from pyzeebe import ZeebeClient

from connector.model.incoming import MailProtocol
from connector.testing.smtp import SmtpServer
from tests.contract.mailboxes import DovecotPost, mail
from tests.engine.service import running_worker
from tests.engine.watch import Watch
from tests.servers.dovecot import PASSWORD, Dovecot

_DIAGRAM = Path(__file__).parents[2] / "bpmn-examples" / "answer-a-mail.bpmn"
_PROCESS = "smtp-connector-answer-a-mail"
WITH_FILE = (
    b"From: Ann Example <ann@example.test>\r\nTo: support@example.com\r\nSubject: A question\r\n"
    b"Message-ID: <question@example.test>\r\nReferences: <first@example.test>\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain\r\n\r\nWhich tea?\r\n"
    b"--b\r\nContent-Type: text/csv\r\nContent-Disposition: attachment; filename=teas.csv\r\n\r\nname\r\n"
    b"--b--\r\n"
)


async def test_it_answers_the_oldest_unread_mail_in_its_thread(
    zeebe: ZeebeClient, watch: Watch, engine_address: str, dovecot: Dovecot
) -> None:
    post = DovecotPost(dovecot, MailProtocol.IMAP)
    for octets in (WITH_FILE, mail(2)):
        await asyncio.to_thread(post.deliver, octets)
    await zeebe.deploy_resource(str(_DIAGRAM))
    async with SmtpServer() as server:
        account = {
            "host": "127.0.0.1",
            "port": str(server.port),
            "security": "none",
            "address": "support@example.com",
            "incoming.protocol": "imap",
            "incoming.host": "localhost",
            "incoming.port": str(dovecot.ports["imaps"]),
            "incoming.username": post.user,
            "incoming.password": "secrets.MAILBOX",
        }
        settings = {f"accounts.support.{name}".replace(".", "__"): text for name, text in account.items()}
        secrets = {"SECRET_MAILBOX": PASSWORD}
        trust = {"smtp__ca_file": str(dovecot.ca_file)}
        async with running_worker(engine_address, secrets, **settings, **trust):
            for _ in range(3):
                instance = (await zeebe.run_process(_PROCESS)).process_instance_key
                await watch.completed(instance)
        answers = [message_from_bytes(one.data, policy=policy.default) for one in server.received]
    first, second = answers
    assert (first["To"], first["Subject"]) == ("ann@example.test", "Re: A question")
    assert first["In-Reply-To"] == "<question@example.test>"
    assert first["References"] == "<first@example.test> <question@example.test>"
    assert [part.get_filename() for part in first.walk() if part.get_filename()] == ["teas.csv"]
    assert second["In-Reply-To"] == "<mail-2@example.test>"
    assert post.found("INBOX") == []
    assert len(post.found("Answered")) == 2
    assert await watch.end_events(instance) == ["nothing"]
