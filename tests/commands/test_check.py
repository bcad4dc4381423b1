"""``smtp-connector check`` as an operator runs it: tables, JSON, exit codes, and no secret anywhere."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from connector.testing.behaviour import Behaviour, Hold, Say, Verb
from connector.testing.engine import FakeEngine
from connector.testing.smtp import Offer, SmtpServer
from tests.commands.terminal import Finished, command
from tests.servers.gateway import FakeGateway
from tests.wire import smtp_submission as given

CANARY = "kanarienvogel-7"
IN_A_FILE = {"SMTP_CONNECTOR_LEDGER_KIND": "sqlite"}  # the other commands of the tests forget theirs
LOCAL = ("--host", "127.0.0.1", "--security", "none")


def settings(directory: Path, accounts: Mapping[str, Mapping[str, Any]], **more: Any) -> str:
    """Write a settings file; its path."""
    file = directory / "worker.yaml"
    tree = {"accounts": accounts, "ledger": {"path": str(directory / "ledger.db")}, **more}
    file.write_text(json.dumps(tree))  # JSON is YAML
    return str(file)


def at(server: SmtpServer, **account: Any) -> dict[str, Any]:
    return {"host": "127.0.0.1", "port": server.port, "ca_file": str(given.ca_file()), **account}


async def test_everything_is_checked_and_shown_in_tables(tmp_path: Path) -> None:
    async with SmtpServer(tls_context=given.good_context()) as server, FakeGateway(FakeEngine()) as gateway:
        file = settings(tmp_path, {"sales": at(server, address="sales@example.com")})
        address = f"engine.address={gateway.address}"
        done = await command("check", "--config", file, "--set", address, environ=IN_A_FILE)
    assert (done.code, done.stderr) == (0, "")
    assert f"OK sales (127.0.0.1:{server.port})" in done.stdout
    assert f"OK engine ({gateway.address})" in done.stdout
    assert "OK ledger" in done.stdout
    assert "mail from sales@example.com is accepted" in done.stdout


async def test_accounts_that_are_named_are_checked_alone(tmp_path: Path) -> None:
    async with SmtpServer(tls_context=given.good_context()) as server:
        file = settings(tmp_path, {"sales": at(server), "shop": at(server)})
        one = await command("check", "sales", "--config", file, "--json")
        more = await command("check", "sales", "--config", file, "--json", "--ledger")
    assert [item["name"] for item in one.outcome["checks"]] == ["sales"]
    assert [item["name"] for item in more.outcome["checks"]] == ["sales", "ledger"]
    assert (one.code, more.code) == (0, 0)


async def test_a_failure_is_exit_code_1_with_reason_and_fix(tmp_path: Path) -> None:
    async with SmtpServer(tls_context=given.expired_context()) as server:
        file = settings(tmp_path, {"sales": at(server)})
        done = await command("check", "sales", "--config", file)
    assert done.code == 1
    assert f"FAILED sales (127.0.0.1:{server.port})" in done.stdout
    assert "has expired" in done.stdout
    assert "fix: Ask the operator of 127.0.0.1 to renew the certificate" in done.stdout
    assert "ehlo, auth, sender, mail: not reached" not in done.stdout  # EHLO came before STARTTLS
    assert "auth, sender, mail: not reached" in done.stdout


STEP = {"step", "status", "message", "fix", "code", "seconds", "facts"}
FACTS = {
    "dns": {"addresses"},
    "tcp": {"address", "port"},
    "tls": {"version", "cipher", "certificates"},
    "ehlo": {"size", "pipelining", "starttls", "dsn", "smtputf8", "auth"},
    "auth": {"mechanism"},
    "sender": {"address"},
    "mail": {"recipient", "messageId", "reply"},
    "engine": {"version", "credentials", "tls"},
    "ledger": {"kind"},
}
CERTIFICATE = {"subject", "issuer", "names", "begins", "expires", "daysLeft", "sha256"}


async def test_the_keys_of_json_are_the_same_whatever_is_found(tmp_path: Path) -> None:
    async with (
        SmtpServer(tls_context=given.good_context()) as good,
        SmtpServer(tls_context=given.expired_context(), implicit_tls=True) as bad,
    ):
        file = settings(tmp_path, {"good": at(good), "bad": at(bad, security="tls")})
        nowhere = ("--set", "engine.address=localhost:1")
        done = await command("check", "--config", file, "--json", *nowhere, environ=IN_A_FILE)
    assert done.code == 1
    assert set(done.outcome) == {"status", "checks"}
    names = [(item["kind"], item["name"], item["status"]) for item in done.outcome["checks"]]
    assert names == [
        ("account", "bad", "failed"),
        ("account", "good", "ok"),
        ("engine", "engine", "failed"),
        ("ledger", "ledger", "ok"),
    ]
    for item in done.outcome["checks"]:
        assert set(item) == {"kind", "name", "target", "status", "steps"}
        for step in item["steps"]:
            assert set(step) == STEP
            assert set(step["facts"]) == FACTS[step["step"]]
            for certificate in step["facts"].get("certificates", []):
                assert set(certificate) == CERTIFICATE
    assert done.outcome["checks"][0]["steps"][2]["code"] == "TLS_FAILED"


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["table", "json"])
async def test_no_secret_is_shown_even_if_the_server_repeats_it(
    form: tuple[str, ...], tmp_path: Path
) -> None:
    behaviour = Behaviour().on(Verb.CREDENTIALS, Say(535, f"no {CANARY}", f"user {CANARY}"))
    async with SmtpServer(
        tls_context=given.good_context(),
        users={"ada": "x"},
        behaviour=behaviour,
        offer=Offer(auth=("LOGIN",)),
    ) as server:
        account = at(server, username="ada", password="secrets.PW")
        file = settings(tmp_path, {"sales": account}, log={"level": "debug"})
        done = await command(
            "check", "sales", "--engine", "--config", file, *form, environ={"SECRET_PW": CANARY}
        )
        (connection,) = server.connections
    assert done.code == 1
    assert "535 no " in done.stdout
    assert CANARY not in done.stdout + done.stderr
    assert b"QUIT" in connection.received_bytes


@pytest.mark.parametrize(
    ("stdin", "options", "environ"),
    [(f"{CANARY}\n", (), {}), ("", ("--password-secret", "PW"), {"SECRET_PW": CANARY})],
    ids=["standard input", "secret"],
)
async def test_a_server_without_an_account(
    stdin: str, options: tuple[str, ...], environ: dict[str, str]
) -> None:
    async with SmtpServer(users={"ada": CANARY}) as server:
        where = (*LOCAL, "--port", str(server.port), "--username", "ada", "--from", "ada@example.com")
        send = ("--send-to", "bob@example.com")
        done = await command("check", *where, *send, *options, "--json", stdin=stdin, environ=environ)
        (mail,) = server.received
    assert done.code == 0
    (report,) = done.outcome["checks"]
    assert (report["kind"], report["status"]) == ("server", "ok")
    assert (mail.username, mail.sender, mail.recipients) == ("ada", "ada@example.com", ("bob@example.com",))
    assert CANARY not in done.stdout + done.stderr


async def test_a_secret_typed_as_a_password_is_no_reference() -> None:
    async with SmtpServer(users={"ada": "secrets.PW"}) as server:
        where = (*LOCAL, "--port", str(server.port), "--username", "ada")
        done = await command("check", *where, stdin="secrets.PW\n", environ={"SECRET_PW": "another"})
    assert done.code == 0


USAGE: dict[str, tuple[tuple[str, ...], str]] = {
    "unknown account": (("slaes",), "slaes: no such account; did you mean sales?"),
    "unlike any account": (("x",), "x: no such account; the settings have: sales"),
    "host and account": (("sales", "--host", "x"), "--host checks a server that is no account"),
    "port without host": (("--port", "25"), "--port needs --host"),
    "secret without user": (("--host", "x", "--password-secret", "PW"), "--password-secret needs --username"),
    "no password": ((*LOCAL, "--username", "ada"), "--username needs a password"),
    "no security": (("--host", "x", "--security", "ssl"), "--security: expected tls, starttls"),
    "no host": (("--host", "x y"), "--host: "),
    "no port": (("--host", "x", "--port", "70000"), "--port: expected at most 65535"),
    "no sender": (("--from", "x y"), "--from: "),
    "no recipient": (("--send-to", "nobody"), "--send-to: "),
    "no time": (("--timeout", "0"), "--timeout: expected more than 0 and at most 3600 seconds"),
    "no number": (("--timeout", "nan"), "--timeout: expected more than 0 and at most 3600 seconds"),
    "password as an argument": (("--host", "x", "--password", CANARY), "No such option"),
}


@pytest.mark.parametrize(("arguments", "message"), USAGE.values(), ids=USAGE)
async def test_wrong_usage_is_exit_code_2(arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
    file = settings(tmp_path, {"sales": {"host": "localhost"}})
    done: Finished = await command("check", "--config", file, *arguments)
    assert (done.code, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


async def test_an_interrupt_ends_it_at_once(tmp_path: Path) -> None:
    hold = Hold()
    async with SmtpServer(behaviour=Behaviour().on(Verb.CONNECT, hold)) as server:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "connector", "check", "sales", "--timeout", "600"),
            *("--config", settings(tmp_path, {"sales": at(server)})),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
        )
        await asyncio.wait_for(hold.reached.wait(), 30)
        process.send_signal(signal.SIGINT)
        out, err = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, out) == (130, b"")
    assert b"Traceback" not in err
