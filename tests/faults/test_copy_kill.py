"""A worker is killed (SIGKILL) between *sent* and the copy: one mail and one copy."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from connector.model.incoming import MailProtocol
from connector.model.job import Complete, Outcome
from connector.secrets.masker import Masker
from connector.send.assembly import open_pipeline
from connector.testing.smtp import SmtpServer
from tests.contract.mailboxes import DovecotPost
from tests.faults.copy_killing import POINTS
from tests.jobs import job
from tests.servers.dovecot import Dovecot
from tests.wire.sent_copies import MAIL, SECRETS, settings_of

# Whether the copy was made by then; one that was not is built anew.
MADE = {"after APPEND", "before the copy is recorded", "the copy is recorded"}
KILLS = [1, pytest.param(20, marks=[pytest.mark.long, pytest.mark.timeout(600)])]


async def _killed(point: str, server: SmtpServer, post: DovecotPost, ledger: Path) -> None:
    arguments = (str(server.port), str(post.server.ports["imaps"]), post.user, str(post.server.ca_file))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.copy_killing", point, *arguments, str(ledger)),
        cwd=Path(__file__).parents[2],
    )
    assert await process.wait() == -signal.SIGKILL


async def _again(server: SmtpServer, post: DovecotPost, ledger: Path) -> Outcome:
    """Let another worker have the job until the lease of the dead one has ended."""
    settings = settings_of(post, server.port, ledger, **{"worker.lease": "5"})
    async with asyncio.timeout(30), open_pipeline(settings, Masker(), SECRETS) as opened:
        while not isinstance(outcome := await opened.handle(job(MAIL)), Complete):
            assert "CANCELLED" in getattr(outcome, "message", ""), outcome
            await asyncio.sleep(0.05)
        return outcome


@pytest.mark.parametrize("kills", KILLS)
@pytest.mark.parametrize("point", POINTS)
async def test_kill_at_the_copy(dovecot: Dovecot, tmp_path: Path, point: str, kills: int) -> None:
    for number in range(kills):
        post, ledger = DovecotPost(dovecot, MailProtocol.IMAP), tmp_path / f"ledger-{number}"
        async with SmtpServer() as server:
            await _killed(point, server, post, ledger)
            before = post.found("Sent")
            assert (len(server.received), len(before)) == (1, int(point in MADE))
            outcome = await _again(server, post, ledger)
            assert len(server.received) == 1
        assert isinstance(outcome, Complete)
        response = outcome.variables["response"]
        (copy,) = post.found("Sent")
        assert copy.startswith(b"X-Copy: rebuilt\r\n") is (point not in MADE)
        assert server.received[0].data.partition(b"\r\n\r\n")[2] in copy
        assert (response["duplicate"], response["copy"]["folder"]) == (True, "Sent")
