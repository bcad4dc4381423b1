"""Mails as strangers and old programs write them: each is read without an exception, into what it says.

Beside each mail lies what is read out of it, which a person has looked at.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.mailbox.awkward_results import shown

MAILS = sorted((Path(__file__).parent / "awkward").glob("*.eml"))


def test_there_are_sixty_at_least() -> None:
    assert len(MAILS) >= 60


@pytest.mark.parametrize("mail", MAILS, ids=lambda mail: mail.stem)
def test_an_awkward_mail_is_read(mail: Path) -> None:
    assert shown(mail.read_bytes()) == json.loads(mail.with_suffix(".json").read_text("utf-8"))


@pytest.mark.parametrize("mail", MAILS, ids=lambda mail: mail.stem)
def test_a_cut_mail_is_read(mail: Path) -> None:
    octets = mail.read_bytes()[:3_000]
    for end in range(0, len(octets), 37):
        json.dumps(shown(octets[:end]), ensure_ascii=False).encode()
