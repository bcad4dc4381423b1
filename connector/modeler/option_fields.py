"""The entries of a send task beside sender, recipients and content: all of them may stay as they are."""

from __future__ import annotations

from types import MappingProxyType

from connector.modeler.field import ADDRESSES, NOT_GIVEN, Field, Group, Pattern, Target, When
from connector.modeler.shared_fields import ACCOUNT_CHOSEN

_AS_THE_ACCOUNT = MappingProxyType({NOT_GIVEN: "(as the account says)"})
_PROTECTION = MappingProxyType({**_AS_THE_ACCOUNT, "true": "Yes", "false": "No"})
_RECEIPT_TO_SENDER = When("readReceipt", "sender")
_RECEIPT_TO_ADDRESS = When("readReceipt", "address")
# A dropdown takes no FEEL, so that expressions have entries of their own.
_CHOSEN = When("importanceExpression", None)
_COMPUTED = When("labelsFrom", "expressions")
_IMPORTANCE = (
    "Shown by most mail programs. Where neither the task nor an account says it, the mail does not either."
)
_SENSITIVITY = "A label that mail programs show. It encrypts nothing."

OPTIONS = (
    Field(
        id="labelsFrom",
        name="labelsFrom",
        target=Target.PROPERTY,
        group=Group.IMPORTANCE,
        label="Importance and sensitivity",
        tooltip="By expressions where they depend on the process, such as on the amount of an order.",
        value="here",
        choices={"here": "Chosen here", "expressions": "By FEEL expressions"},
    ),
    Field(
        id="importance",
        name="smtpEmailImportance",
        group=Group.IMPORTANCE,
        label="Importance",
        tooltip=_IMPORTANCE,
        value=NOT_GIVEN,
        choices={**_AS_THE_ACCOUNT, "high": "High", "normal": "Normal", "low": "Low"},
        when=_CHOSEN,
    ),
    Field(
        id="importanceExpression",
        name="smtpEmailImportance",
        group=Group.IMPORTANCE,
        label="Importance",
        description="Gives high, normal or low; null, or empty: as the account says.",
        tooltip=_IMPORTANCE,
        placeholder='=if amount > 1000 then "high" else null',
        pattern=Pattern("high|normal|low", "must be high, normal, low, or FEEL."),
        when=_COMPUTED,
    ),
    Field(
        id="sensitivity",
        name="smtpEmailSensitivity",
        group=Group.IMPORTANCE,
        label="Sensitivity",
        tooltip=_SENSITIVITY,
        value=NOT_GIVEN,
        choices={
            **_AS_THE_ACCOUNT,
            "normal": "Normal",
            "personal": "Personal",
            "private": "Private",
            "confidential": "Confidential",
        },
        when=_CHOSEN,
    ),
    Field(
        id="sensitivityExpression",
        name="smtpEmailSensitivity",
        group=Group.IMPORTANCE,
        label="Sensitivity",
        description="Gives normal, personal, private or confidential; null, or empty: as the account says.",
        tooltip=_SENSITIVITY,
        placeholder='=if case.internal then "confidential" else null',
        pattern=Pattern(
            "normal|personal|private|confidential",
            "must be normal, personal, private, confidential, or FEEL.",
        ),
        when=_COMPUTED,
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
        label="Receipt address",
        tooltip="One address, or FEEL that gives one, or true for the sender.",
        placeholder="receipts@example.com",
        pattern=Pattern(r"true|[^@]*@[^@]+", "must be one address, true, or FEEL."),
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
            "must be success, failure, delay (several with commas), never, or FEEL.",
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
            r"(today|tomorrow|\d{4}-\d{2}-\d{2})(\s+\d{1,2}:\d{2}(:\d{2})?)?|P.+|\d{4}-\d{2}-\d{2}T.+",
            "must be today, tomorrow, a date, a date and time, a duration such as P3D, or FEEL.",
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
        id="sign",
        name="smtpEmailSign",
        group=Group.DELIVERY,
        label="S/MIME signature",
        tooltip="A signature by S/MIME shows readers who sent the mail, and that it is unchanged. It takes a "
        "key, which the operator of the worker gives the account.",
        value=NOT_GIVEN,
        choices=_PROTECTION,
        when=ACCOUNT_CHOSEN,
    ),
    Field(
        id="encrypt",
        name="smtpEmailEncrypt",
        group=Group.DELIVERY,
        label="S/MIME encryption",
        tooltip="Encrypts body and attachments by S/MIME, not the subject. Every recipient needs a "
        "certificate that the operator of the worker has; without it nothing is sent.",
        value=NOT_GIVEN,
        choices=_PROTECTION,
        when=ACCOUNT_CHOSEN,
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
        pattern=Pattern(r"[\s\S]{1,200}", "must have at most 200 characters."),
    ),
    Field(
        id="copy",
        name="smtpEmailCopy",
        group=Group.DELIVERY,
        label="Copy",
        tooltip="Where a copy of the mail goes once it was sent. The folder of sent mails needs an account "
        "with a mailbox.",
        value=NOT_GIVEN,
        choices={**_AS_THE_ACCOUNT, "none": "None", "sent-folder": "Folder of sent mails"},
    ),
)
