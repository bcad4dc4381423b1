"""What a ledger remembers of each mail, in the words that all its implementations share.

A mail is named by its key, and how far it has come is its :class:`State`:

============  ====================================  =====================================
state         comes about by                        what the next ``begin`` answers
============  ====================================  =====================================
(absent)                                            ``Granted``
attempting    ``begin``                             ``HeldElsewhere``; later ``Granted``
released      ``settle(Released)``                  ``Granted``
committing    ``committing``                        ``HeldElsewhere``; later ``Uncertain``
sent          ``settle(Sent)``                      ``AlreadySent``; ``HeldElsewhere`` while its copy is made
uncertain     ``settle(Unanswered)``, or ``begin``  ``Uncertain``
              when a lease ended in committing
acknowledged  ``settle(Acknowledged)``              ``HeldElsewhere``; later ``Granted`` to the task
                                                    whose incident it was, to others ``Uncertain``
============  ====================================  =====================================

A mail may take several *deliveries*, each to some of its recipients; its :class:`Progress` says who has it.
Each delivery is one *committing*: after the reply to one that is not the last, ``settle(Delivered)`` makes
the mail *attempting* again.

"Later" is when the lease has ended. Only between *committing* and its settlement can a mail have been
delivered without our knowing it (RFC 1047), so only a lease that ends there leaves doubt; one that ends in
*attempting* is simply taken over. ``rules`` holds the transitions, a :class:`Store` keeps the entries, and
``Ledger`` puts the two together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from connector.ledger.progress import NO_PROGRESS, Delivered, Progress


class State(StrEnum):
    """How far a mail has come."""

    ATTEMPTING = "attempting"
    RELEASED = "released"
    COMMITTING = "committing"
    SENT = "sent"
    UNCERTAIN = "uncertain"
    ACKNOWLEDGED = "acknowledged"


class Entry(NamedTuple):
    """What is kept of one mail, in the order of a store's columns; a tuple, since each mail makes three.

    Attributes:
        key: Tenant and element instance, or the task's own idempotency key.
        request_hash: Of what was asked to be sent by the latest attempt.
        attempt: Number of the latest attempt, from 1.
        crashes: Attempts in a row that ended with their lease and without a settlement.
        owner: Who made the latest attempt; of an acknowledged one, the task that may make the next.
        held_until: When its lease ends, in seconds since the epoch on the store's clock; of a mail that was
            sent, zero unless its copy is owed.
        changed: When the mail came into this state, on the same clock.
        response: JSON text of the response, once sent.
        progress: JSON text of the :class:`Progress`, from the first *committing* until it is sent.
    """

    key: str
    state: State
    request_hash: str
    attempt: int
    crashes: int
    owner: str
    held_until: float
    changed: float
    response: str | None = None
    progress: str | None = None


def require_storable(text: str) -> None:
    """Refuse text that a database would refuse, along with everything that is recorded beside it.

    Raises:
        ValueError: It holds NUL or half a surrogate pair.
    """
    if "\0" in text:
        raise ValueError("text with NUL in it cannot be recorded in a ledger")
    text.encode()


# --- what begin answers -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at one mail; all that follows a ``begin`` names it.

    Attributes:
        lease: Seconds for which it is held at a time.
    """

    key: str
    number: int
    owner: str
    request_hash: str
    lease: float


@dataclass(frozen=True, slots=True)
class Granted:
    """The mail is ours to send.

    Attributes:
        crashes: How many attempts just before this one ended without a word: a job that kills its workers
            shows here.
        progress: What earlier attempts have achieved.
    """

    attempt: Attempt
    crashes: int = 0
    progress: Progress = NO_PROGRESS


@dataclass(frozen=True, slots=True)
class Suspect:
    """Attempts at this mail keep crashing. It stays unreserved, so that waiting counts as no crash."""


@dataclass(frozen=True, slots=True)
class AlreadySent:
    """The mail is out; answer with the recorded response.

    Attributes:
        copying: The attempt that has to make the copy of the mail, which an earlier one owes; None where no
            copy is owed.
    """

    response: str
    copying: Attempt | None = None


@dataclass(frozen=True, slots=True)
class HeldElsewhere:
    """Another attempt is under way, of another worker or of a second job with the same key.

    Attributes:
        remaining: Seconds until its lease ends, unless it is extended.
    """

    remaining: float


@dataclass(frozen=True, slots=True)
class Uncertain:
    """The final dot of an earlier attempt went out and no reply is known: the policy decides.

    Attributes:
        attempt: The one in doubt: settle it as ``Assumed`` (assume-sent) or ``Acknowledged`` (incident).
        since: When the mark for the dot, or the loss of its reply, was recorded; seconds since the epoch.
        progress: Its ``pending`` recipients are the ones in doubt.
    """

    attempt: Attempt
    since: float
    progress: Progress = NO_PROGRESS


@dataclass(frozen=True, slots=True)
class DifferentRequest:
    """Something else was, or may have been, sent under the same key.

    Attributes:
        state: Of that mail: sent, committing, uncertain or acknowledged; any other where some of its
            recipients have it.
    """

    state: State


Decision = Granted | Suspect | AlreadySent | HeldElsewhere | Uncertain | DifferentRequest


# --- what became of an attempt ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sent:
    """The server took the mail.

    Attributes:
        response: JSON text to answer with when the job comes again.
        copying: A copy of the mail is made next: the key stays held until it is recorded as *copied*.

    Raises:
        ValueError: It holds a raw NUL or half a surrogate pair, which no database keeps; ``json.dumps``
            escapes both.
    """

    response: str
    copying: bool = False

    def __post_init__(self) -> None:
        require_storable(self.response)


@dataclass(frozen=True, slots=True)
class Copied:
    """The copy of a mail that was sent is made, or given up.

    Attributes:
        response: JSON text in place of the recorded one.
    """

    response: str

    def __post_init__(self) -> None:
        require_storable(self.response)


@dataclass(frozen=True, slots=True)
class CopyOwed:
    """The copy could not be made now; the next attempt makes it."""


@dataclass(frozen=True, slots=True)
class Released:
    """It ended, and certainly nothing was delivered but what is recorded as *delivered*.

    Attributes:
        refused: Recipients that were refused for good while others have the mail: the next attempt leaves
            them out.
        ended: A service took the delivery and then failed to make it: its name is used up.
    """

    refused: tuple[Mapping[str, Any], ...] = ()
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Assumed:
    """The delivery in doubt is taken for delivered, as the policy says; what is left can be sent."""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The final dot went out and the link broke before the reply."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The engine has raised the incident: the next attempt is the decision of a person.

    Attributes:
        hold: Seconds for which the key stays held. A worker to whom the engine had given the same job
            before the incident must not be mistaken for that person.
        task: The element instance that has the incident. Another one with the same idempotency key, which
            no person has decided about, is still in doubt.
    """

    hold: float = 0.0
    task: str = ""


Settlement = Sent | Copied | CopyOwed | Released | Delivered | Assumed | Unanswered | Acknowledged


# --- what can go wrong ------------------------------------------------------------------------------


class OvertakenError(Exception):
    """Another attempt has taken the key over; this one must not send."""


class LedgerUnavailableError(Exception):
    """Nothing was recorded, or it is not known whether it was; the message says what to change."""


class LedgerVanishedError(LedgerUnavailableError):
    """The ledger was removed, replaced or emptied under a running worker, or is not where it has to be."""


Answer = Decision | OvertakenError | LedgerUnavailableError | None


def damaged(key: str) -> LedgerUnavailableError:
    """The error of one entry that cannot be read; the others are not affected."""
    return LedgerUnavailableError(
        f"The ledger's entry {key} is damaged, so it is not known whether its mail was sent. Look at it with "
        "'smtp-connector ledger show', restore the ledger, or delete that entry if the mail may go out."
    )


# --- what a store does ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation on one key.

    Attributes:
        transition: From the entry, if there is one, and the present to the new entry and the answer.
        durable: The answer may only be given once the entry would survive a loss of power.
    """

    key: str
    transition: Callable[[Entry | None, float], tuple[Entry | None, Answer]]
    durable: bool


class Store(Protocol):
    """Where entries are kept. A store that is down may come back; no operation needs a restart."""

    async def apply(self, operations: Sequence[Operation]) -> list[Answer]:
        """Take the operations in their order, each at once and for all, and record them together.

        Returns:
            An answer for each operation; a :class:`LedgerUnavailableError` where it could not be recorded.

        Raises:
            LedgerUnavailableError: None could be recorded.
        """
        ...

    async def check(self) -> None:
        """Write something of no meaning, as a readiness probe does.

        Raises:
            LedgerUnavailableError: It cannot be written.
        """
        ...

    async def entries(self, *, key: str | None, state: State | None, limit: int) -> list[Entry]:
        """Give entries, the latest changed first."""
        ...

    async def keys(self, *, after: str, since: float, limit: int) -> list[str]:
        """Give keys behind ``after``, in an order of the store's own, of entries that changed ``since``."""
        ...

    async def prune(self, older_than: float, *, doubtful: bool) -> int:
        """Forget what has not changed for ``older_than`` seconds and is not held; how many were forgotten.

        Args:
            older_than: Seconds.
            doubtful: Also forget committing and uncertain ones, which may or may not have been sent.
        """
        ...

    async def aclose(self) -> None:
        """Let go of files and connections."""
        ...
