"""Pauses and the log lines of an outage."""

from structlog.testing import capture_logs

from connector.engine.patience import Backoff, Outage


def test_pauses_double_up_to_the_limit_and_begin_anew() -> None:
    backoff = Backoff(first=1.0, most=6.0)
    for step in (1.0, 2.0, 4.0, 6.0, 6.0):
        assert step / 2 <= backoff.next() <= step
    backoff.reset()
    assert backoff.next() <= 1.0


def test_pauses_of_two_workers_differ() -> None:
    assert len({Backoff().next() for _ in range(20)}) > 1


def test_an_outage_is_two_lines_and_ends_when_all_that_failed_goes_through() -> None:
    outage = Outage()
    with capture_logs() as logs:
        for who in ("poll", 17, "poll", 18):
            outage.failed(who, OSError("gone"))
        outage.over("somebody else")
        outage.over("poll")
        outage.over(17)
        assert [entry["log_level"] for entry in logs] == ["warning"]
        assert logs[0]["reason"] == "gone"
        outage.over(18)
        assert [entry["log_level"] for entry in logs] == ["warning", "info"]
        outage.failed("poll", OSError("gone again"))
    assert [entry["log_level"] for entry in logs] == ["warning", "info", "warning"]
