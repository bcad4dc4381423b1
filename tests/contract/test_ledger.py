"""What every ledger must do: in memory, in an SQLite file, in PostgreSQL.

A lease of zero seconds is one that has ended, so no test waits for time to pass.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from connector.ledger.ledger import Ledger
from connector.ledger.port import (
    Acknowledged,
    AlreadySent,
    Copied,
    CopyOwed,
    DifferentRequest,
    Granted,
    HeldElsewhere,
    OvertakenError,
    Released,
    Sent,
    State,
    Suspect,
    Unanswered,
    Uncertain,
)
from tests.contract.attempts import HASH, KEY, LONG, MARK, OTHER, OVER, RESPONSE, begun, committed
from tests.contract.conftest import Open


async def state(ledger: Ledger, key: str = KEY) -> State:
    (entry,) = await ledger.entries(key=key)
    return entry.state


async def test_a_new_mail_is_granted_and_attempting(ledger: Ledger) -> None:
    decision = await ledger.begin(KEY, HASH, LONG)
    assert isinstance(decision, Granted)
    assert (decision.attempt.key, decision.attempt.number, decision.crashes) == (KEY, 1, 0)
    assert await state(ledger) is State.ATTEMPTING


async def test_a_sent_mail_is_answered_from_the_record_by_everyone(ledger: Ledger, open_one: Open) -> None:
    await ledger.settle(await committed(ledger), Sent(RESPONSE))
    assert await ledger.begin(KEY, HASH, LONG) == AlreadySent(RESPONSE)
    assert await open_one().begin(KEY, HASH, LONG, resend=True) == AlreadySent(RESPONSE)


async def test_a_copy_that_is_owed_is_made_by_one_attempt_at_a_time(ledger: Ledger, open_one: Open) -> None:
    await ledger.settle(await committed(ledger), Sent(RESPONSE, copying=True))
    other = open_one()
    assert isinstance(await other.begin(KEY, HASH, LONG), HeldElsewhere)
    assert await other.begin(KEY, OTHER, LONG) == DifferentRequest(State.SENT)
    assert await state(ledger) is State.SENT


async def test_a_copy_that_is_made_is_in_the_recorded_response(ledger: Ledger, open_one: Open) -> None:
    attempt = await committed(ledger)
    await ledger.settle(attempt, Sent(RESPONSE, copying=True))
    await ledger.settle(attempt, Copied('{"copy": "INBOX"}'))
    await ledger.settle(attempt, Copied("{}"))
    assert await open_one().begin(KEY, HASH, LONG) == AlreadySent('{"copy": "INBOX"}')


async def test_who_finds_a_copy_owed_makes_it(ledger: Ledger, open_one: Open) -> None:
    await ledger.settle(await committed(ledger, OVER), Sent(RESPONSE, copying=True))
    decision = await open_one().begin(KEY, HASH, LONG)
    assert isinstance(decision, AlreadySent)
    assert decision.copying is not None
    assert (decision.response, decision.copying.number) == (RESPONSE, 2)
    assert isinstance(await ledger.begin(KEY, HASH, LONG), HeldElsewhere)
    await ledger.extend([decision.copying])
    await ledger.settle(decision.copying, CopyOwed())
    again = await ledger.begin(KEY, HASH, LONG)
    assert isinstance(again, AlreadySent)
    assert again.copying is not None
    await ledger.settle(again.copying, Copied("{}"))
    assert await ledger.begin(KEY, HASH, LONG) == AlreadySent("{}")


async def test_no_copy_is_recorded_where_none_is_owed(ledger: Ledger) -> None:
    attempt = await committed(ledger)
    await ledger.settle(attempt, Copied("{}"))
    await ledger.settle(attempt, Sent(RESPONSE))
    await ledger.settle(attempt, Copied("{}"))
    assert await ledger.begin(KEY, HASH, LONG) == AlreadySent(RESPONSE)


@pytest.mark.parametrize("committing", [False, True])
async def test_a_mail_in_hand_is_nobody_elses(ledger: Ledger, open_one: Open, committing: bool) -> None:
    await (committed if committing else begun)(ledger)
    for other in (ledger, open_one()):
        decision = await other.begin(KEY, OTHER, LONG, resend=True)
        assert isinstance(decision, HeldElsewhere)
        assert LONG - 60 < decision.remaining <= LONG


async def test_a_released_mail_is_granted_at_once_with_its_attempts_counted(
    ledger: Ledger, open_one: Open
) -> None:
    await ledger.settle(await begun(ledger), Released())
    assert await state(ledger) is State.RELEASED
    again = await open_one().begin(KEY, HASH, LONG)
    assert isinstance(again, Granted)
    assert (again.attempt.number, again.crashes) == (2, 0)


async def test_a_changed_request_replaces_one_that_failed_safely(ledger: Ledger) -> None:
    await ledger.settle(await begun(ledger), Released())
    decision = await ledger.begin(KEY, OTHER, LONG)
    assert isinstance(decision, Granted)
    await ledger.committing(decision.attempt, MARK)
    await ledger.settle(decision.attempt, Sent("{}"))
    assert await ledger.begin(KEY, OTHER, LONG) == AlreadySent("{}")
    assert await ledger.begin(KEY, HASH, LONG) == DifferentRequest(State.SENT)


async def test_a_rejection_after_the_dot_is_safe_to_try_again(ledger: Ledger) -> None:
    await ledger.settle(await committed(ledger), Released())
    assert (await begun(ledger)).number == 2


async def test_a_lease_that_ends_while_attempting_is_taken_over_and_counted(
    ledger: Ledger, open_one: Open
) -> None:
    await begun(ledger, OVER)
    await begun(open_one(), OVER)
    decision = await ledger.begin(KEY, OTHER, LONG)
    assert isinstance(decision, Granted)
    assert (decision.attempt.number, decision.crashes) == (3, 2)


async def test_a_suspect_is_not_reserved(ledger: Ledger, open_one: Open) -> None:
    """An attempt that only waits for its turn when the worker dies has not crashed."""
    for one in (ledger, open_one()):
        await begun(one, OVER)
    for _ in range(2):
        assert await ledger.begin(KEY, HASH, LONG, suspect_after=2) == Suspect()
    decision = await ledger.begin(KEY, HASH, LONG)
    assert isinstance(decision, Granted)
    assert (decision.attempt.number, decision.crashes) == (3, 2)


async def test_a_settlement_ends_the_count_of_crashes(ledger: Ledger) -> None:
    await begun(ledger, OVER)
    await ledger.settle(await begun(ledger), Released())
    decision = await ledger.begin(KEY, HASH, LONG)
    assert isinstance(decision, Granted)
    assert (decision.attempt.number, decision.crashes) == (3, 0)


async def test_who_was_overtaken_must_not_send(ledger: Ledger, open_one: Open) -> None:
    late = await begun(ledger, OVER)
    await begun(open_one())
    with pytest.raises(OvertakenError, match=KEY):
        await ledger.committing(late, MARK)
    await ledger.settle(late, Released())  # nor has it a say in what becomes of the mail
    await ledger.settle(late, Unanswered())
    assert await state(ledger) is State.ATTEMPTING


async def test_who_was_overtaken_by_a_later_attempt_of_its_own_must_not_send(ledger: Ledger) -> None:
    late = await begun(ledger, OVER)
    second = await begun(ledger)
    with pytest.raises(OvertakenError):
        await ledger.committing(late, MARK)
    await ledger.settle(late, Unanswered())
    await ledger.committing(second, MARK)


@pytest.mark.parametrize("later", [Released(), Unanswered(), Acknowledged(), Sent('"another reply"')])
async def test_sent_is_final(ledger: Ledger, open_one: Open, later: Released | Sent) -> None:
    attempt = await committed(ledger)
    await ledger.settle(attempt, Sent(RESPONSE))
    await open_one().settle(attempt, later)
    assert await ledger.begin(KEY, HASH, LONG) == AlreadySent(RESPONSE)


async def test_a_lease_that_ended_is_renewed_by_committing_if_nobody_came(
    ledger: Ledger, open_one: Open
) -> None:
    attempt = await begun(ledger, OVER)
    await ledger.committing(replace(attempt, lease=LONG), MARK)
    assert isinstance(await open_one().begin(KEY, HASH, LONG), HeldElsewhere)


async def test_committing_twice_is_committing_once(ledger: Ledger) -> None:
    attempt = await committed(ledger)
    await ledger.committing(attempt, MARK)
    assert await state(ledger) is State.COMMITTING


@pytest.mark.parametrize("settlement", [Sent("{}"), Released(), Unanswered()])
async def test_a_settled_attempt_cannot_commit(ledger: Ledger, settlement: Sent | Released) -> None:
    attempt = await begun(ledger)
    await ledger.settle(attempt, settlement)
    with pytest.raises(OvertakenError):
        await ledger.committing(attempt, MARK)


async def test_a_lease_that_ends_in_committing_leaves_doubt(ledger: Ledger, open_one: Open) -> None:
    attempt = await committed(ledger, OVER)
    doubt = await open_one().begin(KEY, HASH, LONG)
    assert isinstance(doubt, Uncertain)
    assert (doubt.attempt.number, doubt.attempt.owner) == (attempt.number, attempt.owner)
    assert await state(ledger) is State.UNCERTAIN
    again = await ledger.begin(KEY, HASH, LONG)
    assert isinstance(again, Uncertain)
    assert again.since == doubt.since


async def test_a_doubt_dates_from_the_dot_and_not_from_its_discovery(ledger: Ledger, open_one: Open) -> None:
    await committed(ledger, OVER)
    (marked,) = await ledger.entries(key=KEY)
    doubt = await open_one().begin(KEY, HASH, LONG)
    assert isinstance(doubt, Uncertain)
    assert doubt.since == marked.changed


async def test_a_lost_reply_leaves_doubt(ledger: Ledger, open_one: Open) -> None:
    await ledger.settle(await committed(ledger), Unanswered())
    assert isinstance(await open_one().begin(KEY, HASH, LONG), Uncertain)


@pytest.mark.parametrize("noticed", [False, True])
async def test_another_request_under_a_key_in_doubt_is_refused(ledger: Ledger, noticed: bool) -> None:
    await committed(ledger, OVER)
    if noticed:
        await ledger.begin(KEY, HASH, LONG)
    expected = DifferentRequest(State.UNCERTAIN if noticed else State.COMMITTING)
    assert await ledger.begin(KEY, OTHER, LONG, resend=True) == expected


async def test_policy_incident_sends_again_only_when_acknowledged(ledger: Ledger, open_one: Open) -> None:
    await ledger.settle(await committed(ledger), Unanswered())
    other = open_one()
    doubt = await other.begin(KEY, HASH, LONG)
    assert isinstance(doubt, Uncertain)
    await other.settle(doubt.attempt, Acknowledged())
    assert await state(ledger) is State.ACKNOWLEDGED
    decision = await ledger.begin(KEY, OTHER, LONG)
    assert isinstance(decision, Granted)
    assert (decision.attempt.number, decision.crashes) == (2, 0)


async def test_an_acknowledged_mail_is_held_for_a_while(ledger: Ledger, open_one: Open) -> None:
    attempt = await committed(ledger)
    await ledger.settle(attempt, Unanswered())
    await ledger.settle(attempt, Acknowledged(hold=LONG))
    decision = await open_one().begin(KEY, HASH, LONG, resend=True)
    assert isinstance(decision, HeldElsewhere)


async def test_it_is_acknowledged_for_one_task(ledger: Ledger, open_one: Open) -> None:
    attempt = await committed(ledger)
    await ledger.settle(attempt, Unanswered())
    await ledger.settle(attempt, Acknowledged(task="12"))
    other = await open_one().begin(KEY, HASH, LONG, task="13")
    assert isinstance(other, Uncertain)
    assert await ledger.begin(KEY, OTHER, LONG, task="13") == DifferentRequest(State.ACKNOWLEDGED)
    await ledger.settle(other.attempt, Acknowledged(task="13"))
    assert isinstance(await ledger.begin(KEY, HASH, LONG, task="12"), Uncertain)
    assert isinstance(await ledger.begin(KEY, HASH, LONG, task="13"), Granted)


async def test_only_what_is_in_doubt_can_be_acknowledged(ledger: Ledger) -> None:
    attempt = await committed(ledger)
    await ledger.settle(attempt, Acknowledged())
    assert await state(ledger) is State.COMMITTING


async def test_policy_resend_takes_a_mail_in_doubt_over(ledger: Ledger, open_one: Open) -> None:
    await committed(ledger, OVER)
    decision = await open_one().begin(KEY, HASH, LONG, resend=True)
    assert isinstance(decision, Granted)
    assert (decision.attempt.number, decision.crashes) == (2, 1)


async def test_policy_assume_sent_settles_a_mail_in_doubt(ledger: Ledger, open_one: Open) -> None:
    await committed(ledger, OVER)
    doubt = await open_one().begin(KEY, HASH, LONG)
    assert isinstance(doubt, Uncertain)
    await open_one().settle(doubt.attempt, Sent(RESPONSE))
    assert await ledger.begin(KEY, HASH, LONG) == AlreadySent(RESPONSE)


async def test_a_late_reply_ends_the_doubt(ledger: Ledger, open_one: Open) -> None:
    late = await committed(ledger, OVER)
    assert isinstance(await open_one().begin(KEY, HASH, LONG), Uncertain)
    await ledger.settle(late, Sent(RESPONSE))
    assert await ledger.begin(KEY, HASH, LONG) == AlreadySent(RESPONSE)


async def test_a_late_reply_does_not_pass_for_the_one_to_a_mail_that_was_changed(
    ledger: Ledger, open_one: Open
) -> None:
    late = await committed(ledger, OVER)
    doubt = await open_one().begin(KEY, HASH, LONG)
    assert isinstance(doubt, Uncertain)
    await ledger.settle(doubt.attempt, Acknowledged())
    assert isinstance(await open_one().begin(KEY, OTHER, LONG), Granted)
    await ledger.settle(late, Sent(RESPONSE))
    assert await ledger.begin(KEY, OTHER, LONG) == DifferentRequest(State.SENT)
    assert await ledger.begin(KEY, HASH, LONG) == AlreadySent(RESPONSE)


async def test_a_late_reply_stops_a_second_copy_that_is_not_out_yet(ledger: Ledger, open_one: Open) -> None:
    late = await committed(ledger, OVER)
    other = open_one()
    second = await begun(other, resend=True)
    await ledger.settle(late, Sent(RESPONSE))
    with pytest.raises(OvertakenError):
        await other.committing(second, MARK)
    await other.settle(second, Released())
    assert await other.begin(KEY, HASH, LONG) == AlreadySent(RESPONSE)


async def test_a_reply_is_recorded_even_if_its_entry_is_gone(ledger: Ledger) -> None:
    attempt = await committed(ledger, OVER)
    assert await ledger.prune(0, doubtful=True) == 1
    await ledger.settle(attempt, Sent(RESPONSE))
    assert await ledger.begin(KEY, HASH, LONG) == AlreadySent(RESPONSE)


async def test_leases_are_extended_many_at_once(ledger: Ledger, open_one: Open) -> None:
    attempts = [await begun(ledger, OVER, key=f"k{number}") for number in range(20)]
    await ledger.committing(attempts[0], MARK)
    await ledger.extend(replace(attempt, lease=LONG) for attempt in attempts)
    other = open_one()
    for attempt in attempts:
        assert isinstance(await other.begin(attempt.key, HASH, LONG), HeldElsewhere)


async def test_extending_leaves_to_a_successor_what_is_his(ledger: Ledger, open_one: Open) -> None:
    late = await begun(ledger, OVER)
    await begun(open_one(), OVER)
    await ledger.extend([replace(late, lease=LONG)])
    assert isinstance(await ledger.begin(KEY, HASH, LONG), Granted)


async def test_extending_does_not_revive_what_is_settled(ledger: Ledger) -> None:
    attempt = await begun(ledger)
    await ledger.settle(attempt, Released())
    await ledger.extend([attempt])
    assert isinstance(await ledger.begin(KEY, HASH, LONG), Granted)


async def test_a_caller_who_leaves_while_it_begins_holds_nothing(ledger: Ledger) -> None:
    beginning = asyncio.create_task(ledger.begin(KEY, HASH, LONG))
    await asyncio.sleep(0)  # it has asked
    beginning.cancel()
    with pytest.raises(asyncio.CancelledError):
        await beginning
    # What it was granted is given back behind what was queued when it left.
    while isinstance(decision := await ledger.begin(KEY, HASH, LONG), HeldElsewhere):
        pass
    assert isinstance(decision, Granted)


async def test_a_caller_who_leaves_while_it_settles_has_settled(ledger: Ledger) -> None:
    attempt = await committed(ledger)
    settling = ledger.settle(attempt, Sent(RESPONSE))
    settling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await settling
    assert await ledger.begin(KEY, HASH, LONG) == AlreadySent(RESPONSE)


async def test_one_that_fails_does_not_harm_those_recorded_with_it(ledger: Ledger, open_one: Open) -> None:
    late = await begun(ledger, OVER, key="late")
    await begun(open_one(), key="late")
    good = [await begun(ledger, key=f"k{number}") for number in range(10)]
    results = await asyncio.gather(
        *(ledger.committing(attempt, MARK) for attempt in [late, *good]), return_exceptions=True
    )
    assert isinstance(results[0], OvertakenError)
    assert results[1:] == [None] * 10
    assert len(await ledger.entries(state=State.COMMITTING)) == 10


async def test_one_of_many_who_begin_together_is_granted(ledger: Ledger) -> None:
    decisions = await asyncio.gather(*(ledger.begin(KEY, HASH, LONG) for _ in range(30)))
    assert Counter(map(type, decisions)) == {Granted: 1, HeldElsewhere: 29}


async def test_two_owners_on_a_thousand_keys_send_each_once(open_one: Open) -> None:
    granted: Counter[str] = Counter()

    async def work(ledger: Ledger, key: str) -> None:
        decision = await ledger.begin(key, HASH, LONG)
        if isinstance(decision, Granted):
            granted[key] += 1
            await ledger.committing(decision.attempt, MARK)
            await ledger.settle(decision.attempt, Sent("{}"))
        else:
            assert isinstance(decision, HeldElsewhere | AlreadySent)

    keys = [f"<default>/{number}" for number in range(1000)]
    first, second = open_one(), open_one()
    await asyncio.gather(*(work(ledger, key) for key in keys for ledger in (first, second)))
    assert granted == dict.fromkeys(keys, 1)
    assert len(await first.entries(state=State.SENT, limit=2000)) == 1000


async def test_two_owners_do_not_take_one_attempt_over_twice(open_one: Open) -> None:
    first, second = open_one(), open_one()
    keys = [f"k{number}" for number in range(200)]
    for key in keys:
        await begun(first, OVER, key)
    decisions = await asyncio.gather(
        *(ledger.begin(key, HASH, LONG) for key in keys for ledger in (first, second))
    )
    assert Counter(map(type, decisions)) == {Granted: 200, HeldElsewhere: 200}


async def test_a_ledger_that_works_is_ready(ledger: Ledger) -> None:
    await ledger.check()
    assert await ledger.entries() == []


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
async def test_text_that_no_database_keeps_is_refused_before_it_harms_others(
    ledger: Ledger, text: str
) -> None:
    with pytest.raises(ValueError, match=r"NUL|surrogates"):
        await ledger.begin(text, HASH, LONG)
    with pytest.raises(ValueError, match=r"NUL|surrogates"):
        await ledger.begin(KEY, text, LONG)
    with pytest.raises(ValueError, match=r"NUL|surrogates"):
        Sent(text)


@pytest.mark.parametrize(
    "key", ["it's; DROP TABLE entries", '"\\u0041', "Grüße \U0001f600\r\n\t\x7f", "x" * 2000]
)
async def test_any_other_text_is_a_key(ledger: Ledger, open_one: Open, key: str) -> None:
    await ledger.settle(await committed(ledger, key=key), Sent(key))
    assert await open_one().begin(key, HASH, LONG) == AlreadySent(key)
    assert [entry.key for entry in await ledger.entries()] == [key]


async def test_several_first_operations_open_it_once(ledger: Ledger) -> None:
    decision, *_ = await asyncio.gather(
        ledger.begin(KEY, HASH, LONG), ledger.check(), ledger.prune(0), ledger.check(), ledger.prune(0)
    )
    assert isinstance(decision, Granted)


async def test_keys_are_given_in_portions_also_of_what_changed_lately_only(ledger: Ledger) -> None:
    names = [f"{KEY}/{number}" for number in (3, 1, 2)] + ["Ärger", "zz"]
    for name in names:
        await begun(ledger, key=name)
    found: list[str] = []
    while portion := await ledger.keys(after=found[-1] if found else "", since=0.0, limit=2):
        assert len(portion) <= 2
        found += portion
    assert sorted(found) == sorted(names)
    assert await ledger.keys(after="", since=(await ledger.entries())[0].changed + 1.0, limit=9) == []
