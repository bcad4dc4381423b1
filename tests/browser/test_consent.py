"""The whole way: consent in a browser, kept, and processes that send with it through servers that verify."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import yaml
from pyzeebe import ZeebeClient

from tests.browser.person import Person
from tests.commands.terminal import command, dialogue
from tests.engine.service import start
from tests.engine.watch import Watch
from tests.engine.worker_process import run
from tests.oauth import new_key
from tests.servers.authorization import SECRET, USER, USER_PASSWORD, AuthorizationServer
from tests.servers.dovecot import Dovecot
from tests.servers.postfix import Postfix
from tests.servers.sink import Sink

ADDRESS = r"http://127\.0\.0\.1:\d+/authorize\?\S+"


def settings(
    issuer: AuthorizationServer,
    dovecot: Dovecot,
    directory: Path,
    postfix: Postfix | None = None,
    **more: Any,
) -> str:
    """A settings file with accounts that share a grant; its path."""
    servers = {"sales": dovecot.ports["submission"]} | ({"postfix": postfix.port} if postfix else {})
    account = {"host": "localhost", "ca_file": str(dovecot.ca_file), "address": USER, "oauth": "shared"}
    tree = {
        "credentials": {
            "shared": {
                "grant": "authorization_code",
                "client_id": "connector",
                "client_secret": SECRET,
                "authorization_url": issuer.authorization_url,
                "token_url": issuer.token_url,
                "scopes": "mail openid",
            }
        },
        "accounts": {name: {**account, "port": port} for name, port in servers.items()},
        "tokens": {"path": str(directory / "tokens.json"), "key": new_key()},
        "log": {"format": "json"},
        **more,
    }
    file = directory / "worker.yaml"
    file.write_text(yaml.safe_dump(tree))
    return str(file)


def mail(account: str, subject: str) -> dict[str, Any]:
    """The inputs of a task; its recipient has a mailbox at Postfix."""
    return {
        "account": account,
        "smtpEmailToRecipients": "ann@example.test",
        "smtpEmailSubject": subject,
        "smtpEmailContent": "Hello",
    }


async def test_a_consent_serves_processes_on_both_servers(  # noqa: PLR0917 - fixtures
    person: Person,
    issuer: AuthorizationServer,
    dovecot: Dovecot,
    dovecot_sink: Sink,
    token_postfix: Postfix,
    engine_address: str,
    zeebe: ZeebeClient,
    watch: Watch,
    tmp_path: Path,
) -> None:
    config = settings(issuer, dovecot, tmp_path, token_postfix)
    async with dialogue("authorize", "sales", "--no-browser", "-c", config) as authorize:
        await person.open((await authorize.heard(ADDRESS))[0])
        await person.log_in(USER, USER_PASSWORD)
        assert f"{USER}, may the application do this?" in await person.sees()
        await person.press("Accept")
        assert "Done" in await person.sees()
        assert f"{USER} consented to mail openid. You can close this page." in await person.sees()
        ended = await authorize.ended()
    assert ended.code == 0
    marks = {name: uuid4().hex for name in ("sales", "postfix")}
    async with run(engine_address, {}, "--config", config):
        instances = [await start(zeebe, tmp_path, mail(account, mark)) for account, mark in marks.items()]
        for instance in instances:
            await watch.completed(instance)
    assert marks["sales"] in dovecot_sink.received[-1].data.decode()
    assert await token_postfix.mail("ann", marks["postfix"].encode())
    assert [request["grant_type"] for request in issuer.token_requests()] == ["authorization_code"]


async def test_a_refusal_is_told_in_both_places(
    person: Person, issuer: AuthorizationServer, dovecot: Dovecot, tmp_path: Path
) -> None:
    config = settings(issuer, dovecot, tmp_path)
    async with dialogue("authorize", "sales", "--no-browser", "-c", config) as authorize:
        await person.open((await authorize.heard(ADDRESS))[0])
        await person.log_in(USER, USER_PASSWORD)
        await person.press("Refuse")
        seen = await person.sees()
        ended = await authorize.ended()
    assert "No consent" in seen
    assert "The consent was refused: start again, and accept what is asked for." in seen
    assert ended.code == 1
    assert "The consent was refused" in ended.stderr
    status = await command("authorize", "--status", "-c", config)
    assert "not authorized" in status.stdout


async def test_the_refresh_token_of_another_system_sends_a_mail(
    issuer: AuthorizationServer, dovecot: Dovecot, dovecot_sink: Sink, tmp_path: Path
) -> None:
    config, mark = settings(issuer, dovecot, tmp_path), uuid4().hex
    exported = json.dumps({"refreshToken": issuer.refresh_token(scope="mail openid")})
    taken = await command("authorize", "sales", "--import", "-", "-c", config, stdin=exported)
    assert taken.code == 0, taken.stderr
    sent = await command("send", "-", "-c", config, stdin=json.dumps(mail("sales", mark)))
    assert (sent.code, sent.outcome["outcome"]) == (0, "complete"), sent
    assert mark in dovecot_sink.received[-1].data.decode()
