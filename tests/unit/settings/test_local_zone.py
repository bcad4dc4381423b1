"""The zone of the machine, as far as it has a name."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector.settings import values
from connector.settings.model import MessageSettings


@pytest.mark.parametrize(
    ("variable", "linked", "zone"),
    [
        ("Asia/Tokyo", "Europe/Berlin", "Asia/Tokyo"),
        (":Asia/Tokyo", "Europe/Berlin", "Asia/Tokyo"),
        ("", "Europe/Berlin", "Europe/Berlin"),
        ("CET-1CEST,M3.5.0", "Europe/Berlin", "Europe/Berlin"),
        ("", "posix/Europe/Berlin", "Europe/Berlin"),
        ("", "../localtime.copy", "UTC"),
    ],
)
def test_the_zone_is_the_machines_where_it_has_a_name(
    variable: str, linked: str, zone: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "localtime"
    link.symlink_to(tmp_path / "zoneinfo" / linked)
    monkeypatch.setattr(values, "_LOCALTIME", link)
    monkeypatch.setenv("TZ", variable)
    assert values.local_zone() == zone
    assert MessageSettings().time_zone == zone
    assert not MessageSettings().time_zone_is_set
    assert MessageSettings(time_zone="UTC").time_zone_is_set
