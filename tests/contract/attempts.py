"""How far the tests of a ledger take a mail, and the words they use for it."""

from __future__ import annotations

from connector.ledger.ledger import Ledger
from connector.ledger.port import Attempt, Granted
from connector.ledger.progress import Mark

KEY = "<default>/2251799813685249"
HASH = "9f86d081884c7d65"
OTHER = "60303ae22b998861"
MARK = Mark(("ada",), mail=("ada",), built="2026-11-27T08:00:00+01:00", digest="d1")
LONG = 3600.0
OVER = -3600.0
RESPONSE = (
    '{"status": "SUCCESS", "messageId": "<größe-\U0001f600@example.com>", "warnings": [null, "\\u0000"]}'
)


async def begun(ledger: Ledger, lease: float = LONG, key: str = KEY, *, resend: bool = False) -> Attempt:
    """Begin and be granted it."""
    decision = await ledger.begin(key, HASH, lease, resend=resend)
    assert isinstance(decision, Granted), decision
    return decision.attempt


async def committed(ledger: Ledger, lease: float = LONG, key: str = KEY) -> Attempt:
    """Begin, and mark that the final dot goes out."""
    attempt = await begun(ledger, lease, key)
    await ledger.committing(attempt, MARK)
    return attempt
