"""The transitions of a mail from state to state: pure functions, the same for every store.

An entry (or none) and the present enter, the changed entry and an answer leave. A store runs them where
no other process can change the entry meanwhile. Two rules hold everywhere:

- An attempt is named by its owner and number, so that one who was overtaken cannot speak for its successor.
- That a mail was sent, or delivered to some of its recipients, is a fact: it is recorded from any state, and
  final.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from connector.ledger.port import (
    Acknowledged,
    AlreadySent,
    Answer,
    Assumed,
    Attempt,
    Copied,
    CopyOwed,
    Decision,
    DifferentRequest,
    Entry,
    Granted,
    HeldElsewhere,
    Operation,
    OvertakenError,
    Released,
    Sent,
    Settlement,
    State,
    Suspect,
    Unanswered,
    Uncertain,
    damaged,
)
from connector.ledger.progress import NO_PROGRESS, Delivered, Mark, Progress

_UNSETTLED = frozenset({State.ATTEMPTING, State.COMMITTING})
_DOUBTFUL = frozenset({State.COMMITTING, State.UNCERTAIN})


@dataclass(frozen=True, slots=True)
class Request:
    """What a ``begin`` asks for.

    Attributes:
        lease: Seconds.
        resend: Take over a mail in doubt, at the risk of a second copy.
        suspect_after: Do not reserve a mail at which so many attempts in a row have crashed.
        task: The element instance that asks.
    """

    key: str
    request_hash: str
    owner: str
    lease: float
    resend: bool = False
    suspect_after: int | None = None
    task: str = ""


def begin(request: Request, entry: Entry | None, now: float) -> tuple[Entry | None, Decision]:
    """Decide whether the mail may be sent, and reserve it if so."""
    if entry is None:
        return _grant(request, now, number=1)
    same = entry.request_hash == request.request_hash
    if entry.state is State.SENT and (entry.held_until <= now or not same):
        return _already_sent(request, entry, now)
    if entry.held_until > now:
        return entry, HeldElsewhere(entry.held_until - now)
    progress = Progress.read(entry.progress)
    doubt = _in_doubt(request, entry)
    if not same and (doubt or progress.delivered):
        return entry, DifferentRequest(entry.state)
    if doubt and not request.resend:
        return _doubt(entry, progress, request.lease)
    # The names that are used up stay so where the task asks for something else now.
    kept = replace(progress, pending=(), reference="") if same else Progress(ended=progress.ended)
    return _again(request, entry, now, kept)


def _already_sent(request: Request, entry: Entry, now: float) -> tuple[Entry, AlreadySent | DifferentRequest]:
    """Answer with the recorded response; who gets it first makes the copy that an earlier attempt owes."""
    if entry.request_hash != request.request_hash:
        return entry, DifferentRequest(entry.state)
    response = entry.response or "{}"
    if not entry.held_until:
        return entry, AlreadySent(response)
    number = entry.attempt + 1
    entry = entry._replace(attempt=number, owner=request.owner, held_until=now + request.lease)
    attempt = Attempt(request.key, number, request.owner, request.request_hash, request.lease)
    return entry, AlreadySent(response, attempt)


def _again(request: Request, entry: Entry, now: float, progress: Progress) -> tuple[Entry, Decision]:
    """Reserve a mail that an earlier attempt had, unless too many of these have crashed."""
    crashes = entry.crashes + (entry.state in _UNSETTLED)
    if request.suspect_after is not None and crashes >= request.suspect_after:
        return entry, Suspect()
    return _grant(request, now, entry.attempt + 1, crashes, progress)


def _in_doubt(request: Request, entry: Entry) -> bool:
    """Whether the mail may have been sent, and no person has told this task to send it again."""
    if entry.state is State.ACKNOWLEDGED:
        return entry.owner != request.task
    return entry.state in _DOUBTFUL


def _grant(
    request: Request, now: float, number: int, crashes: int = 0, progress: Progress = NO_PROGRESS
) -> tuple[Entry, Granted]:
    attempt = Attempt(request.key, number, request.owner, request.request_hash, request.lease)
    entry = _entry(attempt, State.ATTEMPTING, now, crashes)._replace(progress=_kept(progress))
    return entry, Granted(attempt, crashes, progress)


def _kept(progress: Progress) -> str | None:
    return None if progress == NO_PROGRESS else progress.text()


def _entry(attempt: Attempt, state: State, now: float, crashes: int = 0) -> Entry:
    return Entry(
        attempt.key,
        state,
        attempt.request_hash,
        attempt.number,
        crashes,
        attempt.owner,
        held_until=now + attempt.lease,
        changed=now,
    )


def _doubt(entry: Entry, progress: Progress, lease: float) -> tuple[Entry, Uncertain]:
    """Say that it is not known; a lease that ended in committing has crashed and becomes uncertain here.

    When it changed stays as it was: a person looks in the server's log for the moment of the dot.
    """
    attempt = Attempt(entry.key, entry.attempt, entry.owner, entry.request_hash, lease)
    if entry.state is State.COMMITTING:
        crashes = entry.crashes + 1
        entry = entry._replace(state=State.UNCERTAIN, crashes=crashes, held_until=0.0)
    return entry, Uncertain(attempt, entry.changed, progress)


def commit(
    attempt: Attempt, mark: Mark, entry: Entry | None, now: float
) -> tuple[Entry | None, OvertakenError | None]:
    """Mark that the last octets of a delivery are about to go out, and hold the key for another lease.

    A lease that ended is no obstacle as long as no other attempt took the key over. The same mark twice is
    one: the answer to the first may have been lost. Recipients who have the mail already, by a reply that
    came late to an earlier attempt, are never served again.
    """
    if entry is None or not _is_latest(attempt, entry) or entry.state not in _UNSETTLED:
        return entry, OvertakenError(f"{attempt.key}: another attempt has taken this mail over")
    progress = Progress.read(entry.progress)
    if not set(mark.recipients).isdisjoint(progress.delivered):
        return entry, OvertakenError(f"{attempt.key}: an earlier attempt has delivered to these recipients")
    if not progress.built:
        progress = replace(progress, recipients=mark.mail, built=mark.built, digest=mark.digest)
    progress = replace(progress, pending=mark.recipients, reference=mark.reference)
    held = now + attempt.lease
    return entry._replace(
        state=State.COMMITTING, held_until=held, changed=now, progress=_kept(progress)
    ), None


def extend(attempt: Attempt, entry: Entry | None, now: float) -> tuple[Entry | None, None]:
    """Hold the key for another lease, unless the attempt is over: ``commit`` is who must know that."""
    if entry is None or not _is_latest(attempt, entry):
        return entry, None
    copying = entry.state is State.SENT and entry.held_until > 0
    if entry.state not in _UNSETTLED and not copying:
        return entry, None
    return entry._replace(held_until=now + attempt.lease), None


def settle(
    attempt: Attempt, settlement: Settlement, entry: Entry | None, now: float
) -> tuple[Entry | None, None]:
    """Record what became of an attempt; of one that was overtaken only that it was sent matters."""
    if isinstance(settlement, Copied | CopyOwed):
        return _copied(attempt, settlement, entry, now), None
    if entry is not None and entry.state is State.SENT:
        return entry, None
    if isinstance(settlement, Delivered):
        return _delivered(attempt, settlement, entry, now), None
    if isinstance(settlement, Sent):
        # Also where the entry is gone or is a successor's: a successor that has not let go of its own
        # final dot yet is stopped by this. What it wants to send may be something else by now.
        kept = entry if entry is not None else _entry(attempt, State.SENT, now)
        kept = kept._replace(request_hash=attempt.request_hash)
        sent = _settled(kept, State.SENT, now, response=settlement.response)
        if settlement.copying and (entry is None or _is_latest(attempt, entry)):
            sent = sent._replace(held_until=now + attempt.lease)
        return sent, None
    if entry is None or not _is_latest(attempt, entry):
        return entry, None
    return _settle_latest(settlement, entry, now), None


def _copied(attempt: Attempt, settlement: Copied | CopyOwed, entry: Entry | None, now: float) -> Entry | None:
    """Record the copy of a mail that was sent, once; the attempt that owed it may have lost its turn."""
    owed = entry is not None and entry.state is State.SENT and entry.held_until > 0
    if entry is None or not owed or entry.request_hash != attempt.request_hash:
        return entry
    if isinstance(settlement, Copied):
        return entry._replace(response=settlement.response, held_until=0.0)
    return entry._replace(held_until=now) if _is_latest(attempt, entry) else entry


def _delivered(attempt: Attempt, settlement: Delivered, entry: Entry | None, now: float) -> Entry | None:
    """Record that some recipients have the mail, in any state: it is a fact as a sent mail is.

    A reply that comes late, to an attempt whose delivery was in doubt, ends that doubt.
    """
    if entry is None or entry.request_hash != attempt.request_hash:
        return entry
    progress = Progress.read(entry.progress)
    news = tuple(address for address in settlement.recipients if address not in progress.delivered)
    settles = bool(progress.pending) and set(progress.pending) <= set(settlement.recipients)
    progress = replace(
        progress,
        delivered=progress.delivered + news,
        pending=() if settles else progress.pending,
        reference="" if settles else progress.reference,
        reply=settlement.reply,
        sent_at=settlement.at,
    )
    entry = entry._replace(progress=_kept(progress))
    if not settles:
        return entry
    if entry.state is State.COMMITTING and _is_latest(attempt, entry):
        return entry._replace(state=State.ATTEMPTING, held_until=now + attempt.lease, changed=now, crashes=0)
    return _settled(entry, State.RELEASED, now) if entry.state is State.UNCERTAIN else entry


def _settle_latest(
    settlement: Released | Assumed | Unanswered | Acknowledged, entry: Entry, now: float
) -> Entry:
    match settlement:
        case Released(refused, ended) if entry.state in _UNSETTLED | _DOUBTFUL:
            progress = Progress.read(entry.progress)
            progress = replace(
                progress,
                pending=(),
                reference="",
                refused=progress.refused + refused,
                ended=progress.ended + ended,
            )
            entry = entry._replace(progress=_kept(progress))
            return _settled(entry, State.RELEASED, now)
        case Assumed() if entry.state in _DOUBTFUL:
            progress = Progress.read(entry.progress)
            progress = replace(
                progress,
                delivered=progress.delivered + progress.pending,
                assumed=progress.assumed + progress.pending,
                pending=(),
                reference="",
                reply=None,
            )
            return _settled(entry._replace(progress=_kept(progress)), State.RELEASED, now)
        case Unanswered() if entry.state in _UNSETTLED:
            return _settled(entry, State.UNCERTAIN, now)
        case Acknowledged(hold, task) if entry.state in {State.UNCERTAIN, State.ACKNOWLEDGED}:
            return _settled(entry, State.ACKNOWLEDGED, now)._replace(held_until=now + hold, owner=task)
    return entry


def _settled(entry: Entry, state: State, now: float, response: str | None = None) -> Entry:
    """Leave the lease, and begin counting crashes anew: a worker that settles has not crashed."""
    progress = None if state is State.SENT else entry.progress
    return entry._replace(
        state=state, held_until=0.0, changed=now, crashes=0, response=response, progress=progress
    )


def _is_latest(attempt: Attempt, entry: Entry) -> bool:
    return (attempt.owner, attempt.number) == (entry.owner, entry.attempt)


def may_be_forgotten(entry: Entry, *, before: float, now: float, doubtful: bool) -> bool:
    """Whether pruning takes an entry: old, not held, and not in doubt unless that was asked for."""
    old = entry.changed <= before and entry.held_until <= now
    return old and (doubtful or entry.state not in _DOUBTFUL)


@dataclass(frozen=True, slots=True)
class Applied:
    """What several operations come to.

    Attributes:
        answers: One for each operation.
        changed: The entries to write, by key.
    """

    answers: list[Answer]
    changed: dict[str, Entry]


def apply(operations: Iterable[Operation], entries: Mapping[str, Entry | None], now: float) -> Applied:
    """Take operations in their order, each on what the ones before it left.

    Args:
        operations: What to do.
        entries: What is there, by key; None for an entry that cannot be read, which fails its own operations
            only.
        now: Seconds since the epoch, on the store's clock.
    """
    current: dict[str, Entry | None] = {}
    answers: list[Answer] = []
    for operation in operations:
        key = operation.key
        if key in entries and entries[key] is None:
            answers.append(damaged(key))
            continue
        entry = current[key] if key in current else entries.get(key)
        try:
            current[key], answer = operation.transition(entry, now)
        except (ValueError, TypeError, KeyError):  # progress that is no progress
            answer = damaged(key)
        answers.append(answer)
    changed = {
        key: entry for key, entry in current.items() if entry is not None and entry != entries.get(key)
    }
    return Applied(answers, changed)
