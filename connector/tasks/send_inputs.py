"""Every input of the send task types: the table that readers, element templates and reference follow."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from connector.model.mail import ContentType, DeliveryReceipt, Importance, Sensitivity, WhenUncertain
from connector.tasks.definitions import OAUTH, SECURITY, Definition, Definitions, Kind

_INFOSYS_REQUIRED = frozenset(
    {
        "authentication",
        "hostname",
        "port",
        "username",
        "password",
        "smtpEmailMailBoxName",
        "smtpEmailToRecipients",
    }
)
CONTENT_TYPES = MappingProxyType(
    {
        "text": ContentType.TEXT,
        "txt": ContentType.TEXT,
        "html": ContentType.HTML,
        "htm": ContentType.HTML,
        "multipart": ContentType.MULTIPART,
    }
)
# True is how the Infosys template says high; false asks for nothing.
IMPORTANCE: MappingProxyType[str, Importance | None] = MappingProxyType(
    {**{level.value: level for level in Importance}, "true": Importance.HIGH, "false": None}
)
SENSITIVITY = MappingProxyType({level.value: level for level in Sensitivity})
DELIVERY_RECEIPTS = MappingProxyType({event.value: event for event in DeliveryReceipt})
WHEN_UNCERTAIN = MappingProxyType({policy.value: policy for policy in WhenUncertain})
COPIES = ("none", "sent-folder")
DOCUMENT_TYPES = ("camunda", "inline", "external")

AUTHENTICATION = Definitions(
    Definition("hostname", Kind.TEXT, "Host name or IP address of the mail server.", required=True),
    Definition("port", Kind.NUMBER, "Its port, as 587, 465 or 25.", required=True),
    Definition("username", Kind.TEXT, "Login name; without one the mail is relayed anonymously."),
    Definition(
        "password",
        Kind.TEXT,
        "Password, best as secrets.NAME; needed with a username, unless oauth is given.",
    ),
    Definition(
        "security",
        Kind.CHOICE,
        "How the connection is protected; `auto` is TLS on port 465, on any other port STARTTLS, "
        "which a loopback host need not offer.",
        allowed=tuple(SECURITY),
        default="auto",
    ),
    OAUTH,
)

ATTACHMENT = Definitions(
    Definition("name", Kind.TEXT, "File name to show; needed with content or base64."),
    Definition("contentType", Kind.TEXT, "Media type, as application/pdf; guessed from the name otherwise."),
    Definition("content", Kind.TEXT, "The file as text."),
    Definition("base64", Kind.TEXT, "The file as base64 (RFC 4648 section 4)."),
    Definition("path", Kind.TEXT, "A file below a directory that the operator allows."),
    Definition("url", Kind.TEXT, "An http or https URL on a host that the operator allows."),
    Definition(
        "camunda.document.type",
        Kind.CHOICE,
        "Marks a Camunda document: `inline` has content, `external` has url.",
        allowed=DOCUMENT_TYPES,
    ),
    Definition("inline", Kind.BOOLEAN, "Shown inside the HTML body through cid:.", default="false"),
    Definition("contentId", Kind.TEXT, "What the body names after cid:; the file's name otherwise."),
    Definition("size", Kind.NUMBER, "As a mailbox task gives it; the content counts."),
)

FOLLOW_UP = Definitions(
    Definition("day", Kind.TEXT, "today, tomorrow or an ISO date.", required=True),
    Definition("time", Kind.TEXT, "Time of day, as 09:30; the end of the business day otherwise."),
)

INVITATION_METHODS = ("request", "cancel")

INVITATION = Definitions(
    Definition(
        "method",
        Kind.CHOICE,
        "`request` invites or changes, `cancel` calls off.",
        allowed=INVITATION_METHODS,
        default="request",
    ),
    Definition("start", Kind.TEXT, "ISO date-time.", required=True),
    Definition("end", Kind.TEXT, "ISO date-time, later than start.", required=True),
    Definition("summary", Kind.TEXT, "What the calendar shows.", default="the subject"),
    Definition("location", Kind.TEXT, "Where the meeting is."),
    Definition("description", Kind.TEXT, "More text."),
    Definition(
        "uid",
        Kind.TEXT,
        "Names the meeting; a change or cancellation needs the first mail's.",
        default="the Message-ID without its brackets",
    ),
    Definition("sequence", Kind.NUMBER, "Rises with every change; a cancellation needs one.", default="0"),
    Definition("organizer", Kind.TEXT, "One address.", default="the sender"),
    Definition("attendees", Kind.LIST, "Addresses.", default="To and Cc"),
)

UNSUBSCRIBE = Definitions(
    Definition("mailto", Kind.TEXT, "An address, or a mailto: link with a subject."),
    Definition("url", Kind.TEXT, "An https link."),
    Definition("oneClick", Kind.BOOLEAN, "The mail program may post to url without a page.", default="false"),
)

RECORD = Definitions(
    Definition("to", Kind.LIST, "Recipients; at least one of to, cc and bcc must have some."),
    Definition("cc", Kind.LIST, "Recipients of a copy."),
    Definition("bcc", Kind.LIST, "Recipients of a copy that the others do not see."),
    Definition(
        "data", Kind.CONTEXT, "Data for the template; its names win over those of smtpEmailTemplateData."
    ),
    Definition(
        "attachments",
        Kind.LIST,
        "Attachments of this mail, beside those of the task; written as smtpEmailAttachments.",
    ),
    Definition(
        "key",
        Kind.TEXT,
        "Names the record in the result and at every retry, so that only what is missing is sent; at most "
        "100 characters.",
        default="its position in the list",
    ),
)

# Inputs of a coming version: a mail without what they ask for would be another mail.
NOT_BUILT = ("smtpEmailTrackReplies",)
NATIVE = Definitions(
    Definition(
        "authentication",
        Kind.CONTEXT,
        "The mail server and how to log in; needed unless account is given, or the operator has one for the "
        "process or for all.",
        members=AUTHENTICATION,
    ),
    Definition("account", Kind.TEXT, "Name of a configured account, instead of authentication."),
    Definition(
        "smtpEmailMailBoxName", Kind.TEXT, "The sender, one address; needed unless the account has one."
    ),
    Definition(
        "smtpEmailToRecipients", Kind.LIST, "Recipients; at least one of to, Cc and Bcc must have some."
    ),
    Definition("smtpEmailCcRecipients", Kind.LIST, "Recipients of a copy."),
    Definition("smtpEmailBccRecipients", Kind.LIST, "Recipients of a copy that the others do not see."),
    Definition(
        "smtpEmailParticipants",
        Kind.CONTEXT,
        "Addresses by role; To, Cc, Bcc and Reply-To may then have items such as role:caseManager.",
    ),
    Definition(
        "smtpEmailRecipientsData",
        Kind.LIST,
        "One mail for each record, at most 10,000, in place of the recipients above; subject and body are "
        "the task's or its template's.",
        members=RECORD,
    ),
    Definition("smtpEmailSubject", Kind.TEXT, "The subject line; needed unless a template gives it."),
    Definition(
        "smtpEmailContentType",
        Kind.CHOICE,
        "What the content is; `multipart` sends HTML with a text part made from it.",
        allowed=tuple(CONTENT_TYPES),
        default="text",
    ),
    Definition(
        "smtpEmailContent",
        Kind.TEXT,
        "The body: text, HTML, or the path of an HTML file below a directory that the operator allows. "
        "Needed unless a template gives it.",
    ),
    Definition(
        "smtpEmailTextContent",
        Kind.TEXT,
        "The text alternative of an HTML body, written by hand; with html or multipart.",
    ),
    Definition(
        "smtpEmailAttachments",
        Kind.LIST,
        "Paths, contexts with content, base64, path or url, or Camunda documents.",
        members=ATTACHMENT,
    ),
    Definition(
        "smtpEmailImportance",
        Kind.CHOICE,
        "How urgent the mail presents itself; true means high.",
        allowed=tuple(IMPORTANCE),
    ),
    Definition(
        "smtpEmailSensitivity",
        Kind.CHOICE,
        "How confidential the mail presents itself.",
        allowed=tuple(SENSITIVITY),
    ),
    Definition(
        "smtpEmailReadReceipt",
        Kind.ANY,
        "true asks the reader for a confirmation to the sender; an address has it sent there.",
        default="false",
    ),
    Definition(
        "smtpEmailDeliveryReceipt",
        Kind.LIST,
        "When the server reports on delivery.",
        allowed=tuple(DELIVERY_RECEIPTS),
    ),
    Definition(
        "smtpEmailFollowUp",
        Kind.ANY,
        "By when an answer is wanted: today, tomorrow, tomorrow 09:30, an ISO date, date-time or duration.",
        aliases=("smtpFollowUp",),
        members=FOLLOW_UP,
    ),
    Definition("smtpEmailDirectReplyTo", Kind.LIST, "Where answers go instead of the sender."),
    Definition("smtpEmailHeaders", Kind.CONTEXT, "Extra header fields: name and value."),
    Definition("smtpEmailInReplyTo", Kind.LIST, "Message-ID of the mail that this one answers."),
    Definition("smtpEmailReferences", Kind.LIST, "Message-IDs of the conversation so far."),
    Definition(
        "smtpEmailTemplate",
        Kind.TEXT,
        "Name of a template of the operator, instead of smtpEmailContent and smtpEmailContentType; a "
        "smtpEmailSubject replaces the template's.",
    ),
    Definition(
        "smtpEmailTemplateData",
        Kind.CONTEXT,
        "Data for the template.",
        default="all variables of the job but authentication",
    ),
    Definition(
        "smtpEmailLocale",
        Kind.TEXT,
        "Language of the template and of its dates and numbers, as de or de-AT.",
        default="templates.locale",
    ),
    Definition(
        "smtpEmailInvitation",
        Kind.CONTEXT,
        "A meeting that mail programs show as an invitation.",
        members=INVITATION,
    ),
    Definition(
        "smtpEmailUnsubscribe",
        Kind.CONTEXT,
        "How a reader leaves the list; at least one of mailto and url.",
        members=UNSUBSCRIBE,
    ),
    Definition(
        "smtpEmailSign",
        Kind.BOOLEAN,
        "Sign the mail by S/MIME with the account's key.",
        default="as the account says",
    ),
    Definition(
        "smtpEmailEncrypt",
        Kind.BOOLEAN,
        "Encrypt the mail by S/MIME for its recipients; each needs a certificate that the operator has.",
        default="as the account says",
    ),
    Definition(
        "smtpEmailRequireAllRecipients",
        Kind.BOOLEAN,
        "One refused recipient, and none gets the mail. With smtpEmailRecipientsData the others get theirs, "
        "and then the task fails.",
        default="false",
    ),
    Definition(
        "smtpEmailIdempotencyKey",
        Kind.TEXT,
        "Names the mail in place of the element instance: of all jobs with one key a single mail is sent; at "
        "most 200 characters.",
    ),
    Definition(
        "smtpEmailWhenUncertain",
        Kind.CHOICE,
        "What to do when the link breaks between the mail's last bytes and the server's reply: raise an "
        "incident, send again with the same Message-ID, or take it for sent.",
        allowed=tuple(WHEN_UNCERTAIN),
        default="as the account or ledger.uncertain says",
    ),
    Definition(
        "smtpEmailCopy",
        Kind.CHOICE,
        "Where a copy of the mail goes once it was sent: into the folder of sent mails of the account's "
        "mailbox, or nowhere.",
        allowed=COPIES,
        default="as the account's copy says",
    ),
)


def _for_infosys(definition: Definition) -> Definition:
    return replace(
        definition,
        required=definition.required or definition.name in _INFOSYS_REQUIRED,
        default="true" if definition.name == "smtpEmailRequireAllRecipients" else definition.default,
        members=Definitions(*map(_for_infosys, definition.members)),
    )


# The Infosys connector knows no accounts and no anonymous relay, and sends to all or to none.
INFOSYS = Definitions(*map(_for_infosys, NATIVE))
