"""The worker is killed (SIGKILL) at each point of a job's way, and another one finds what it left.

Nothing may be lost. A mail may arrive twice only where its final dot was out and the operator has chosen
``resend``; else such a mail is a person's decision, or taken for sent.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal

import pytest

from connector.testing.behaviour import Hold, Verb
from tests.faults.site import END, RESULT_VARIABLE, UNCERTAIN, Site
from tests.faults.verdicts import Table

Policy = Literal["incident", "resend", "assume-sent"]

# More than two kernels buffer between them: while the server does not read, the dot is still in the worker.
_BULK = 16_000_000


@dataclass(frozen=True, slots=True)
class Point:
    """Where the worker dies.

    Attributes:
        trap: A point within the worker, of :mod:`tests.faults.trap`.
        hold: A point at which the server holds the worker up instead.
        kept: With ``Verb.DOT``, whether the server has taken the mail before it is held.
        copies: How many copies there are when the worker is dead.
        in_doubt: Whether the final dot may have gone out and its reply was not recorded.
    """

    trap: str | None = None
    hold: Verb | None = None
    kept: bool = False
    copies: int = 0
    in_doubt: bool = False

    def doubled_by(self, policy: Policy) -> bool:
        """Whether the operator's choice sends a second copy."""
        return self.in_doubt and self.copies == 1 and policy == "resend"

    def lost_by(self, policy: Policy) -> bool:
        """Whether the operator's choice takes a mail for sent that was not."""
        return self.in_doubt and self.copies == 0 and policy == "assume-sent"


POINTS = {
    "after the activation": Point(trap="activated"),
    "after the ledger's begin": Point(trap="begun"),
    "while it connects": Point(hold=Verb.CONNECT),
    "after MAIL": Point(hold=Verb.MAIL),
    "after RCPT": Point(hold=Verb.RCPT),
    "after DATA": Point(hold=Verb.DATA),
    "in the middle of the content": Point(hold=Verb.CONTENT),
    "after the commit is recorded, before the dot": Point(trap="committing", in_doubt=True),
    "after the dot, not taken": Point(hold=Verb.DOT, in_doubt=True),
    "after the dot, taken": Point(hold=Verb.DOT, kept=True, copies=1, in_doubt=True),
    "after the reply, before it is recorded": Point(trap="replied", copies=1, in_doubt=True),
    "after the reply is recorded": Point(trap="settled", copies=1),
    "after the engine has heard it": Point(trap="reported", copies=1),
}
POLICIES: tuple[Policy, ...] = ("incident", "resend", "assume-sent")
CASES = [
    pytest.param(name, policy, id=f"{name}, {policy}" if POINTS[name].in_doubt else name)
    for name in POINTS
    for policy in (POLICIES if POINTS[name].in_doubt else POLICIES[:1])
]
KILLS = [1, pytest.param(25, marks=[pytest.mark.long, pytest.mark.timeout(900)])]


@pytest.mark.parametrize("kills", KILLS)
@pytest.mark.parametrize(("name", "policy"), CASES)
async def test_kill(site: Site, table: Table, name: str, policy: Policy, kills: int) -> None:
    point = POINTS[name]
    bulk = site.directory / "bulk"
    bulk.write_bytes(bytes(_BULK if point.hold is Verb.CONTENT else 1))
    process = await site.deploy({"smtpEmailAttachments": [str(bulk)]})
    fault = f"kill -9 {name}" + (f" ({policy})" if point.in_doubt else "")
    with table.row(fault) as row:
        for number in range(kills):
            await one_kill(site, process, point, f"kill {number}", policy)
        site.judge(row, twice=kills * point.doubled_by(policy), lost=kills * point.lost_by(policy))


async def one_kill(site: Site, process: str, point: Point, subject: str, policy: Policy) -> None:
    settings = {"ledger.uncertain": policy, "worker.lease": "1", "attachments.roots": str(site.directory)}
    hold = Hold()
    if point.hold is not None:
        site.smtp.behaviour.on(point.hold, hold, times=1, keep=point.kept)
    async with site.worker(settings, die_at=point.trap) as worker:
        await site.start(process, [subject])
        if point.hold is not None:
            async with asyncio.timeout(20):
                await hold.reached.wait()
            worker.process.kill()
        await worker.ended()
    assert site.copies()[subject] == point.copies
    async with site.worker(settings):
        await site.all_over()
        await found(site, subject, point, policy)


async def found(site: Site, subject: str, point: Point, policy: Policy) -> None:
    """Check what the next worker made of it."""
    job, copies = site.instance(subject), site.copies
    if not point.in_doubt:
        assert (job.end, job.incidents, copies()[subject]) == (END, [], 1)
    elif policy == "resend":
        assert (job.end, job.incidents, copies()[subject]) == (END, [], point.copies + 1)
    elif policy == "assume-sent":
        assert (job.end, job.incidents, copies()[subject]) == (END, [], point.copies)
        assert any("uncertain" in warning for warning in job.variables[RESULT_VARIABLE]["warnings"])
    else:
        assert (job.end, job.incidents, copies()[subject]) == (None, [UNCERTAIN], point.copies)
        await decided_to_send_again(site, subject, point)


async def decided_to_send_again(site: Site, subject: str, point: Point) -> None:
    """A person retries the incident: one more copy, with the Message-ID of the first."""
    await site.retry(subject)
    await site.all_over()
    assert site.instance(subject).end == END
    assert site.copies()[subject] == point.copies + 1
