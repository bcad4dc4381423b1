"""Every input of the mailbox task type: the table that the reader, element templates and reference follow."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType

from connector.mailbox.port import Mark, Role
from connector.model.incoming import MailProtocol
from connector.tasks.definitions import OAUTH, SECURITY, Definition, Definitions, Kind


class Operation(StrEnum):
    """What a task does with a mailbox."""

    LIST_FOLDERS = "listFolders"
    LIST = "list"
    SEARCH = "search"
    READ = "read"
    MARK = "mark"
    MOVE = "move"
    COPY = "copy"
    DELETE = "delete"


class Content(StrEnum):
    """What a task wants of a mail's attachments."""

    NONE = "none"
    METADATA = "metadata"
    INLINE = "inline"


CONTENTS = MappingProxyType({content.value: content for content in Content})
MARKS = MappingProxyType({mark.value: mark for mark in Mark})
ORDERS = MappingProxyType({"newest": True, "oldest": False})
PROTOCOLS = MappingProxyType(
    {protocol.value: protocol for protocol in (MailProtocol.IMAP, MailProtocol.POP3)}
)
INCLUDED = MappingProxyType({role.value: role for role in (Role.JUNK, Role.TRASH)})

AUTHENTICATION = Definitions(
    Definition("hostname", Kind.TEXT, "Host name or IP address of the mailbox's server.", required=True),
    Definition("port", Kind.NUMBER, "Its port, as 993 or 995.", required=True),
    Definition("username", Kind.TEXT, "User name.", required=True),
    Definition("password", Kind.TEXT, "Password, best as secrets.NAME; needed unless oauth is given."),
    Definition(
        "protocol",
        Kind.CHOICE,
        "`imap`, or `pop3`, which knows one folder and no flags.",
        allowed=tuple(PROTOCOLS),
        default="imap",
    ),
    Definition(
        "security",
        Kind.CHOICE,
        "How the connection is protected; `auto` is TLS on ports 993 and 995, on any other port STARTTLS, "
        "which a loopback host need not offer.",
        allowed=tuple(SECURITY),
        default="auto",
    ),
    OAUTH,
)

SEARCH = Definitions(
    Definition("from", Kind.TEXT, "Words in the sender's name or address."),
    Definition("to", Kind.TEXT, "Words in the recipients of To."),
    Definition("subject", Kind.TEXT, "Words in the subject."),
    Definition("text", Kind.TEXT, "Words in the subject or the text."),
    Definition("since", Kind.TEXT, "A date or date-time: mails that came then or later."),
    Definition("before", Kind.TEXT, "A date or date-time: mails that came earlier."),
    Definition("unread", Kind.BOOLEAN, "Whether they were not read yet. Not with POP3."),
    Definition("flagged", Kind.BOOLEAN, "Whether they are flagged. Not with POP3."),
    Definition("header", Kind.CONTEXT, "Header fields and words in them; an empty text asks for the field."),
    Definition("any", Kind.LIST, "A list of searches of which one at least fits."),
    Definition("not", Kind.CONTEXT, "A search that does not fit."),
)

MAILBOX = Definitions(
    Definition(
        "mailboxOperation",
        Kind.CHOICE,
        "What to do.",
        required=True,
        allowed=tuple(operation.value for operation in Operation),
    ),
    Definition(
        "authentication",
        Kind.CONTEXT,
        "The mailbox's server and how to log in; needed unless account is given, or the operator has one for "
        "the process or for all.",
        members=AUTHENTICATION,
    ),
    Definition("account", Kind.TEXT, "Name of a configured account, instead of authentication."),
    Definition(
        "mailboxFolder",
        Kind.LIST,
        "Folders to look in, by path or by role (`sent`, `archive`, `junk`, …); `*` is the whole mailbox. "
        "With a Message-ID in mailboxMessage: where it is looked for.",
        default="INBOX; the whole mailbox for a Message-ID",
    ),
    Definition(
        "mailboxInclude",
        Kind.LIST,
        "Folders that belong to the whole mailbox although they usually do not.",
        allowed=tuple(INCLUDED),
    ),
    Definition("mailboxUnreadOnly", Kind.BOOLEAN, "Only mails that were not read yet.", default="false"),
    Definition("mailboxSearch", Kind.CONTEXT, "What the mails of a search have to be like.", members=SEARCH),
    Definition("mailboxLimit", Kind.NUMBER, "Mails of a page, at most 1000.", default="50"),
    Definition(
        "mailboxOrder",
        Kind.CHOICE,
        "Which mails come first, by their arrival in the folder.",
        allowed=tuple(ORDERS),
        default="newest",
    ),
    Definition("mailboxPage", Kind.TEXT, "nextPage of the result before."),
    Definition(
        "mailboxPreview", Kind.BOOLEAN, "Add the first 200 characters of each mail's text.", default="false"
    ),
    Definition("mailboxMessage", Kind.TEXT, "The mail: id of a summary, or a Message-ID as <a@b>."),
    Definition(
        "mailboxAttachments",
        Kind.CHOICE,
        "What to read of attachments: nothing, names and sizes, or their contents in base64.",
        allowed=tuple(CONTENTS),
        default="metadata",
    ),
    Definition("mailboxMarkRead", Kind.BOOLEAN, "Mark the mail as read.", default="false"),
    Definition("mailboxMark", Kind.CHOICE, "The mark to set or take away.", allowed=tuple(MARKS)),
    Definition("mailboxTargetFolder", Kind.TEXT, "The folder to move or copy to, by path or role."),
    Definition(
        "mailboxCreateFolder", Kind.BOOLEAN, "Create the target folder where it is missing.", default="false"
    ),
)
