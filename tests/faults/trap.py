"""The worker, made to die by SIGKILL at one marked point of a job's way.

``python -m tests.faults.trap POINT run …`` is ``smtp-connector run …`` until a job comes to that point. The
points lie between two operations, where no server outside of the worker can tell that it has come there.
"""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from connector.cli.main import main
from connector.engine.grpc import GrpcEngine
from connector.ledger.ledger import Ledger
from connector.ledger.port import Granted, Sent
from connector.model.job import Complete
from connector.send.pipeline import Pipeline
from connector.transport.smtp.transport import SmtpTransport

POISON = b"poison"

Method = Callable[..., Awaitable[Any]]


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _before(owner: type, name: str, here: Callable[..., bool]) -> None:
    method: Method = getattr(owner, name)

    @functools.wraps(method)
    def trapped(self: object, *args: Any, **kwargs: Any) -> Awaitable[Any]:
        if here(*args):
            _die()
        return method(self, *args, **kwargs)

    setattr(owner, name, trapped)


def _after(owner: type, name: str, here: Callable[..., bool]) -> None:
    """Die once the method has answered; ``here`` gets its arguments and, last, its answer."""
    method: Method = getattr(owner, name)

    async def answered(self: object, *args: Any, **kwargs: Any) -> Any:
        answer = await method(self, *args, **kwargs)
        if here(*args, answer):
            _die()
        return answer

    @functools.wraps(method)
    def trapped(self: object, *args: Any, **kwargs: Any) -> Awaitable[Any]:
        return asyncio.ensure_future(answered(self, *args, **kwargs))  # not each caller waits

    setattr(owner, name, trapped)


def _always(*_: object) -> bool:
    return True


TRAPS: dict[str, Callable[[], None]] = {
    "activated": lambda: _before(Pipeline, "handle", _always),
    "begun": lambda: _after(Ledger, "begin", lambda *args: isinstance(args[-1], Granted)),
    "committing": lambda: _after(Ledger, "committing", _always),
    "replied": lambda: _before(Ledger, "settle", lambda *args: isinstance(args[1], Sent)),
    "settled": lambda: _after(Ledger, "settle", lambda *args: isinstance(args[1], Sent)),
    "reported": lambda: _after(GrpcEngine, "report", lambda *args: isinstance(args[1], Complete)),
    "poison": lambda: _before(SmtpTransport, "submit", lambda *args: POISON in args[0].data),
}


if __name__ == "__main__":
    TRAPS[sys.argv.pop(1)]()
    main()
