"""The advanced switches in the settings: what is refused, and what it says instead."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from connector.settings.accounts import AccountSettings
from connector.settings.sources import SettingsError, load
from tests.unit.settings.test_accounts import fault


def advanced(tmp_path: Path, switches: dict[str, Any]) -> str:
    return fault(tmp_path, {"a": {"host": "x", "advanced": switches}})


@pytest.mark.parametrize(
    ("switches", "told"),
    [
        ({"auth_mechanism": "PLAIN"}, "did you mean accounts.a.advanced.auth_mechanisms?"),
        ({"auth_mechanisms": ["PLAN"]}, "'PLAN' is not known here; did you mean PLAIN?"),
        ({"auth_mechanisms": ["NTLM"]}, "expected some of PLAIN, LOGIN, XOAUTH2, OAUTHBEARER"),
        ({"disable_extensions": ["CHUNKS"]}, "did you mean CHUNKING?"),
        ({"disable_extensions": "DSN, dsn"}, "DSN comes twice: keep one"),
        ({"disable_extensions": ["STARTTLS"]}, "'STARTTLS' is not known here"),
        ({"source_address": "mail.example.com"}, "expected an IP address of this machine, as 192.0.2.7"),
        ({"keepalive": 0.5}, "keepalive must be from 1 to 32767 seconds"),
    ],
)
def test_a_switch_that_is_none(tmp_path: Path, switches: dict[str, Any], told: str) -> None:
    assert told in advanced(tmp_path, switches)


JAVA = {
    "mail.smtp.localhost": "the setting for it is accounts.a.helo_name",
    "mail.smtp.localaddress": "the setting for it is accounts.a.advanced.source_address",
    "mail.smtps.connectiontimeout": "the setting for it is accounts.a.timeouts.connect",
    "mail.imap.connectiontimeout": "the setting for it is accounts.a.timeouts.connect",
    "mail.imaps.auth.plain.disable": "the setting for it is accounts.a.advanced.imap_auth_mechanisms: list",
    "mail.smtp.auth.ntlm.disable": "the setting for it is accounts.a.advanced.auth_mechanisms: list",
    "mail.smtp.auth.mechanisms": "the setting for it is accounts.a.advanced.auth_mechanisms",
    "mail.imaps.host": "the setting for it is accounts.a.incoming.host",
    "mail.smtp.starttls.required": "the setting for it is accounts.a.security (starttls)",
    "mail.pop3s.port": "the setting for it is accounts.a.incoming.port",
    "mail.smtp.ssl.trust": "there is none: certificates are always verified",
    "mail.smtp.ssl.checkserveridentity": "there is none: certificates are always verified",
    "mail.smtp.socks.host": "there is none: mail goes to its server directly",
    "mail.smtp.noSuchThing": "there is no setting for it",
    "mail.debug": "the setting for it is log.level (debug)",
}


@pytest.mark.parametrize(("name", "told"), JAVA.items(), ids=JAVA)
def test_a_java_property_names_our_setting(tmp_path: Path, name: str, told: str) -> None:
    said = advanced(tmp_path, {name: "CANARY"})
    assert f"a Java property; {told}" in said
    assert "CANARY" not in said


def test_every_setting_that_a_java_property_names_exists() -> None:
    import re

    from connector.settings.java_properties import _SETTINGS
    from connector.settings.sources import leaves

    known = {path for path, _ in leaves(accounts=["a"])}
    words = {"account": "accounts.a", "mechanisms": "imap_auth_mechanisms"}
    for half in ("accounts.a.", "accounts.a.incoming."):
        for text in _SETTINGS.values():
            path = re.split(r" | and |, ", text.format(**words, half=half))[0]
            assert path in known, text


def test_a_switch_on_the_command_line_and_in_the_environment() -> None:
    named = {"SMTP_CONNECTOR_ACCOUNTS_DEFAULT_ADVANCED_DISABLE_EXTENSIONS": "pipelining, DSN"}
    overrides: dict[str, str | None] = {
        "accounts.default.advanced.keepalive": "60",
        "accounts.default.host": "x",
    }
    account = load(named, overrides=overrides).settings.accounts["default"]
    assert account.advanced.disable_extensions == ("PIPELINING", "DSN")
    assert account.advanced.keepalive is not None
    with pytest.raises(SettingsError, match=r"Java property; the setting for it is accounts\.default\.helo"):
        load({}, overrides={"accounts.default.mail.smtp.localhost": "x"})


def test_a_login_that_the_mechanisms_cannot_do_is_a_fault() -> None:
    switches = {"auth_mechanisms": ["XOAUTH2"]}
    with pytest.raises(ValueError, match="allows neither of LOGIN and PLAIN"):
        AccountSettings.model_validate({"host": "x", "username": "u", "password": "p", "advanced": switches})
    AccountSettings.model_validate({"host": "x", "advanced": switches})
