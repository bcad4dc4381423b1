"""``smtp-connector ledger``, and what ``send`` leaves in it."""

from __future__ import annotations

import json
from pathlib import Path

from connector.testing.smtp import SmtpServer
from tests.commands.terminal import command
from tests.wire.test_pipeline import mail


def environ(directory: Path) -> dict[str, str]:
    return {
        "SMTP_CONNECTOR_LEDGER_KIND": "sqlite",
        "SMTP_CONNECTOR_LEDGER_PATH": str(directory / "ledger.db"),
    }


async def test_a_mail_that_was_sent_under_a_key_is_not_sent_again_and_can_be_seen(
    tmp_path: Path,
) -> None:
    remembered = environ(tmp_path)
    async with SmtpServer() as server:
        variables = json.dumps(mail(server))
        sent = [
            await command("send", "-", "--key", "order-1", stdin=variables, environ=remembered)
            for _ in range(2)
        ]
        assert [one.code for one in sent] == [0, 0]
        assert len(server.received) == 1
    table = await command("ledger", "show", environ=remembered)
    assert table.code == 0
    heading, line = table.stdout.splitlines()
    assert heading.split()[:3] == ["key", "state", "changed"]
    assert line.split()[:2] == ["<default>/key:order-1", "sent"]
    shown = await command("ledger", "show", "<default>/key:order-1", "--json", environ=remembered)
    (entry,) = json.loads(shown.stdout)
    assert entry["response"]["accepted"] == ["ann@example.test"]
    assert entry["response"]["messageId"] in table.stdout


async def test_what_is_not_there(tmp_path: Path) -> None:
    remembered = environ(tmp_path)
    async with SmtpServer() as server:
        await command("send", "-", "--key", "a", stdin=json.dumps(mail(server)), environ=remembered)
    missing = await command("ledger", "show", "<default>/key:b", environ=remembered)
    assert (missing.code, missing.stdout) == (1, "no entries\n")
    doubtful = await command("ledger", "show", "--state", "uncertain", environ=remembered)
    assert (doubtful.code, doubtful.stdout) == (0, "no entries\n")


async def test_what_is_old_is_forgotten(tmp_path: Path) -> None:
    remembered = environ(tmp_path)
    async with SmtpServer() as server:
        await command("send", "-", "--key", "a", stdin=json.dumps(mail(server)), environ=remembered)
    young = await command("ledger", "prune", "--older-than", "P1D", environ=remembered)
    assert (young.code, young.stdout) == (0, "0 entries deleted\n")
    old = await command("ledger", "prune", "--older-than", "0", environ=remembered)
    assert (old.code, old.stdout) == (0, "1 entry deleted\n")


async def test_wrong_usage_says_what_would_be_right(tmp_path: Path) -> None:
    state = await command("ledger", "show", "--state", "lost", environ=environ(tmp_path))
    assert state.code == 2
    assert "expected one of attempting, released" in state.stderr
    age = await command("ledger", "prune", "--older-than", "soon", environ=environ(tmp_path))
    assert age.code == 2
    assert "as P7D" in age.stderr
    memory = await command("ledger", "show")
    assert memory.code == 2
    assert "ledger.kind is memory" in memory.stderr


async def test_a_ledger_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_text("no database, and long enough to be seen as none" * 50)
    broken = await command("ledger", "show", environ=environ(tmp_path))
    assert broken.code == 1
    assert "not an SQLite database" in broken.stderr


async def test_a_dry_run_leaves_nothing(tmp_path: Path) -> None:
    async with SmtpServer() as server:
        await command(
            *("send", "-", "--dry-run", str(tmp_path / "mail.eml")),
            stdin=json.dumps(mail(server)),
            environ=environ(tmp_path),
        )
    assert not (tmp_path / "ledger.db").exists()
