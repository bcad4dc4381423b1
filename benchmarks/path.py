"""Count what one warm job passes on its way from the worker to the socket: ``python -m benchmarks.path``.

A worker takes jobs from the engine in memory and submits them to a server on loopback, with the ledger in
memory; the last of them is counted. Counts, unlike times, are the same on every machine. A coroutine counts
once, however often it goes on; the engine and the server are left out. ``--list`` adds each function.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from benchmarks.figures import Row, report
from connector.observe.logs import configure_logging
from connector.secrets.masker import Masker
from connector.send.assembly import open_pipeline
from connector.settings.model import SEND_TASK_TYPE
from connector.settings.sources import load
from connector.testing.engine import FakeEngine
from connector.testing.smtp import SmtpServer
from connector.worker.job_loop import JobLoop

_PACKAGE = "/connector/"
_OTHERS = ("testing", "devengine")  # the server's and the engine's side
_WORKER = "/connector/worker"
_WARM_UP = 20


@dataclass
class Passed:
    """What was seen of one job; to be given to ``sys.setprofile``.

    Attributes:
        frames: Every call of a function of the package, in order.
        classes: The classes of which an object took part.
        depth: Calls from the worker to the first octets that reach the kernel, both ends counted.
    """

    frames: dict[FrameType, None] = field(default_factory=dict)
    classes: set[type] = field(default_factory=set)
    depth: int = 0

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        """Note one event of the interpreter."""
        if event == "call":
            self._note(frame)
        elif event == "c_call" and getattr(argument, "__name__", "") == "send" and not self.depth:
            self.depth = _calls(frame)

    def _note(self, frame: FrameType) -> None:
        taking_part = type(frame.f_locals.get("self"))
        if _is_ours(taking_part.__module__):
            self.classes.add(taking_part)
        file = frame.f_code.co_filename
        if _PACKAGE in file and file.partition(_PACKAGE)[2].partition("/")[0] not in _OTHERS:
            self.frames[frame] = None

    @property
    def files(self) -> set[str]:
        """The files passed."""
        return {frame.f_code.co_filename for frame in self.frames}

    @property
    def functions(self) -> Counter[str]:
        """Calls by function."""
        codes = (frame.f_code for frame in self.frames)
        return Counter(f"{Path(code.co_filename).stem}.{code.co_qualname}" for code in codes)


def main() -> None:
    passed = asyncio.run(_passed())
    row: Row = {
        "files": len(passed.files),
        "classes": len(passed.classes),
        "calls from worker to socket": passed.depth,
        "functions": len(passed.functions),
        "function entries": passed.functions.total(),
    }
    report({"One warm job": [row]})
    if "--list" in sys.argv:
        for name, calls in passed.functions.most_common():
            print(f"{calls:4} {name}")


async def _passed() -> Passed:
    overrides = {"ledger.kind": "memory", "log.level": "warning", "worker.stream": "false"}
    settings = load({}, overrides=overrides).settings
    masker = Masker()
    configure_logging(settings.log, masker)
    engine, stop, passed = FakeEngine(), asyncio.Event(), Passed()
    async with SmtpServer() as server, open_pipeline(settings, masker, {}) as pipeline:
        worker = asyncio.create_task(JobLoop(engine, settings.worker, pipeline.handle).run(stop))
        for number in range(_WARM_UP + 1):
            if number == _WARM_UP:
                sys.setprofile(passed)
            key = engine.create_job(SEND_TASK_TYPE, _mail(server), headers={"resultVariable": "mail"})
            await engine.outcome(key)
        sys.setprofile(None)
        stop.set()
        await worker
    return passed


def _mail(server: SmtpServer) -> dict[str, object]:
    return {
        "authentication": {"hostname": server.hostname, "port": server.port},
        "smtpEmailMailBoxName": "shop@example.com",
        "smtpEmailToRecipients": ["jane@example.org"],
        "smtpEmailSubject": "Your order has been shipped",
        "smtpEmailContent": "Dear Jane, your order is on its way.\n" * 50,
    }


def _calls(frame: FrameType) -> int:
    """Count the frames from the worker's first to this one, and the kernel's."""
    files = [one.f_code.co_filename for one in _stack(frame)]
    first = max((number for number, file in enumerate(files) if _WORKER in file), default=-2)
    return first + 2


def _is_ours(module: str) -> bool:
    package, _, rest = module.partition(".")
    return package == "connector" and rest.partition(".")[0] not in _OTHERS


def _stack(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


if __name__ == "__main__":
    main()
