"""An account that submits to one server and files its copies at another: what the tests of copies share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from connector.settings.model import Settings
from connector.settings.sources import load
from tests.contract.mailboxes import DovecotPost
from tests.servers.dovecot import PASSWORD

SECRETS = {"SECRET_MAILBOX": PASSWORD}
MAIL = {
    "smtpEmailToRecipients": "bob@example.com",
    "smtpEmailBccRecipients": "eve@example.com",
    "smtpEmailSubject": "Hello",
    "smtpEmailContent": "Grüße\n.dot\n",
}


def settings_of(
    post: DovecotPost, smtp_port: int, ledger: Path | None = None, **changed: str | None
) -> Settings:
    """The account ``default`` with copies in the folder of sent mails."""
    account: Mapping[str, Any] = {
        "host": "127.0.0.1",
        "port": str(smtp_port),
        "security": "none",
        "address": "ann@example.com",
        "incoming.protocol": "imap",
        "incoming.host": "localhost",
        "incoming.port": str(post.server.ports["imaps"]),
        "incoming.username": post.user,
        "incoming.password": "secrets.MAILBOX",
        "copy": "sent-folder",
    }
    general = {"smtp.ca_file": str(post.server.ca_file), "smtp.helo_name": "client.example"}
    kept = {"ledger.path": str(ledger)} if ledger else {"ledger.kind": "memory"}
    overrides = {f"accounts.default.{name}": value for name, value in account.items()}
    return load({}, overrides={**general, **overrides, **kept, **changed}).settings
