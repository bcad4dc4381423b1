"""From settings to a ledger."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from connector.ledger import LedgerUnavailableError, open_ledger
from connector.ledger.port import Granted
from connector.settings.ledger import LedgerSettings
from tests.contract.attempts import MARK


async def test_opening_touches_nothing_and_the_first_use_makes_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    async with open_ledger(LedgerSettings(path=Path("~/state/ledger.db"))) as ledger:
        assert not (tmp_path / "state").exists()
        await ledger.begin("k", "h", 60)
    assert (tmp_path / "state" / "ledger.db").is_file()


async def test_memory_forgets_between_openings() -> None:
    for _ in range(2):
        async with open_ledger(LedgerSettings(kind="memory")) as ledger:
            assert isinstance(await ledger.begin("k", "h", 60), Granted)


async def test_leaving_writes_what_is_queued(tmp_path: Path) -> None:
    settings = LedgerSettings(path=tmp_path / "ledger.db")
    async with open_ledger(settings) as ledger:
        decision = await ledger.begin("k", "h", 60)
        assert isinstance(decision, Granted)
        queued = ledger.committing(decision.attempt, MARK)
        queued.send(None)  # asks, and waits for nothing
        queued.close()
    async with open_ledger(settings) as ledger:
        (entry,) = await ledger.entries()
        assert entry.state == "committing"


async def test_postgres_without_its_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("connector.ledger.postgres")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    settings = LedgerSettings(kind="postgres", url=SecretStr("postgresql://db/x"))
    with pytest.raises(LedgerUnavailableError, match=r"'\.\[postgres\]'"):
        async with open_ledger(settings):
            pass


async def test_a_user_without_a_home_is_told_to_set_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless(self: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", homeless)
    with pytest.raises(LedgerUnavailableError, match=r"set ledger\.path"):
        async with open_ledger(LedgerSettings()):
            pass


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "postgres"}, "kind postgres needs url"),
        ({"url": "mysql://u:hush-hush@db/x"}, "url must have the form postgresql://"),
        ({"uncertain": "ignore"}, "'incident', 'resend' or 'assume-sent'"),
    ],
)
def test_a_setting_that_cannot_be_is_explained(values: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        LedgerSettings.model_validate(values)
    assert message in caught.value.errors(include_input=False)[0]["msg"]


def test_the_url_is_not_shown() -> None:
    settings = LedgerSettings(
        kind="postgres", url=SecretStr("postgresql://worker:hush-hush@db.example.com/mail")
    )
    assert "hush-hush" not in f"{settings!r} {settings.model_dump(mode='json')}"
