"""ISO 8601 durations, dates and repeating intervals as times."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice

import pytest

from connector.devengine.schedules import CYCLE, DATE, DURATION, due_times


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


NOW = at("2026-01-31T12:00:00")


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("PT0.5S", "2026-01-31T12:00:00.5"),
        ("PT1H2M3S", "2026-01-31T13:02:03"),
        ("P2DT3H", "2026-02-02T15:00:00"),
        ("P1W", "2026-02-07T12:00:00"),
        ("P1M", "2026-02-28T12:00:00"),
        ("P1Y1M1DT1S", "2027-03-01T12:00:01"),
        ("-PT1H", "2026-01-31T11:00:00"),
        ("P-1D", "2026-01-30T12:00:00"),
        ("pt1h", "2026-01-31T13:00:00"),
        (" PT1H ", "2026-01-31T13:00:00"),
    ],
)
def test_durations(text: str, due: str) -> None:
    assert list(due_times(DURATION, text, NOW)) == [at(due)]


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "1H", "PT1", "P1H", "P1DT", "PT1H1D", "R3/PT1H", "PT9999999999H"]
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="ISO 8601 duration"):
        due_times(DURATION, text, NOW)


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("2026-10-01T12:00:00Z", "2026-10-01T12:00:00"),
        ("2026-10-01T12:00:00+02:00", "2026-10-01T10:00:00"),
        ("2026-10-01T12:00:00+02:00[Europe/Berlin]", "2026-10-01T10:00:00"),
        ("2026-10-01T12:00:00@Europe/Berlin", "2026-10-01T10:00:00"),
        ("2026-10-01T12:00:00", "2026-10-01T12:00:00"),
        ("2026-10-01T12:00:00.250Z", "2026-10-01T12:00:00.250"),
    ],
)
def test_dates(text: str, due: str) -> None:
    assert list(due_times(DATE, text, NOW)) == [at(due)]


@pytest.mark.parametrize("text", ["tomorrow", "2026-13-01T00:00:00Z", "PT1H", "12:00"])
def test_what_is_no_date(text: str) -> None:
    with pytest.raises(ValueError, match="ISO 8601 date"):
        due_times(DATE, text, NOW)


@pytest.mark.parametrize(
    ("text", "dues"),
    [
        ("R2/PT1H", ["2026-01-31T13:00:00", "2026-01-31T14:00:00"]),
        ("R2/2026-02-01T00:00:00Z/P1D", ["2026-02-01T00:00:00", "2026-02-02T00:00:00"]),
        ("R3/P1M", ["2026-02-28T12:00:00", "2026-03-28T12:00:00", "2026-04-28T12:00:00"]),
        ("R0/PT1H", []),
    ],
)
def test_cycles(text: str, dues: list[str]) -> None:
    assert list(due_times(CYCLE, text, NOW)) == [at(due) for due in dues]


def test_a_cycle_without_a_number_does_not_end() -> None:
    times = due_times(CYCLE, "R/PT1M", NOW)
    assert next(islice(times, 9_999, None)) == NOW + 600_000


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("R3", "repeating interval"),
        ("R3/soon", "repeating interval"),
        ("Rx/PT1H", "repeating interval"),
        ("R3/PT0S", "longer than nothing"),
        ("R/-PT1S", "longer than nothing"),
        ("R2/soon/PT1H", "ISO 8601 date"),
        ("PT1H", "six fields"),
    ],
)
def test_what_is_no_cycle(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        due_times(CYCLE, text, NOW)
