"""A process that sends one mail with a copy, made to die by SIGKILL at one point of the copy's way.

``python -m tests.faults.copy_killing POINT SMTP_PORT IMAPS_PORT USER CA_FILE LEDGER``
"""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from connector.ledger.ledger import Ledger
from connector.ledger.port import Copied, Sent
from connector.mailbox.threaded import ThreadedMailbox
from connector.secrets.masker import Masker
from connector.send.assembly import open_pipeline
from tests.contract.mailboxes import DovecotPost
from tests.jobs import job
from tests.wire.sent_copies import MAIL, SECRETS, settings_of

Here = Callable[..., bool]


def _dying(owner: type, name: str, *, before: Here | None = None, after: Here | None = None) -> None:
    method: Callable[..., Awaitable[Any]] = getattr(owner, name)

    async def dying(self: object, *args: Any) -> Any:
        if before is not None and before(*args):
            os.kill(os.getpid(), signal.SIGKILL)
        answer = await method(self, *args)
        if after is not None and after(*args):
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    @functools.wraps(method)
    def begun(self: object, *args: Any) -> Awaitable[Any]:
        return asyncio.ensure_future(dying(self, *args))  # not each caller waits

    setattr(owner, name, begun)


def _settles(kind: type) -> Here:
    return lambda *args: isinstance(args[1], kind)


POINTS: dict[str, Callable[[], None]] = {
    "sent is recorded": lambda: _dying(Ledger, "settle", after=_settles(Sent)),
    "before APPEND": lambda: _dying(ThreadedMailbox, "file", before=lambda *_: True),
    "after APPEND": lambda: _dying(ThreadedMailbox, "file", after=lambda *_: True),
    "before the copy is recorded": lambda: _dying(Ledger, "settle", before=_settles(Copied)),
    "the copy is recorded": lambda: _dying(Ledger, "settle", after=_settles(Copied)),
}


async def _send(smtp_port: int, imaps_port: int, user: str, ca_file: Path, ledger: Path) -> None:
    dovecot = SimpleNamespace(ports={"imaps": imaps_port}, ca_file=ca_file)
    post = cast("DovecotPost", SimpleNamespace(server=dovecot, user=user))
    settings = settings_of(post, smtp_port, ledger, **{"worker.lease": "0.3"})
    async with open_pipeline(settings, Masker(), SECRETS) as opened:
        await opened.handle(job(MAIL))


if __name__ == "__main__":
    point, smtp, imaps, user, ca_file, ledger = sys.argv[1:]
    POINTS[point]()
    asyncio.run(_send(int(smtp), int(imaps), user, Path(ca_file), Path(ledger)))
