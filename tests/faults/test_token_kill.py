"""A worker is killed (SIGKILL) at each step of a refresh, and another one finds what it left.

With a provider that gives each refresh token once and ends the grant when one comes twice, nothing may be
lost once the answer was written down. A grant whose answer never got that far may be lost, and then says so.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest

from connector.auth.postgres_store import PostgresStore
from connector.auth.sealing import Seal
from connector.auth.store import TokenStore
from connector.errors import ErrorCode, TokenError
from tests import oauth
from tests.faults.token_killing import ANSWERED
from tests.servers.authorization import AuthorizationServer

KEYS = oauth.new_key()
MOST_STEPS = 60
# Before these, the answer is in the process only.
WRITTEN = {"write", "execute"}

TIMES = [1, pytest.param(100, marks=[pytest.mark.long, pytest.mark.timeout(3000)])]


@dataclass
class Killer:
    """Starts processes that die."""

    requests: IO[str]
    answers: IO[str]

    def kill(self, step: int, store: str, place: str) -> tuple[bool, list[str]]:
        """Let a process die before its step of this number; whether it came to it, and what it did before."""
        self.requests.write(f"{step} {store} {place}\n")
        self.requests.flush()
        answer = json.loads(self.answers.readline())
        return answer["killed"], answer["taken"]


@contextmanager
def killing(server: AuthorizationServer) -> Iterator[Killer]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.token_killing"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={"AUTHORIZATION_PORT": str(server.port), "STORE_KEYS": KEYS, "PATH": "/usr/bin:/bin"},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        yield Killer(process.stdin, process.stdout)
        process.stdin.close()


@pytest.fixture(params=["file", "postgres"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "file":
        return str(tmp_path / "tokens")
    url: str = request.getfixturevalue("postgres").create_database()
    return url


@pytest.fixture
async def store(place: str) -> AsyncIterator[TokenStore]:
    async def seal() -> Seal:
        return Seal(KEYS)

    opened: TokenStore
    opened = (
        PostgresStore(place, seal) if place.startswith("postgresql:") else oauth.file_store(Path(place), KEYS)
    )
    yield opened
    await opened.aclose()


@pytest.mark.parametrize("times", TIMES)
async def test_kill(
    authorization_server: AuthorizationServer, store: TokenStore, place: str, times: int
) -> None:
    table: dict[str, Counter[str]] = {}
    with killing(authorization_server) as killer:
        for number in range(times):
            for step in range(1, MOST_STEPS):
                name = f"accounts.a{number}-{step}.oauth"
                credential = oauth.by_consent(authorization_server, place=name)
                await oauth.consented(store, authorization_server, credential)
                killed, taken = killer.kill(step, place, name)
                if not killed:
                    break
                error = await found_by_another(authorization_server, store, name)
                if error is not None:
                    judge(error, taken)
                row = f"{step} after {taken[-1] if taken else 'the start'}"
                table.setdefault(row, Counter())["lost" if error else "kept"] += 1
            assert not killed, "it has more steps than were tried"
            assert ANSWERED in taken
    print(json.dumps(table, indent=1))  # noqa: T201 - the table of a long run, with pytest's -s
    assert any(row["lost"] for row in table.values()), (
        "no grant was lost: the kills did not hit what they should"
    )


async def found_by_another(server: AuthorizationServer, store: TokenStore, name: str) -> TokenError | None:
    async with oauth.source(oauth.by_consent(server, place=name), store) as tokens:
        try:
            first = await tokens.token()
            assert await tokens.token(first) != first, "the grant goes on"
        except TokenError as error:
            return error
    return None


def judge(error: TokenError, taken: list[str]) -> None:
    """A grant may be lost only between the request and the moment when its answer is written down."""
    assert error.code is ErrorCode.AUTHORIZATION_REQUIRED
    assert "never got its answer" in error.message
    assert "ask" in taken
    after: list[Any] = taken[taken.index(ANSWERED) :] if ANSWERED in taken else []
    assert not WRITTEN & set(after)
