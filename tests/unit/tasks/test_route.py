"""A task and the operator's accounts: which server it gets, and what the account lends to its mail."""

from __future__ import annotations

from typing import Any

import pytest

from connector.accounts.accounts import Origin
from connector.errors import AccountError, InputError
from connector.model.addresses import Mailbox
from connector.model.mail import DeliveryReceipt, Importance, SendRequest, Sensitivity, WhenUncertain
from connector.settings.model import INFOSYS_TASK_TYPE
from tests.unit.tasks.task_inputs import ABSENT, read, refused

IDENTITY = {
    "address": "sales@example.com",
    "display_name": "Sales",
    "reply_to": ["desk@example.com"],
    "uncertain": "resend",
    "defaults": {
        "importance": "high",
        "sensitivity": "private",
        "read_receipt": True,
        "delivery_receipt": ["failure"],
        "headers": {"X-Team": "sales", "X-Desk": "7"},
    },
}
ACCOUNTS = {"default": {"host": "default.example"}, "sales": {"host": "sales.example"} | IDENTITY}
NO_SENDER = {"authentication": ABSENT, "smtpEmailMailBoxName": ABSENT}


def through(**changes: Any) -> SendRequest:
    return read(accounts=ACCOUNTS, **changes)


@pytest.mark.parametrize(
    "authentication", [ABSENT, None, {"security": "auto"}, {"hostname": "", "port": None}]
)
def test_an_account_takes_the_place_of_an_empty_authentication(authentication: Any) -> None:
    named = through(authentication=authentication, account=" sales ")
    assert (named.route.hostname, named.route.account) == ("sales.example", "sales")
    assert through(authentication=authentication).route.account == "default"


def test_the_tasks_own_server_goes_before_every_account_that_it_does_not_name() -> None:
    tagged = {"order": {"host": "order.example", "process_ids": ["order"]} | IDENTITY}
    request = read(accounts=ACCOUNTS | tagged)
    assert (request.route.hostname, request.route.account) == ("mail.example.com", None)
    assert (request.importance, request.reply_to, request.headers) == (None, (), ())


def test_account_and_server_exclude_each_other() -> None:
    with pytest.raises(InputError, match="account: cannot be given together with authentication") as caught:
        through(account="sales")
    assert caught.value.field == "account"


def test_the_process_chooses() -> None:
    tagged = {"order": {"host": "order.example", "process_ids": ["order"]}}
    accounts = ACCOUNTS | tagged
    assert read(accounts=accounts, authentication=ABSENT).route.account == "order"
    other = Origin("invoice", "<default>")
    assert read(accounts=accounts, origin=other, authentication=ABSENT).route.account == "default"


def test_an_account_that_is_not_there() -> None:
    with pytest.raises(AccountError, match="did you mean sales"):
        through(authentication=ABSENT, account="seles")


def test_the_account_lends_what_the_task_does_not_say() -> None:
    request = through(account="sales", **NO_SENDER)
    sender = Mailbox("sales@example.com", "Sales")
    assert (request.sender, request.read_receipt) == (sender, sender)
    assert request.reply_to == (Mailbox("desk@example.com"),)
    assert (request.importance, request.sensitivity) == (Importance.HIGH, Sensitivity.PRIVATE)
    assert request.delivery_receipt == (DeliveryReceipt.FAILURE,)
    assert request.headers == (("X-Team", "sales"), ("X-Desk", "7"))
    assert request.when_uncertain is WhenUncertain.RESEND
    assert request.warnings == ()


def test_the_task_has_the_last_word() -> None:
    request = through(
        account="sales",
        authentication=ABSENT,
        smtpEmailMailBoxName="me@example.com",
        smtpEmailDirectReplyTo="you@example.com",
        smtpEmailImportance="normal",
        smtpEmailSensitivity="normal",
        smtpEmailReadReceipt=False,
        smtpEmailDeliveryReceipt="never",
        smtpEmailHeaders={"x-team": "mine"},
        smtpEmailWhenUncertain="incident",
    )
    assert request.when_uncertain is WhenUncertain.INCIDENT
    assert request.sender == Mailbox("me@example.com")
    assert request.reply_to == (Mailbox("you@example.com"),)
    assert (request.importance, request.sensitivity) == (Importance.NORMAL, Sensitivity.NORMAL)
    assert (request.read_receipt, request.delivery_receipt) == (None, (DeliveryReceipt.NEVER,))
    assert request.headers == (("x-team", "mine"), ("X-Desk", "7"))


def test_a_receipt_goes_to_the_one_who_sends() -> None:
    request = through(account="sales", authentication=ABSENT, smtpEmailMailBoxName="me@example.com")
    assert request.read_receipt == Mailbox("me@example.com")


def test_a_sender_that_feel_made_null_is_told_of() -> None:
    request = through(account="sales", authentication=ABSENT, smtpEmailMailBoxName=None)
    assert request.warnings == ("smtpEmailMailBoxName is null; the account's address is used",)


def test_without_an_address_of_the_account_the_task_must_have_one() -> None:
    with pytest.raises(InputError, match="smtpEmailMailBoxName: is missing"):
        through(account="default", **NO_SENDER)


def test_the_infosys_type_knows_no_accounts() -> None:
    assert refused(INFOSYS_TASK_TYPE, accounts=ACCOUNTS, authentication=ABSENT).field == "authentication"
    named = refused(INFOSYS_TASK_TYPE, accounts=ACCOUNTS, authentication=ABSENT, account="sales")
    assert named.field == "authentication"
