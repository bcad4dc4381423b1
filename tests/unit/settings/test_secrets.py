"""What an operator may say about secrets, and what is told to one who says something else."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from connector.settings.environment import environment_names
from connector.settings.show import as_json
from connector.settings.sources import SettingsError, leaves, load

VAULT = {"secrets.vault.address": "https://vault.example.com:8200"}


def test_nothing_is_asked_and_nothing_is_bound_by_default() -> None:
    secrets = load({}).settings.secrets
    assert (secrets.vault.address, secrets.aws.region, secrets.azure.vault_url, secrets.gcp.project) == (
        None,
    ) * 4
    assert secrets.bind == {}
    assert load({}).settings.smtp.hosts == ()


def test_bindings_come_from_yaml_and_from_json(tmp_path: Path) -> None:
    file = tmp_path / "worker.yaml"
    file.write_text(
        "secrets: {bind: {MAIL_PASSWORD: smtp.example.com, 'prod/*': [a.example, 'b.example:2525']}}"
    )
    expected = {"MAIL_PASSWORD": ("smtp.example.com",), "prod/*": ("a.example", "b.example:2525")}
    assert load({}, config=file).settings.secrets.bind == expected
    text = '{"MAIL_PASSWORD": "smtp.example.com", "prod/*": ["a.example", "b.example:2525"]}'
    assert load({"SMTP_CONNECTOR_SECRETS_BIND": text}).settings.secrets.bind == expected


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"secrets.bind": "{"}, "secrets.bind .*not JSON"),
        ({"secrets.bind": '["smtp.example.com"]'}, "expected names of secrets with hosts"),
        ({"secrets.bind": '{"A": ["smtp://x"]}'}, "neither a host nor host:port"),
        ({"secrets.bind": '{"A B": ["x.example"]}'}, "'A B' is not the name of a secret"),
        ({"secrets.bind": '{"A": [5]}'}, "secrets.bind"),
        ({"smtp.hosts": "smtp.example.com, *.example.com"}, r"smtp.hosts .*entry 2 is neither"),
        ({"secrets.directory": "/no/such"}, "cannot read /no/such: it is no directory; create"),
        ({"secrets.vault.address": "http://vault.example.com"}, "in clear"),
        ({"secrets.vault.address": "vault.example.com:8200"}, "expected a URL"),
        ({"secrets.vault.address": "https://me:pw@vault.example.com"}, "must not contain a user name"),
        ({"secrets.vault.token": "x"}, "token needs address"),
        (
            VAULT | {"secrets.vault.token": "x", "secrets.vault.role_id": "y"},
            "token and role_id are different ways",
        ),
        (VAULT | {"secrets.vault.secret_id": "x"}, "secret_id needs role_id"),
        (VAULT | {"secrets.vault.path": "a/../b"}, "expected a path"),
        (VAULT | {"secrets.vault.mount": "/"}, "secrets.vault.mount"),
        (VAULT | {"secrets.vault.kv_version": "3"}, "secrets.vault.kv_version"),
        ({"secrets.aws.prefix": "a b"}, "secrets.aws.prefix"),
        ({"secrets.gcp.project": "p/../../x"}, "secrets.gcp.project"),
    ],
)
def test_what_cannot_be_meant_is_an_error(overrides: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        load({}, overrides=overrides)
    assert "me:pw" not in str(caught.value)


@pytest.mark.parametrize(
    "address", ["https://vault.example.com/", "http://127.0.0.1:8100", "http://[::1]:8100"]
)
def test_an_agent_on_this_host_may_be_asked_without_tls(address: str) -> None:
    assert load(
        {}, overrides={"secrets.vault.address": address}
    ).settings.secrets.vault.address == address.rstrip("/")


def test_the_environment_has_texts_only() -> None:
    environ = {
        "SMTP_CONNECTOR_SECRETS_VAULT_ADDRESS": "https://vault.example.com",
        "SMTP_CONNECTOR_SECRETS_VAULT_KV_VERSION": "1",
        "SMTP_CONNECTOR_SECRETS_VAULT_MOUNT": "/team/kv/",
        "SMTP_CONNECTOR_SECRETS_TTL": "PT1M",
        "SMTP_CONNECTOR_SECRETS_AWS_JSON_KEYS": "true",
    }
    secrets = load(environ).settings.secrets
    assert (secrets.vault.kv_version, secrets.vault.mount) == (1, "team/kv")
    assert (secrets.ttl.total_seconds(), secrets.aws.json_keys) == (60, True)


def test_credentials_are_masked_when_shown() -> None:
    overrides = VAULT | {"secrets.vault.role_id": "worker", "secrets.vault.secret_id": "cAnArY"}
    assert "cAnArY" not in as_json(load({}, overrides=overrides))


@pytest.mark.parametrize(
    ("extra", "overrides"),
    [
        ("aws", {"secrets.aws.region": "eu-central-1"}),
        ("azure", {"secrets.azure.vault_url": "https://mail.vault.azure.net"}),
        ("gcp", {"secrets.gcp.project": "mail-1"}),
    ],
)
@pytest.mark.parametrize("parent_missing", [True, False])
def test_a_missing_library_names_the_extra(
    extra: str, overrides: dict[str, str], parent_missing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    load({}, overrides=overrides)

    def nothing(name: str) -> None:
        if parent_missing:
            raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib.util, "find_spec", nothing)
    with pytest.raises(SettingsError, match=rf"secrets\.{extra}: .*'\.\[{extra}\]'"):
        load({}, overrides=overrides)
    load({})


def test_no_setting_is_another_ones_file() -> None:
    """NAME_FILE holds the path of a file with NAME's value, so no setting may be called so itself."""
    names = {environment_names(path)[0] for path, _ in leaves()}
    assert [name for name in names if f"{name}_FILE" in names] == []
