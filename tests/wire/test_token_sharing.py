"""Many mails, accounts and processes with one grant: one request for a token, and a grant that goes on."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from connector.accounts.credentials import credential_of
from connector.auth.sources import open_sources
from connector.model.job import Complete
from connector.secrets.masker import Masker
from connector.secrets.providers import open_secrets
from connector.send.assembly import open_pipeline
from connector.settings.model import Settings
from connector.testing.behaviour import Behaviour, Say, Verb
from connector.testing.smtp import Offer, SmtpServer
from tests.jobs import job
from tests.oauth import consented as keep_grant
from tests.oauth import new_key
from tests.servers.authorization import SECRET, USER, AuthorizationServer, Handler

KEY = new_key()
PROCESSES, EACH = 2, 50


def taking_tokens() -> SmtpServer:
    """A mail server that lets everyone in who brings a token."""
    behaviour = Behaviour().on(Verb.CREDENTIALS, Say(235, "2.7.0 Ok"))
    return SmtpServer(users={}, offer=Offer(auth=("XOAUTH2",)), behaviour=behaviour)


def settings(
    issuer: AuthorizationServer, mail: SmtpServer, directory: Path, users: tuple[str, ...], **oauth: str
) -> dict[str, Any]:
    """Settings with an account for each user, named by the part before the at sign, on one grant."""
    account = {"host": mail.hostname, "port": mail.port, "security": "none", "oauth": "shared"}
    return {
        "credentials": {
            "shared": {
                "authorization_url": issuer.authorization_url,
                "token_url": issuer.token_url,
                "client_id": "connector",
                "client_secret": SECRET,
                "scopes": "mail",
                **oauth,
            }
        },
        "accounts": {user.partition("@")[0]: {**account, "address": user} for user in users},
        "tokens": {"path": str(directory / "tokens.json"), "key": KEY},
        "ledger": {"kind": "memory"},
        # A login for each mail; each has a connection at once, however slow the machine is.
        "smtp": {"pool": {"max_messages": 1, "max_connections": 100}},
        "worker": {"max_jobs": 1000},
    }


@asynccontextmanager
async def sender(tree: dict[str, Any]) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.wire.token_sender", json.dumps(tree)),
        stdin=PIPE,
        stdout=PIPE,
        cwd=Path(__file__).parents[2],
        env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def tell(process: Process, line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n".encode())


async def heard(process: Process) -> Any:
    assert process.stdout is not None
    return json.loads(await process.stdout.readline())


async def told(process: Process, line: str) -> Any:
    """What a process answers to a line in the end."""
    tell(process, line)
    while (answer := await heard(process)) == "asks":
        pass
    return answer


@contextmanager
def held(server: AuthorizationServer) -> Iterator[None]:
    """Let the token endpoint answer its next request only when the block ends."""
    go_on = threading.Event()

    def fault(_: Handler) -> bool:
        go_on.wait()
        return False

    server.faults.append(fault)
    try:
        yield
    finally:
        go_on.set()


@pytest.mark.parametrize("store", ["file", pytest.param("postgres", marks=pytest.mark.long)])
async def test_a_hundred_mails_of_two_processes_when_the_token_ends(
    authorization_server: AuthorizationServer, tmp_path: Path, store: str, request: pytest.FixtureRequest
) -> None:
    """The server ends the grant if a refresh token comes twice, and the grant goes on."""
    async with taking_tokens() as mail, AsyncExitStack() as stack:
        tree = settings(authorization_server, mail, tmp_path, ("sales@example.test",))
        tree["credentials"]["shared"]["grant"] = "authorization_code"
        if store == "postgres":
            url = request.getfixturevalue("postgres").create_database()
            tree |= {"ledger": {"kind": "postgres", "url": url}, "tokens": {"kind": "postgres", "key": KEY}}
        await grant(tree, authorization_server)
        processes = [await stack.enter_async_context(sender(tree)) for _ in range(PROCESSES)]
        for number, process in enumerate(processes):
            assert await told(process, f"send {number} 1") == ["Complete"]
        assert len(authorization_server.token_requests()) == 1
        for begin, count in ((1000, EACH), (2000, 1)):
            for process in processes:
                await told(process, "end")
            authorization_server.asked.clear()
            with held(authorization_server):
                for number, process in enumerate(processes):
                    tell(process, f"send {begin + number * count} {count}")
                assert [await heard(process) for process in processes] == ["asks"] * PROCESSES
            outcomes = [await heard(process) for process in processes]
            assert outcomes == [["Complete"] * count] * PROCESSES
            assert len(authorization_server.token_requests()) == 1
        assert len(mail.received) == PROCESSES * (EACH + 2)
    assert authorization_server.state.ended == set()


async def grant(tree: dict[str, Any], server: AuthorizationServer) -> None:
    configured = Settings.model_validate(tree)
    credential = credential_of("sales", configured)
    assert credential is not None
    remember = Masker().remember
    async with (
        open_secrets(configured.secrets, {}, remember) as secrets,
        open_sources(configured, secrets, remember) as sources,
    ):
        await keep_grant(sources.store, server, credential, USER)


async def test_fifty_accounts_on_one_applications_grant(
    authorization_server: AuthorizationServer, tmp_path: Path
) -> None:
    users = tuple(f"user{number}@example.test" for number in range(50))
    async with taking_tokens() as mail:
        tree = settings(authorization_server, mail, tmp_path, users, grant="client_credentials")
        async with open_pipeline(Settings.model_validate(tree), Masker(), {}) as opened:
            outcomes = await asyncio.gather(
                *(
                    opened.handle(
                        job(
                            {
                                "account": user.partition("@")[0],
                                "smtpEmailToRecipients": "ann@example.test",
                                "smtpEmailSubject": "Order",
                                "smtpEmailContent": "Hello",
                            },
                            element_instance_key=number,
                        )
                    )
                    for number, user in enumerate(users)
                )
            )
    assert [outcome for outcome in outcomes if not isinstance(outcome, Complete)] == []
    assert {received.username for received in mail.received} == set(users)
    assert len(authorization_server.token_requests()) == 1
