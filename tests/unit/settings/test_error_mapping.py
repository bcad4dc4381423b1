"""The default table from our error codes to BPMN error codes."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector.settings.show import as_json, as_table
from connector.settings.sources import SettingsError, load

NAME = "SMTP_CONNECTOR_WORKER_ERROR_MAPPING"
TABLE = {"AUTH_FAILED": "LOGIN", "*": "MAIL"}


def test_there_is_none_by_default() -> None:
    assert load({}).settings.worker.error_mapping == {}


def test_it_comes_from_yaml_as_a_mapping(tmp_path: Path) -> None:
    file = tmp_path / "worker.yaml"
    file.write_text('worker: {error_mapping: {AUTH_FAILED: LOGIN, "*": MAIL}}', encoding="utf-8")
    loaded = load({}, config=file)
    assert loaded.settings.worker.error_mapping == TABLE
    assert loaded.sources["worker.error_mapping"] == str(file)


@pytest.mark.parametrize(
    "text", ['{"AUTH_FAILED": "LOGIN", "*": "MAIL"}', ' {"AUTH_FAILED":"LOGIN","*":"MAIL"} ']
)
def test_it_comes_from_the_environment_and_the_command_line_as_json(text: str) -> None:
    assert load({NAME: text}).settings.worker.error_mapping == TABLE
    assert load({}, overrides={"worker.error_mapping": text}).settings.worker.error_mapping == TABLE


@pytest.mark.parametrize("blank", ["", " ", "{}"])
def test_blank_means_none(blank: str) -> None:
    assert load({NAME: blank}).settings.worker.error_mapping == {}


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ('{"AUTH_FAILD": "X"}', "'AUTH_FAILD' is not an error code; did you mean AUTH_FAILED?"),
        ('{"AUTH_FAILED": ""}', "must be a text that is not blank"),
        ('{"AUTH_FAILED": 5}', "must be a text"),
        ('["X"]', "expected error codes with BPMN error codes"),
        ('{"AUTH_FAILED": "X"', "not JSON"),
        ("AUTH_FAILED=X", "not JSON"),
    ],
)
def test_a_wrong_table_is_refused_at_the_start(text: str, part: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({NAME: text})
    assert NAME in str(caught.value)
    assert part in str(caught.value)


def test_it_is_shown_with_the_other_settings() -> None:
    loaded = load({NAME: '{"*": "MAIL"}'})
    assert '"*"' in as_json(loaded)
    assert "{'*': 'MAIL'}" in as_table(loaded)
    (row,) = [line.split() for line in as_table(load({})).splitlines() if "error_mapping" in line]
    assert row == ["worker.error_mapping", "-", "default"]
