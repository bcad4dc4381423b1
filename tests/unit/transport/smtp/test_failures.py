import errno
import socket
from datetime import timedelta

import pytest

from connector.errors import ErrorCode, Phase, Rejection, Reply
from connector.transport.smtp import failures
from connector.transport.smtp.replies import MalformedReplyError

SERVER = "mail.example.com:587"


def test_a_refusal_shows_what_may_be_shown() -> None:
    reply, shown = Reply(550, "5.4.5 Daily limit of s3cret"), Reply(550, "5.4.5 Daily limit of ***")
    error = failures.refused(Phase.DOT, SERVER, reply, shown)
    assert (error.code, error.phase, error.reply) == (ErrorCode.RATE_LIMITED, Phase.DOT, shown)
    assert error.message.endswith(f"({SERVER} replied: {shown})")
    assert error.retry_after == timedelta(hours=1)


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
        (UnicodeError("label too long"), ErrorCode.DNS_FAILED, Phase.DNS, "not known"),
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


@pytest.mark.parametrize("reply", ["554 5.7.1 Relay access denied", "553 5.7.1 Sender address rejected"])
def test_no_recipient_is_named_for_what_is_not_its_fault(reply: str) -> None:
    refused = Reply(int(reply[:3]), reply[4:])
    error = failures.refused(Phase.RCPT, SERVER, refused, refused, "a@x")
    error.rejected = (Rejection("a@x", refused),)
    message = error.message
    failures.name_refused(error, 1)
    assert error.message == message


def test_a_worker_without_files_left_gives_the_job_back() -> None:
    error = failures.broken(Phase.CONNECT, "mail.example:25", OSError(errno.EMFILE, "Too many open files"))
    assert (error.code, error.spends_retry) == (ErrorCode.CONNECTION_FAILED, False)
    assert error.retry_after == timedelta(seconds=10)
    assert "ulimit -n" in error.message
