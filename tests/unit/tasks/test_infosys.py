"""Diagrams made for the Infosys connector: the habits that differ from the native type."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connector.accounts.accounts import Accounts
from connector.errors import ConnectorError, InputError
from connector.model.addresses import Mailbox
from connector.model.mail import ContentType, FileContent, FileSource, Importance, InlineContent, Sensitivity
from connector.model.server import Server
from connector.settings.model import INFOSYS_TASK_TYPE, Settings
from connector.tasks import send_task
from connector.tasks.port import ReadContext
from tests.shared import data_cases
from tests.unit.tasks.task_inputs import NOW, ORIGIN, SETTINGS, read, read_infosys, refused

TO = "smtpEmailToRecipients"


def as_its_template_writes_it(**changes: Any) -> dict[str, Any]:
    """A mail as its element template hands it over: every field there, blanks and placeholders included."""
    return {
        "authentication": {
            "hostname": "relay.example.com",
            "port": "25",
            "username": "U",
            "password": "P",
        },
        "smtpEmailMailBoxName": "postbox",
        "smtpEmailToRecipients": ["dev@localhost"],
        "smtpEmailCcRecipients": [],
        "smtpEmailBccRecipients": [],
        "smtpEmailSubject": "News",
        "smtpEmailContentType": "Text",
        "smtpEmailContent": "Dear all,\\nnothing new.",
        "smtpEmailAttachments": [],
        "smtpEmailImportance": "${false}",
        "smtpEmailReadReceipt": "${false}",
        "smtpEmailFollowUp": "",
        "smtpEmailDirectReplyTo": [],
        "smtpEmailSensitivity": "Normal",
        **changes,
    }


def test_a_mail_as_its_template_writes_it() -> None:
    request = read_infosys(**as_its_template_writes_it())
    assert request.route.port == 25
    assert request.sender == Mailbox("postbox")
    assert request.to == (Mailbox("dev@localhost"),)
    assert request.content_type is ContentType.TEXT
    assert request.content == InlineContent("Dear all,\nnothing new.")
    assert request.importance is None
    assert request.read_receipt is None
    assert request.sensitivity is Sensitivity.NORMAL
    assert request.require_all_recipients is True


def test_everything_that_its_template_can_ask_for() -> None:
    request = read_infosys(
        **as_its_template_writes_it(
            smtpEmailCcRecipients=["demo"],
            smtpEmailBccRecipients=["test@localhost"],
            smtpEmailAttachments=["C:/Out/Plan.bmp", "C:/Out/Plan, final.txt"],
            smtpEmailImportance="${true}",
            smtpEmailReadReceipt="${true}",
            smtpEmailFollowUp="Today",
            smtpEmailDirectReplyTo=["dev@localhost"],
            smtpEmailSensitivity="Confidential",
        )
    )
    assert request.cc == (Mailbox("demo"),)
    assert request.bcc == (Mailbox("test@localhost"),)
    sources = [attachment.source for attachment in request.attachments]
    assert sources == [FileSource("C:/Out/Plan.bmp"), FileSource("C:/Out/Plan, final.txt")]
    assert request.importance is Importance.HIGH
    assert request.read_receipt == Mailbox("postbox")
    assert request.follow_up == datetime(2026, 11, 20, 17, 0, tzinfo=ZoneInfo("Europe/Berlin"))
    assert request.reply_to == (Mailbox("dev@localhost"),)
    assert request.sensitivity is Sensitivity.CONFIDENTIAL


def test_two_characters_are_a_line_break_only_there_and_only_in_text() -> None:
    assert read(smtpEmailContent="a\\nb").content == InlineContent("a\\nb")
    html = read_infosys(smtpEmailContentType="html", smtpEmailContent="<p>a\\nb")
    assert html.content == InlineContent("<p>a\\nb")


@pytest.mark.parametrize("body", ["C:/Mail/Body.html", "/srv/mail/body.txt", "body"])
def test_an_html_body_without_markup_is_a_path(body: str) -> None:
    assert read_infosys(smtpEmailContentType="HTML", smtpEmailContent=body).content == FileContent(body)


@pytest.mark.parametrize("body", ["<p>C:/Mail/Body.html", "a\nb", "x" * 4097])
def test_other_html_bodies_are_the_body_itself(body: str) -> None:
    assert read_infosys(smtpEmailContentType="HTML", smtpEmailContent=body).content == InlineContent(body)


def test_a_bare_local_part_is_an_address_only_there() -> None:
    assert read_infosys(smtpEmailMailBoxName="postbox").sender == Mailbox("postbox")
    assert refused(smtpEmailMailBoxName="postbox").field == "smtpEmailMailBoxName"


@pytest.mark.parametrize("blank", [None, "", [], [""], [None]])
def test_copies_do_not_stand_in_for_a_recipient(blank: Any) -> None:
    error = refused(INFOSYS_TASK_TYPE, smtpEmailToRecipients=blank, smtpEmailCcRecipients="jane@example.org")
    assert error.field == TO


def test_its_mail_goes_to_all_or_to_nobody_unless_said_otherwise() -> None:
    assert read_infosys().require_all_recipients is True
    assert read_infosys(smtpEmailRequireAllRecipients="${false}").require_all_recipients is False


@pytest.mark.parametrize("case", data_cases("infosys-cases.json"))
def test_a_shared_case(case: dict[str, Any]) -> None:
    def read_case() -> None:
        send_task(INFOSYS_TASK_TYPE).read(
            case["variables"], ReadContext(SETTINGS, NOW, Accounts(Settings()), ORIGIN)
        )

    if case["expect"]["outcome"] == "sent":
        read_case()
        return
    with pytest.raises(ConnectorError) as caught:
        read_case()
    assert caught.value.code == case["expect"]["code"]
    assert isinstance(caught.value, InputError)
    assert caught.value.field == case["expect"]["field"]


def test_numbers_and_booleans_are_texts_as_jackson_reads_them() -> None:
    request = read_infosys(
        smtpEmailSubject=4711,
        smtpEmailContent=True,
        authentication={"hostname": "mail", "port": 25, "username": 17, "password": 0.5},
    )
    assert (request.subject, request.content) == ("4711", InlineContent("true"))
    assert isinstance(request.route, Server)
    assert request.route.password is not None
    assert (request.route.username, request.route.password.get_secret_value()) == ("17", "0.5")
    task = send_task(INFOSYS_TASK_TYPE)
    assert task.idempotency_key({"smtpEmailIdempotencyKey": 7}) == "7"
    assert refused(smtpEmailSubject=4711).field == "smtpEmailSubject"


def test_the_result_has_the_key_of_that_connector_in_front() -> None:
    described = {"message": "Mail sent successfully", "messageId": "<1@mail>"}
    shaped = send_task(INFOSYS_TASK_TYPE).response(described)
    assert list(shaped.items()) == [("response", "Mail sent successfully"), *described.items()]
    assert send_task(INFOSYS_TASK_TYPE).response(shaped) == shaped, "as an earlier version recorded it"
