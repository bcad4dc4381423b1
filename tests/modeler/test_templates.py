"""Each element template, from the modeler to the inbox.

A person applies it to a plain element and fills in the panel; what the modeler saves is linted, deployed to
the engine and run; the mail arrives. Nothing between the panel and the inbox is a double.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from pyzeebe import ZeebeClient

from connector.modeler.fields import FIELDS, GROUPS
from connector.modeler.generate import ELEMENTS, MAILBOX_ELEMENTS, Element
from connector.testing.smtp import ReceivedMail, SmtpServer
from tests.engine.service import running_worker
from tests.engine.watch import Watch
from tests.modeler.modeler import Modeler
from tests.modeler.steps import TEMPLATES, applied, drawn, opened, run_node
from tests.servers import authorization
from tests.servers.authorization import SECRET, USER
from tests.servers.dovecot import Dovecot
from tests.servers.sink import Sink

# The engine of 8.6 refuses what the schema proposes instead: an input mapping without a source.
MADE_FOR_8_6 = (
    "'optional' with 'zeebe:input' binding is deprecated; "
    "an empty input mapping (resolved to 'null') should be used for Camunda 8.8+"
)
TO = ("Sender and recipients", "To")
Entries = Mapping[tuple[str, str], str | bool]
MANDATORY: Entries = {
    ("Mail server", "Host"): "127.0.0.1",
    ("Sender and recipients", "From"): "Order desk <orders@example.com>",
    ("Content", "Subject"): '="Your order " + order.id',
    ("Content", "Body"): "Thank you.",
}
ALL: Entries = {
    **MANDATORY,
    ("Mail server", "Username"): "connector",
    ("Mail server", "Password"): "{{secrets.MAIL_PASSWORD}}",
    ("Mail server", "Encryption"): "STARTTLS if offered",
    TO: "=[order.customer]",
    ("Sender and recipients", "Cc"): "joe@example.org, jim@example.org",
    ("Sender and recipients", "Bcc"): "audit@example.org",
    ("Sender and recipients", "Participants"): '={desk: "desk@example.org"}',
    ("Sender and recipients", "One mail for each record"): "=[]",
    ("Content", "Format"): "HTML with a text part",
    ("Content", "Body"): "<p>Thank you for <b>your order</b>.</p>",
    ("Content", "Text part"): "Thank you for your order.",
    ("Content", "Invitation"): '={start: "2026-12-01T09:30:00Z", end: "2026-12-01T10:00:00Z"}',
    ("Attachments", "Attachments"): '=[{name: "order.csv", content: order.rows}]',
    ("Importance and receipts", "Importance"): "High",
    ("Importance and receipts", "Sensitivity"): "Confidential",
    ("Importance and receipts", "Read receipt"): "To another address",
    ("Importance and receipts", "Receipt address"): "receipts@example.com",
    ("Importance and receipts", "Delivery receipt"): "failure, delay",
    ("Importance and receipts", "Follow up"): "P3D",
    ("Replies and threading", "Reply to"): "sales@example.com",
    ("Delivery", "Headers"): '={"X-Case": order.id}',
    ("Replies and threading", "In reply to"): "<order-4711@example.com>",
    ("Replies and threading", "References"): "<first@example.com>, <order-4711@example.com>",
    ("Replies and threading", "Unsubscribe"): '={url: "https://a.example/leave"}',
    ("Delivery", "All recipients or none"): True,
    ("Delivery", "Idempotency key"): "=order.id",
    ("Delivery", "Copy"): "None",
    ("Output mapping", "Result variable"): "mail",
    ("Output mapping", "Result expression"): "={told: response.accepted}",
    (
        "Error handling",
        "Error expression",
    ): '=if error.code = "AUTH_FAILED" then bpmnError("LOGIN") else null',
    ("Error handling", "Error mapping"): '={"*": "MAIL"}',
    ("Error handling", "When delivery is uncertain"): "Send again, with the same Message-ID",
    ("Retries", "Retries"): "5",
    ("Retries", "Retry backoff"): "PT1S",
}
# In place of username and password.
TOKEN: Entries = {
    ("Mail server", "Login"): "OAuth2 client credentials",
    ("Mail server", "Mailbox"): USER,
    ("Mail server", "Provider"): "Another provider",
    ("Mail server", "Client ID"): "connector",
    ("Mail server", "Client secret"): "{{secrets.MAIL_CLIENT_SECRET}}",
    ("Mail server", "Scopes"): "mail",
    ("Mail server", "Parameters"): '={"resource": "https://mail.example.test"}',
}
HEADERS = {
    "From": "Order desk <orders@example.com>",
    "To": "jane@example.org",
    "Cc": "joe@example.org, jim@example.org",
    "Subject": "Your order 4711",
    "Importance": "high",
    "Sensitivity": "Company-Confidential",
    "Disposition-Notification-To": "<receipts@example.com>",
    "X-Message-Flag": "Follow up",
    "Reply-To": "sales@example.com",
    "X-Case": "4711",
    "List-Unsubscribe": "<https://a.example/leave>",
    "In-Reply-To": "<order-4711@example.com>",
    "References": "<first@example.com> <order-4711@example.com>",
}
ORDER = {"order": {"id": "4711", "customer": "jane@example.org", "rows": "article;pieces\n"}}

each_element = pytest.mark.parametrize("element", ELEMENTS, ids=[element.file for element in ELEMENTS])


@pytest.fixture
async def worker(engine_address: str) -> AsyncIterator[None]:
    async with running_worker(engine_address, {"SECRET_MAIL_PASSWORD": "p"}):
        yield


async def filled(modeler: Modeler, entries: Entries) -> str:
    """Fill in the panel, find nothing left in red, and save."""
    for (group, label), value in entries.items():
        await modeler.fill(group, label, value)
    assert await modeler.lasting_errors() == []
    return await modeler.save()


async def deploy(zeebe: ZeebeClient, xml: str, file: Path) -> None:
    """Lint and deploy what the modeler saved."""
    await asyncio.to_thread(file.write_text, xml, encoding="utf-8")
    assert await run_node("lint.mjs", file) == []
    await zeebe.deploy_resource(str(file))


async def run(zeebe: ZeebeClient, xml: str, file: Path) -> int:
    """Deploy and start it; the process instance's key."""
    await deploy(zeebe, xml, file)
    return (await zeebe.run_process(file.stem, variables=ORDER)).process_instance_key


def read(mail: ReceivedMail) -> EmailMessage:
    message = message_from_bytes(mail.data, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


@pytest.mark.usefixtures("modeler_library")
@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.name))
async def test_the_official_schema_accepts_it(path: Path) -> None:
    complaints = {line.partition(": ")[2] for line in await run_node("validate.mjs", path)}
    assert complaints == {MADE_FOR_8_6}


@pytest.mark.usefixtures("worker")
@each_element
async def test_with_the_mandatory_entries_the_mail_arrives(  # noqa: PLR0917 - fixtures and a case
    modeler: Modeler,
    zeebe: ZeebeClient,
    watch: Watch,
    tmp_path: Path,
    process_id: str,
    element: Element,
) -> None:
    await applied(modeler, element, process_id)
    missing = ["Host must not be empty.", "From must not be empty."]
    assert await modeler.errors() == [*missing, "Subject must not be empty.", "Body must not be empty."]
    async with SmtpServer() as smtp:
        entries = {**MANDATORY, ("Mail server", "Port"): str(smtp.port), TO: "jane@example.org"}
        instance = await run(zeebe, await filled(modeler, entries), tmp_path / f"{process_id}.bpmn")
        await watch.completed(instance)
    (mail,) = smtp.received
    message = read(mail)
    assert (mail.recipients, message["Subject"]) == (("jane@example.org",), "Your order 4711")
    assert message.get_content().strip() == "Thank you."


@pytest.mark.usefixtures("worker")
@each_element
async def test_every_entry_reaches_the_mail(  # noqa: PLR0917 - fixtures and a case
    modeler: Modeler,
    zeebe: ZeebeClient,
    watch: Watch,
    tmp_path: Path,
    process_id: str,
    element: Element,
) -> None:
    await applied(modeler, element, process_id)
    async with SmtpServer(users={"connector": "p"}) as smtp:
        xml = await filled(modeler, {**ALL, ("Mail server", "Port"): str(smtp.port)})
        instance = await run(zeebe, xml, tmp_path / f"{process_id}.bpmn")
        await watch.completed(instance)
    (mail,) = smtp.received
    assert mail.username == "connector"
    message = read(mail)
    copies = ("joe@example.org", "jim@example.org", "audit@example.org")
    assert mail.recipients == ("jane@example.org", *copies)
    assert {name: message[name] for name in HEADERS} == HEADERS
    assert mail.rcpt_parameters["jane@example.org"]["NOTIFY"] == "FAILURE,DELAY"
    assert [part.get_filename() for part in message.iter_attachments()] == ["order.csv"]
    assert "text/calendar" in [part.get_content_type() for part in message.walk()]
    told: dict[str, Any] = await watch.variables(instance)
    assert told["mail"]["status"] == "SUCCESS"
    assert told["told"] == list(mail.recipients)


def test_every_entry_is_filled_in_by_the_test_above() -> None:
    shown = {(GROUPS[field.group], field.label) for field in FIELDS if field.group}
    assert shown - ALL.keys() - TOKEN.keys() == {
        ("Mail server", "Send through"),
        ("Mail server", "Account"),
        ("Mail server", "Port"),
        ("Mail server", "Tenant"),
        ("Mail server", "Token URL"),
        ("Content", "Content"),
        ("Content", "Template"),
        ("Content", "Data"),
        ("Content", "Language"),
        ("Delivery", "S/MIME signature"),
        ("Delivery", "S/MIME encryption"),
        ("Importance and receipts", "Importance and sensitivity"),
    }


async def test_an_application_logs_in_with_a_token(  # noqa: PLR0917 - fixtures
    modeler: Modeler,
    zeebe: ZeebeClient,
    watch: Watch,
    tmp_path: Path,
    process_id: str,
    engine_address: str,
    dovecot: Dovecot,
    dovecot_sink: Sink,
) -> None:
    await applied(modeler, ELEMENTS[0], process_id)
    with authorization.running(small=True) as issuer:
        dovecot.trust(issuer.key_id, issuer.public_key, issuer.state.algorithm)
        issuer.state.claims = {"email": USER}
        entries = {
            **MANDATORY,
            **TOKEN,
            ("Mail server", "Host"): "localhost",
            ("Mail server", "Port"): str(dovecot.ports["submission"]),
            ("Mail server", "Token URL"): issuer.token_url,
            TO: "jane@example.org",
        }
        xml = await filled(modeler, entries)
        secrets = {"SECRET_MAIL_CLIENT_SECRET": SECRET}
        hosts = {"tokens__hosts": f"127.0.0.1:{issuer.port}", "smtp__ca_file": str(dovecot.ca_file)}
        async with running_worker(engine_address, secrets, **hosts):
            await watch.completed(await run(zeebe, xml, tmp_path / f"{process_id}.bpmn"))
        (asked,) = issuer.token_requests()
    assert (asked["scope"], asked["resource"]) == ("mail", "https://mail.example.test")
    assert "Your order 4711" in dovecot_sink.received[-1].data.decode()


async def test_microsoft_is_asked_for_a_tenant(modeler: Modeler) -> None:
    await applied(modeler, ELEMENTS[0], "p")
    await modeler.fill("Mail server", "Login", "OAuth2 client credentials")
    assert await modeler.labels("Mail server") == [
        *("Send through", "Host", "Port", "Encryption", "Login"),
        *("Mailbox", "Provider", "Tenant", "Client ID", "Client secret"),
    ]
    assert "Tenant must not be empty." in await modeler.errors()


@each_element
async def test_the_modeler_offers_it_where_it_fits(modeler: Modeler, element: Element) -> None:
    await drawn(modeler, element, "p")
    templates = (*ELEMENTS, *MAILBOX_ELEMENTS)
    fitting = [each.name for each in templates if each.applies_to == element.applies_to]
    assert await modeler.offered() == fitting


async def test_what_was_filled_in_is_there_when_the_diagram_is_opened_again(modeler: Modeler) -> None:
    await applied(modeler, ELEMENTS[0], "p")
    saved = await filled(modeler, ALL)
    await opened(modeler, saved)
    assert await modeler.lasting_errors() == []
    assert await modeler.save() == saved


async def test_an_account_asks_for_no_server(
    modeler: Modeler, zeebe: ZeebeClient, tmp_path: Path, process_id: str
) -> None:
    await applied(modeler, ELEMENTS[0], process_id)
    account: Entries = {
        ("Mail server", "Send through"): "Account of the worker",
        ("Mail server", "Account"): "invoices",
        ("Content", "Subject"): "Your invoice",
        ("Content", "Body"): "Thank you.",
        ("Delivery", "S/MIME signature"): "Yes",
        ("Delivery", "S/MIME encryption"): "No",
    }
    xml = await filled(modeler, {**account, ("Sender and recipients", "From"): "orders@example.com"})
    assert await modeler.labels("Mail server") == ["Send through", "Account"]
    assert 'target="account"' in xml
    assert 'target="smtpEmailMailBoxName"' in xml
    assert 'source="true" target="smtpEmailSign"' in xml
    assert 'source="false" target="smtpEmailEncrypt"' in xml
    assert "authentication" not in xml
    await deploy(zeebe, xml, tmp_path / f"{process_id}.bpmn")


@pytest.mark.usefixtures("worker")
async def test_a_read_receipt_goes_to_the_sender(
    modeler: Modeler, zeebe: ZeebeClient, watch: Watch, tmp_path: Path, process_id: str
) -> None:
    await applied(modeler, ELEMENTS[0], process_id)
    async with SmtpServer() as smtp:
        entries = {**MANDATORY, ("Mail server", "Port"): str(smtp.port), TO: "jane@example.org"}
        xml = await filled(modeler, {**entries, ("Importance and receipts", "Read receipt"): "To the sender"})
        await watch.completed(await run(zeebe, xml, tmp_path / f"{process_id}.bpmn"))
    (mail,) = smtp.received
    assert read(mail)["Disposition-Notification-To"] == "Order desk <orders@example.com>"


@pytest.mark.usefixtures("worker")
async def test_importance_and_sensitivity_follow_the_process(
    modeler: Modeler, zeebe: ZeebeClient, watch: Watch, tmp_path: Path, process_id: str
) -> None:
    await applied(modeler, ELEMENTS[0], process_id)
    group = "Importance and receipts"
    async with SmtpServer() as smtp:
        entries = {
            **MANDATORY,
            ("Mail server", "Port"): str(smtp.port),
            TO: "jane@example.org",
            (group, "Importance and sensitivity"): "By FEEL expressions",
            (group, "Importance"): '=if order.id = "4711" then "high" else "low"',
            (group, "Sensitivity"): "personal",
        }
        xml = await filled(modeler, entries)
        await watch.completed(await run(zeebe, xml, tmp_path / f"{process_id}.bpmn"))
    message = read(smtp.received[0])
    assert (message["Importance"], message["Sensitivity"]) == ("high", "Personal")


async def test_no_dropdown_has_an_entry_without_words(modeler: Modeler) -> None:
    for element in (ELEMENTS[0], *MAILBOX_ELEMENTS):
        await applied(modeler, element, "p")
        for group in element.form.groups.values():
            assert "" not in await modeler.options(group)
