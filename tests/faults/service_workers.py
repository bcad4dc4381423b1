"""Kill workers that send through a service, each at one of its requests, until enough have died."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.servers.failing import FailingService

# Mails that one worker gets; it is killed before it has sent them all.
_PORTION = 6
_REQUESTS = 2 * _PORTION

KILLS = [
    pytest.param(4, id="short"),
    pytest.param(300, id="long", marks=[pytest.mark.long, pytest.mark.timeout(1800)]),
]


class Workers:
    """Starts workers, and kills each at one of its requests.

    Attributes:
        killed: How many died.
    """

    def __init__(self, service: FailingService, account: dict[str, Any], directory: Path) -> None:
        self._service = service
        self._done = directory / "done"
        self._done.touch()
        command = [sys.executable, "-m", "tests.faults.service_sending", str(directory / "ledger.db")]
        command += [json.dumps(account), str(self._done)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        self._fatal: int | None = None
        self._cut = False
        self._worker = 0
        self._started = threading.Event()
        self.killed = 0
        service.before = self._asked

    @property
    def done(self) -> set[str]:
        return set(self._done.read_text().split())

    def run(self, keys: list[str], fatal: int | None = None, *, cut: bool = False) -> None:
        """Run a worker to its end.

        Args:
            keys: Of its mails.
            fatal: The request at which it is killed; None lets it live.
            cut: Whether that request is not served any more.
        """
        assert self._process.stdin is not None
        self._fatal, self._cut, self._worker = fatal, cut, 0
        self._started.clear()
        self._process.stdin.write(" ".join(keys) + "\n")
        self._process.stdin.flush()
        self._worker = int(self._told("forked"))
        self._started.set()
        ended = self._told("ended")
        assert ended in {"killed", "0"}, ended
        self.killed += ended == "killed"
        self._service.quiesce()

    def close(self) -> None:
        """End the workers, also one that runs."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()

    def _told(self, word: str) -> str:
        """What follows a word; logs of workers come between."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(f"{word} "):
                return line.split()[1]
        raise AssertionError("the process that forks workers has ended")

    def _asked(self, operation: str) -> None:
        """Kill the worker whose request this is; it is served all the same, or not."""
        if self._fatal is None:
            return
        self._fatal -= 1
        if self._fatal == 0:
            self._fatal = None
            self._started.wait()
            if self._cut:
                self._service.fail(operation)
            os.kill(self._worker, signal.SIGKILL)


def kill_again_and_again(
    service: FailingService, account: dict[str, Any], directory: Path, kills: int
) -> set[str]:
    """Kill workers until their mails are sent all the same; the keys of these, which are their subjects."""
    chance = random.Random(kills)
    with closing(Workers(service, account, directory)) as workers:
        keys: list[str] = []
        while workers.killed < kills:
            fatal = chance.randint(1, _REQUESTS)
            left = [key for key in keys if key not in workers.done]
            new = [f"mail-{len(keys) + number}" for number in range(max(_PORTION - len(left), 0))]
            keys += new
            workers.run(left + new, fatal, cut=chance.random() < 0.5)
        service.faults.clear()
        workers.run([key for key in keys if key not in workers.done])
        assert workers.done == set(keys)
    return set(keys)
