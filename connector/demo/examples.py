"""The examples of ``smtp-connector demo --example NAME``, one for each diagram of ``bpmn-examples``.

``docs/examples`` has a page for each.
"""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from difflib import get_close_matches
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from importlib.resources import files
from types import MappingProxyType

from connector.demo.scene import Example, Publication, Scene, Variables
from connector.testing.behaviour import Rule, Say, Verb

DEFAULT = "notify"

_ZOE = "zoe@example.com"
_BEN = "ben@example.com"
_GONE = "gone@example.com"
_DESK = "desk@example.com"
_CUSTOMER: Variables = {"name": "Zoë Ångström", "email": _ZOE}
_ORDER: Variables = {"id": "4711", "items": "item,quantity\r\nTea pot,1\r\nCups,4\r\n"}
_SALES = (
    {"item": "Tea pot", "pieces": 12, "amount": 480},
    {"item": "Cup", "pieces": 96, "amount": 864},
)
_SHIPPED: Variables = {"customer": _CUSTOMER, "order": _ORDER, "orderDesk": _DESK}


def _moved(variables: Variables) -> Variables:
    """Return the same customer with an address that no longer exists."""
    return {**variables, "customer": {**_CUSTOMER, "email": _GONE}}


def _refuses(address: str) -> Rule:
    return Rule(Verb.RCPT, Say(550, "5.1.1 no such user"), containing=f"<{address}>")


def _greylists(address: str, times: int) -> Rule:
    return Rule(Verb.RCPT, Say(450, "4.2.0 Greylisted"), containing=f"<{address}>", times=times)


_REFUSES_GONE = (_refuses(_GONE),)


def _notify(_: str) -> tuple[Scene, ...]:
    return (Scene(f"for {_ZOE}", _SHIPPED, ((_ZOE,),)),)


def _error_boundary(_: str) -> tuple[Scene, ...]:
    return (
        Scene("for a good address", _SHIPPED, ((_ZOE,),), "customer notified", shown=("notice",)),
        Scene(
            "for an address that the server refuses",
            _moved(_SHIPPED),
            ((_DESK,),),
            "desk told",
            _REFUSES_GONE,
            shown=("refusal",),
        ),
    )


def _approval_reminder(showing: str) -> tuple[Scene, ...]:
    def scene(about: str, number: str, reminder_after: str, mails: int) -> Scene:
        report = {"id": number, "name": "Zoë Ångström", "amount": 312, "applicant": _ZOE, "approver": _BEN}
        decision = {"approved": True, "comment": "All receipts are there."}
        return Scene(
            about,
            {"report": report, "reminderAfter": reminder_after},
            ((_BEN,),) * mails + ((_ZOE,),),
            messages=(Publication("expense-decision", number, {"decision": decision}, after=mails),),
            shown=("decision",),
        )

    return (
        scene("decided in time", f"E1-{showing}", "P2D", mails=1),
        scene("not decided within two seconds", f"E2-{showing}", "PT2S", mails=2),
    )


def _mail_per_record(showing: str) -> tuple[Scene, ...]:
    invoices = [
        {"id": "R-101", "name": "Zoë", "email": _ZOE, "amount": 80, "due": "1 November"},
        {"id": "R-102", "name": "Gone", "email": _GONE, "amount": 12, "due": "3 November"},
        {"id": "R-103", "name": "Ben", "email": _BEN, "amount": 240, "due": "4 November"},
    ]
    variables = {"invoices": invoices, "reminderRun": f"2026-11-{showing}"}
    shown = ("reminders",)
    return (
        Scene(
            "for three invoices, one with an address that the server refuses",
            variables,
            ((_ZOE,), (_BEN,)),
            rules=_REFUSES_GONE,
            shown=shown,
        ),
        Scene(
            "a second time by mistake: no mail is sent twice", variables, (), rules=_REFUSES_GONE, shown=shown
        ),
    )


def _mail_for_list(_: str) -> tuple[Scene, ...]:
    invoices = [
        {"id": "R-101", "name": "Zoë Ångström", "amount": 80, "due": "1 November"},
        {"id": "R-102", "name": "Smith & Sons", "amount": 12, "due": "3 November"},
        {"id": "R-103", "name": "Ben", "amount": 240, "due": "4 November"},
    ]
    return (Scene("for three invoices", {"invoices": invoices, "accountsDesk": _DESK}, ((_DESK,),)),)


def _weekly_report(_: str) -> tuple[Scene, ...]:
    variables = {"sales": _SALES, "board": [_ZOE, _BEN]}
    return (Scene("at once, without waiting for Monday", variables, ((_ZOE, _BEN),)),)


def _attachments(_: str) -> tuple[Scene, ...]:
    variables = {
        "month": "2026-11",
        "sales": _SALES,
        "board": [_ZOE, _BEN],
        "review": {"start": "20261204T090000Z", "end": "20261204T100000Z"},
        "logo": b64encode((files(__package__) / "logo.png").read_bytes()).decode(),
    }
    return (Scene("for the sales of a month", variables, ((_ZOE, _BEN),)),)


def _reply_and_threading(showing: str) -> tuple[Scene, ...]:
    number = f"T-{showing}"
    ticket = {
        "id": number,
        "name": "Zoë Ångström",
        "customer": _ZOE,
        "subject": "Which tea for which water?",
        "messageId": f"<question-{showing}@mail.example.com>",
    }
    answer = {"answer": "Soft water lets a green tea shine; a strong black one forgives hard water."}
    return (
        Scene(
            f"for a question of {_ZOE}",
            {"ticket": ticket},
            ((_ZOE,), (_ZOE,)),
            messages=(Publication("answer-written", number, answer, after=1),),
        ),
    )


def _beside_the_flow(_: str) -> tuple[Scene, ...]:
    warehouse = "warehouse@example.com"
    return (
        Scene(
            "for a customer whose server greylists",
            {**_SHIPPED, "warehouse": warehouse},
            ((warehouse,), (_ZOE,)),
            rules=(_greylists(_ZOE, times=1),),
            shown=("customerTold",),
        ),
    )


def _escalation(_: str) -> tuple[Scene, ...]:
    manager = "manager@example.com"
    outage = {"what": "The shop", "day": "Sunday 6 December", "from": "02:00", "to": "04:00"}
    variables = {"outage": outage, "accountManager": manager}
    return (
        Scene(
            "for contacts that are all reached",
            {**variables, "contacts": [_ZOE, _BEN]},
            ((_ZOE, _BEN),),
            shown=("refused",),
        ),
        Scene(
            "for contacts of which the server refuses one",
            {**variables, "contacts": [_ZOE, _GONE, _BEN]},
            ((_ZOE, _BEN), (manager,)),
            rules=_REFUSES_GONE,
            shown=("refused",),
        ),
    )


def _result_expression(_: str) -> tuple[Scene, ...]:
    shown = ("notice", "everybodyReached")
    return (
        Scene(
            "for two recipients that are both reached",
            {**_SHIPPED, "recipients": [_ZOE, _BEN]},
            ((_ZOE, _BEN),),
            "all told",
            shown=shown,
        ),
        Scene(
            "for two recipients of which the server refuses one",
            {**_SHIPPED, "recipients": [_ZOE, _GONE]},
            ((_ZOE,),),
            "some to be called",
            _REFUSES_GONE,
            shown=shown,
        ),
    )


def _error_mapping(_: str) -> tuple[Scene, ...]:
    return (
        Scene("for a good address", _SHIPPED, ((_ZOE,),), "customer notified"),
        Scene(
            "for an address that the server refuses",
            _moved(_SHIPPED),
            (),
            "address to be asked for",
            _REFUSES_GONE,
            shown=("whyNot",),
        ),
        Scene(
            "for a server that is busy",
            _SHIPPED,
            (),
            "to be told later",
            (Rule(Verb.RCPT, Say(450, "4.3.2 busy")),),
            shown=("whyNot",),
        ),
    )


def _ignore_error(_: str) -> tuple[Scene, ...]:
    shown = ("reminded", "reason")
    return (
        Scene("for a good address", _SHIPPED, ((_ZOE,),), "customer reminded", shown=("reminded",)),
        Scene(
            "for an address that the server refuses",
            _moved(_SHIPPED),
            (),
            "no reminder",
            _REFUSES_GONE,
            shown=shown,
        ),
    )


def _retry_backoff(_: str) -> tuple[Scene, ...]:
    return (
        Scene(
            "for a server that accepts the mail in the third attempt",
            _SHIPPED,
            ((_ZOE,),),
            rules=(_greylists(_ZOE, times=2),),
        ),
    )


def _letter(showing: str) -> bytes:
    message = EmailMessage(policy=SMTP)
    message["From"] = f"Zoë Ångström <{_ZOE}>"
    message["To"] = "support@example.com"
    message["Subject"] = "Which tea for which water?"
    message["Date"] = format_datetime(datetime.now(UTC))
    message["Message-ID"] = f"<question-{showing}@mail.example.com>"
    message["References"] = f"<order-{showing}@mail.example.com>"
    message.set_content("Our water is hard. Which of the teas in the list will shine?\n")
    message.add_attachment(b"tea\r\nAssam\r\nSencha\r\n", "text", "csv", filename="teas.csv")
    return message.as_bytes()


def _answer_a_mail(showing: str) -> tuple[Scene, ...]:
    return (
        Scene(
            "for a mailbox with an unread mail",
            {},
            ((_ZOE,),),
            shown=("moved",),
            letters=(_letter(showing),),
            filed="Answered",
        ),
        Scene("for the same mailbox, where no unread mail is left", {}, (), shown=("inbox",)),
    )


EXAMPLES = MappingProxyType(
    {
        example.name: example
        for example in (
            Example(DEFAULT, "Send one mail", _notify),
            Example("error-boundary", "Take another path when the address is refused", _error_boundary),
            Example("approval-reminder", "Ask for an approval and send a reminder", _approval_reminder),
            Example("mail-per-record", "Send a mail for each record of a list, none twice", _mail_per_record),
            Example("mail-for-list", "Send one mail for a whole list", _mail_for_list),
            Example("weekly-report", "Send a report every week", _weekly_report),
            Example("attachments", "Create attachments in the process", _attachments),
            Example("reply-and-threading", "Keep a conversation together", _reply_and_threading),
            Example("beside-the-flow", "Send a mail without waiting for it", _beside_the_flow),
            Example("escalation", "Escalate when a recipient is refused", _escalation),
            Example("result-expression", "Set process variables from the result", _result_expression),
            Example("error-mapping", "Map error codes to BPMN errors", _error_mapping),
            Example("ignore-error", "Continue although the mail could not be sent", _ignore_error),
            Example("retry-backoff", "Retry with growing pauses", _retry_backoff),
            Example("answer-a-mail", "Answer a mail from a mailbox", _answer_a_mail, account="support"),
        )
    }
)


class UnknownExampleError(Exception):
    """There is no example of that name; the message lists the examples."""


def find(name: str) -> Example:
    """Look up an example.

    Raises:
        UnknownExampleError: There is none of that name.
    """
    if name in EXAMPLES:
        return EXAMPLES[name]
    near = get_close_matches(name.casefold(), EXAMPLES, n=1, cutoff=0.0)
    raise UnknownExampleError(
        f"There is no example {name!r}; did you mean {near[0]}? The examples are {', '.join(EXAMPLES)}."
    )


def listing() -> str:
    """List every example with its title, a line each."""
    width = max(map(len, EXAMPLES))
    return "\n".join(f"{example.name:<{width}}  {example.title}" for example in EXAMPLES.values())
