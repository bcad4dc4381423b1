"""One job's inputs, read into one :class:`~connector.model.mail.SendRequest`.

Apart from the task types because all that send read the same inputs; how one differs from the others is its
:class:`Dialect`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from connector.accounts.accounts import Account
from connector.errors import AttachmentError, ErrorCode, InputError
from connector.message.header import check_subject
from connector.model.addresses import Mailbox
from connector.model.mail import (
    BODY_FIELD,
    Attachment,
    ContentType,
    DeliveryReceipt,
    FileContent,
    Importance,
    InlineContent,
    Invitation,
    SendRequest,
    Sensitivity,
    TemplateUse,
    Unsubscribe,
    WhenUncertain,
)
from connector.model.server import Route
from connector.model.signing import UNPROTECTED, Protection, SigningPolicy
from connector.model.text import check_text
from connector.settings.accounts import MessageDefaults
from connector.tasks.attachments import read_attachments
from connector.tasks.definitions import Definitions
from connector.tasks.input_advice import RECIPIENTS, habit_warnings
from connector.tasks.inputs import Inputs, Value, as_boolean, boolean, choice, items, mapping, shown, text
from connector.tasks.invitations import read_invitation, read_unsubscribe
from connector.tasks.mail_fields import (
    read_copy,
    read_headers,
    read_mailbox,
    read_mailboxes,
    read_message_ids,
)
from connector.tasks.moments import read_follow_up
from connector.tasks.port import ReadContext
from connector.tasks.records import data_of, recipients_of
from connector.tasks.send_inputs import (
    CONTENT_TYPES,
    DELIVERY_RECEIPTS,
    IMPORTANCE,
    NATIVE,
    SENSITIVITY,
    WHEN_UNCERTAIN,
)

# 4,096 is PATH_MAX; a longer line is a body.
_HTML_FILE = re.compile(r"[^<\r\n]{1,4090}\.x?html?", re.IGNORECASE)
_ANY_FILE = re.compile(r"[^<\r\n]{1,4096}")
_FROM_TEMPLATE = InlineContent("")
_WRITTEN_HERE = ("smtpEmailContent", "smtpEmailContentType", "smtpEmailTextContent")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")


@dataclass(frozen=True, slots=True)
class Dialect:
    r"""How a task type differs from the native one.

    Attributes:
        definitions: Its inputs.
        foreign: It stands in for another vendor's connector: its mail goes to all recipients or to none,
            and the operator may relax STARTTLS.
        bare_local_parts: ``mailBoxName`` is an address.
        escaped_newlines: The two characters ``\n`` in a text body are a line break.
        html_is_path: An HTML body without a ``<`` is a path, with any ending.
    """

    definitions: Definitions = NATIVE
    foreign: bool = False
    bare_local_parts: bool = False
    escaped_newlines: bool = False
    html_is_path: bool = False


@dataclass(frozen=True, slots=True)
class RequestReader:
    """One job's inputs while they are read.

    Attributes:
        variables: All variables that the task sees.
        inputs: Those of them that are its inputs.
        dialect: How the task type differs from the native one.
        context: What reading depends on beside them.
        route: Where the mail is submitted.
        account: The account that the route belongs to, if it is one from the settings.
        defaults: What a mail of it has where its task says nothing.
        roles: The participants, by the names of their roles.
        record: What a record of a bulk task gives for its mail; None in a task that sends one mail.
    """

    variables: Mapping[str, Any]
    inputs: Inputs
    dialect: Dialect
    context: ReadContext
    route: Route
    account: Account | None
    defaults: MessageDefaults
    roles: Mapping[str, tuple[Mailbox, ...]]
    record: Inputs | None = None

    def request(self, warnings: tuple[str, ...]) -> SendRequest:
        """Read them all.

        Args:
            warnings: What the request says beside its own.

        Raises:
            InputError: A variable that is missing or wrong.
            AttachmentError: The body is too long.
        """
        get, sender = self.inputs.get, self._sender()
        to, cc, bcc = self._recipients()
        template = self._template()
        content_type = self._content_type()
        foreign = self.dialect.foreign
        habits = habit_warnings(self.inputs, content_type, self.context.settings, foreign=foreign)
        return SendRequest(
            route=self.route,
            sender=sender,
            to=to,
            cc=cc,
            bcc=bcc,
            subject=self._subject(template),
            content_type=content_type,
            content=_FROM_TEMPLATE if template else self._content(content_type),
            text=self._text_content(content_type) if get("smtpEmailTextContent") else None,
            template=template,
            invitation=self._invitation(sender, (*to, *cc)) if get("smtpEmailInvitation") else None,
            unsubscribe=self._unsubscribe() if get("smtpEmailUnsubscribe") else None,
            attachments=self._attachments(),
            importance=self._importance(),
            sensitivity=self._sensitivity(),
            read_receipt=self._read_receipt(sender),
            delivery_receipt=self._delivery_receipt(),
            follow_up=self._follow_up(),
            reply_to=self._reply_to(),
            headers=self._headers(),
            in_reply_to=self._in_reply_to() if get("smtpEmailInReplyTo") else None,
            references=self._message_ids("smtpEmailReferences"),
            require_all_recipients=self._require_all_recipients(),
            when_uncertain=self._when_uncertain(),
            signing=self._signing(),
            copy_to=read_copy(get("smtpEmailCopy"), self.account),
            warnings=(*warnings, *habits),
        )

    def _sender(self) -> Mailbox:
        value = self.inputs.get("smtpEmailMailBoxName")
        if value is None and self.account is not None and self.account.sender is not None:
            return self.account.sender
        value = self.inputs.require("smtpEmailMailBoxName", "fill in the sender's address")
        return read_mailbox(value, allow_local=self.dialect.bare_local_parts)

    def _mailboxes(self, name: str) -> tuple[Mailbox, ...]:
        return self._boxes(self.inputs.get(name))

    def _boxes(self, value: Value | None) -> tuple[Mailbox, ...]:
        local = self.dialect.bare_local_parts
        return read_mailboxes(value, allow_local=local, roles=self.roles) if value else ()

    def _reply_to(self) -> tuple[Mailbox, ...]:
        return self._mailboxes("smtpEmailDirectReplyTo") or (self.account.reply_to if self.account else ())

    def _recipients(self) -> tuple[tuple[Mailbox, ...], ...]:
        if self.record is not None:
            self._refuse(RECIPIENTS, "cannot go with records, which have recipients of their own; remove it")
            return recipients_of(self.record, self._boxes)
        to, cc, bcc = map(self._mailboxes, RECIPIENTS)
        if not to and (self.inputs.requires(RECIPIENTS[0]) or not (cc or bcc)):
            value = self.inputs.require(RECIPIENTS[0], "fill in at least one recipient")
            raise value.error("has only blank items; fill in at least one recipient")
        return to, cc, bcc

    def _template(self) -> TemplateUse | None:
        value = self.inputs.get("smtpEmailTemplate")
        if value is None:
            self._refuse(("smtpEmailTemplateData", "smtpEmailLocale"), "needs smtpEmailTemplate")
            data_of(self.record, template=False)
            return None
        name = text(value).strip()
        self._refuse(_WRITTEN_HERE, "cannot go with smtpEmailTemplate, which gives the body; remove one")
        return TemplateUse(name, self._template_data(), self._locale())

    def _invitation(self, sender: Mailbox, invited: tuple[Mailbox, ...]) -> Invitation | None:
        inputs = self.inputs.inside("smtpEmailInvitation")
        return read_invitation(inputs, self.context.settings, sender, invited) if inputs else None

    def _unsubscribe(self) -> Unsubscribe | None:
        inputs = self.inputs.inside("smtpEmailUnsubscribe")
        return read_unsubscribe(inputs) if inputs else None

    def _refuse(self, names: tuple[str, ...], reason: str) -> None:
        for value in filter(None, map(self.inputs.get, names)):
            raise value.error(reason)

    def _template_data(self) -> Mapping[str, Any]:
        value = self.inputs.get("smtpEmailTemplateData")
        usual = (item for item in self.variables.items() if item[0] != "authentication")
        return {**(mapping(value) if value else dict(usual)), **data_of(self.record)}

    def _locale(self) -> str | None:
        value = self.inputs.get("smtpEmailLocale")
        if value is None:
            return None
        tag = text(value).strip().replace("_", "-")
        if not _LANGUAGE.fullmatch(tag):
            raise value.error(f"{shown(value.data)} is no language; write one such as de or de-AT")
        return tag

    def _text_content(self, content_type: ContentType) -> str:
        value = self.inputs.require("smtpEmailTextContent")
        if content_type is ContentType.TEXT:
            raise value.error("needs smtpEmailContentType html or multipart")
        return self._bounded(value)

    def _subject(self, template: TemplateUse | None) -> str:
        if template is not None and not self.inputs.given("smtpEmailSubject"):
            return ""
        value = self.inputs.require("smtpEmailSubject", "fill in the subject")
        return check_subject(text(value)).strip()

    def _content_type(self) -> ContentType:
        value = self.inputs.get("smtpEmailContentType")
        return choice(value, CONTENT_TYPES) if value else ContentType.TEXT

    def _content(self, content_type: ContentType) -> InlineContent | FileContent:
        """The body. HTML is a file's path when it is one line without a ``<`` that ends in .html or .htm."""
        body = self._bounded(self.inputs.require("smtpEmailContent", "fill in the body"))
        if content_type is ContentType.TEXT:
            return InlineContent(body.replace("\\n", "\n") if self.dialect.escaped_newlines else body)
        pattern = _ANY_FILE if self.dialect.html_is_path else _HTML_FILE
        if pattern.fullmatch(path := body.strip()):
            return FileContent(check_text(path, BODY_FIELD))
        return InlineContent(body)

    def _bounded(self, value: Value) -> str:
        body = text(value)
        if len(body) > (limit := self.context.settings.max_body):
            raise AttachmentError(
                ErrorCode.MESSAGE_TOO_LARGE,
                f"The body has {len(body)} characters, and message.max_body allows {limit}: shorten it, or "
                "attach it as a file.",
                field=value.field,
            )
        return body

    def _attachments(self) -> tuple[Attachment, ...]:
        given = (self.inputs.get("smtpEmailAttachments"), self.record and self.record.get("attachments"))
        return tuple(one for value in given if value for one in read_attachments(value))

    def _importance(self) -> Importance | None:
        value = self.inputs.get("smtpEmailImportance")
        if value is None:
            return self.defaults.importance
        flag = as_boolean(value.data)
        return choice(value if flag is None else Value(value.field, str(flag)), IMPORTANCE)

    def _sensitivity(self) -> Sensitivity | None:
        value = self.inputs.get("smtpEmailSensitivity")
        return choice(value, SENSITIVITY) if value else self.defaults.sensitivity

    def _read_receipt(self, sender: Mailbox) -> Mailbox | None:
        value = self.inputs.get("smtpEmailReadReceipt")
        if value is None:
            return sender if self.defaults.read_receipt else None
        flag = as_boolean(value.data)
        if flag is not None:
            return sender if flag else None
        if not isinstance(value.data, str) or "@" not in value.data:
            raise value.error(f"{shown(value.data)} is not true, false or an address")
        return read_mailbox(value)

    def _delivery_receipt(self) -> tuple[DeliveryReceipt, ...]:
        value = self.inputs.get("smtpEmailDeliveryReceipt")
        if value is None:
            return self.defaults.delivery_receipt
        events = tuple(dict.fromkeys(choice(item, DELIVERY_RECEIPTS) for item in items(value)))
        if DeliveryReceipt.NEVER in events and len(events) > 1:
            raise value.error("never excludes the other values; remove it, or the others")
        return events

    def _follow_up(self) -> datetime | None:
        value = self.inputs.get("smtpEmailFollowUp")
        return read_follow_up(value, self.context.settings, self.context.now) if value else None

    def _headers(self) -> tuple[tuple[str, str], ...]:
        value = self.inputs.get("smtpEmailHeaders")
        own = read_headers(value) if value else ()
        if not self.defaults.headers:
            return own
        named = {name.lower() for name, _ in own}
        usual = (item for item in self.defaults.headers.items() if item[0].lower() not in named)
        return (*own, *usual)

    def _message_ids(self, name: str) -> tuple[str, ...]:
        value = self.inputs.get(name)
        return read_message_ids(value) if value else ()

    def _in_reply_to(self) -> str | None:
        ids = self._message_ids("smtpEmailInReplyTo")
        if len(ids) > 1:
            raise InputError(
                "smtpEmailInReplyTo",
                "names several mails; name one here, and the others in smtpEmailReferences",
            )
        return ids[0] if ids else None

    def _require_all_recipients(self) -> bool:
        value = self.inputs.get("smtpEmailRequireAllRecipients")
        return boolean(value) if value else self.dialect.foreign

    def _when_uncertain(self) -> WhenUncertain | None:
        value = self.inputs.get("smtpEmailWhenUncertain")
        usual = self.account.when_uncertain if self.account else None
        return choice(value, WHEN_UNCERTAIN) if value else usual

    def _signing(self) -> SigningPolicy:
        usual = self.account.signing if self.account else UNPROTECTED
        if not self.inputs.given("smtpEmailSign", "smtpEmailEncrypt"):
            return usual
        sign = self._protection("smtpEmailSign", usual.sign)
        encrypt = self._protection("smtpEmailEncrypt", usual.encrypt)
        if (sign, encrypt) == (usual.sign, usual.encrypt):
            return usual
        return replace(usual, sign=sign, encrypt=encrypt)

    def _protection(self, name: str, usual: Protection) -> Protection:
        """What the account says, or the task: it may ask for more, but for less only where it may choose."""
        value = self.inputs.get(name)
        if value is None:
            return usual
        if boolean(value):
            if self.account is not None and (fault := self.account.protection_fault):
                raise value.error(fault)
            return Protection.REQUIRE
        if usual is Protection.REQUIRE:
            raise value.error("the account requires it for every mail; remove it, or use another account")
        return Protection.ON_REQUEST
