"""The entries of the four templates, in the order in which the panel shows them.

A table and nothing else. :mod:`connector.modeler.generate` joins it with the definitions, and
``tests/unit/modeler`` has every input either here or in :data:`LEFT_OUT`.
"""

from __future__ import annotations

from types import MappingProxyType

from connector.modeler.field import Field, Group, Target, When
from connector.modeler.outcome_fields import OUTCOME

GROUPS = MappingProxyType(
    {
        Group.SERVER: "Mail server",
        Group.RECIPIENTS: "Sender and recipients",
        Group.CONTENT: "Content",
        Group.ATTACHMENTS: "Attachments",
        Group.OPTIONS: "Options",
        Group.OUTPUT: "Output mapping",
        Group.ERRORS: "Error handling",
        Group.RETRIES: "Retries",
    }
)

_LATER = "not in this version"
LEFT_OUT = MappingProxyType(
    {
        "authentication.oauth": _LATER,
        "smtpEmailTemplate": _LATER,
        "smtpEmailTemplateData": _LATER,
    }
)

_CONNECTION = When("mailServer", "connection")
_ACCOUNT = When("mailServer", "account")

SERVER = (
    Field(
        id="mailServer",
        name="mailServer",
        target=Target.PROPERTY,
        group=Group.SERVER,
        label="Send through",
        tooltip="An account is set up once, by the operator of the worker: the server, its credentials and "
        "the sender need not be in the diagram.",
        value="connection",
        choices={"account": "Account of the worker", "connection": "Server given here"},
    ),
    Field(
        id="account",
        name="account",
        group=Group.SERVER,
        label="Account",
        description="Empty: the default account.",
        tooltip="The name of an account in the worker's settings.",
        placeholder="invoices",
        when=_ACCOUNT,
    ),
    Field(
        id="hostname",
        name="authentication.hostname",
        group=Group.SERVER,
        label="Host",
        tooltip="Name or IP address of the mail server.",
        placeholder="smtp.example.com",
        needed=True,
        when=_CONNECTION,
    ),
    Field(
        id="port",
        name="authentication.port",
        group=Group.SERVER,
        label="Port",
        tooltip="587 for STARTTLS, 465 for TLS from the start, 25 for a relay.",
        value=587,
        needed=True,
        when=_CONNECTION,
    ),
    Field(
        id="security",
        name="authentication.security",
        group=Group.SERVER,
        label="Encryption",
        tooltip="Automatic: TLS on port 465; on any other port STARTTLS, which only a loopback host need "
        "not offer. Credentials never travel unprotected unless you choose so.",
        value="auto",
        choices={
            "auto": "Automatic",
            "tls": "TLS from the start",
            "starttls": "STARTTLS",
            "starttls-optional": "STARTTLS if offered",
            "none": "None",
        },
        when=_CONNECTION,
    ),
    Field(
        id="username",
        name="authentication.username",
        group=Group.SERVER,
        label="Username",
        tooltip="Leave it empty for a relay without login.",
        placeholder="workflow@example.com",
        when=_CONNECTION,
    ),
    Field(
        id="password",
        name="authentication.password",
        group=Group.SERVER,
        label="Password",
        description="The name of a secret, never the password itself.",
        tooltip="The worker puts in the secret of that name, from where its operator keeps secrets. The "
        "engine never sees the value.",
        placeholder="{{secrets.MAIL_PASSWORD}}",
        when=_CONNECTION,
    ),
)

RECIPIENTS = (
    Field(
        id="from",
        name="smtpEmailMailBoxName",
        group=Group.RECIPIENTS,
        label="From",
        tooltip="The sender: one address, with a name in front of it if you like.",
        placeholder="Order desk <orders@example.com>",
        needed=True,
        when=_CONNECTION,
    ),
    Field(
        id="accountFrom",
        name="smtpEmailMailBoxName",
        group=Group.RECIPIENTS,
        label="From",
        tooltip="The sender: one address, with a name in front of it if you like. Where the account has one, "
        "it may be left out.",
        placeholder="Order desk <orders@example.com>",
        when=_ACCOUNT,
    ),
    Field(
        id="to",
        name="smtpEmailToRecipients",
        group=Group.RECIPIENTS,
        label="To",
        description="One address, several with commas, or a FEEL list.",
        tooltip="At least one of To, Cc and Bcc must name somebody.",
        placeholder="jane@example.org, joe@example.org",
    ),
    Field(
        id="cc",
        name="smtpEmailCcRecipients",
        group=Group.RECIPIENTS,
        label="Cc",
        tooltip="Recipients of a copy.",
    ),
    Field(
        id="bcc",
        name="smtpEmailBccRecipients",
        group=Group.RECIPIENTS,
        label="Bcc",
        tooltip="Recipients of a copy whom the others do not see.",
    ),
)

CONTENT = (
    Field(
        id="subject",
        name="smtpEmailSubject",
        group=Group.CONTENT,
        label="Subject",
        tooltip="One line.",
        placeholder="Your order is on its way",
    ),
    Field(
        id="contentType",
        name="smtpEmailContentType",
        group=Group.CONTENT,
        label="Format",
        tooltip="HTML with a text part: the text is made from the HTML, for readers that show none.",
        value="text",
        choices={"text": "Text", "html": "HTML", "multipart": "HTML with a text part"},
    ),
    Field(
        id="content",
        name="smtpEmailContent",
        group=Group.CONTENT,
        label="Body",
        tooltip="Text or HTML; or the path of an HTML file below a directory that the operator of the worker "
        "allows.",
        lines=True,
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
        group=Group.OPTIONS,
        label="Importance",
        choices={"high": "High", "normal": "Normal", "low": "Low"},
    ),
    Field(
        id="sensitivity",
        name="smtpEmailSensitivity",
        group=Group.OPTIONS,
        label="Sensitivity",
        tooltip="How confidential the mail presents itself. It encrypts nothing.",
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
        group=Group.OPTIONS,
        label="Signature",
        tooltip="A signature by S/MIME shows readers who sent the mail, and that it is unchanged. It takes a "
        "key, which the operator of the worker gives the account.",
        choices=_PROTECTION,
        when=_ACCOUNT,
    ),
    Field(
        id="encrypt",
        name="smtpEmailEncrypt",
        group=Group.OPTIONS,
        label="Encryption",
        tooltip="Encrypts body and attachments by S/MIME, not the subject. Every recipient needs a "
        "certificate that the operator of the worker has; without it nothing is sent.",
        choices=_PROTECTION,
        when=_ACCOUNT,
    ),
    Field(
        id="readReceipt",
        name="readReceipt",
        target=Target.PROPERTY,
        group=Group.OPTIONS,
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
        group=Group.OPTIONS,
        label="Read receipt to",
        tooltip="One address, or FEEL that gives one, or true for the sender.",
        placeholder="receipts@example.com",
        needed=True,
        when=_RECEIPT_TO_ADDRESS,
    ),
    Field(
        id="deliveryReceipt",
        name="smtpEmailDeliveryReceipt",
        group=Group.OPTIONS,
        label="Delivery receipt",
        description="success, failure, delay (several with commas), or never.",
        tooltip="When the mail server reports to the sender. Where it cannot, as it offers no DSN, the "
        "result has a warning.",
        placeholder="failure, delay",
    ),
    Field(
        id="followUp",
        name="smtpEmailFollowUp",
        group=Group.OPTIONS,
        label="Follow up",
        description="today, tomorrow, a date, a date and time, or a duration such as P3D.",
        tooltip="Flags the mail and says by when an answer is wanted. Without a time of day it is the end of "
        "the business day.",
        placeholder="tomorrow 09:30",
    ),
    Field(
        id="replyTo",
        name="smtpEmailDirectReplyTo",
        group=Group.OPTIONS,
        label="Reply to",
        tooltip="Where answers go instead of the sender: one address, several with commas, or a FEEL list.",
        placeholder="sales@example.com",
    ),
    Field(
        id="headers",
        name="smtpEmailHeaders",
        group=Group.OPTIONS,
        label="Headers",
        description='Extra header fields, such as {"X-Case": caseId}',
        tooltip="A FEEL context: name and value. From, To, Subject, Date and the others that the mail has "
        "anyway cannot be set.",
    ),
    Field(
        id="inReplyTo",
        name="smtpEmailInReplyTo",
        group=Group.OPTIONS,
        label="In reply to",
        tooltip="The Message-ID of the mail that this one answers, such as mail.messageId of an earlier "
        "task: mail programs then show both as one conversation.",
        placeholder="<order-4711@example.com>",
    ),
    Field(
        id="references",
        name="smtpEmailReferences",
        group=Group.OPTIONS,
        label="References",
        tooltip="The Message-IDs of the conversation so far, the oldest first.",
    ),
    Field(
        id="requireAll",
        name="smtpEmailRequireAllRecipients",
        group=Group.OPTIONS,
        label="All recipients or none",
        tooltip="One refused recipient and nobody gets the mail. Otherwise the others get it, and the result "
        "lists those who were refused.",
        value=False,
    ),
    Field(
        id="idempotencyKey",
        name="smtpEmailIdempotencyKey",
        group=Group.OPTIONS,
        label="Idempotency key",
        description="At most 200 characters. Empty: each pass through this element is a mail.",
        tooltip="Names the mail: of all tasks with the same key, only one sends it.",
    ),
)

FIELDS = (*SERVER, *RECIPIENTS, *CONTENT, *OPTIONS, *OUTCOME)
