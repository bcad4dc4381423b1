"""The variables of a send task, one rule after the other."""

from dataclasses import replace
from typing import Any

import pytest

from connector.accounts.accounts import Accounts
from connector.errors import AttachmentError, ErrorCode, InputError
from connector.model.addresses import Mailbox
from connector.model.mail import (
    ContentType,
    DeliveryReceipt,
    FileContent,
    Importance,
    InlineContent,
    Sensitivity,
    TemplateUse,
    WhenUncertain,
)
from connector.model.signing import Protection
from connector.settings.model import SEND_TASK_TYPE, MessageSettings, Settings
from connector.tasks import send_task
from connector.tasks.port import ReadContext
from connector.tasks.records import RECORDS
from connector.tasks.send_inputs import INFOSYS, NATIVE
from tests.unit.tasks.task_inputs import ABSENT, NOW, ORIGIN, read, refused, variables

JANE = Mailbox("jane@example.org")
TO = "smtpEmailToRecipients"


def test_what_is_not_given_asks_for_nothing() -> None:
    request = read()
    assert request.sender == Mailbox("orders@example.com", "Orders")
    assert request.to == (JANE,)
    assert (request.cc, request.bcc, request.reply_to, request.attachments) == ((), (), (), ())
    assert request.subject == "Your order"
    assert request.content_type is ContentType.TEXT
    assert request.content == InlineContent("It is on its way.")
    assert (request.importance, request.sensitivity, request.follow_up) == (None, None, None)
    assert (request.read_receipt, request.delivery_receipt, request.headers) == (None, (), ())
    assert (request.in_reply_to, request.references, request.when_uncertain) == (None, (), None)
    assert request.require_all_recipients is False
    assert request.warnings == ()


# Some are needed unless something else is given.
CONDITIONAL = {"authentication", TO, "smtpEmailMailBoxName", "smtpEmailSubject", "smtpEmailContent"}
OPTIONAL = [
    definition.name for definition in NATIVE if not definition.required and definition.name not in CONDITIONAL
]


@pytest.mark.parametrize("name", OPTIONAL)
@pytest.mark.parametrize("blank", [None, "", "  ", []])
def test_a_blank_is_the_same_as_nothing(name: str, blank: Any) -> None:
    request = read(**{name: blank})
    warned = name == "smtpEmailIdempotencyKey" and blank is None
    assert replace(request, warnings=()) == read()
    assert bool(request.warnings) == warned


def test_a_key_that_feel_made_null_is_told_of_as_the_mail_may_go_out_again() -> None:
    assert "smtpEmailIdempotencyKey is null" in read(smtpEmailIdempotencyKey=None).warnings[0]


@pytest.mark.parametrize(
    "name",
    [
        name
        for definition in NATIVE
        for name in definition.names
        if name not in {"smtpEmailIdempotencyKey", RECORDS}  # read before the others, see below
    ],
)
def test_no_input_is_ignored(name: str) -> None:
    # No input takes a number with a fraction, so one that is read must refuse it by its written name.
    fraction: Any = 0.5
    assert refused(**{name: fraction}).field == name


@pytest.mark.parametrize("name", ["smtpEmailMailBoxName", TO, "smtpEmailSubject", "smtpEmailContent"])
@pytest.mark.parametrize(
    ("blank", "reason"), [(ABSENT, "is missing"), (None, "FEEL"), ("", "is empty"), ("  ", "is empty")]
)
def test_what_cannot_be_left_out(name: str, blank: Any, reason: str) -> None:
    error = refused(**{name: blank})
    assert error.field == name
    assert reason in error.message
    assert "fill in" in error.message


@pytest.mark.parametrize("name", ["smtpEmailSubject", "smtpEmailContent"])
@pytest.mark.parametrize("data", [42, 1.5, True, ["CANARY"], {"CANARY": 1}])
def test_subject_and_body_are_text(name: str, data: Any) -> None:
    error = refused(**{name: data})
    assert error.field == name
    assert "must be text" in error.message
    assert ("string(…)" in error.message) == isinstance(data, int | float)
    assert "CANARY" not in error.message


# Content


@pytest.mark.parametrize("character", ["\r", "\n", "\x00", "\u2028", "\u2029", "\x85", "\ud800", "\x1b"])
def test_a_subject_is_one_line(character: str) -> None:
    error = refused(smtpEmailSubject=f"CANARY{character}Bcc: eve@example.net")
    assert error.field == "smtpEmailSubject"
    assert "CANARY" not in error.message


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("text", ContentType.TEXT),
        ("TXT", ContentType.TEXT),
        ("html", ContentType.HTML),
        ('"Htm"', ContentType.HTML),
        ("Multipart", ContentType.MULTIPART),
    ],
)
def test_content_types(data: str, expected: ContentType) -> None:
    assert read(smtpEmailContentType=data).content_type is expected


def test_a_text_body_may_hold_anything_but_half_a_character() -> None:
    body = "a\r\nb\x00\u2028 <b>\\n file.html"
    assert read(smtpEmailContent=body).content == InlineContent(body)
    assert refused(smtpEmailContent="a\ud800").field == "smtpEmailContent"


@pytest.mark.parametrize("content_type", ["html", "multipart"])
@pytest.mark.parametrize("path", ["body.html", "C:/Email/Order 7.HTM", "/srv/mail/a.xhtml", " a.html\n"])
def test_a_line_without_markup_that_ends_like_an_html_file_is_one(content_type: str, path: str) -> None:
    content = read(smtpEmailContentType=content_type, smtpEmailContent=path).content
    assert content == FileContent(path.strip())


@pytest.mark.parametrize(
    "body",
    [
        "<p>see a.html",
        "<a href=a.html>a.html",
        "see\na.html",
        "Hello",
        "/srv/body.txt",
        ".html",
        "x" * 4096 + ".html",
    ],
)
def test_any_other_html_is_the_body_itself(body: str) -> None:
    assert read(smtpEmailContentType="html", smtpEmailContent=body).content == InlineContent(body)


def test_a_text_body_is_never_a_path() -> None:
    assert read(smtpEmailContent="body.html").content == InlineContent("body.html")


def test_a_path_is_one_line_without_control_characters() -> None:
    assert refused(smtpEmailContentType="html", smtpEmailContent="a\x00.html").field == "smtpEmailContent"


# Markers


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("high", Importance.HIGH),
        ('"Normal"', Importance.NORMAL),
        ("LOW", Importance.LOW),
        (True, Importance.HIGH),
        ("${true}", Importance.HIGH),
        ("True", Importance.HIGH),
        (False, None),
        ("${false}", None),
        ("false", None),
    ],
)
def test_importance(data: Any, expected: Importance | None) -> None:
    assert read(smtpEmailImportance=data).importance is expected


@pytest.mark.parametrize("data", ["urgent", 1, ["high"], "yes"])
def test_no_importance(data: Any) -> None:
    assert refused(smtpEmailImportance=data).allowed == ("high", "normal", "low", "true", "false")


@pytest.mark.parametrize("level", list(Sensitivity))
def test_sensitivity(level: Sensitivity) -> None:
    assert read(smtpEmailSensitivity=level.value.title()).sensitivity is level


@pytest.mark.parametrize("data", ["secret", False, "Company-Confidential"])
def test_no_sensitivity(data: Any) -> None:
    error = refused(smtpEmailSensitivity=data)
    assert error.allowed == ("normal", "personal", "private", "confidential")
    assert str(data).lower() in error.message.lower()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (True, Mailbox("orders@example.com", "Orders")),
        ("${true}", Mailbox("orders@example.com", "Orders")),
        (False, None),
        ("${false}", None),
        ("Desk <desk@example.com>", Mailbox("desk@example.com", "Desk")),
    ],
)
def test_read_receipt(data: Any, expected: Mailbox | None) -> None:
    assert read(smtpEmailReadReceipt=data).read_receipt == expected


@pytest.mark.parametrize("data", ["yes", 1, ["desk@example.com"], "a@b\r\n"])
def test_no_read_receipt(data: Any) -> None:
    assert refused(smtpEmailReadReceipt=data).field == "smtpEmailReadReceipt"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (["success", "FAILURE", "success"], (DeliveryReceipt.SUCCESS, DeliveryReceipt.FAILURE)),
        ("delay;failure", (DeliveryReceipt.DELAY, DeliveryReceipt.FAILURE)),
        ("never", (DeliveryReceipt.NEVER,)),
        ('["never"]', (DeliveryReceipt.NEVER,)),
        ([], ()),
    ],
)
def test_delivery_receipt(data: Any, expected: tuple[DeliveryReceipt, ...]) -> None:
    assert read(smtpEmailDeliveryReceipt=data).delivery_receipt == expected


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (["success", "always"], "smtpEmailDeliveryReceipt[2]"),
        (True, "smtpEmailDeliveryReceipt"),
        ("never, failure", "smtpEmailDeliveryReceipt"),
    ],
)
def test_no_delivery_receipt(data: Any, field: str) -> None:
    assert refused(smtpEmailDeliveryReceipt=data).field == field


@pytest.mark.parametrize(("data", "expected"), [(True, True), ("${true}", True), ("FALSE", False)])
def test_require_all_recipients(data: Any, expected: bool) -> None:
    assert read(smtpEmailRequireAllRecipients=data).require_all_recipients is expected


def test_an_idempotency_key_is_short_and_printable() -> None:
    def key(data: Any) -> str | None:
        return send_task(SEND_TASK_TYPE).idempotency_key({"smtpEmailIdempotencyKey": data})

    assert key(" order-7/ä ") == "order-7/ä"
    assert key("x" * 200) == "x" * 200
    assert key(None) is key("") is None
    for data in ("x" * 201, "a\nb", "a\u200bb", "\ud800", 7, True):
        with pytest.raises(InputError) as raised:
            key(data)
        assert raised.value.field == "smtpEmailIdempotencyKey"


def test_what_to_do_in_doubt_is_one_of_three() -> None:
    assert read(smtpEmailWhenUncertain="Assume-Sent").when_uncertain is WhenUncertain.ASSUME_SENT
    assert refused(smtpEmailWhenUncertain="retry").allowed == ("incident", "resend", "assume-sent")


# What is unknown or not there yet


PEOPLE = {
    "manager": "Ann <ann@example.org>",
    "the team": ["bob@example.org", "carol@example.org"],
    "none": "",
}


@pytest.mark.parametrize(
    ("to", "addresses"),
    [
        ("role:manager", ["ann@example.org"]),
        (["x@example.org", "Role: the team "], ["x@example.org", "bob@example.org", "carol@example.org"]),
        ("role:manager, x@example.org", ["ann@example.org", "x@example.org"]),
    ],
)
def test_recipients_by_role(to: Any, addresses: list[str]) -> None:
    request = read(smtpEmailParticipants=PEOPLE, smtpEmailToRecipients=to, smtpEmailDirectReplyTo=to)
    assert [box.address for box in request.to] == [box.address for box in request.reply_to] == addresses


def test_an_unknown_role_lists_the_known() -> None:
    error = refused(smtpEmailParticipants=PEOPLE, smtpEmailCcRecipients=["a@example.org", "role:boss"])
    assert (error.field, error.allowed) == ("smtpEmailCcRecipients[2]", ("manager", "the team", "none"))
    assert "manager, the team" in error.message


def test_a_role_without_an_address_is_refused() -> None:
    assert "no address" in refused(smtpEmailParticipants=PEOPLE, smtpEmailToRecipients="role:none").message


def test_without_participants_no_role_is_known() -> None:
    assert "smtpEmailParticipants" in refused(smtpEmailToRecipients="role:manager").message


@pytest.mark.parametrize(
    ("people", "field"),
    [
        ({"a": "nobody"}, "smtpEmailParticipants.a"),
        ({"a": "role:b", "b": "x@example.org"}, "smtpEmailParticipants.a"),
        ({"a\r\nb": "x@example.org"}, "smtpEmailParticipants"),
        ("x", "smtpEmailParticipants"),
    ],
)
def test_participants_are_roles_with_addresses(people: Any, field: str) -> None:
    assert refused(smtpEmailParticipants=people).field.startswith(field)


def from_template(**changed: Any) -> TemplateUse:
    given = {"smtpEmailTemplate": "welcome", "smtpEmailContent": None, "smtpEmailContentType": None}
    template = read(**{**given, **changed}).template
    assert template is not None
    return template


def test_a_template_gives_subject_and_body() -> None:
    request = read(smtpEmailTemplate="welcome", smtpEmailContent=None, smtpEmailSubject=None)
    assert (request.template and request.template.name, request.subject) == ("welcome", "")


def test_the_data_of_a_template_are_those_given() -> None:
    assert from_template(smtpEmailTemplateData={"a": 1}).data == {"a": 1}


def test_without_data_a_template_gets_all_variables_but_the_login() -> None:
    data = from_template(order={"id": 7}).data
    assert data["order"] == {"id": 7}
    assert "authentication" not in data


@pytest.mark.parametrize(("given", "tag"), [("de_AT", "de-AT"), (" de ", "de"), (None, None)])
def test_a_locale_is_a_language_tag(given: str | None, tag: str | None) -> None:
    assert from_template(smtpEmailLocale=given).locale == tag


@pytest.mark.parametrize("given", ["../de", "german language", "d", "de.html"])
def test_what_is_no_language_is_refused(given: str) -> None:
    assert refused(smtpEmailTemplate="a", smtpEmailContent=None, smtpEmailLocale=given).field == (
        "smtpEmailLocale"
    )


@pytest.mark.parametrize(
    ("name", "data"),
    [("smtpEmailContent", "Hello"), ("smtpEmailContentType", "html"), ("smtpEmailTextContent", "Hello")],
)
def test_a_template_and_a_body_exclude_each_other(name: str, data: str) -> None:
    given: dict[str, Any] = {"smtpEmailTemplate": "welcome", "smtpEmailContent": None, name: data}
    error = refused(**given)
    assert error.field == name
    assert "smtpEmailTemplate" in error.message


@pytest.mark.parametrize(("name", "data"), [("smtpEmailTemplateData", {"a": 1}), ("smtpEmailLocale", "de")])
def test_data_for_no_template_are_refused(name: str, data: Any) -> None:
    assert refused(**{name: data}).field == name


def test_a_text_alternative_needs_html() -> None:
    assert read(smtpEmailContentType="html", smtpEmailTextContent="Hello").text == "Hello"
    assert refused(smtpEmailTextContent="Hello").field == "smtpEmailTextContent"


@pytest.mark.parametrize("data", [False, "false", "${false}"])
@pytest.mark.parametrize("name", ["smtpEmailSign", "smtpEmailEncrypt"])
def test_what_is_declined_is_not_asked_for(name: str, data: Any) -> None:
    assert read(**{name: data}) == read()


@pytest.mark.parametrize("data", [True, "TRUE", "${true}"])
def test_a_signature_and_encryption_are_asked_for(data: Any) -> None:
    signed, encrypted = read(smtpEmailSign=data).signing, read(smtpEmailEncrypt=data).signing
    assert (signed.sign, signed.encrypt) == (Protection.REQUIRE, Protection.ON_REQUEST)
    assert (encrypted.sign, encrypted.encrypt) == (Protection.ON_REQUEST, Protection.REQUIRE)


def test_a_signature_is_neither_yes_nor_no() -> None:
    assert "smtpEmailSign: " in refused(smtpEmailSign="perhaps").message


def test_other_variables_of_the_process_are_none_of_ours() -> None:
    assert read(order={"id": 7}, email="x", subject="y", emailSubject="z", smtpHost="h") == read()


def test_a_misspelt_input_is_a_warning() -> None:
    request = read(smtpEmailSubjct="x", smtpEmailBccRecipient=["joe@example.org"])
    tail = "is not an input of this task and was ignored; did you mean"
    assert request.warnings == (
        f"'smtpEmailSubjct' {tail} smtpEmailSubject?",
        f"'smtpEmailBccRecipient' {tail} smtpEmailBccRecipients?",
    )
    assert request.bcc == ()


@pytest.mark.parametrize("subject", ["  Your order ", "\u3000Your order\xa0"])
def test_blanks_around_a_subject_are_taken_off(subject: str) -> None:
    assert read(smtpEmailSubject=subject).subject == "Your order"


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"smtpEmailSubject": '"Your order"'}, "smtpEmailSubject is in quotes"),
        ({"smtpEmailSubject": " 'Your order' "}, "smtpEmailSubject is in quotes"),
        ({"smtpEmailSubject": "Your\\norder"}, "smtpEmailSubject holds the two characters \\n"),
        ({"smtpEmailContent": "Hello\\nJane"}, "smtpEmailContent holds the two characters \\n"),
    ],
)
def test_what_the_recipient_would_wonder_at_is_told(changes: dict[str, Any], part: str) -> None:
    (warning,) = read(**changes).warnings
    assert warning.startswith(part)


@pytest.mark.parametrize(
    "changes",
    [
        {"smtpEmailSubject": 'He said "yes"'},
        {"smtpEmailSubject": '"Yes" or "no"'},
        {"smtpEmailContent": "<p>C:\\new</p>", "smtpEmailContentType": "html"},
        {"smtpEmailFollowUp": "tomorrow"},
    ],
)
def test_what_is_meant_is_not_told(changes: dict[str, Any]) -> None:
    assert read(**changes).warnings == ()


@pytest.mark.parametrize(("follow_up", "told"), [("tomorrow", True), ("PT4H", True), (False, False)])
def test_a_follow_up_in_a_zone_that_is_not_set_is_told(follow_up: object, told: bool) -> None:
    context = ReadContext(MessageSettings(), NOW, Accounts(Settings()), ORIGIN)
    request = send_task(SEND_TASK_TYPE).read(
        variables(authentication={"hostname": "mail", "port": 25}, smtpEmailFollowUp=follow_up), context
    )
    assert ["message.time_zone is not set" in warning for warning in request.warnings] == [True] * told


# The table of inputs


def test_every_input_is_named_once_and_explained() -> None:
    for definitions in (NATIVE, INFOSYS):
        names = [name for definition in definitions for name in definition.names]
        assert len(names) == len(set(names))
        for definition in definitions:
            assert definition.meaning.endswith(".")
            assert "\n" not in definition.meaning


def test_a_reader_names_its_inputs() -> None:
    native = send_task(SEND_TASK_TYPE)
    assert native.definitions == NATIVE
    assert "smtpFollowUp" in native.variable_names
    assert set(variables()) <= set(native.variable_names)


def test_an_unknown_task_type_has_no_reader() -> None:
    with pytest.raises(KeyError):
        send_task("io.camunda:http-json:1")


def test_a_subject_has_ten_thousand_characters_at_most() -> None:
    assert read(smtpEmailSubject="s" * 10_000).subject == "s" * 10_000
    error = refused(smtpEmailSubject="s" * 10_001)
    assert error.field == "smtpEmailSubject"
    assert "longer than 10,000 characters" in error.message


def test_warnings_are_few_however_many_slips_there_are() -> None:
    odd: dict[str, Any] = {f"smtpEmailXyz{number}": 1 for number in range(100_000)}
    odd |= {"smtpEmailToRecipients": None, "smtpEmailCcRecipients": [None, "jane@example.org"]}
    warnings = read(**odd).warnings
    assert 10 < len(warnings) <= 20
    assert any(warning.startswith("… and ") for warning in warnings)
    assert any("smtpEmailToRecipients is null" in warning for warning in warnings)


def test_a_body_has_a_largest_size() -> None:
    largest = "x" * MessageSettings().max_body
    assert read(smtpEmailContent=largest).content == InlineContent(largest)
    with pytest.raises(AttachmentError, match=r"message\.max_body allows 5000000") as caught:
        read(smtpEmailContent=f"{largest}x")
    assert (caught.value.code, caught.value.field) == (ErrorCode.MESSAGE_TOO_LARGE, "smtpEmailContent")


@pytest.mark.parametrize("name", ["smtpEmailTrackReplies"])
def test_an_input_of_a_coming_version_is_refused(name: str) -> None:
    given: dict[str, Any] = {name: "x"}
    assert refused(**given).message == f"{name}: is not available in this version; remove it"
    blank: dict[str, Any] = {name: ""}
    assert read(**blank)


def test_records_are_named_before_anything_is_read() -> None:
    given = {"smtpEmailRecipientsData": [{"to": "a@x.test"}, {"key": 7}]}
    task = send_task(SEND_TASK_TYPE)
    records = list(task.records(given) or ())
    assert [(one.position, one.field, one.name) for one in records] == [
        (1, "smtpEmailRecipientsData[1]", "1"),
        (2, "smtpEmailRecipientsData[2]", "7"),
    ]
    assert task.records({"smtpEmailRecipientsData": None}) is None
    with pytest.raises(InputError, match="must be a list"):
        list(task.records({"smtpEmailRecipientsData": 0.5}) or ())
