"""``docs/reference/inputs.md``, the variables of a send task, and those of a mailbox task."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from connector.modeler.field import Field, Group, Target
from connector.modeler.fields import FIELDS, GROUPS
from connector.tasks.definitions import Definition
from connector.tasks.mailbox_inputs import MAILBOX
from connector.tasks.send_inputs import INFOSYS, NATIVE
from reference_pages.markdown import code, table

_PAGE = """\
# Inputs of a send task

Generated from the worker's own definitions.

Absent, null, `""` and `[]` mean that an input is not given. A list can be a list, one text, a text with
commas or semicolons, or a JSON list in a text. Case and quotes around choices and booleans are ignored. An
invalid choice is an error that names the variable, the value and the permitted values.

Examples are written as in the modeler: what begins with `=` is a FEEL expression.

## `smtp-connector:send:1`

The groups are those of the [element templates](../how-to/install-templates.md).

{native}
## `com.infosys.camundaconnectors.email:smtp:1`

The same inputs, with these differences:

{differing}"""

_HEAD = ("Variable", "Meaning", "Value")
_GROUP_HEAD = ("Variable", "Meaning", "Value", "Example")

# One for each input of the native task, as the source of an input mapping.
EXAMPLES: Mapping[str, str] = MappingProxyType(
    {
        "authentication": '={hostname: "smtp.example.com", port: 587, username: "u", password: "secrets.PW"}',
        "authentication.hostname": "smtp.example.com",
        "authentication.port": "=587",
        "authentication.username": "workflow@example.com",
        "authentication.password": "{{secrets.MAIL_PASSWORD}}",
        "authentication.security": "starttls",
        "account": "invoices",
        "smtpEmailMailBoxName": "Order desk <orders@example.com>",
        "smtpEmailToRecipients": '=["jane@example.org", "Joe <joe@example.org>"]',
        "smtpEmailCcRecipients": "jane@example.org, joe@example.org",
        "smtpEmailBccRecipients": "audit@example.com",
        "smtpEmailParticipants": '={caseManager: "ann@example.com", team: ["bob@example.com"]}',
        "smtpEmailRecipientsData": '=[{to: "ann@example.org", data: {name: "Ann"}}]',
        "smtpEmailSubject": '="Your order " + string(4711)',
        "smtpEmailContentType": "multipart",
        "smtpEmailContent": "<p>Your order is on its way.</p>",
        "smtpEmailTextContent": "Your order is on its way.",
        "smtpEmailAttachments": '=[{name: "order.csv", content: "id;4711"}]',
        "smtpEmailImportance": "high",
        "smtpEmailSensitivity": "private",
        "smtpEmailReadReceipt": "receipts@example.com",
        "smtpEmailDeliveryReceipt": "failure, delay",
        "smtpEmailFollowUp": "tomorrow 09:30",
        "smtpEmailDirectReplyTo": "sales@example.com",
        "smtpEmailHeaders": '={"X-Case": "4711"}',
        "smtpEmailInReplyTo": "<order-4711@example.com>",
        "smtpEmailReferences": "<order-4710@example.com> <order-4711@example.com>",
        "smtpEmailTemplate": "reminder",
        "smtpEmailTemplateData": '={task: "Approve the order"}',
        "smtpEmailLocale": "de-AT",
        "smtpEmailInvitation": '={start: "2030-12-02T09:30:00Z", end: "2030-12-02T10:00:00Z"}',
        "smtpEmailUnsubscribe": '={url: "https://example.com/leave", oneClick: true}',
        "smtpEmailSign": "=true",
        "smtpEmailEncrypt": "=true",
        "smtpEmailRequireAllRecipients": "=true",
        "smtpEmailIdempotencyKey": '="order-" + string(4711)',
        "smtpEmailWhenUncertain": "resend",
        "smtpEmailCopy": "none",
    }
)


def page() -> str:
    """Return the page: every input of our task type, and the differences of Infosys's."""
    differing = [infosys for infosys, native in zip(INFOSYS, NATIVE, strict=True) if infosys != native]
    return _PAGE.format(native="\n".join(_groups()), differing=table(_HEAD, _rows(differing)))


def _groups() -> Iterator[str]:
    """Lay out the native inputs by the groups of the element templates."""
    for group, title in GROUPS.items():
        rows = [row for item in NATIVE if _group(item) is group for row in _with_examples([item])]
        if rows:
            yield f"### {title}\n\n{table(_GROUP_HEAD, rows)}"


def _group(item: Definition) -> Group:
    return next((field.group for field in FIELDS if field.group and _asks_for(field, item)), Group.DELIVERY)


def _asks_for(field: Field, item: Definition) -> bool:
    return field.target is Target.INPUT and field.name.partition(".")[0] == item.name


def _with_examples(definitions: Iterable[Definition]) -> Iterator[tuple[str, ...]]:
    for row in _rows(definitions):
        yield (*row, code(EXAMPLES.get(row[0].partition("<br>")[0].strip("`"), "")))


def mailbox() -> str:
    """Every input of the mailbox task type."""
    return table(_HEAD, _rows(MAILBOX))


def _rows(definitions: Iterable[Definition], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    for item in definitions:
        names = "<br>".join(f"`{prefix}{name}`" for name in item.names)
        yield names, _meaning(item), _value(item)
        yield from _rows(item.members, f"{prefix}{item.name}.")


def _meaning(item: Definition) -> str:
    required = "**Required.** " if item.required else ""
    absent = "" if item.available else " Not supported in this version: the worker refuses it."
    # An address in angle brackets would be a link.
    return f"{required}{re.sub(r'<[^>]+@[^>]+>', lambda found: code(found[0]), item.meaning)}{absent}"


def _value(item: Definition) -> str:
    """Return the kind of value, its permitted words, and its default."""
    words = ", ".join(f"`{word}`" for word in item.allowed)
    kind = f"{item.kind.value}: {words}" if words else item.kind.value
    return f"{kind}; default `{item.default}`" if item.default else kind
