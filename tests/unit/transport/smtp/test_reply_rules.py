"""What real servers' replies mean, and what no row of the table may take for something else."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any

import pytest

from connector.errors import ErrorCode, Phase, Reply
from connector.transport.smtp.reply_rules import verdict
from tests.shared import data_file

RECIPIENT = "jane@example.org"


def reply(written: str) -> Reply:
    """Read a reply as it goes over the wire, several lines joined by a newline."""
    lines = written.split("\n")
    return Reply(int(lines[-1][:3]), "\n".join(line[4:] for line in lines))


def real_replies() -> list[Any]:
    cases = json.loads(data_file("replies.json").read_text("utf-8"))
    return [
        pytest.param(case, id=f"{case['product']}: {case['phase']} {case['reply'][:40]}") for case in cases
    ]


@pytest.mark.parametrize("case", real_replies())
def test_a_real_reply_has_its_verdict(case: dict[str, str]) -> None:
    found = verdict(Phase(case["phase"]), reply(case["reply"]), RECIPIENT)
    assert found.code == case["code"]
    assert case.get("advice", "").lower() in found.advice.lower()
    if found.code is ErrorCode.RATE_LIMITED and case.get("advice") == "quota":
        assert found.pause == timedelta(hours=1)


def test_the_corpus_is_large_and_has_many_sources() -> None:
    cases = json.loads(data_file("replies.json").read_text("utf-8"))
    assert len(cases) >= 200
    assert len({case["product"] for case in cases}) >= 25


@pytest.mark.parametrize(
    ("phase", "written", "code"),
    [
        # What no row knows is decided by the phase.
        (Phase.GREETING, "554 No SMTP service here", ErrorCode.CLIENT_REJECTED),
        (Phase.EHLO, "550 Access denied", ErrorCode.CLIENT_REJECTED),
        (Phase.EHLO, "502 5.5.1 Command unrecognized", ErrorCode.MESSAGE_REJECTED),
        (Phase.STARTTLS, "501 5.5.4 No", ErrorCode.TLS_FAILED),
        (Phase.AUTH, "535 5.7.0 too many failed login attempts", ErrorCode.AUTH_FAILED),
        (Phase.AUTH, "432 4.7.12 A password transition is needed", ErrorCode.AUTH_UNAVAILABLE),
        (Phase.AUTH, "421 4.7.0 Closing", ErrorCode.TEMPORARILY_REJECTED),
        (Phase.MAIL, "550 5.7.1 not you", ErrorCode.SENDER_REJECTED),
        (Phase.RCPT, "550 Access denied", ErrorCode.RECIPIENT_REJECTED),
        (Phase.DATA, "554 5.5.1 Error: no valid recipients", ErrorCode.MESSAGE_REJECTED),
        (Phase.DOT, "554 5.7.1 no", ErrorCode.MESSAGE_REJECTED),
        (Phase.DOT, "552 Requested action aborted: exceeded storage", ErrorCode.MESSAGE_REJECTED),
        # A policy at RCPT is about this worker, unless the reply speaks of the recipient.
        (Phase.RCPT, "550 5.7.1 Access denied", ErrorCode.CLIENT_REJECTED),
        (Phase.RCPT, "550 5.7.1 Your account has been suspended", ErrorCode.CLIENT_REJECTED),
        (Phase.RCPT, f"550 5.7.1 {RECIPIENT.upper()}: blocked", ErrorCode.RECIPIENT_REJECTED),
        (Phase.RCPT, "550 5.7.1 you may not write to this recipient", ErrorCode.RECIPIENT_REJECTED),
        (Phase.RCPT, "550 5.7.1 Mailbox unavailable", ErrorCode.RECIPIENT_REJECTED),
        # A mailbox that is full is no limit on sending.
        (Phase.RCPT, "552 5.2.2 Mailbox size limit exceeded", ErrorCode.RECIPIENT_REJECTED),
        (Phase.RCPT, "452 4.2.2 Mailbox size limit exceeded", ErrorCode.TEMPORARILY_REJECTED),
        # A recipient who corresponds is no rate.
        (Phase.RCPT, "450 4.2.1 corporate accurate", ErrorCode.TEMPORARILY_REJECTED),
        # A link on a list is the message's fault, an address on one the worker's.
        (Phase.DOT, "554 5.7.1 Contains a URL on the URIBL blacklist", ErrorCode.MESSAGE_REJECTED),
        (Phase.DOT, "554 5.7.1 You are on our blacklist", ErrorCode.CLIENT_REJECTED),
        # Neither good nor bad.
        (Phase.DATA, "250 2.0.0 Ok", ErrorCode.CONNECTION_FAILED),
        (Phase.MAIL, "354 Go on", ErrorCode.CONNECTION_FAILED),
    ],
)
def test_a_reply_that_no_row_is_for(phase: Phase, written: str, code: ErrorCode) -> None:
    assert verdict(phase, reply(written), RECIPIENT).code is code


@pytest.mark.parametrize("word", ["peak ", "mailbox ", "HELO ", "sender ", "limit", "message size "])
def test_a_reply_without_end_costs_little(word: str) -> None:
    began = time.process_time()
    for _ in range(10):
        verdict(Phase.DOT, Reply(554, word * 10_000))
    assert time.process_time() - began < 0.2
