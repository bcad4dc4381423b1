"""The mistakes of an operator, more than twenty: each is told what is wrong, and what to change."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from connector.testing.smtp import SmtpServer
from tests.commands.terminal import Finished, command
from tests.wire import smtp_submission as given
from tests.wording import stumbles


@dataclass(frozen=True)
class Mistake:
    """A settings file, an environment, and what the operator reads.

    Attributes:
        wrong: Words that say what is wrong.
        change: Words that say what to change.
    """

    settings: str
    wrong: str
    change: str
    environ: dict[str, str] = field(default_factory=dict)


SETTINGS = {
    "a tab": Mistake("log:\n\tlevel: info\n", "line 2, column 1: a tab stands", "indent with blanks"),
    "a misspelt section": Mistake("acounts: {}\n", "line 1: acounts: no such setting", "mean accounts?"),
    "another program's name": Mistake(
        "accounts:\n  a:\n    host: x\n    from: a@x.example\n",
        "line 4: accounts.a.from: no such setting",
        "did you mean accounts.a.address?",
    ),
    "a key twice": Mistake("log: {level: info, level: debug}\n", "a key is repeated", "keep one of them"),
    "a time zone of no place": Mistake(
        "message: {time_zone: CEST}\n", "'CEST' is not an IANA time zone", "such as Europe/Berlin"
    ),
    "a missing authority": Mistake(
        "smtp: {ca_file: /no/such.pem}\n", "smtp.ca_file", "cannot read /no/such.pem: No such file"
    ),
    "a missing directory of secrets": Mistake(
        "secrets: {directory: /no/such}\n", "it is no directory", "create or mount it, or correct the path"
    ),
    "half a login": Mistake(
        "accounts: {a: {host: x, username: u}}\n", "accounts.a: username and password", "must be set together"
    ),
    "no number": Mistake("worker: {max_jobs: many}\n", "worker.max_jobs", "expected a whole number"),
    "a port that no host has": Mistake(
        "accounts: {a: {host: x, port: 58700}, b: {host: x, port: 587000}}\n", "b.port", "at most 65535"
    ),
    "a URL for a host": Mistake(
        "accounts: {a: {host: 'smtp://mail.example'}}\n", "accounts.a.host", "without smtp:// in front"
    ),
    "an unknown preset": Mistake(
        "accounts: {a: {preset: gmial}}\n", "accounts.a.preset", "expected office365, outlook, gmail"
    ),
    "the mail server for the engine": Mistake(
        "engine: {address: 'smtp.example.com:587'}\n", "a mail server's address", "accounts.default.host"
    ),
    "the web address for the engine": Mistake(
        "engine: {address: 'http://zeebe:8080/v2'}\n", "an HTTP interface", "gRPC interface"
    ),
    "a directory for the ledger": Mistake(
        "ledger: {path: /tmp}\n", "/tmp is a directory", "name a file in it, as /tmp/ledger.db"
    ),
    "two names of one fact": Mistake(
        "log: {level: info}\n",
        "ZEEBE_ADDRESS and CAMUNDA_GRPC_ADDRESS contradict each other",
        "keep one of them",
        {"ZEEBE_ADDRESS": "a:1", "CAMUNDA_GRPC_ADDRESS": "b:1"},
    ),
}


@pytest.mark.parametrize("mistake", SETTINGS.values(), ids=SETTINGS)
async def test_a_mistake_in_the_settings_ends_the_start(mistake: Mistake, tmp_path: Path) -> None:
    file = tmp_path / "worker.yaml"
    file.write_text(mistake.settings, encoding="utf-8")
    done = await command("run", "--config", str(file), environ=mistake.environ)
    assert done.code == 2
    assert mistake.wrong in done.stderr
    assert mistake.change in done.stderr
    assert list(stumbles(done.stderr)) == []


async def checked(server: SmtpServer, tmp_path: Path, account: str, **environ: str) -> Finished:
    """Check one account of this server."""
    file = tmp_path / "worker.yaml"
    file.write_text(f"accounts: {{a: {{host: 127.0.0.1, port: {server.port}, {account}}}}}", encoding="utf-8")
    done = await command("check", "a", "--timeout", "4", "--config", str(file), environ=environ)
    assert list(stumbles(" ".join(done.stdout.split()))) == []
    return done


async def test_a_wrong_port_is_told(tmp_path: Path) -> None:
    async with SmtpServer() as server:
        pass  # its port is free again
    done = await checked(server, tmp_path, "security: none")
    assert done.code == 1
    assert "fix: " in done.stdout
    assert "refuses the connection: check host and port" in done.stdout


async def test_a_wrong_password_is_told_and_not_shown(tmp_path: Path) -> None:
    async with SmtpServer(users={"ada": "right"}) as server:
        account = "security: none, username: ada, password: secrets.PW"
        done = await checked(server, tmp_path, account, SECRET_PW="kanarienvogel")
    assert done.code == 1
    assert "fix: " in done.stdout
    assert "kanarienvogel" not in done.stdout + done.stderr


async def test_an_unknown_authority_is_told(tmp_path: Path) -> None:
    async with SmtpServer(tls_context=given.unknown_authority_context()) as server:
        done = await checked(server, tmp_path, f"ca_file: {given.ca_file()}")
    assert done.code == 1
    assert "certificate" in done.stdout
    assert "ca_file" in done.stdout


async def test_a_misspelt_secret_is_told_with_the_nearest_name(tmp_path: Path) -> None:
    async with SmtpServer() as server:
        account = "security: none, username: ada, password: secrets.MAIL_PASWORD"
        done = await checked(server, tmp_path, account, SECRET_MAIL_PASSWORD="kanarienvogel")
    told = " ".join(done.stdout.split())
    assert "environment variable SECRET_MAIL_PASWORD" in told
    assert "did you mean secrets.MAIL_PASSWORD?" in told


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_ledger_without_rights_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)  # noqa: ASYNC240 - a moment
    where = {"SMTP_CONNECTOR_LEDGER_KIND": "sqlite", "SMTP_CONNECTOR_LEDGER_PATH": str(tmp_path / "l.db")}
    done = await command("check", "--no-engine", environ=where)
    assert done.code == 1
    assert "Set ledger.path to a file on a local disk" in done.stdout
