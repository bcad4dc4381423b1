"""By when an answer is wanted; now is Friday, 20 November 2026, 11:00 in Berlin, unless a test says so."""

from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connector.errors import InputError
from connector.settings.model import MessageSettings
from connector.tasks.inputs import Value
from connector.tasks.moments import read_follow_up
from tests.unit.tasks.task_inputs import NOW, SETTINGS, read, refused

BERLIN = ZoneInfo("Europe/Berlin")


def follow_up(data: Any, now: datetime = NOW, settings: MessageSettings = SETTINGS) -> datetime | None:
    return read_follow_up(Value("v", data), settings, now)


def berlin(  # noqa: PLR0917 - a moment's parts in their usual order
    year: int, month: int, day: int, hour: int, minute: int = 0, second: int = 0, microsecond: int = 0
) -> datetime:
    return datetime(year, month, day, hour, minute, second, microsecond, tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("today", berlin(2026, 11, 20, 17)),
        ('"Today"', berlin(2026, 11, 20, 17)),
        ("TOMORROW", berlin(2026, 11, 21, 17)),
        ("tomorrow 09:30", berlin(2026, 11, 21, 9, 30)),
        ("tomorrow  9:30:15", berlin(2026, 11, 21, 9, 30, 15)),
        ("today 18:00", berlin(2026, 11, 20, 18)),
        ({"day": "tomorrow", "time": "09:30"}, berlin(2026, 11, 21, 9, 30)),
        ({"day": "today"}, berlin(2026, 11, 20, 17)),
        ({"day": "2026-12-01", "time": ""}, berlin(2026, 12, 1, 17)),
        ('{"day": "tomorrow", "time": "09:30"}', berlin(2026, 11, 21, 9, 30)),
        ("2026-12-01", berlin(2026, 12, 1, 17)),
        ("2026-12-01 08:00", berlin(2026, 12, 1, 8)),
        ("2026-12-01T08:00", berlin(2026, 12, 1, 8)),
        ("2026-12-01T08:00:30.5", berlin(2026, 12, 1, 8, 0, 30, 500_000)),
        ("2026-12-01T08:00Z", berlin(2026, 12, 1, 9)),
        ("2026-12-01T08:00:00-05:00", berlin(2026, 12, 1, 14)),
        ("2026-12-01T08:00@America/New_York", berlin(2026, 12, 1, 14)),
        ("2026-12-01T08:00:00-05:00[America/New_York]", berlin(2026, 12, 1, 14)),
        ("PT4H", berlin(2026, 11, 20, 15)),
        ("PT1.5S", berlin(2026, 11, 20, 11, 0, 1, 500_000)),
        ("P1D", berlin(2026, 11, 21, 11)),
        ("P1WT30M", berlin(2026, 11, 27, 11, 30)),
        ("P1Y2M", berlin(2028, 1, 20, 11)),
        ("p2m", berlin(2027, 1, 20, 11)),
    ],
)
def test_every_form(data: Any, expected: datetime) -> None:
    moment = follow_up(data)
    assert moment == expected
    assert moment.tzinfo == BERLIN


@pytest.mark.parametrize("data", [False, "false", "${false}"])
def test_false_asks_for_none(data: Any) -> None:
    assert follow_up(data) is None


@pytest.mark.parametrize(
    "data",
    [
        True,
        "${true}",
        5,
        ["today"],
        "yesterday",
        "soon",
        "tomorrow 25:00",
        "tomorrow 9",
        "tomorrow 09:60",
        "tomorrow 09:30+01:00",
        "tomorrow 09:30 CET",
        "09:30",
        "2026-13-01",
        "2026-11-31",
        "2026-12-01T25:00",
        "2026-12-01T08:00@Mars/Olympus",
        "2026-12-01T08:00@../../etc/passwd",
        "2026-12-01T08:00[]",
        "P",
        "PT",
        "P1",
        "-P1D",
        "P1H",
        "today\r\nBcc: x",
        {"day": "someday"},
        {"day": "today", "time": "noon"},
        {"day": ["today"]},
        '{"day": today}',
    ],
)
def test_no_moment(data: Any) -> None:
    with pytest.raises(InputError) as caught:
        follow_up(data)
    assert caught.value.message.isprintable()


@pytest.mark.parametrize(
    ("data", "field", "part"),
    [
        ({"time": "09:30"}, "v.day", "is missing"),
        ({"day": None}, "v.day", "is null"),
        ({"day": "today", "tiem": "09:30"}, "v", "did you mean time?"),
    ],
)
def test_a_context_with_a_wrong_key(data: Any, field: str, part: str) -> None:
    with pytest.raises(InputError) as caught:
        follow_up(data)
    assert caught.value.field == field
    assert part in caught.value.message


@pytest.mark.parametrize(
    "data",
    ["today 10:59", "today 11:00", "2026-11-19", "2026-11-20T10:00Z", "PT0S", "P0D", {"day": "2020-01-01"}],
)
def test_a_moment_that_has_passed(data: Any) -> None:
    with pytest.raises(InputError, match="has passed"):
        follow_up(data)


@pytest.mark.parametrize(
    "data", ["P9999Y", "P7974Y", "P9999999D", "PT999999999H", "9999-12-31T23:59:59-12:00"]
)
def test_a_moment_beyond_the_calendar(data: str) -> None:
    with pytest.raises(InputError, match="9999"):
        follow_up(data)


@pytest.mark.parametrize(
    "now", [berlin(2026, 11, 20, 17), berlin(2026, 11, 20, 23, 58), berlin(2026, 11, 20, 17, 0, 0, 1)]
)
@pytest.mark.parametrize("data", ["today", "2026-11-20", {"day": "today"}])
def test_after_business_hours_today_is_the_rest_of_the_day(data: Any, now: datetime) -> None:
    assert follow_up(data, now) == berlin(2026, 11, 20, 23, 59, 59)


def test_today_is_never_overdue_on_arrival() -> None:
    now = berlin(2026, 11, 20, 23, 59, 59, 500_000)
    moment = follow_up("today", now)
    assert moment is not None
    assert moment > now


def test_the_day_is_the_operators_not_the_servers() -> None:
    late = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)
    assert follow_up("today", late) == berlin(2026, 11, 21, 17)
    auckland = MessageSettings(time_zone="Pacific/Auckland", business_day_end=time(16, 30))
    expected = datetime(2026, 11, 22, 16, 30, tzinfo=ZoneInfo("Pacific/Auckland"))
    assert follow_up("tomorrow", late, auckland) == expected


def test_a_time_that_the_clocks_skip_moves_forward() -> None:
    moment = follow_up("2027-03-28 02:30")
    assert moment is not None
    assert moment.isoformat() == "2027-03-28T03:30:00+02:00"


def test_of_a_time_that_comes_twice_the_first_counts() -> None:
    moment = follow_up("2027-10-31 02:30")
    assert moment is not None
    assert moment.isoformat() == "2027-10-31T02:30:00+02:00"


def test_a_day_keeps_the_wall_clock_and_hours_do_not() -> None:
    eve = berlin(2027, 3, 27, 12)
    assert follow_up("P1D", eve) == berlin(2027, 3, 28, 12)
    assert follow_up("PT24H", eve) == berlin(2027, 3, 28, 13)


def test_a_month_ends_with_its_last_day() -> None:
    assert follow_up("P1M", berlin(2027, 1, 31, 12)) == berlin(2027, 2, 28, 12)


def test_both_names_of_the_variable() -> None:
    assert read(smtpFollowUp="today").follow_up == berlin(2026, 11, 20, 17)
    assert read(smtpFollowUp="today", smtpEmailFollowUp="today") == read(smtpFollowUp="today")
    assert read(smtpFollowUp="today", smtpEmailFollowUp="") == read(smtpFollowUp="today")
    assert refused(smtpFollowUp="never").field == "smtpFollowUp"
    conflict = refused(smtpFollowUp="today", smtpEmailFollowUp="tomorrow")
    assert conflict.field == "smtpEmailFollowUp"
    assert "smtpFollowUp" in conflict.message


@pytest.mark.parametrize("written", ["2027-01-31T08:00" + "0" * 100, "today " + "9" * 100, "a" * 1_000_000])
def test_no_moment_is_longer_than_a_line(written: str) -> None:
    assert "is not a point in time" in refused(smtpEmailFollowUp=written).message
