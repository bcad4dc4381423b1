"""The environment and a directory of files, as Docker and Kubernetes fill them."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from connector.errors import SecretError
from connector.secrets import providers
from connector.secrets.port import UnusableSecretError
from connector.secrets.providers import EnvironmentSecrets, FileSecrets, open_secrets
from connector.settings.secrets import SecretSettings


async def test_a_variable_is_found_by_its_exact_name_first() -> None:
    secrets = EnvironmentSecrets(
        {"SECRET_relay": "exact", "SECRET_RELAY": "upper", "TOKEN": "ours"}, "SECRET_"
    )
    assert await secrets.get("relay") == "exact"
    assert await secrets.get("Relay") == "upper"
    assert await secrets.get("TOKEN") is None


async def test_a_name_that_shells_do_not_allow_has_a_second_spelling() -> None:
    secrets = EnvironmentSecrets({"SECRET_MAIL_RELAY_PASSWORD_1": "found"}, "SECRET_")
    assert await secrets.get("mail/relay.password-1") == "found"


async def test_an_empty_variable_is_a_mistake_and_not_a_password() -> None:
    with pytest.raises(UnusableSecretError, match="SECRET_TOKEN is empty"):
        await EnvironmentSecrets({"SECRET_TOKEN": ""}, "SECRET_").get("TOKEN")


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        (b"value", "value"),
        (b"value\n", "value"),
        (b"value\r\n", "value"),
        (b"value\n\n", "value\n"),
        (b" value ", " value "),
        ("gr\u00fc\u00df".encode(), "gr\u00fc\u00df"),
    ],
)
async def test_a_file_is_its_text_without_the_last_line_break(
    tmp_path: Path, octets: bytes, value: str
) -> None:
    (tmp_path / "TOKEN").write_bytes(octets)
    assert await FileSecrets(tmp_path).get("TOKEN") == value


async def test_a_name_may_lead_into_a_sub_directory(tmp_path: Path) -> None:
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail" / "TOKEN").write_text("value")
    secrets = FileSecrets(tmp_path)
    assert await secrets.get("mail/TOKEN") == "value"
    assert await secrets.get("mail") is None
    assert await secrets.get("mail/TOKEN/more") is None


async def test_a_missing_file_or_directory_is_no_secret(tmp_path: Path) -> None:
    assert await FileSecrets(tmp_path).get("TOKEN") is None
    assert await FileSecrets(tmp_path / "absent").get("TOKEN") is None


async def test_a_secret_that_kubernetes_rotates_is_read_anew(tmp_path: Path) -> None:
    for version, value in (("..2026_1", "old"), ("..2026_2", "new")):
        (tmp_path / version).mkdir()
        (tmp_path / version / "TOKEN").write_text(value)
    (tmp_path / "..data").symlink_to("..2026_1")
    (tmp_path / "TOKEN").symlink_to("..data/TOKEN")
    secrets = FileSecrets(tmp_path)
    assert await secrets.get("TOKEN") == "old"
    (tmp_path / "..new").symlink_to("..2026_2")
    (tmp_path / "..new").replace(tmp_path / "..data")
    assert await secrets.get("TOKEN") == "new"


async def test_the_directory_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "TOKEN").write_text("value")
    (tmp_path / "link").symlink_to("real")
    assert await FileSecrets(tmp_path / "link").get("TOKEN") == "value"


def fill(directory: Path) -> None:
    directory.mkdir()
    (directory.parent / "outside").write_text("not yours")
    (directory / "LINK").symlink_to("../outside")
    (directory / "LOOP").symlink_to("LOOP")
    (directory / "EMPTY").write_text("\n")
    (directory / "BINARY").write_bytes(b"\xff\xfe-secret")
    (directory / "LARGE").write_bytes(b"x" * 70_000)
    os.mkfifo(directory / "FIFO")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a/../../outside", "must not lead out"),
        ("LINK", "leads out of the directory"),
        ("LOOP", "loop|symbolic links"),
        ("EMPTY", r"file .*/EMPTY is empty; write the value into it"),
        ("BINARY", "not UTF-8 text; store it as text in UTF-8"),
        ("LARGE", "more than 65536 bytes"),
        ("FIFO", "not a regular file"),
    ],
)
async def test_what_cannot_be_used_says_why(tmp_path: Path, name: str, reason: str) -> None:
    fill(tmp_path / "secrets")
    with pytest.raises(UnusableSecretError, match=reason) as caught:
        await FileSecrets(tmp_path / "secrets").get(name)
    assert "secret\\" not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_a_file_that_is_written_in_place_is_not_taken_for_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shell's ``>`` and most programs empty a file before they write it."""
    file = tmp_path / "TOKEN"
    file.write_text("")

    async def written(_: float) -> None:
        file.write_text("rotated")

    monkeypatch.setattr(asyncio, "sleep", written)
    assert await FileSecrets(tmp_path).get("TOKEN") == "rotated"


async def test_a_file_that_the_worker_may_not_read_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "TOKEN").write_text("value")

    def denied(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", denied)  # tests may run as root, who may read everything
    with pytest.raises(UnusableSecretError, match=r"Permission denied; let the .* read it"):
        await FileSecrets(tmp_path).get("TOKEN")


async def test_what_is_missing_names_its_places_and_the_nearest_name(tmp_path: Path) -> None:
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail" / "relay").write_text("x")
    environ = {"SECRET_MAIL_PASSWORD": "x", "MAIL_PASWORD": "x"}
    async with open_secrets(SecretSettings(directory=tmp_path), environ, lambda _: None) as secrets:
        for name, nearest in (("MAIL_PASWORD", "MAIL_PASSWORD"), ("mail/realy", "mail/relay")):
            with pytest.raises(SecretError) as caught:
                await secrets.resolve({"authentication": {"password": f"secrets.{name}"}})
            variable = name.replace("/", "_").upper()
            assert f"environment variable SECRET_{variable}, file {tmp_path / name}" in caught.value.message
            assert caught.value.message.endswith(f"; did you mean secrets.{nearest}?")


async def test_the_environment_comes_before_the_directory(tmp_path: Path) -> None:
    (tmp_path / "A").write_text("file")
    (tmp_path / "B").write_text("file")
    remembered: list[str] = []
    settings = SecretSettings(directory=tmp_path)
    async with open_secrets(settings, {"SECRET_A": "variable"}, remembered.append) as secrets:
        resolved = await secrets.resolve({"authentication": {"a": "secrets.A", "b": "{{secrets.B}}"}})
    assert resolved.value == {"authentication": {"a": "variable", "b": "file"}}
    assert remembered == ["variable", "file"]


class Remote:
    """In place of a remote store: it has every secret, and hangs for one."""

    name = "remote"

    def __init__(self) -> None:
        self.events: list[str] = []
        self.asked = asyncio.Event()

    async def get(self, name: str) -> str | None:
        self.asked.set()
        try:
            if name == "SLOW":
                await asyncio.Event().wait()
        finally:
            self.events.append(f"answered {name}")
        return "remote"

    async def aclose(self) -> None:
        self.events.append("closed")


async def test_the_directory_comes_before_remote_stores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "A").write_text("file")
    remote = Remote()
    monkeypatch.setattr(providers, "_remote_providers", lambda *_: iter([remote]))
    async with open_secrets(SecretSettings(directory=tmp_path), {}, lambda _: None) as secrets:
        resolved = await secrets.resolve({"authentication": {"a": "secrets.A", "b": "secrets.B"}})
    assert resolved.value == {"authentication": {"a": "file", "b": "remote"}}
    assert remote.events == ["answered B", "closed"]


async def test_requests_end_before_the_store_that_they_ask_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    remote = Remote()
    monkeypatch.setattr(providers, "_remote_providers", lambda *_: iter([remote]))
    async with open_secrets(SecretSettings(), {}, lambda _: None) as secrets:
        waiting = asyncio.create_task(secrets.resolve({"authentication": {"a": "secrets.SLOW"}}))
        await remote.asked.wait()
    assert remote.events == ["answered SLOW", "closed"]
    waiting.cancel()
    await asyncio.wait({waiting})
