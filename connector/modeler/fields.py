"""The entries of the templates for a send task, in the order of the panel.

:mod:`connector.modeler.generate` joins this table with the definitions of the inputs. ``tests/unit/modeler``
checks that every input is here.
"""

from __future__ import annotations

from types import MappingProxyType

from connector.modeler.field import ADDRESS, ADDRESSES, Field, Group, Target, When
from connector.modeler.option_fields import OPTIONS
from connector.modeler.shared_fields import ACCOUNT_CHOSEN, OUTCOME, SERVER, SERVER_HERE

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

_WRITTEN_HERE = When("template", None)
_HTML_HERE = When("contentType", ("html", "multipart"), _WRITTEN_HERE)
_FROM_TEMPLATE = When("contentFrom", "template")

CONTENT = (
    Field(
        id="contentFrom",
        name="contentFrom",
        target=Target.PROPERTY,
        group=Group.CONTENT,
        label="Content",
        tooltip="The operator of the worker keeps templates: each has a subject, a body and files.",
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
        tooltip="What mail programs without HTML show, written by hand.",
        lines=True,
        when=_HTML_HERE,
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
        tooltip="Each item is a path, or a context with name and one of content (text), base64, path or url; "
        "contentType if it is not to be guessed. With inline: true and contentId an image is shown inside "
        "the HTML where it says cid:. Documents in the engine's store cannot be attached.",
    ),
)

FIELDS = (*SERVER, *RECIPIENTS, *CONTENT, *OPTIONS, *OUTCOME)
