"""SpamAssassin's local rules on a mail of each form of content: no header of ours costs a point."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.forms import sent

# What a task asks for, and not how it is written: HTML without a text part, a text that differs from the
# HTML, an empty body are the modeler's choice.
_OF_THE_CONTENT = {
    *("MIME_HTML_ONLY", "HTML_MIME_NO_HTML_TAG", "HTML_IMAGE_ONLY_04"),
    *("MIME_HTML_MOSTLY", "MPART_ALT_DIFF", "EMPTY_MESSAGE"),
}
# Costs a point for X-Priority in a mail that neither DKIM nor SPF vouches for; the documentation says so.
_OF_THE_SENDING_DOMAIN = {"XPRIO"}
_RULE = re.compile(r"^ *(-?\d+\.\d) (\w+) ", re.MULTILINE)
_EVERY_HEADER: dict[str, Any] = {
    "authentication": {"hostname": "localhost", "port": 25},
    "smtpEmailMailBoxName": "Order desk <orders@example.test>",
    "smtpEmailToRecipients": ["Bob <bob@example.test>"],
    "smtpEmailCcRecipients": ["cyd@example.test"],
    "smtpEmailSubject": "Your order 4711",
    "smtpEmailContent": "Hello Bob,\nyour order is on its way.\n",
    "smtpEmailImportance": "high",
    "smtpEmailSensitivity": "confidential",
    "smtpEmailReadReceipt": True,
    "smtpEmailFollowUp": "P3D",
    "smtpEmailDirectReplyTo": ["sales@example.test"],
    "smtpEmailInReplyTo": ["<1.first@example.test>"],
    "smtpEmailReferences": ["<1.first@example.test>"],
    "smtpEmailHeaders": {"X-Case": "4711"},
    "smtpEmailUnsubscribe": {"url": "https://example.test/leave", "oneClick": True},
}


def _with_every_header(directory: Path) -> bytes:
    """A mail with all that a task can ask of its header."""
    task = directory / "task.json"
    task.write_text(json.dumps(_EVERY_HEADER))
    command = [sys.executable, "-m", "connector", "send", str(task), "--dry-run", "-"]
    environ = {**os.environ, "SMTP_CONNECTOR_LEDGER_KIND": "memory"}
    return subprocess.run(command, check=True, capture_output=True, timeout=60, env=environ).stdout


def test_no_header_costs_a_point(tmp_path: Path) -> None:
    if (spamassassin := shutil.which("spamassassin")) is None:
        pytest.skip("spamassassin is not installed")
    mails = asyncio.run(sent()) | {"every header": _with_every_header(tmp_path)}
    mbox = b"".join(
        b"From a@b Thu Nov 26 10:00:00 2026\n" + mail.replace(b"\r\n", b"\n").rstrip(b"\n") + b"\n\n"
        for mail in mails.values()
    )
    command = [spamassassin, "--local", "--test-mode", "--mbox"]
    environ = {**os.environ, "HOME": str(tmp_path)}
    done = subprocess.run(command, input=mbox, capture_output=True, timeout=100, check=False, env=environ)
    reports = done.stdout.decode(errors="replace").split("Content analysis details:")[1:]
    assert len(reports) == len(mails), done.stderr
    costly = {rule for report in reports for points, rule in _RULE.findall(report) if float(points) > 0}
    assert costly - _OF_THE_CONTENT - _OF_THE_SENDING_DOMAIN == set()
