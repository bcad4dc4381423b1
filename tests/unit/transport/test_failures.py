import socket

import pytest

from connector.errors import ErrorCode, Phase, Rejection, Reply
from connector.transport.smtp import failures
from connector.transport.smtp.replies import MalformedReplyError

SERVER = "mail.example.com:587"


@pytest.mark.parametrize(
    ("phase", "reply", "code"),
    [
        # 5xx by phase: contract, section 4.
        (Phase.GREETING, "554 5.7.1 Client host blocked", ErrorCode.MESSAGE_REJECTED),
        (Phase.EHLO, "550 Access denied", ErrorCode.MESSAGE_REJECTED),
        (Phase.STARTTLS, "501 5.5.4 No", ErrorCode.TLS_FAILED),
        (Phase.AUTH, "535 5.7.8 Error: authentication failed", ErrorCode.AUTH_FAILED),
        (Phase.MAIL, "553 5.7.1 Sender address rejected: not owned by user", ErrorCode.SENDER_REJECTED),
        (Phase.RCPT, "550 5.1.1 User unknown", ErrorCode.RECIPIENT_REJECTED),
        (Phase.RCPT, "552 5.2.2 Mailbox full", ErrorCode.RECIPIENT_REJECTED),
        (Phase.DATA, "554 5.5.1 Error: no valid recipients", ErrorCode.MESSAGE_REJECTED),
        (Phase.DOT, "554 5.7.1 Spam", ErrorCode.MESSAGE_REJECTED),
        # Sizes, in the words of Postfix, Exchange and of RFC 1870.
        (Phase.MAIL, "552 5.3.4 Message size exceeds fixed limit", ErrorCode.MESSAGE_TOO_LARGE),
        (Phase.DOT, "552 5.3.4 Error: message file too big", ErrorCode.MESSAGE_TOO_LARGE),
        (Phase.DOT, "550 5.2.3 RESOLVER.RST.RecipSizeLimit", ErrorCode.MESSAGE_TOO_LARGE),
        (Phase.MAIL, "552 message size exceeds fixed maximium message size", ErrorCode.MESSAGE_TOO_LARGE),
        (Phase.DOT, "552 Requested action aborted: exceeded storage", ErrorCode.MESSAGE_REJECTED),
        # 4xx.
        (Phase.GREETING, "421 4.3.2 Too busy", ErrorCode.TEMPORARILY_REJECTED),
        (Phase.RCPT, "450 4.2.0 Greylisted", ErrorCode.TEMPORARILY_REJECTED),
        (Phase.RCPT, "452 4.5.3 Too many recipients", ErrorCode.TEMPORARILY_REJECTED),
        (Phase.DOT, "451 4.3.0 Queue file write error", ErrorCode.TEMPORARILY_REJECTED),
        (Phase.AUTH, "454 4.7.0 Temporary authentication failure", ErrorCode.AUTH_UNAVAILABLE),
        (Phase.AUTH, "421 4.7.0 Closing", ErrorCode.TEMPORARILY_REJECTED),
        # Rate limits, in the words of Gmail, Amazon SES, Exchange and Postfix.
        (Phase.DOT, "421 4.7.28 unusual rate of unsolicited mail", ErrorCode.RATE_LIMITED),
        (Phase.DOT, "454 Throttling failure: Maximum sending rate exceeded.", ErrorCode.RATE_LIMITED),
        (Phase.MAIL, "432 4.3.2 Concurrent connections limit exceeded", ErrorCode.RATE_LIMITED),
        (Phase.MAIL, "451 4.7.500 Server busy", ErrorCode.RATE_LIMITED),
        (Phase.GREETING, "421 4.7.0 Error: too many connections from 192.0.2.1", ErrorCode.RATE_LIMITED),
        (Phase.MAIL, "450 4.7.1 Error: too much mail, separate them", ErrorCode.TEMPORARILY_REJECTED),
        # A recipient who corresponds is no rate.
        (Phase.RCPT, "450 4.2.1 corporate accurate", ErrorCode.TEMPORARILY_REJECTED),
        # Neither good nor bad.
        (Phase.DATA, "250 2.0.0 Ok", ErrorCode.CONNECTION_FAILED),
        (Phase.MAIL, "354 Go on", ErrorCode.CONNECTION_FAILED),
    ],
)
def test_the_code_of_a_reply(phase: Phase, reply: str, code: ErrorCode) -> None:
    number, _, text = reply.partition(" ")
    shown = Reply(int(number), "what may be shown")
    error = failures.refused(phase, SERVER, Reply(int(number), text), shown)
    assert error.code is code
    assert error.phase is phase
    assert error.reply == shown
    assert error.message.endswith(f"({SERVER} replied: {shown})")


@pytest.mark.parametrize(
    ("refused", "named"),
    [(1, "a0@x"), (3, "a0@x, a1@x, a2@x"), (4, "a0@x, a1@x, a2@x, …")],
)
def test_the_first_of_those_refused_for_good_are_named(refused: int, named: str) -> None:
    error = failures.timed_out(Phase.RCPT, SERVER, "smtp.timeouts.command", 60)
    gone = [Rejection(f"a{number}@x", Reply(550, "5.1.1 No")) for number in range(refused)]
    error.rejected = (Rejection("later@x", Reply(450, "4.2.0 Wait")), *gone)
    failures.name_refused(error, 9)
    assert error.message.endswith(f" Refused for good: {refused} of 9 recipients ({named}).")
    assert str(error) == error.message


def test_those_refused_for_now_are_not_named() -> None:
    error = failures.timed_out(Phase.RCPT, SERVER, "smtp.timeouts.command", 60)
    error.rejected = (Rejection("later@x", Reply(450, "4.2.0 Wait")),)
    message = error.message
    failures.name_refused(error, 1)
    assert error.message == message


@pytest.mark.parametrize(
    ("cause", "code", "phase", "words"),
    [
        (socket.gaierror(-2, "Name or service not known"), ErrorCode.DNS_FAILED, Phase.DNS, "not known"),
        (UnicodeError("label too long"), ErrorCode.DNS_FAILED, Phase.DNS, "label too long"),
        (ConnectionRefusedError(111, "x"), ErrorCode.CONNECTION_FAILED, Phase.CONNECT, "refuses the conn"),
        (OSError(113, "No route to host"), ErrorCode.CONNECTION_FAILED, Phase.CONNECT, "No route to host"),
        (
            MalformedReplyError("no SMTP reply"),
            ErrorCode.CONNECTION_FAILED,
            Phase.CONNECT,
            "as a mail server",
        ),
    ],
)
def test_the_code_of_a_broken_connection(cause: Exception, code: ErrorCode, phase: Phase, words: str) -> None:
    error = failures.broken(Phase.CONNECT, SERVER, cause)
    assert (error.code, error.phase) == (code, phase)
    assert words in error.message
    assert SERVER in error.message
    assert error.code.retryable


def test_uncertain_is_not_retried_and_says_what_to_do() -> None:
    error = failures.uncertain(SERVER, "the server closed the connection")
    assert (error.code, error.phase, error.code.retryable) == (
        ErrorCode.DELIVERY_UNCERTAIN,
        Phase.DOT,
        False,
    )
    assert "may or may not have been delivered" in error.message
