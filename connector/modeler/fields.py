"""The entries of the templates for a send task, in the order of the panel.

:mod:`connector.modeler.generate` joins this table with the definitions of the inputs. ``tests/unit/modeler``
checks that every input is here.
"""

from __future__ import annotations

from types import MappingProxyType

from connector.modeler.field import (
    ACCOUNT_CHOSEN,
    ADDRESS,
    ADDRESSES,
    OUTCOME,
    SERVER,
    SERVER_HERE,
    Field,
    Group,
    Pattern,
    Target,
    When,
)

GROUPS = MappingProxyType(
    {
        Group.SERVER: "Mail server",
        Group.RECIPIENTS: "Sender and recipients",
        Group.CONTENT: "Content",
        Group.ATTACHMENTS: "Attachments",
        Group.IMPORTANCE: "Importance and receipts",
        Group.REPLIES: "Replies and threading",
        Group.DELIVERY: "Delivery",
        Group.OUTPUT: "Output mapping",
        Group.ERRORS: "Error handling",
        Group.RETRIES: "Retries",
    }
)

RECIPIENTS = (
    Field(
        id="from",
        name="smtpEmailMailBoxName",
        group=Group.RECIPIENTS,
        label="From",
        tooltip="The sender: one address, with a name in front of it if you like.",
        placeholder="Order desk <orders@example.com>",
        pattern=ADDRESS,
        needed=True,
        when=SERVER_HERE,
    ),
    Field(
        id="accountFrom",
        name="smtpEmailMailBoxName",
        group=Group.RECIPIENTS,
        label="From",
        tooltip="The sender: one address, with a name in front of it if you like. Optional where the account "
        "has one.",
        placeholder="Order desk <orders@example.com>",
        pattern=ADDRESS,
        when=ACCOUNT_CHOSEN,
    ),
    Field(
        id="to",
        name="smtpEmailToRecipients",
        group=Group.RECIPIENTS,
        label="To",
        description="One address, several with commas, or a FEEL list.",
        tooltip="At least one of To, Cc and Bcc must have a recipient.",
        placeholder="jane@example.org, joe@example.org",
        pattern=ADDRESSES,
    ),
    Field(
        id="cc",
        name="smtpEmailCcRecipients",
        group=Group.RECIPIENTS,
        label="Cc",
        tooltip="Recipients of a copy.",
        pattern=ADDRESSES,
    ),
    Field(
        id="bcc",
        name="smtpEmailBccRecipients",
        group=Group.RECIPIENTS,
        label="Bcc",
        tooltip="Recipients of a copy whom the others do not see.",
        pattern=ADDRESSES,
    ),
    Field(
        id="participants",
        name="smtpEmailParticipants",
        group=Group.RECIPIENTS,
        label="Participants",
        description="A FEEL context of roles, such as {caseManager: manager.email, team: emails}",
        tooltip="Recipients can then be written as role:caseManager.",
    ),
    Field(
        id="records",
        name="smtpEmailRecipientsData",
        group=Group.RECIPIENTS,
        label="One mail for each record",
        description="A FEEL list, such as for c in customers return {key: c.id, to: c.email, data: c}",
        tooltip="In place of To, Cc and Bcc: each record has to, cc, bcc, data for the template, attachments "
        "and key.",
    ),
)

_WRITTEN_HERE = When("contentFrom", "here")
_FROM_TEMPLATE = When("contentFrom", "template")

CONTENT = (
    Field(
        id="contentFrom",
        name="contentFrom",
        target=Target.PROPERTY,
        group=Group.CONTENT,
        label="Content",
        tooltip="A template is a folder of the worker's operator, with a subject, a body and files.",
        value="here",
        choices={"here": "Written here", "template": "From a template"},
    ),
    Field(
        id="subject",
        name="smtpEmailSubject",
        group=Group.CONTENT,
        label="Subject",
        tooltip="One line.",
        placeholder="Your order is on its way",
        needed=True,
        when=_WRITTEN_HERE,
    ),
    Field(
        id="template",
        name="smtpEmailTemplate",
        group=Group.CONTENT,
        label="Template",
        tooltip="The name of the template.",
        placeholder="reminder",
        needed=True,
        when=_FROM_TEMPLATE,
    ),
    Field(
        id="templateSubject",
        name="smtpEmailSubject",
        group=Group.CONTENT,
        label="Subject",
        description="Empty: the template's subject.",
        tooltip="One line.",
        when=_FROM_TEMPLATE,
    ),
    Field(
        id="templateData",
        name="smtpEmailTemplateData",
        group=Group.CONTENT,
        label="Data",
        description="A FEEL context, such as {task: title, due: dueDate}",
        tooltip="What the template shows. Empty: all variables of the task.",
        when=_FROM_TEMPLATE,
    ),
    Field(
        id="locale",
        name="smtpEmailLocale",
        group=Group.CONTENT,
        label="Language",
        description="Such as en or de-AT. Empty: the worker's usual language.",
        tooltip="Chooses the language of the template, and how dates and numbers look.",
        when=_FROM_TEMPLATE,
    ),
    Field(
        id="contentType",
        name="smtpEmailContentType",
        group=Group.CONTENT,
        label="Format",
        tooltip="HTML with a text part: the text is made from the HTML, for mail programs that show no HTML.",
        value="text",
        choices={"text": "Text", "html": "HTML", "multipart": "HTML with a text part"},
        when=_WRITTEN_HERE,
    ),
    Field(
        id="content",
        name="smtpEmailContent",
        group=Group.CONTENT,
        label="Body",
        tooltip="Text or HTML; or the path of an HTML file below a directory that the operator of the worker "
        "allows.",
        lines=True,
        needed=True,
        when=_WRITTEN_HERE,
    ),
    Field(
        id="textContent",
        name="smtpEmailTextContent",
        group=Group.CONTENT,
        label="Text part",
        description="Empty: made from the HTML.",
        tooltip="What mail programs without HTML show, written by hand. Only with an HTML body.",
        lines=True,
        when=_WRITTEN_HERE,
    ),
    Field(
        id="invitation",
        name="smtpEmailInvitation",
        group=Group.CONTENT,
        label="Invitation",
        description='A FEEL context, such as {start: "2026-12-01T09:30:00", end: "2026-12-01T10:00:00"}',
        tooltip="Makes the mail an invitation to a meeting. Keys: method (request or cancel), start, end, "
        "summary, location, description, uid, sequence, organizer, attendees. A change or cancellation needs "
        "the uid of the first mail and a higher sequence.",
    ),
    Field(
        id="attachments",
        name="smtpEmailAttachments",
        group=Group.ATTACHMENTS,
        label="Attachments",
        description='A FEEL list, such as [{name: "order.csv", content: rows}]',
        tooltip="Each item is a Camunda document, a path, or a context with name and one of content (text), "
        "base64, path or url; contentType if it is not to be guessed. With inline: true and contentId an "
        "image is shown inside the HTML where it says cid:.",
    ),
)

# Not given leaves it to the account.
_PROTECTION = MappingProxyType({"true": "Yes", "false": "No"})
_RECEIPT_TO_SENDER = When("readReceipt", "sender")
_RECEIPT_TO_ADDRESS = When("readReceipt", "address")

OPTIONS = (
    Field(
        id="importance",
        name="smtpEmailImportance",
        group=Group.IMPORTANCE,
        label="Importance",
        tooltip="Shown by most mail programs. Empty: the mail says nothing of it.",
        choices={"high": "High", "normal": "Normal", "low": "Low"},
    ),
    Field(
        id="sensitivity",
        name="smtpEmailSensitivity",
        group=Group.IMPORTANCE,
        label="Sensitivity",
        tooltip="A label that mail programs show. It encrypts nothing.",
        choices={
            "normal": "Normal",
            "personal": "Personal",
            "private": "Private",
            "confidential": "Confidential",
        },
    ),
    Field(
        id="sign",
        name="smtpEmailSign",
        group=Group.DELIVERY,
        label="Signature",
        tooltip="A signature by S/MIME shows readers who sent the mail, and that it is unchanged. It takes a "
        "key, which the operator of the worker gives the account.",
        choices=_PROTECTION,
        when=ACCOUNT_CHOSEN,
    ),
    Field(
        id="encrypt",
        name="smtpEmailEncrypt",
        group=Group.DELIVERY,
        label="Encryption",
        tooltip="Encrypts body and attachments by S/MIME, not the subject. Every recipient needs a "
        "certificate that the operator of the worker has; without it nothing is sent.",
        choices=_PROTECTION,
        when=ACCOUNT_CHOSEN,
    ),
    Field(
        id="readReceipt",
        name="readReceipt",
        target=Target.PROPERTY,
        group=Group.IMPORTANCE,
        label="Read receipt",
        tooltip="Asks the reader's mail program for a confirmation. Many readers decline.",
        value="none",
        choices={"none": "Do not ask", "sender": "To the sender", "address": "To another address"},
    ),
    Field(
        id="readReceiptToSender",
        name="smtpEmailReadReceipt",
        value="true",
        when=_RECEIPT_TO_SENDER,
    ),
    Field(
        id="readReceiptAddress",
        name="smtpEmailReadReceipt",
        group=Group.IMPORTANCE,
        label="Read receipt to",
        tooltip="One address, or FEEL that gives one, or true for the sender.",
        placeholder="receipts@example.com",
        pattern=Pattern(r"true|[^@]*@[^@]+", "One address, true, or FEEL after ="),
        needed=True,
        when=_RECEIPT_TO_ADDRESS,
    ),
    Field(
        id="deliveryReceipt",
        name="smtpEmailDeliveryReceipt",
        group=Group.IMPORTANCE,
        label="Delivery receipt",
        description="success, failure, delay (several with commas), or never.",
        tooltip="When the mail server reports to the sender. A server without DSN cannot; then the result "
        "has a warning.",
        placeholder="failure, delay",
        pattern=Pattern(
            r"(success|failure|delay|never)(\s*[,;]\s*(success|failure|delay|never))*",
            "success, failure, delay (several with commas), never, or FEEL after =",
        ),
    ),
    Field(
        id="followUp",
        name="smtpEmailFollowUp",
        group=Group.IMPORTANCE,
        label="Follow up",
        description="today, tomorrow, a date, a date and time, or a duration such as P3D.",
        tooltip="Flags the mail and gives a deadline for the answer. Without a time of day it is the end "
        "of the business day.",
        placeholder="tomorrow 09:30",
        pattern=Pattern(
            r"today|tomorrow( \d{1,2}:\d{2})?|P.+|\d{4}-\d{2}-\d{2}.*",
            "today, tomorrow 09:30, 2026-12-24, P3D, or FEEL after =",
        ),
    ),
    Field(
        id="replyTo",
        name="smtpEmailDirectReplyTo",
        group=Group.REPLIES,
        label="Reply to",
        tooltip="Where answers go instead of the sender: one address, several with commas, or a FEEL list.",
        placeholder="sales@example.com",
        pattern=ADDRESSES,
    ),
    Field(
        id="headers",
        name="smtpEmailHeaders",
        group=Group.DELIVERY,
        label="Headers",
        description='Extra header fields, such as {"X-Case": caseId}',
        tooltip="A FEEL context of names and values. From, To, Subject, Date and other headers of the "
        "connector cannot be set.",
    ),
    Field(
        id="inReplyTo",
        name="smtpEmailInReplyTo",
        group=Group.REPLIES,
        label="In reply to",
        tooltip="The Message-ID of the mail that this one answers, such as mail.messageId of an earlier "
        "task: mail programs then show both as one conversation.",
        placeholder="<order-4711@example.com>",
    ),
    Field(
        id="references",
        name="smtpEmailReferences",
        group=Group.REPLIES,
        label="References",
        tooltip="The Message-IDs of the conversation so far, the oldest first.",
    ),
    Field(
        id="unsubscribe",
        name="smtpEmailUnsubscribe",
        group=Group.REPLIES,
        label="Unsubscribe",
        description='A FEEL context, such as {url: "https://example.com/leave", oneClick: true}',
        tooltip="Lets mail programs show a link for leaving the list. Keys: mailto, url, oneClick.",
    ),
    Field(
        id="requireAll",
        name="smtpEmailRequireAllRecipients",
        group=Group.DELIVERY,
        label="All recipients or none",
        tooltip="If the server refuses one recipient, no mail is sent. Otherwise the others get it, and the "
        "result lists the refused ones.",
        value=False,
    ),
    Field(
        id="idempotencyKey",
        name="smtpEmailIdempotencyKey",
        group=Group.DELIVERY,
        label="Idempotency key",
        description="At most 200 characters. Empty: each pass through this element sends a mail.",
        tooltip="Names the mail: of all tasks with the same key, only one sends it.",
    ),
    Field(
        id="copy",
        name="smtpEmailCopy",
        group=Group.DELIVERY,
        label="Copy",
        description="Empty: as in the settings of the account.",
        tooltip="Where a copy of the mail goes once it was sent. The folder of sent mails needs an account "
        "with a mailbox.",
        choices={"none": "None", "sent-folder": "Folder of sent mails"},
    ),
)

FIELDS = (*SERVER, *RECIPIENTS, *CONTENT, *OPTIONS, *OUTCOME)
