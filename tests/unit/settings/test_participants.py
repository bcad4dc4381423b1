"""Addresses by role in the settings: which group a job gets, and what is wrong with one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from connector.errors import InputError
from connector.settings.model import Settings
from connector.settings.participants import participants_of
from connector.settings.sources import SettingsError, load
from tests.unit.tasks.task_inputs import read

GROUPS = """
participants:
  - roles: {team: all@example.com, manager: [Ann <ann@example.com>, bob@example.com]}
  - process_ids: [mortgage-*]
    roles: {team: pattern@example.com}
  - process_ids: [mortgage-new]
    tenants: [north]
    roles: {team: north@example.com}
  - tenants: [north]
    roles: {team: tenant@example.com}
"""


def groups(tmp_path: Path, text: str = GROUPS) -> Settings:
    file = tmp_path / "worker.yaml"
    file.write_text(text, encoding="utf-8")
    return load({}, config=file).settings


@pytest.mark.parametrize(
    ("process", "tenant", "team"),
    [
        ("order", "<default>", "all"),
        ("order", "north", "tenant"),
        ("mortgage-old", "south", "pattern"),
        ("mortgage-old", "north", "pattern"),
        ("mortgage-new", "north", "north"),
        ("mortgage-new", "south", "pattern"),
    ],
)
def test_the_group_that_fits_best_goes_first(tmp_path: Path, process: str, tenant: str, team: str) -> None:
    roles = participants_of(groups(tmp_path).participants, process, tenant)
    assert roles["team"] == (f"{team}@example.com",)
    assert roles["manager"] == ("Ann <ann@example.com>", "bob@example.com")


@pytest.mark.parametrize(
    ("group", "words"),
    [
        ("{roles: {team: nobody}}", "team"),
        ("{roles: {'a\\nb': a@example.com}}", "no name of a role"),
        ("{process_ids: [a]}", "roles"),
        ("{roles: {}}", "roles"),
        ("{role: {team: a@example.com}}", "role"),
    ],
)
def test_a_group_that_is_wrong_is_named(tmp_path: Path, group: str, words: str) -> None:
    with pytest.raises(SettingsError) as raised:
        groups(tmp_path, f"participants: [{group}]")
    assert "participants" in str(raised.value)
    assert words in str(raised.value)


def test_in_the_environment_as_json() -> None:
    given = {"SMTP_CONNECTOR_PARTICIPANTS": '[{"roles": {"team": "a@example.com, b@example.com"}}]'}
    (group,) = load(given).settings.participants
    assert group.roles == {"team": ("a@example.com", "b@example.com")}


@pytest.mark.parametrize(
    ("own", "expected"), [({}, "team@example.com"), ({"team": "own@example.com"}, "own@example.com")]
)
def test_a_task_goes_before_the_settings(own: Mapping[str, Any], expected: str) -> None:
    request = read(
        participants={"team": ("team@example.com",)},
        smtpEmailParticipants=own,
        smtpEmailToRecipients="role:team",
    )
    assert [box.address for box in request.to] == [expected]


def test_an_unknown_role_lists_those_of_the_settings_too() -> None:
    with pytest.raises(InputError) as raised:
        read(participants={"team": ("team@example.com",)}, smtpEmailToRecipients="role:boss")
    assert raised.value.allowed == ("team",)
