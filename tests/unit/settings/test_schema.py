"""The JSON Schema of the settings says what the loader does, as far as a file alone can show it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter

from connector.settings.show import json_schema, schema_text
from connector.settings.sources import SettingsError, leaves, load
from connector.settings.values import Duration, HostAndPort, Seconds, TimeOfDay

SCHEMA = json_schema()
VALIDATOR = Draft202012Validator(SCHEMA)
PATHS = [path for path, _ in leaves(accounts=["sales"])]
VALUES: list[Any] = [None, True, 3, 0, -1, 0.5, "x", "", "PT1M", [], ["x"], {}, {"a": "x"}]
# What a file does not show by itself: files of this machine, other settings, what a word means.
BEYOND = re.compile(
    r"cannot read|must be set together|trust_store_password needs"
    r"|needs? (address|client_cert|role_id|protocol|username|listen|token|url)"
    r"|is for the presets"
    r"|needs? transport (graph|acs)|transport (graph|acs) needs|is for (transport smtp|other transports)"
    r"|expected 1 day or more|expected (success|smtp-connector)|give one value at least"
    r"|no host name|no(t a)? mail address|not an IANA time zone|postgresql://"
    r"|expected keys with values"
    r"|32 random bytes|needs (username|grant)|there are no credentials|is none that is known"
    r"|is not known here|from 1 to 32767 seconds|need proxy, the address of one"
    r"|expected http://proxy|is no host"
    r"|is not available|needs incoming"
)


def with_value(path: str, value: Any) -> dict[str, Any]:
    tree: dict[str, Any] = {"accounts": {"sales": {"host": "mail.example.com"}}}
    *sections, key = path.split(".")
    node = tree
    for section in sections:
        node = node.setdefault(section, {})
    node[key] = value
    return tree


def fault(tree: dict[str, Any], directory: Path) -> str | None:
    """What the loader has against a file with this content; None when it takes it."""
    file = directory / "worker.yaml"
    file.write_text(json.dumps(tree))  # JSON is YAML
    try:
        load({}, config=file)
    except SettingsError as error:
        return str(error)
    return None


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(schema_text()) == SCHEMA
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("path", PATHS)
def test_every_setting_is_in_it_with_its_description(path: str) -> None:
    node = SCHEMA
    for part in path.split("."):
        properties = node.get("properties", {})
        node = properties[part] if part in properties else node["additionalProperties"]
        for reference in [node, *node.get("anyOf", [])]:
            if "description" not in node and "$ref" in reference:
                node = SCHEMA["$defs"][reference["$ref"].rpartition("/")[2]]
    described = dict(leaves(accounts=["sales"]))[path]
    assert node["description"] == described.description


@pytest.mark.parametrize("path", PATHS)
def test_schema_and_loader_agree_on_every_kind_of_value(path: str, tmp_path: Path) -> None:
    for value in VALUES:
        tree = with_value(path, value)
        said = fault(tree, tmp_path)
        if VALIDATOR.is_valid(tree):
            assert said is None or BEYOND.search(said), (value, said)
        elif said is None:  # the loader takes true for 1, and 0 for false
            assert value is True or value == 0, value


REFUSED: dict[str, Any] = {
    "unknown section": {"mail": {}},
    "unknown key": {"worker": {"jobs": 3}},
    "unknown key of an account": {"accounts": {"sales": {"hostname": "x"}}},
    "no grant": {"credentials": {"m365": {"grant": "password"}}},
    "no provider": {"credentials": {"m365": {"provider": "yahoo"}}},
    "credentials without a key": {"credentials": {"m365": {}}},
    "account without a key": {"accounts": {"sales": {}}},
    "account without a value": {"accounts": {"sales": None}},
    "account with a dot": {"accounts": {"sales.eu": {"host": "x"}}},
    "no section": {"worker": 3},
    "list of accounts": {"accounts": [{"host": "x"}]},
    "no choice": {"log": {"level": "loud"}},
    "too many jobs": {"worker": {"max_jobs": 1001}},
    "no task type": {"worker": {"task_types": []}},
    "no port": {"engine": {"address": "zeebe.example.com"}},
    "no duration": {"worker": {"lease": "1 minute"}},
    "no time at all": {"worker": {"lease": 0}},
    "negative": {"worker": {"retry_backoff": -1}},
    "sixties": {"message": {"business_day_end": 1020}},
    "no time of day": {"message": {"business_day_end": "25:00"}},
    "old TLS": {"accounts": {"sales": {"host": "x", "min_tls": 1.1}}},
    "no error code": {"worker": {"error_mapping": {"AUTH": "X"}}},
    "blank error code": {"worker": {"error_mapping": {"AUTH_FAILED": " "}}},
    "a list": ["worker"],
}


@pytest.mark.parametrize("tree", REFUSED.values(), ids=REFUSED)
def test_both_refuse(tree: Any, tmp_path: Path) -> None:
    assert not VALIDATOR.is_valid(tree)
    assert fault(tree, tmp_path)


CLIENT_CREDENTIALS = {
    "grant": "client_credentials",
    "token_url": "https://login.example.com/token",
    "client_id": "app",
    "client_secret": "secrets.APP",
}
ACCEPTED: dict[str, Any] = {
    "nothing": {},
    "a section without a value": {"worker": None},
    "seconds": {"worker": {"lease": 90, "retry_backoff": 0, "poll_interval": 0.5}},
    "durations": {"ledger": {"retention": "P7D"}, "worker": {"lease": "PT1M30.5S"}},
    "an account": {"accounts": {"sales-eu": {"preset": "gmail", "username": "u", "password": "secrets.PW"}}},
    "a number for TLS": {"accounts": {"sales": {"host": "x.example", "min_tls": 1.3}}},
    "headers": {"accounts": {"sales": {"host": "x.example", "defaults": {"headers": {"X-Team": "a"}}}}},
    "mapping": {"worker": {"error_mapping": {"AUTH_FAILED": "LOGIN", "*": "MAIL"}}},
    "OAuth of an account": {
        "accounts": {"sales": {"host": "x.example", "username": "u", "oauth": CLIENT_CREDENTIALS}}
    },
    "OAuth of several": {
        "credentials": {"app": {**CLIENT_CREDENTIALS, "scopes": "a b", "extra": {"audience": "x"}}},
        "accounts": {name: {"host": "x.example", "username": "u", "oauth": "app"} for name in ("a", "b")},
    },
    "time of day": {"message": {"business_day_end": "09:30"}},
    "addresses": {"engine": {"address": "[::1]:26500"}, "health": {"listen": "0.0.0.0:8090"}},
}


@pytest.mark.parametrize("tree", ACCEPTED.values(), ids=ACCEPTED)
def test_both_accept(tree: Any, tmp_path: Path) -> None:
    VALIDATOR.validate(tree)
    assert fault(tree, tmp_path) is None


def pattern(kind: Any) -> str:
    schema = TypeAdapter(kind).json_schema()
    return next(str(item["pattern"]) for item in [schema, *schema.get("anyOf", [])] if "pattern" in item)


@pytest.mark.parametrize(
    "kind", [Duration, Seconds, TimeOfDay, HostAndPort], ids=["duration", "seconds", "time", "host"]
)
@settings(max_examples=150, suppress_health_check=[HealthCheck.differing_executors])
@given(data=st.data())
def test_whatever_fits_a_pattern_is_read(kind: Any, data: st.DataObject) -> None:
    # Editors read \d and \s as ASCII does, and $ as the very end, which in Python may stand before a newline.
    typed = st.from_regex(pattern(kind), alphabet=st.characters(min_codepoint=32, max_codepoint=126))
    TypeAdapter(kind).validate_python(data.draw(typed).removesuffix("\n"))


def test_an_account_with_nothing_but_nulls_is_not_forgotten(tmp_path: Path) -> None:
    said = fault({"accounts": {"sales": {"host": None, "timeouts": {}}}}, tmp_path)
    assert said is not None
    assert "accounts.sales: expected keys with values" in said


def test_a_time_without_quotes_is_told_what_it_lacks(tmp_path: Path) -> None:
    file = tmp_path / "worker.yaml"
    file.write_text("message: {business_day_end: 17:00}")
    with pytest.raises(SettingsError, match=r'expected hours and minutes in quotes, as "17:00"'):
        load({}, config=file)
