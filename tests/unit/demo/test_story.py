"""What the demo prints."""

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from connector.demo.inbox import read_mail
from connector.demo.story import Story, printable
from connector.model.job import Complete, Fail, Throw
from connector.testing.smtp import ReceivedMail
from tests.jobs import job

Wrap = Callable[..., ReceivedMail]


@pytest.fixture
def paper() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def story(paper: io.StringIO) -> Story:
    return Story(Console(file=paper, width=100, highlight=False))


def test_the_mail_is_shown_with_its_headers_and_text(
    story: Story, paper: io.StringIO, received: Wrap
) -> None:
    story.mail(read_mail(1, received()))
    shown = paper.getvalue()
    assert "Order désk <orders@example.com>" in shown
    assert "A long subject, grüße" in shown
    assert "High" in shown
    assert "Grüße" in shown
    assert ".html (text/html)" in shown


def test_a_mail_cannot_talk_to_the_terminal(story: Story, paper: io.StringIO, received: Wrap) -> None:
    data = b"Subject: \x1b]0;owned\x07 [red]markup[/red]\r\nTo: \x9b31m\r\n\r\n\x1b[2J\x08text\r\n"
    story.mail(read_mail(1, received(data)))
    story.mail_accepted(read_mail(1, received(data)))
    shown = paper.getvalue()
    assert "\x1b" not in shown
    assert "\x07" not in shown
    assert "[red]markup[/red]" in shown, "brackets are text"
    assert "text" in shown


def test_line_ends_are_kept_and_controls_are_not() -> None:
    assert (
        printable("a\r\nb\tc\x00d\u202ee")
        == "a\nb\N{REPLACEMENT CHARACTER}c\N{REPLACEMENT CHARACTER}d\N{REPLACEMENT CHARACTER}e"
    )


def test_each_outcome_has_its_words(story: Story, paper: io.StringIO) -> None:
    send = job({})
    story.job_done(send, Complete())
    story.job_done(send, Throw("NO_CUSTOMER", "There is none."))
    story.job_done(send, Fail("RATE_LIMITED: slow down", retries=2, backoff=30))
    story.job_done(send, Fail("AUTH_FAILED: wrong password", retries=0))
    completed, thrown, again, why, failed = paper.getvalue().splitlines()
    assert completed.startswith("✓ Job completed       send, ")
    assert thrown == "! BPMN error          send, NO_CUSTOMER: There is none."
    assert again == "! Attempt failed      send, again in 30 s, 2 more attempts at most"
    assert why.strip() == "RATE_LIMITED: slow down"
    assert failed == "✗ The job failed: send, AUTH_FAILED: wrong password"


def test_the_result_is_shown_as_json(story: Story, paper: io.StringIO) -> None:
    story.result(4711, {"mail": {"status": "SUCCESS", "reply": "250 2.0.0 Ok [x]"}})
    shown = paper.getvalue()
    assert "4711" in shown
    assert '"status": "SUCCESS"' in shown
    assert "250 2.0.0 Ok [x]" in shown
