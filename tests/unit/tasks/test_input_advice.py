"""Names that are probably a slip."""

from itertools import count

import pytest

from connector.tasks.input_advice import misspelling_warnings

KNOWN = (
    "authentication",
    "account",
    "smtpEmailSubject",
    "smtpEmailCopy",
    "smtpEmailContent",
    "smtpEmailMailBoxName",
    "smtpEmailToRecipients",
    "smtpEmailCcRecipients",
    "smtpEmailFollowUp",
    "smtpFollowUp",
)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("smtpEmailSubjet", "smtpEmailSubject"),
        ("smtpemailsubject", "smtpEmailSubject"),
        ("SMTP_EMAIL_SUBJECT", "smtpEmailSubject"),
        ("stmpEmailSubject", "smtpEmailSubject"),
        ("smptEmailCcRecipient", "smtpEmailCcRecipients"),
        ("smtpMailFollowUp", "smtpEmailFollowUp"),
        ("smtpFolowUp", "smtpFollowUp"),
        ("smtpEmail", "smtpEmailSubject"),
        ("smtpEmailCc", "smtpEmailCcRecipients"),
        ("smtpEmailTo", "smtpEmailToRecipients"),
        ("smtpEmailBody", "smtpEmailContent"),
        ("smtpEmailFrom", "smtpEmailMailBoxName"),
    ],
)
def test_a_slip_names_the_nearest(name: str, near: str) -> None:
    (warning,) = misspelling_warnings([name], KNOWN)
    assert repr(name) in warning
    assert f"did you mean {near}?" in warning


@pytest.mark.parametrize(
    "name",
    [*KNOWN, "emailSubject", "subject", "smtpHost", "smtp", "email", "followUp", "mailBoxName", "", "e"],
)
def test_a_variable_of_the_process_is_none(name: str) -> None:
    assert misspelling_warnings([name], KNOWN) == ()


def test_an_input_that_is_refused_is_no_slip_beside() -> None:
    assert misspelling_warnings(["smtpEmailTrackReplies"], KNOWN) == ()


def test_warnings_are_few_short_and_printable() -> None:
    names = [f"smtpEmail\r\n{number}" + "x" * 1_000_000 for number in range(30)]
    warnings = misspelling_warnings(names, KNOWN)
    assert len(warnings) == 11
    assert warnings[-1] == "… and 20 more names like these"
    assert all(warning.isprintable() and len(warning) < 200 for warning in warnings)


@pytest.mark.parametrize("written", ["stmpEmail{}", "smtpEma{}", "{}"])
def test_any_number_of_names_is_looked_at_only_so_far(written: str) -> None:
    names = (written.format(number) for number in count())  # without an end: a loop over them would hang
    assert len(misspelling_warnings(names, KNOWN)) <= 11
