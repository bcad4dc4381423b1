"""Accounts in the settings: what presets fill in, what is refused, and how the environment names them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from connector.model.server import Security
from connector.settings.accounts import AccountSettings, AccountTimeouts
from connector.settings.model import TimeoutSettings
from connector.settings.presets import PRESETS
from connector.settings.show import as_json, as_table
from connector.settings.sources import SettingsError, load
from tests.providers import DOCUMENTED


def effective(**given: Any) -> tuple[str, int, Security]:
    account = AccountSettings.model_validate(given)
    return account.effective_host, account.effective_port, account.effective_security


def test_every_preset_is_in_the_list() -> None:
    assert {name.partition(" ")[0] for name in DOCUMENTED} == PRESETS.keys()


@pytest.mark.parametrize("name", DOCUMENTED)
def test_a_preset_fills_in_what_its_provider_documents(name: str) -> None:
    given, *documented = DOCUMENTED[name]
    assert effective(preset=name.partition(" ")[0], **given) == tuple(documented)


@pytest.mark.parametrize(
    ("given", "port", "security"),
    [
        ({"preset": "gmail", "port": 587}, 587, Security.STARTTLS),
        ({"preset": "gmail", "security": "starttls"}, 587, Security.STARTTLS),
        ({"preset": "sendgrid", "port": 465}, 465, Security.TLS),
        ({"preset": "sendgrid", "port": 2525}, 2525, Security.STARTTLS),
        ({"preset": "sendgrid", "security": "tls"}, 465, Security.TLS),
        ({"host": "x", "port": 465}, 465, Security.TLS),
        ({"host": "x", "security": "tls"}, 465, Security.TLS),
        ({"host": "x", "security": "none", "port": 25}, 25, Security.NONE),
        ({"host": "x", "security": "starttls-optional"}, 587, Security.STARTTLS_OPTIONAL),
    ],
)
def test_port_and_security_follow_each_other(given: dict[str, Any], port: int, security: Security) -> None:
    assert effective(**given)[1:] == (port, security)


@pytest.mark.parametrize(
    ("preset", "protocol", "host", "port"),
    [
        ("office365", "imap", "outlook.office365.com", 993),
        ("office365", "pop3", "outlook.office365.com", 995),
        ("outlook", "imap", "outlook.office365.com", 993),
        ("gmail", "imap", "imap.gmail.com", 993),
        ("gmail", "pop3", "pop.gmail.com", 995),
    ],
)
def test_a_preset_knows_its_mailbox(preset: str, protocol: str, host: str, port: int) -> None:
    account = AccountSettings.model_validate({"preset": preset, "incoming": {"protocol": protocol}})
    found = account.incoming.effective_port, account.incoming.effective_security
    assert (account.incoming_host, *found) == (host, port, Security.TLS)


def test_a_host_of_ones_own_goes_before_the_presets() -> None:
    endpoint = "vpce-1.email-smtp.eu-central-1.vpce.amazonaws.com"
    assert effective(preset="ses", region="eu-central-1", host=endpoint)[0] == endpoint


def test_every_time_limit_can_be_overridden() -> None:
    assert AccountTimeouts.model_fields.keys() == TimeoutSettings.model_fields.keys()


FAULTS = {
    "no server": ({}, "accounts.a: needs host, or a preset such as office365"),
    "a region is missing": ({"preset": "ses"}, "needs region, as eu-central-1"),
    "no region": ({"preset": "ses", "region": "x/../y"}, "needs region, as eu-central-1"),
    "an unknown region": ({"preset": "mailgun", "region": "mars"}, "region must be us or eu"),
    "a region too many": ({"preset": "gmail", "region": "eu"}, "region is for the presets ses and mailgun"),
    "unknown preset": ({"preset": "hotmail"}, "accounts.a.preset"),
    "half a login": ({"host": "x", "username": "u"}, "username and password must be set together"),
    "a password without a name": ({"host": "x", "password": "p"}, "password needs username, or address"),
    "a tenant that is not allowed": (
        {"host": "x", "tenants": ["a"], "allowed_tenants": ["b"]},
        "tenants has a, which allowed_tenants does not allow",
    ),
    "no security": ({"host": "x", "security": "ssl"}, "accounts.a.security"),
    "an old TLS": ({"host": "x", "min_tls": 1.1}, "accounts.a.min_tls"),
    "no host": ({"host": "mail example"}, "accounts.a.host: is no host name or IP address"),
    "a URL for a host": ({"host": "smtp://mail"}, "accounts.a.host: must be the name alone"),
    "no address": ({"host": "x", "address": "sales"}, "accounts.a.address: is not a mail address"),
    "a name with the address": ({"host": "x", "address": "S <s@x>"}, "put its name in display_name"),
    "a name without an address": ({"host": "x", "display_name": "Sales"}, "display_name needs address"),
    "two trusts": ({"host": "x", "ca_file": __file__, "trust_store": __file__}, "keep one of them"),
    "a key without its certificate": ({"host": "x", "client_key": __file__}, "need client_cert"),
    "certificates in clear": (
        {"host": "x", "security": "none", "ca_file": __file__},
        "security none uses no certificates",
    ),
    "a missing bundle": ({"host": "x", "ca_file": "/no/such.pem"}, "accounts.a.ca_file: cannot read"),
    "no rate": ({"host": "x", "rate": 0}, "accounts.a.rate"),
    "a tag that is not allowed": (
        {"host": "x", "process_ids": ["order"], "allowed_process_ids": ["invoice"]},
        "process_ids has order, which allowed_process_ids does not allow",
    ),
    "an owned header": (
        {"host": "x", "defaults": {"headers": {"Subject": "x"}}},
        "accounts.a.defaults.headers: 'Subject': the connector writes this header itself",
    ),
    "headers that are none": ({"host": "x", "defaults": {"headers": [1]}}, "expected header names"),
    "receipts that exclude each other": (
        {"host": "x", "defaults": {"delivery_receipt": ["never", "failure"]}},
        "never excludes the other values",
    ),
    "NUL in a password": ({"host": "x", "username": "u", "password": "a\0b"}, "password has a NUL"),
}


def write(tmp_path: Path, accounts: Any) -> Path:
    import yaml

    file = tmp_path / "worker.yaml"
    file.write_text(yaml.safe_dump({"accounts": accounts}), encoding="utf-8")
    return file


def fault(tmp_path: Path, accounts: Any, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(SettingsError) as raised:
        load(environ or {}, config=write(tmp_path, accounts))
    return str(raised.value)


@pytest.mark.parametrize(("given", "message"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_named_with_its_setting(tmp_path: Path, given: dict[str, Any], message: str) -> None:
    told = fault(tmp_path, {"a": given or {"rate": 1}})
    assert message in re.sub(r" \(\S+worker\.yaml, line \d+\)", "", told)


def test_a_wrong_key_names_the_nearest(tmp_path: Path) -> None:
    assert "did you mean accounts.sales.password?" in fault(tmp_path, {"sales": {"pasword": "CANARY"}})
    assert "did you mean accounts.a.timeouts.dot?" in fault(tmp_path, {"a": {"timeouts": {"dots": 1}}})


@pytest.mark.parametrize("empty", [None, {}, "x"])
def test_an_account_without_a_key_is_not_forgotten(tmp_path: Path, empty: Any) -> None:
    assert "accounts.sales: expected keys with values, such as accounts.sales.address" in fault(
        tmp_path, {"sales": empty}
    )


@pytest.mark.parametrize("name", ["", "a.b", "a b", "-a", "ü", "x" * 64])
def test_a_name_that_no_setting_can_have(tmp_path: Path, name: str) -> None:
    assert "a name has at most 63 letters" in fault(tmp_path, {name: {"host": "x"}})


def test_two_accounts_of_one_name_in_the_environment(tmp_path: Path) -> None:
    told = fault(tmp_path, {"sales-eu": {"host": "x"}, "SALES_EU": {"host": "x"}})
    assert "have the same environment variables: rename one of them" in told


def test_two_accounts_for_one_process(tmp_path: Path) -> None:
    tagged = {"host": "x", "process_ids": ["order", "invoice"]}
    told = fault(tmp_path, {"a": tagged, "b": tagged | {"process_ids": ["order"]}})
    assert "the process id order is in process_ids of several accounts (a, b): keep one" in told
    assert "invoice" not in told


def test_two_accounts_for_one_tenant(tmp_path: Path) -> None:
    told = fault(tmp_path, {"a": {"host": "x", "tenants": ["t"]}, "b": {"host": "x", "tenants": ["t"]}})
    assert "the tenant t is in tenants of several accounts (a, b): keep one" in told


def test_every_source_sets_a_part(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("hush-hush\n")
    file = write(tmp_path, {"sales-eu": {"host": "a.example", "username": "u", "port": 25, "rate": 1}})
    loaded = load(
        {
            "SMTP_CONNECTOR_ACCOUNTS_SALES_EU_PASSWORD_FILE": str(secret),
            "SMTP_CONNECTOR_ACCOUNTS_SALES_EU_PORT": "2525",
            "SMTP_CONNECTOR_ACCOUNTS_SALES_EU_TIMEOUTS_DOT": "PT1M",
            "SMTP_CONNECTOR_ACCOUNTS_SALES_EU_REPLY_TO": "a@example.com, b@example.com",
            "SMTP_CONNECTOR_ACCOUNTS_SALES_EU_DEFAULTS_HEADERS": '{"X-Team": "sales"}',
        },
        config=file,
        overrides={"accounts.sales-eu.host": "b.example", "accounts.new.host": "c.example"},
    )
    account = loaded.settings.accounts["sales-eu"]
    assert account.password is not None
    assert account.password.get_secret_value() == "hush-hush"
    assert (account.host, account.port, account.rate) == ("b.example", 2525, 1)
    assert account.timeouts.dot is not None
    assert account.timeouts.dot.total_seconds() == 60
    assert account.reply_to == ("a@example.com", "b@example.com")
    assert account.defaults.headers == {"X-Team": "sales"}
    assert loaded.settings.accounts["new"].host == "c.example"
    assert loaded.sources["accounts.sales-eu.host"] == "command line"
    assert loaded.sources["accounts.sales-eu.password"] == "SMTP_CONNECTOR_ACCOUNTS_SALES_EU_PASSWORD_FILE"
    assert loaded.sources["accounts.sales-eu.username"] == str(file)
    shown = as_table(loaded) + as_json(loaded)
    assert "accounts.sales-eu.password" in shown
    assert "hush-hush" not in shown + repr(loaded)


def test_what_a_preset_fills_in_is_shown() -> None:
    shown = json.loads(as_json(load({}, overrides={"accounts.a.preset": "gmail", "accounts.a.port": "587"})))
    rows = {key: shown[f"accounts.a.{key}"] for key in ("host", "port", "security", "region")}
    assert [(row["value"], row["source"]) for row in rows.values()] == [
        ("smtp.gmail.com", "preset gmail"),
        (587, "command line"),
        ("starttls", "preset gmail"),
        (None, "default"),
    ]


def test_the_environment_alone_makes_the_default_account() -> None:
    environ = {"SMTP_CONNECTOR_ACCOUNTS_DEFAULT_HOST": "mail.example.com"}
    assert load(environ).settings.accounts["default"].host == "mail.example.com"


@pytest.mark.parametrize("key", ["PASSWORD", "PASSWORD_FILE", "PORT"])
def test_a_misspelt_account_in_the_environment_names_the_nearest(tmp_path: Path, key: str) -> None:
    account = {"sales": {"host": "x", "username": "u", "password": "p"}}
    told = fault(tmp_path, account, {f"SMTP_CONNECTOR_ACCOUNTS_SALSE_{key}": "1"})
    assert told.startswith(f"SMTP_CONNECTOR_ACCOUNTS_SALSE_{key}: no such setting; did you mean ")
    assert "SMTP_CONNECTOR_ACCOUNTS_SALES_P" in told


def test_a_kubernetes_service_named_after_an_account_is_no_setting() -> None:
    environ = {
        "SMTP_CONNECTOR_ACCOUNTS_PORT": "tcp://10.0.0.1:80",
        "SMTP_CONNECTOR_ACCOUNTS_SERVICE_PORT": "80",
        "SMTP_CONNECTOR_ACCOUNTS_SERVICE_HOST": "10.0.0.1",
    }
    assert load(environ).settings.accounts == {}


def test_a_variable_that_could_mean_two_settings(tmp_path: Path) -> None:
    accounts = {"sales": {"host": "x"}, "sales_trust_store": {"host": "y", "username": "u", "password": "p"}}
    assert len(load({}, config=write(tmp_path, accounts)).settings.accounts) == 2
    told = fault(tmp_path, accounts, {"SMTP_CONNECTOR_ACCOUNTS_SALES_TRUST_STORE_PASSWORD": "CANARY"})
    assert "could mean accounts.sales" in told
    assert "CANARY" not in told


def test_a_wrong_name_on_the_command_line() -> None:
    with pytest.raises(
        SettingsError, match=r"accounts\.a\.hots: no such setting; did you mean accounts\.a\.host"
    ):
        load({}, overrides={"accounts.a.hots": "x"})
    with pytest.raises(SettingsError, match=r"accounts\.a: no such setting"):
        load({}, overrides={"accounts.a": "x"})


GUIDE = Path(__file__).parents[3] / "docs/how-to/accounts.md"
EXAMPLES = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_the_examples_of_the_guide_are_settings(tmp_path: Path, example: str) -> None:
    for name in re.findall(r"/etc/smtp-connector/(\S+)", example):
        (tmp_path / name).touch()
    file = tmp_path / "worker.yaml"
    text = example.replace("/etc/smtp-connector", str(tmp_path)).replace("/run/secrets", str(tmp_path))
    file.write_text(text, encoding="utf-8")
    settings = load({}, config=file).settings
    assert settings.accounts or settings.participants


def test_the_guide_has_an_example_for_every_provider() -> None:
    assert set(re.findall(r"preset: (\w+)", GUIDE.read_text(encoding="utf-8"))) == PRESETS.keys() - {"custom"}


def test_the_guide_tells_what_each_preset_fills_in() -> None:
    told = re.findall(r"# (\S+):(\d+), (TLS|STARTTLS)$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)
    words = {Security.TLS: "TLS", Security.STARTTLS: "STARTTLS"}
    documented = {(host, str(port), words[security]) for _, host, port, security in DOCUMENTED.values()}
    assert told
    assert set(told) <= documented
