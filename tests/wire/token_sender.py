"""A worker's pipeline in a process of its own, whose access tokens end at a word; a test starts several.

``python -m tests.wire.token_sender SETTINGS`` takes settings as JSON and lines of standard input: ``send
FIRST COUNT`` sends mails at the same time, numbered from the first; ``end`` ends every token that there is
by then. It answers each line with one of JSON: the names of the outcomes, in order. Before that comes
the line ``"asks"`` if it waits for its turn to ask for a token.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import structlog

from connector.auth.entry import AccessToken
from connector.auth.file_store import FileStore
from connector.auth.postgres_store import PostgresStore
from connector.secrets.masker import Masker
from connector.send.assembly import open_pipeline
from connector.send.pipeline import Pipeline
from connector.settings.model import Settings
from tests.jobs import job


class Ends:
    """Ends the tokens that there are; without it a test would have to wait for that."""

    moment = 0.0

    def __init__(self) -> None:
        original = AccessToken.left

        def left(token: AccessToken, now: float) -> float:
            return 0.0 if token.obtained <= self.moment else original(token, now)

        setattr(AccessToken, "left", left)  # noqa: B010 - in the place of a method

    def end(self) -> None:
        self.moment = time.time()


def tell_turns(kind: type[FileStore] | type[PostgresStore]) -> None:
    """Say when this process waits for its turn at such a store."""
    original = kind.turn

    def turn(store: Any, name: str) -> Any:
        answer("asks")
        return original(store, name)

    setattr(kind, "turn", turn)  # noqa: B010 - in the place of a method


def answer(value: object) -> None:
    print(json.dumps(value), flush=True)  # noqa: T201 - this program's answer


async def send(pipeline: Pipeline, number: int) -> str:
    inputs: dict[str, Any] = {
        "account": "sales",
        "smtpEmailToRecipients": "ann@example.test",
        "smtpEmailSubject": f"Order {number}",
        "smtpEmailContent": "Hello",
    }
    outcome = await pipeline.handle(job(inputs, element_instance_key=number))
    return type(outcome).__name__


async def work(settings: Settings) -> None:
    ends = Ends()
    async with open_pipeline(settings, Masker(), {}) as pipeline:
        while line := await asyncio.to_thread(sys.stdin.readline):
            word, *numbers = line.split()
            outcomes: list[str] = []
            if word == "end":
                ends.end()
            else:
                first, count = map(int, numbers)
                outcomes = await asyncio.gather(*(send(pipeline, first + index) for index in range(count)))
            answer(outcomes)


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    tell_turns(FileStore)
    tell_turns(PostgresStore)
    asyncio.run(work(Settings.model_validate_json(sys.argv[1])))
