"""What every ledger must do for a mail that takes several deliveries."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connector.ledger.ledger import Ledger
from connector.ledger.port import (
    Acknowledged,
    AlreadySent,
    Assumed,
    Attempt,
    DifferentRequest,
    Granted,
    OvertakenError,
    Released,
    Sent,
    State,
    Unanswered,
    Uncertain,
)
from connector.ledger.progress import NO_PROGRESS, Delivered, Mark, Progress
from tests.contract.attempts import HASH, KEY, LONG, OTHER, OVER, RESPONSE, begun
from tests.contract.conftest import Open

MAIL = ("ada", "bob", "cyd")
BUILT = "2026-11-27T08:00:00+01:00"
FIRST = Mark(("ada",), mail=MAIL, built=BUILT, digest="d1")
SECOND = Mark(("bob",), mail=MAIL, built="later", digest="d2")
TOOK_ADA = Delivered(("ada",), "250 2.0.0 first", "2026-11-27T07:00:01Z")
BOB_REFUSED = {"address": "bob", "code": 550, "text": "5.1.1 no such user"}


async def halfway(ledger: Ledger, lease: float = LONG) -> Attempt:
    """Deliver to ada, with bob and cyd still to come."""
    attempt = await begun(ledger, lease)
    await ledger.committing(attempt, FIRST)
    await ledger.settle(attempt, TOOK_ADA)
    return attempt


async def granted(ledger: Ledger, *, resend: bool = False, task: str = "") -> Granted:
    decision = await ledger.begin(KEY, HASH, LONG, resend=resend, task=task)
    assert isinstance(decision, Granted), decision
    return decision


async def test_a_first_attempt_has_no_progress(ledger: Ledger) -> None:
    assert (await granted(ledger)).progress == NO_PROGRESS


async def test_a_delivery_that_is_over_is_known_to_the_next_attempt(ledger: Ledger, open_one: Open) -> None:
    await ledger.settle(await halfway(ledger), Released())
    progress = (await granted(open_one())).progress
    assert progress == Progress(
        MAIL, BUILT, "d1", ("ada",), reply="250 2.0.0 first", sent_at="2026-11-27T07:00:01Z"
    )
    assert progress.left == ("bob", "cyd")


async def test_a_reply_that_comes_before_any_mark_is_not_forgotten_by_the_next_one(ledger: Ledger) -> None:
    """A reply to an attempt whose entry was deleted meanwhile, by hand, and made anew by another."""
    attempt = await begun(ledger)
    await ledger.settle(attempt, TOOK_ADA)
    await ledger.committing(attempt, SECOND)
    with pytest.raises(OvertakenError):
        await ledger.committing(attempt, FIRST)


async def test_a_death_between_deliveries_leaves_no_doubt(ledger: Ledger, open_one: Open) -> None:
    await halfway(ledger, OVER)
    decision = await granted(open_one())
    assert decision.progress.left == ("bob", "cyd")
    assert decision.crashes == 1


async def test_a_death_in_the_second_delivery_leaves_its_recipients_in_doubt(
    ledger: Ledger, open_one: Open
) -> None:
    attempt = await halfway(ledger, OVER)
    await ledger.committing(attempt, SECOND)
    decision = await open_one().begin(KEY, HASH, LONG)
    assert isinstance(decision, Uncertain)
    assert (decision.progress.delivered, decision.progress.pending) == (("ada",), ("bob",))


async def test_recipients_date_and_digest_are_those_of_the_first_delivery(ledger: Ledger) -> None:
    attempt = await halfway(ledger)
    await ledger.committing(attempt, replace(SECOND, mail=("other",)))
    await ledger.settle(attempt, Released())
    progress = (await granted(ledger)).progress
    assert (progress.recipients, progress.built, progress.digest) == (MAIL, BUILT, "d1")


async def test_what_was_refused_after_the_dot_keeps_its_date(ledger: Ledger) -> None:
    attempt = await begun(ledger)
    await ledger.committing(attempt, FIRST)
    await ledger.settle(attempt, Released())
    progress = (await granted(ledger)).progress
    assert (progress.left, progress.built, progress.pending) == (MAIL, BUILT, ())


async def test_recipients_refused_for_good_are_left_out(ledger: Ledger) -> None:
    await ledger.settle(await halfway(ledger), Released(refused=(BOB_REFUSED,)))
    progress = (await granted(ledger)).progress
    assert progress.left == ("cyd",)
    assert progress.refused == (BOB_REFUSED,)


async def test_doubt_that_is_resent_is_about_its_delivery_only(ledger: Ledger) -> None:
    attempt = await halfway(ledger)
    await ledger.committing(attempt, SECOND)
    await ledger.settle(attempt, Unanswered())
    progress = (await granted(ledger, resend=True)).progress
    assert (progress.left, progress.pending) == (("bob", "cyd"), ())


async def test_doubt_that_a_person_decided_is_about_its_delivery_only(ledger: Ledger) -> None:
    attempt = await halfway(ledger)
    await ledger.committing(attempt, SECOND)
    await ledger.settle(attempt, Unanswered())
    await ledger.settle(attempt, Acknowledged(task="t"))
    assert isinstance(await ledger.begin(KEY, HASH, LONG, task="other"), Uncertain)
    assert (await granted(ledger, task="t")).progress.left == ("bob", "cyd")


@pytest.mark.parametrize("noticed", [True, False])
async def test_doubt_that_is_taken_for_delivered_leaves_the_rest(ledger: Ledger, noticed: bool) -> None:
    attempt = await halfway(ledger, OVER)
    await ledger.committing(attempt, SECOND)
    if noticed:
        await ledger.settle(attempt, Unanswered())
    doubt = await ledger.begin(KEY, HASH, LONG)
    assert isinstance(doubt, Uncertain)
    await ledger.settle(doubt.attempt, Assumed())
    progress = (await granted(ledger)).progress
    assert (progress.left, progress.assumed, progress.reply) == (("cyd",), ("bob",), None)


async def test_a_late_reply_to_one_delivery_ends_the_doubt(ledger: Ledger, open_one: Open) -> None:
    attempt = await begun(ledger, OVER)
    await ledger.committing(attempt, FIRST)
    assert isinstance(await open_one().begin(KEY, HASH, LONG), Uncertain)
    await ledger.settle(attempt, TOOK_ADA)
    assert (await granted(open_one())).progress.left == ("bob", "cyd")


async def test_a_late_reply_keeps_a_second_copy_back(ledger: Ledger, open_one: Open) -> None:
    late = await begun(ledger, OVER)
    await ledger.committing(late, FIRST)
    other = open_one()
    successor = await granted(other, resend=True)
    await ledger.settle(late, TOOK_ADA)
    with pytest.raises(OvertakenError, match="has delivered to these"):
        await other.committing(successor.attempt, FIRST)
    await other.committing(successor.attempt, SECOND)


async def test_a_changed_request_does_not_go_on_with_the_rest(ledger: Ledger) -> None:
    await ledger.settle(await halfway(ledger), Released())
    assert await ledger.begin(KEY, OTHER, LONG) == DifferentRequest(State.RELEASED)


async def test_a_changed_request_begins_anew_where_nothing_was_delivered(ledger: Ledger) -> None:
    attempt = await begun(ledger)
    await ledger.committing(attempt, FIRST)
    await ledger.settle(attempt, Released())
    decision = await ledger.begin(KEY, OTHER, LONG)
    assert isinstance(decision, Granted)
    assert decision.progress == NO_PROGRESS


async def test_the_same_delivery_reported_twice_is_one(ledger: Ledger) -> None:
    attempt = await halfway(ledger)
    await ledger.settle(attempt, TOOK_ADA)
    await ledger.settle(attempt, Released())
    assert (await granted(ledger)).progress.delivered == ("ada",)


async def test_a_mail_that_is_sent_needs_no_progress_any_more(ledger: Ledger) -> None:
    await ledger.settle(await halfway(ledger), Sent(RESPONSE))
    (entry,) = await ledger.entries(key=KEY)
    assert entry.progress is None
    assert await ledger.begin(KEY, HASH, LONG) == AlreadySent(RESPONSE)


async def test_how_a_delivery_is_found_again_is_kept_while_it_is_in_doubt(ledger: Ledger) -> None:
    attempt = await begun(ledger)
    await ledger.committing(attempt, replace(FIRST, reference="draft-1"))
    await ledger.settle(attempt, Unanswered())
    doubt = await ledger.begin(KEY, HASH, LONG)
    assert isinstance(doubt, Uncertain)
    assert doubt.progress.reference == "draft-1"
    assert (await granted(ledger, resend=True)).progress.reference == ""


async def test_names_that_are_used_up_are_counted(ledger: Ledger, open_one: Open) -> None:
    for ended in (True, False, True):
        attempt = (await granted(ledger)).attempt
        await ledger.committing(attempt, FIRST)
        await ledger.settle(attempt, Released(ended=ended))
    assert (await granted(open_one())).progress.ended == 2


async def test_they_stay_used_up_when_the_task_asks_for_something_else(ledger: Ledger) -> None:
    attempt = await begun(ledger)
    await ledger.committing(attempt, FIRST)
    await ledger.settle(attempt, Released(ended=True))
    decision = await ledger.begin(KEY, OTHER, LONG)
    assert isinstance(decision, Granted)
    assert decision.progress == Progress(ended=1)


async def test_a_doubt_does_not_use_up_a_name(ledger: Ledger) -> None:
    attempt = await begun(ledger)
    await ledger.committing(attempt, FIRST)
    await ledger.settle(attempt, Unanswered())
    assert (await granted(ledger, resend=True)).progress.ended == 0
