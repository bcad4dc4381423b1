"""One grant for sending and for reading: SMTP, IMAP and POP3 with the same access token."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from connector.accounts.credentials import credential_of
from connector.errors import ErrorCode
from connector.model.incoming import Incoming
from connector.model.job import Complete, Fail, Outcome
from connector.model.server import Server
from connector.secrets.masker import Masker
from connector.send.assembly import open_pipeline
from connector.send.pipeline import Pipeline
from connector.settings.model import MAILBOX_TASK_TYPE, SEND_TASK_TYPE, Settings
from tests.jobs import job
from tests.oauth import consented, file_store, new_key
from tests.servers import authorization
from tests.servers.authorization import SECRET, USER, AuthorizationServer
from tests.servers.dovecot import Dovecot
from tests.servers.sink import Sink

KEY = new_key()


@pytest.fixture
def issuer(dovecot: Dovecot) -> Iterator[AuthorizationServer]:
    with authorization.running(small=True) as server:
        dovecot.trust(server.key_id, server.public_key, server.state.algorithm)
        yield server


def settings_of(
    issuer: AuthorizationServer, dovecot: Dovecot, directory: Path, protocol: str = "imap", **oauth: str
) -> Settings:
    account = {
        "host": "localhost",
        "port": dovecot.ports["submission"],
        "address": USER,
        "oauth": {
            "grant": "authorization_code",
            "authorization_url": issuer.authorization_url,
            "token_url": issuer.token_url,
            "client_id": "connector",
            "client_secret": SECRET,
            "scopes": "mail",
            **oauth,
        },
        "incoming": {"protocol": protocol, "port": dovecot.ports[f"{protocol}s"]},
    }
    return Settings.model_validate(
        {
            "accounts": {"sales": account},
            "tokens": {"path": directory / "tokens.json", "key": KEY, "hosts": [f"127.0.0.1:{issuer.port}"]},
            "smtp": {"ca_file": dovecot.ca_file},
            "ledger": {"kind": "memory"},
        }
    )


async def handled(opened: Pipeline, type_: str, **variables: Any) -> Outcome:
    given = replace(job(variables, headers={"resultVariable": "result"}), type=type_)
    return await opened.handle(given)


def mail(subject: str) -> dict[str, Any]:
    return {
        "account": "sales",
        "smtpEmailToRecipients": "ann@example.test",
        "smtpEmailSubject": subject,
        "smtpEmailContent": "Hello",
    }


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
async def test_one_consent_serves_sending_and_reading(
    issuer: AuthorizationServer, dovecot: Dovecot, dovecot_sink: Sink, tmp_path: Path, protocol: str
) -> None:
    settings = settings_of(issuer, dovecot, tmp_path, protocol)
    credential = credential_of("sales", settings)
    assert credential is not None
    await consented(file_store(settings.tokens.path, KEY), issuer, credential)
    subject = f"Order {uuid4().hex}"
    async with open_pipeline(settings, Masker(), {}) as opened:
        sent = await handled(opened, SEND_TASK_TYPE, **mail(subject))
        assert isinstance(sent, Complete), sent
        listed = await handled(opened, MAILBOX_TASK_TYPE, account="sales", mailboxOperation="list")
        assert isinstance(listed, Complete), listed
    assert listed.variables["result"]["status"] == "SUCCESS"
    assert subject in dovecot_sink.received[-1].data.decode()
    assert len(issuer.token_requests()) == 1


async def test_a_mailbox_without_a_consent_is_an_incident_that_names_the_command(
    issuer: AuthorizationServer, dovecot: Dovecot, tmp_path: Path
) -> None:
    settings = settings_of(issuer, dovecot, tmp_path)
    async with open_pipeline(settings, Masker(), {}) as opened:
        outcome = await handled(opened, MAILBOX_TASK_TYPE, account="sales", mailboxOperation="list")
    assert isinstance(outcome, Fail)
    assert outcome.retries == 0
    assert ErrorCode.AUTHORIZATION_REQUIRED.value in outcome.message
    assert "smtp-connector authorize sales" in outcome.message


async def test_a_password_for_the_mailbox_alone_needs_no_token(
    issuer: AuthorizationServer, dovecot: Dovecot, tmp_path: Path
) -> None:
    from connector.accounts.accounts import Accounts

    settings = settings_of(issuer, dovecot, tmp_path)
    tree = settings.model_dump(by_alias=True, exclude_unset=True)
    tree["accounts"]["sales"]["incoming"] |= {"username": "other", "password": "secrets.PW"}
    incoming = Accounts(Settings.model_validate(tree)).configured("sales").incoming
    assert isinstance(incoming, Incoming)
    assert (incoming.server.username, incoming.server.credential) == ("other", None)
    tree["accounts"]["sales"]["incoming"] |= {"username": "shared@example.test", "password": None}
    incoming = Accounts(Settings.model_validate(tree)).configured("sales").incoming
    assert isinstance(incoming, Incoming)
    server: Server = incoming.server
    assert (server.username, server.credential is None) == ("shared@example.test", False)


async def test_a_task_reads_with_credentials_of_its_own(
    issuer: AuthorizationServer, dovecot: Dovecot, tmp_path: Path
) -> None:
    issuer.state.claims = {"email": USER}
    settings = settings_of(issuer, dovecot, tmp_path)
    authentication = {
        "hostname": "localhost",
        "port": dovecot.ports["imaps"],
        "security": "tls",
        "username": USER,
        "oauth": {
            "tokenUrl": issuer.token_url,
            "clientId": "connector",
            "clientSecret": "secrets.CLIENT",
            "scopes": "mail",
        },
    }
    async with open_pipeline(settings, Masker(), {"SECRET_CLIENT": SECRET}) as opened:
        for _ in range(2):
            listed = await handled(
                opened, MAILBOX_TASK_TYPE, authentication=authentication, mailboxOperation="listFolders"
            )
            assert isinstance(listed, Complete), listed
    assert len(issuer.token_requests()) == 1
