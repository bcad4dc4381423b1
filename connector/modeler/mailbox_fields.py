"""The entries of the templates for mailbox tasks, one table for each group of operations.

:mod:`connector.modeler.generate` joins them with the definitions of the inputs. The entries for server and
result are those of the send templates, in words that fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from connector.modeler.field import Field, Group, Pattern, Target, When
from connector.modeler.shared_fields import OUTCOME, SERVER, SERVER_HERE

_TITLES: dict[Group, str] = {
    Group.SERVER: "Mailbox",
    Group.OPERATION: "Operation",
    Group.PAGE: "Page",
    Group.OUTPUT: "Output mapping",
    Group.ERRORS: "Error handling",
    Group.RETRIES: "Retries",
}
FIND_GROUPS = MappingProxyType(_TITLES)
GROUPS: Mapping[Group, str] = MappingProxyType(
    {group: title for group, title in _TITLES.items() if group is not Group.PAGE}
)

_SERVER_WORDS: dict[str, dict[str, Any]] = {
    "mailServer": {
        "label": "Mailbox of",
        "tooltip": "The operator of the worker sets up an account once: then the server and its credentials "
        "need not be in the diagram.",
    },
    "hostname": {"tooltip": "Name or IP address of the mailbox's server.", "placeholder": "imap.example.com"},
    "port": {"tooltip": "993 or 995 for TLS from the start, 143 or 110 for STARTTLS.", "value": 993},
    "security": {
        "tooltip": "Automatic: TLS on ports 993 and 995; on any other port STARTTLS, which only a loopback "
        "host need not offer. Credentials never travel unprotected unless you choose so."
    },
    "username": {"tooltip": "The name of the mailbox, often its address."},
    "mailbox": {"tooltip": "The mailbox to read, to which the application was given access."},
}
_PROTOCOL = Field(
    id="protocol",
    name="authentication.protocol",
    group=Group.SERVER,
    label="Protocol",
    tooltip="POP3 knows one folder and no flags.",
    value="imap",
    choices={"imap": "IMAP", "pop3": "POP3"},
    when=SERVER_HERE,
)


def _server() -> tuple[Field, ...]:
    fields = [replace(field, **_SERVER_WORDS.get(field.id, {})) for field in SERVER]
    at = next(number for number, field in enumerate(fields) if field.id == "security")
    return (*fields[:at], _PROTOCOL, *fields[at:])


def _outcome(result: str, keys: str) -> tuple[Field, ...]:
    words: dict[str, dict[str, Any]] = {
        "resultVariable": {"tooltip": f"The response has {keys}.", "placeholder": result},
        "resultExpression": {
            "description": "Expression to map the response into process variables, such as "
            "{status: response.status}"
        },
        "errorExpression": {
            "description": 'Expression to handle errors, such as if error.code = "MESSAGE_NOT_FOUND" then '
            'bpmnError("GONE", error.message) else null'
        },
        "errorMapping": {
            "description": 'BPMN error codes by error code, such as {MESSAGE_NOT_FOUND: "GONE", "*": "MAIL"}'
        },
    }
    kept = (field for field in OUTCOME if field.target is not Target.INPUT)
    return tuple(replace(field, **words.get(field.id, {})) for field in kept)


# Finding

_LISTED = When("operation", ("list", "search"))
_FIND = (
    Field(
        id="operation",
        name="mailboxOperation",
        group=Group.OPERATION,
        label="Operation",
        tooltip="Mails of one or more folders, mails that fit a search, or the folders themselves.",
        value="list",
        choices={"list": "List mails", "search": "Search mails", "listFolders": "List folders"},
    ),
    Field(
        id="search",
        name="mailboxSearch",
        group=Group.OPERATION,
        label="Search",
        description='What to look for, such as {subject: "invoice", since: "2026-11-01"}',
        tooltip="A FEEL context. Keys: from, to, subject, text, since, before, unread, flagged, header, any, "
        "not.",
        needed=True,
        when=When("operation", "search"),
    ),
    Field(
        id="folder",
        name="mailboxFolder",
        group=Group.OPERATION,
        label="Folders",
        description="Empty: the inbox.",
        tooltip="By path or role, such as sent, archive or junk: one, several with commas, or a FEEL list. "
        "* stands for the whole mailbox.",
        placeholder="INBOX",
        when=_LISTED,
    ),
    Field(
        id="include",
        name="mailboxInclude",
        group=Group.OPERATION,
        label="Include",
        tooltip="The whole mailbox leaves out junk and trash, unless you name them here.",
        placeholder="junk, trash",
        when=_LISTED,
    ),
    Field(
        id="unreadOnly",
        name="mailboxUnreadOnly",
        group=Group.OPERATION,
        label="Unread only",
        tooltip="Only mails that were not read yet. Not with POP3.",
        value=False,
        when=_LISTED,
    ),
    Field(
        id="preview",
        name="mailboxPreview",
        group=Group.OPERATION,
        label="Preview",
        tooltip="Add the first 200 characters of each mail's text.",
        value=False,
        when=_LISTED,
    ),
    Field(
        id="order",
        name="mailboxOrder",
        group=Group.PAGE,
        label="Order",
        tooltip="Which mails come first, by their arrival in the folder.",
        value="newest",
        choices={"newest": "Newest first", "oldest": "Oldest first"},
        when=_LISTED,
    ),
    Field(
        id="limit",
        name="mailboxLimit",
        group=Group.PAGE,
        label="Mails in a page",
        description="Empty: 50.",
        tooltip="At most 1000.",
        when=_LISTED,
    ),
    Field(
        id="page",
        name="mailboxPage",
        group=Group.PAGE,
        label="Page",
        description="nextPage of the result before; empty for the first page.",
        tooltip="While nextPage is not null there are more mails.",
        placeholder="=inbox.nextPage",
        when=_LISTED,
    ),
)
FIND = (*_server(), *_FIND, *_outcome("inbox", "status, messages and nextPage, or folders"))


# Reading

_MESSAGE = Field(
    id="message",
    name="mailboxMessage",
    group=Group.OPERATION,
    label="Mail",
    description="The id of a mail from a list, or a Message-ID.",
    tooltip="An id stays valid while the mail exists, also in later tasks of the process.",
    placeholder="=inbox.messages[1].id",
    needed=True,
)
_FOLDER = Field(
    id="folder",
    name="mailboxFolder",
    group=Group.OPERATION,
    label="Look in folders",
    description="Only for a Message-ID. Empty: the whole mailbox.",
    tooltip="By path or role: one, several with commas, or a FEEL list.",
)
_READ = (
    Field(id="operation", name="mailboxOperation", value="read"),
    _MESSAGE,
    _FOLDER,
    Field(
        id="attachments",
        name="mailboxAttachments",
        group=Group.OPERATION,
        label="Attachments",
        tooltip="Contents are in base64, in the form that the task for sending mails takes as attachments.",
        value="metadata",
        choices={"none": "Nothing", "metadata": "Names and sizes", "inline": "Contents"},
    ),
    Field(
        id="markRead",
        name="mailboxMarkRead",
        group=Group.OPERATION,
        label="Mark as read",
        tooltip="Otherwise the mail stays as it is.",
        value=False,
    ),
)
READ = (*_server(), *_READ, *_outcome("letter", "status and mail, with its text, html and attachments"))


# Organising

_TO_FOLDER = When("operation", ("move", "copy"))
_ORGANISE = (
    Field(
        id="operation",
        name="mailboxOperation",
        group=Group.OPERATION,
        label="Operation",
        tooltip="Safe to repeat: what an earlier attempt has done counts as done.",
        value="move",
        choices={"mark": "Mark", "move": "Move", "copy": "Copy", "delete": "Delete"},
    ),
    _MESSAGE,
    _FOLDER,
    Field(
        id="mark",
        name="mailboxMark",
        group=Group.OPERATION,
        label="Mark as",
        tooltip="Flagged is the star or the red flag of mail programs. Not with POP3.",
        value="read",
        choices={"read": "Read", "unread": "Unread", "flagged": "Flagged", "unflagged": "Not flagged"},
        when=When("operation", "mark"),
    ),
    Field(
        id="target",
        name="mailboxTargetFolder",
        group=Group.OPERATION,
        label="Target folder",
        tooltip="By path, with / between its parts, or by role, such as archive or trash.",
        placeholder="archive",
        pattern=Pattern(r"[^*]+", "must be one folder, or FEEL."),
        needed=True,
        when=_TO_FOLDER,
    ),
    Field(
        id="create",
        name="mailboxCreateFolder",
        group=Group.OPERATION,
        label="Create folder",
        tooltip="Create the target folder where it is missing.",
        value=False,
        when=_TO_FOLDER,
    ),
)
ORGANISE = (
    *_server(),
    *_ORGANISE,
    *_outcome("moved", "status and id, the mail in its new place"),
)
