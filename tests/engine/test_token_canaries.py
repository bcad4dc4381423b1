"""Nothing that is secret about OAuth leaves the worker and the commands, in success and failure.

Each grant gets a token and sends, and is refused by a provider that repeats what was sent to it; a mail
server repeats a token. Everything secret that went over the wire is then looked for in all that was written.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from joserfc import jwt
from joserfc.jwk import import_key
from pyzeebe import ZeebeClient

from connector.accounts.credentials import credential_of
from connector.settings.sources import load
from connector.testing.behaviour import Behaviour, Say, Verb
from connector.testing.smtp import Offer, SmtpServer
from tests.commands.terminal import command, dialogue
from tests.engine.records import Records
from tests.engine.service import start
from tests.engine.test_processes import metrics
from tests.engine.worker_process import run
from tests.oauth import consented, file_store, key_file, new_key
from tests.servers import authorization
from tests.servers.authorization import SECRET, USER, AuthorizationServer
from tests.servers.authorization_state import Client
from tests.wire.test_token_grants import service_account

BY_CONSENT = ("code", "device")
BY_ITSELF = ("post", "basic", "certificate", "federated", "service")
DEBUG = {"PYTHONASYNCIODEBUG": "1", "SMTP_CONNECTOR_LOG_LEVEL": "debug"}
KINDS = frozenset(
    {
        *("access_token", "refresh_token", "id_token", "device_code", "code", "code_verifier"),
        *("client_secret", "client_assertion", "assertion", "Authorization"),
    }
)
"""What goes over the wire and is secret."""


SIGNS = {
    "authorize": "consented",
    "metrics": "smtp_connector_mails_sent_total",
    "log": "job reported",
    "check --json": "invalid_request",
    "settings": "client_secret",
    "authorize --status": "good",
    "records": "invalid_request",
    "store": "credentials",
}
"""What tells that something was looked at which could hold a secret."""


class Given:
    """The settings of a worker with an account for each grant, and the secrets in its files."""

    def __init__(self, directory: Path, good: AuthorizationServer, bad: AuthorizationServer) -> None:
        self.key = new_key()
        self._directory = directory
        self._certificate, password, public = key_file(directory, "encrypted")
        self._password = password or ""
        self._service = service_account(directory, good, USER)
        self._clients(good, public)
        self.files = [self.key, self._password, *_lines(self._certificate), *_lines(self._service)]
        self._servers = {"good": good, "bad": bad}

    def _clients(self, server: AuthorizationServer, public: bytes) -> None:
        """Let the server know the applications, and write the token that a platform has signed for one."""
        key = rsa.generate_private_key(65537, 2048)
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        theirs = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        server.state.clients["signer"] = Client("signer", key=import_key(public, "RSA"))
        server.state.clients["pod"] = Client("pod", key=import_key(theirs, "RSA"))
        now = int(datetime.now(UTC).timestamp())
        claims = {"iss": "pod", "sub": "pod", "aud": server.token_url, "exp": now + 3600, "jti": "1"}
        signed = jwt.encode({"alg": "RS256"}, claims, import_key(pem, "RSA"))
        (self._directory / "federated").write_text(signed)

    def _oauth(self, grant: str, server: AuthorizationServer) -> dict[str, Any]:
        urls = {
            "token_url": server.token_url,
            "authorization_url": server.authorization_url,
            "device_url": f"{server.base}/device_authorization",
            "scopes": "mail openid" if grant in BY_CONSENT else "mail",
        }
        application = {"client_id": "connector", "client_secret": SECRET}
        signer = {"certificate": str(self._certificate), "certificate_password": self._password}
        own: dict[str, dict[str, Any]] = {
            "code": {"grant": "authorization_code", **application},
            "device": {"grant": "device_code", **application},
            "post": {"grant": "client_credentials", **application},
            "basic": {"grant": "client_credentials", "client_authentication": "basic", **application},
            "certificate": {"grant": "client_credentials", "client_id": "signer", **signer},
            "federated": {
                "grant": "client_credentials",
                "client_id": "pod",
                "federated_token_file": str(self._directory / "federated"),
            },
            "service": {
                "grant": "jwt_bearer",
                "client_id": "mailer",
                "certificate": str(self._service),
                "subject": USER,
            },
        }
        return {**urls, **own[grant]}

    def write(self, smtp: SmtpServer, repeating: int) -> str:
        """Write a settings file; its path."""
        accounts = {
            f"{grant}-{name}": {
                "host": "127.0.0.1",
                "port": smtp.port,
                "security": "none",
                "address": USER,
                "oauth": self._oauth(grant, server),
            }
            for name, server in self._servers.items()
            for grant in (*BY_CONSENT, *BY_ITSELF)
        }
        accounts["refused"] = {**accounts["post-good"], "port": repeating}
        tree = {
            "accounts": accounts,
            "tokens": {
                "path": str(self._directory / "kept/tokens.json"),
                "key": "secrets.TOKEN_KEY",
                "hosts": [f"127.0.0.1:{server.port}" for server in self._servers.values()],
            },
            "health": {"listen": "127.0.0.1:0"},
            "log": {"format": "json"},
        }
        file = self._directory / "worker.yaml"
        file.write_text(yaml.safe_dump(tree))
        return str(file)

    def of_a_task(self, smtp: SmtpServer, name: str) -> dict[str, Any]:
        """What a task says that brings its own application."""
        oauth = {
            "tokenUrl": self._servers[name].token_url,
            "clientId": "connector",
            "clientSecret": "secrets.CLIENT",
            "scopes": "mail",
        }
        where = {"hostname": "127.0.0.1", "port": smtp.port, "security": "none", "username": USER}
        return {"authentication": {**where, "oauth": oauth}, "smtpEmailMailBoxName": USER}


def _lines(file: Path) -> list[str]:
    """The lines of the private key in a file."""
    text = file.read_text()
    pem = json.loads(text)["private_key"] if text.startswith("{") else text
    key = pem[: pem.index("-----END")]
    return [line for line in key.splitlines() if line and "-----" not in line]


@asynccontextmanager
async def repeating_mail_server() -> AsyncIterator[int]:
    """A mail server that refuses a token and repeats it, as it came and decoded; its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 test.example\r\n")
        while line := (await reader.readline()).strip():
            word = line[:4].upper()
            if word == b"EHLO":
                writer.write(b"250-test.example\r\n250 AUTH XOAUTH2\r\n")
            elif word == b"AUTH" and b" " not in line[5:]:
                writer.write(b"334 \r\n")
            else:
                writer.writelines(_refused(line))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def _refused(line: bytes) -> Iterator[bytes]:
    sent = line.rpartition(b" ")[2]
    try:
        decoded = base64.b64decode(sent, validate=True).replace(b"\x01", b" ")
    except ValueError:
        decoded = b""
    for words in (sent, decoded, base64.b64encode(decoded.rpartition(b"Bearer ")[2])):
        yield b"535-5.7.8 " + words + b"\r\n"
    yield b"535 5.7.8 no\r\n"


def canaries(*servers: AuthorizationServer) -> Iterator[tuple[str, str]]:
    """Every secret that has gone over the wire, with its kind."""
    for server in servers:
        for asked in server.asked:
            yield from ((name, text) for name, text in asked.form.items() if name in KINDS)
            if login := asked.headers.get("Authorization"):
                yield "Authorization", login.removeprefix("Basic ")
        for given in server.given:
            yield from ((name, text) for name, text in given.items() if name in KINDS)
        yield from (("refresh_token", token) for token in server.state.refreshes)


def forms(secret: str) -> Iterator[str]:
    """The forms in which a secret may turn up; in base64 behind any other text, as in SASL."""
    yield from (
        secret,
        quote(secret, safe=""),
        quote_plus(secret),
        json.dumps(secret)[1:-1],
        repr(secret)[1:-1],
    )
    for offset in range(3):
        encoded = base64.b64encode(bytes(offset) + secret.encode()).decode().rstrip("=")
        inside = encoded[4 if offset else 0 : -1]
        yield from (inside, inside.translate(str.maketrans("+/", "-_")))


def mail(**more: Any) -> dict[str, Any]:
    return {
        "smtpEmailToRecipients": "ann@example.test",
        "smtpEmailSubject": "Order",
        "smtpEmailContent": "Hello",
        **more,
    }


@contextmanager
def providers() -> Iterator[tuple[AuthorizationServer, AuthorizationServer]]:
    """One that behaves well, and one that refuses everything and repeats it."""
    with authorization.running() as good, authorization.running() as bad:
        bad.faults.extend([authorization.repeating] * 100)
        yield good, bad


async def consent(good: AuthorizationServer, config: str, environ: Mapping[str, str]) -> str:
    """Consent in a browser and on a device, and try the same at the other provider; what was printed."""
    said: list[str] = []

    async def run_(account: str, pattern: str, answer: Callable[[str], str | None], *options: str) -> None:
        async with dialogue("authorize", account, *options, "-c", config, environ=environ) as running:
            where = answer((await running.heard(pattern))[1])
            if where is not None:
                running.type(where)
            ended = await running.ended()
            said.extend((ended.stdout, ended.stderr))

    address, code = r"(http://\S+/authorize\?\S+)", r"enter ([A-Z]{4}-[A-Z]{4})"
    await run_("code-good", address, good.consent, "--no-browser")
    await run_("device-good", code, good.decide, "--device")
    return "\n".join(said)


async def keep_grants(config: str, bad: AuthorizationServer, key: str) -> None:
    """Keep the grants of persons who have consented at the provider that refuses everything."""
    configured = load({"SECRET_TOKEN_KEY": key}, config=Path(config)).settings
    store = file_store(configured.tokens.path, key)
    for grant in BY_CONSENT:
        credential = credential_of(f"{grant}-bad", configured)
        assert credential is not None
        await consented(store, bad, credential)


@pytest.mark.timeout(400)  # many accounts and commands; ten seconds where nothing else runs
async def test_nothing_secret_is_written_anywhere(
    engine_address: str, zeebe: ZeebeClient, records: Records, tmp_path: Path
) -> None:
    behaviour = Behaviour().on(Verb.CREDENTIALS, Say(235, "2.7.0 Ok"))
    offer = Offer(auth=("XOAUTH2",))
    with providers() as (good, bad):
        async with (
            SmtpServer(users={}, offer=offer, behaviour=behaviour) as smtp,
            repeating_mail_server() as repeating,
        ):
            given = Given(tmp_path, good, bad)
            config = given.write(smtp, repeating)
            environ = {"SECRET_TOKEN_KEY": given.key, "SECRET_CLIENT": SECRET, **DEBUG}
            written = {"authorize": await consent(good, config, environ)}
            await keep_grants(config, bad, given.key)
            before = len(records.so_far(lambda _: True))
            async with run(engine_address, environ, "--config", config) as worker:
                await sends_and_fails(zeebe, records, given, smtp, tmp_path)
                written["metrics"] = await metrics(worker)
                worker.process.terminate()
                await worker.ended()
                written["log"] = worker.log
            for words in (("check", "--json"), ("settings",), ("authorize", "--status")):
                ended = await command(*words, "-c", config, environ=environ)
                written[" ".join(words)] = ended.stdout + ended.stderr
    written["records"] = json.dumps(records.since(before), ensure_ascii=False)
    written["store"] = "".join(
        file.read_bytes().decode("latin-1") for file in (tmp_path / "kept").iterdir() if file.is_file()
    )
    found = {*canaries(good, bad), *(("file", text) for text in given.files)}
    assert {kind for kind, _ in found} == KINDS | {"file"}
    hits = [
        (place, kind)
        for place, text in written.items()
        for kind, secret in found
        if any(form in text for form in forms(secret))
    ]
    assert hits == []
    for place, sign in SIGNS.items():
        assert sign in written[place], f"{place}: it was not what should be looked at"


async def sends_and_fails(
    zeebe: ZeebeClient, records: Records, given: Given, smtp: SmtpServer, directory: Path
) -> None:
    """Let a process send with each grant, and another fail with it."""
    good = [mail(account=f"{grant}-good") for grant in (*BY_CONSENT, *BY_ITSELF)]
    bad = [mail(account=f"{grant}-bad") for grant in (*BY_CONSENT, *BY_ITSELF)]
    good.append(mail(**given.of_a_task(smtp, "good")))
    bad += [mail(**given.of_a_task(smtp, "bad")), mail(account="refused")]
    done = [await start(zeebe, directory, inputs) for inputs in good]
    failed = [await start(zeebe, directory, inputs, retries=1) for inputs in bad]
    for instance in done:
        await records.completed(instance, deadline=120)
    for instance in failed:
        await records.incident(instance, deadline=120)
