"""Cron expressions against the calendar."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice

import pytest

from connector.devengine.cron import Cron

START = datetime(2026, 1, 30, 23, 59, 58, tzinfo=UTC)  # a Friday


def next_times(text: str, count: int = 3) -> list[str]:
    times = islice(Cron.of(text).after(START.timestamp()), count)
    return [datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %a %H:%M:%S") for time in times]


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("* * * * * *", ["2026-01-30 Fri 23:59:59", "2026-01-31 Sat 00:00:00", "2026-01-31 Sat 00:00:01"]),
        ("0 */30 * * * ?", ["2026-01-31 Sat 00:00:00", "2026-01-31 Sat 00:30:00", "2026-01-31 Sat 01:00:00"]),
        (
            "0 0 9-17/4 * * MON-FRI",
            ["2026-02-02 Mon 09:00:00", "2026-02-02 Mon 13:00:00", "2026-02-02 Mon 17:00:00"],
        ),
        (
            "0 0 8,20 * * sat",
            ["2026-01-31 Sat 08:00:00", "2026-01-31 Sat 20:00:00", "2026-02-07 Sat 08:00:00"],
        ),
        ("5/20 0 0 1 * *", ["2026-02-01 Sun 00:00:05", "2026-02-01 Sun 00:00:25", "2026-02-01 Sun 00:00:45"]),
        ("0 0 0 L * *", ["2026-01-31 Sat 00:00:00", "2026-02-28 Sat 00:00:00", "2026-03-31 Tue 00:00:00"]),
        ("0 0 0 L-1 * *", ["2026-02-27 Fri 00:00:00", "2026-03-30 Mon 00:00:00", "2026-04-29 Wed 00:00:00"]),
        ("0 0 0 LW * *", ["2026-02-27 Fri 00:00:00", "2026-03-31 Tue 00:00:00", "2026-04-30 Thu 00:00:00"]),
        ("0 0 0 1W * *", ["2026-02-02 Mon 00:00:00", "2026-03-02 Mon 00:00:00", "2026-04-01 Wed 00:00:00"]),
        ("0 0 0 ? * 5L", ["2026-02-27 Fri 00:00:00", "2026-03-27 Fri 00:00:00", "2026-04-24 Fri 00:00:00"]),
        (
            "0 0 0 ? * MON#2",
            ["2026-02-09 Mon 00:00:00", "2026-03-09 Mon 00:00:00", "2026-04-13 Mon 00:00:00"],
        ),
        ("0 0 0 * * 7", ["2026-02-01 Sun 00:00:00", "2026-02-08 Sun 00:00:00", "2026-02-15 Sun 00:00:00"]),
        ("0 0 0 29 FEB ?", ["2028-02-29 Tue 00:00:00", "2032-02-29 Sun 00:00:00", "2036-02-29 Fri 00:00:00"]),
        ("0 0 0 13 * FRI", ["2026-02-13 Fri 00:00:00", "2026-03-13 Fri 00:00:00", "2026-11-13 Fri 00:00:00"]),
        ("@daily", ["2026-01-31 Sat 00:00:00", "2026-02-01 Sun 00:00:00", "2026-02-02 Mon 00:00:00"]),
        ("@yearly", ["2027-01-01 Fri 00:00:00", "2028-01-01 Sat 00:00:00", "2029-01-01 Mon 00:00:00"]),
    ],
)
def test_the_next_times(text: str, times: list[str]) -> None:
    assert next_times(text) == times


def test_a_day_that_never_comes_ends() -> None:
    assert next_times("0 0 0 31 FEB *") == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "* * * * *",
        "* * * * * * *",
        "60 * * * * *",
        "* * 24 * * *",
        "* * * 0 * *",
        "* * * * 13 *",
        "* * * * * 8",
        "a * * * * *",
        "*/0 * * * * *",
        "5-1 * * * * *",
        "*/x * * * * *",
        "* * * * FOO *",
        "@often",
        "1,, * * * * *",
    ],
)
def test_what_is_no_cron_expression(text: str) -> None:
    with pytest.raises(ValueError, match="cron expression"):
        Cron.of(text)
