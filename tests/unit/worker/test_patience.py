"""Pauses and the log lines of an outage."""

import pytest
from structlog.testing import capture_logs

from connector.engine.port import EngineBusyError
from connector.model import outage as outages
from connector.model.backoff import Backoff
from connector.worker import patience
from connector.worker.patience import Access, EngineOutage


def test_pauses_double_up_to_the_limit_and_begin_anew() -> None:
    backoff = Backoff(first=1.0, most=6.0)
    for step in (1.0, 2.0, 4.0, 6.0, 6.0):
        assert step / 2 <= backoff.next() <= step
    backoff.reset()
    assert backoff.next() <= 1.0


def test_pauses_of_two_workers_differ() -> None:
    assert len({Backoff().next() for _ in range(20)}) > 1


def test_what_works_again_has_short_pauses_and_its_next_refusal_is_said() -> None:
    access = Access("t", "stream")
    with capture_logs() as logs:
        for _ in range(3):
            for _ in range(8):
                access.broke()
                access.refused(PermissionError("no"))
            access.works()
            access.works()
        assert access.broke() <= 0.1
        assert 2.5 <= access.refused(PermissionError("no")) <= 5.0
    said = [(entry["log_level"], entry["by"], entry.get("reason")) for entry in logs]
    assert said == [("error", "stream", "no"), ("info", "stream", None)] * 3 + [("error", "stream", "no")]


def test_an_outage_is_two_lines_and_ends_when_all_that_failed_goes_through() -> None:
    outage = EngineOutage()
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


def test_an_engine_that_pushes_back_is_no_outage_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(outages, "monotonic", lambda: now)
    outage = EngineOutage()
    with capture_logs() as logs:
        for _ in range(3):
            outage.failed("poll", EngineBusyError("busy"))
            now += 9.9
            outage.failed("poll", EngineBusyError("busy"))
            outage.over("poll")
        assert logs == []
        outage.failed("poll", EngineBusyError("busy"))
        now += 10.0
        outage.failed(17, EngineBusyError("busy"))
        outage.failed(18, EngineBusyError("busy"))
        for who in ("poll", 17, 18):
            outage.over(who)
    assert [(entry["log_level"], entry.get("seconds")) for entry in logs] == [
        ("warning", 10.0),
        ("info", 10.0),
    ]


def test_an_engine_that_goes_away_while_it_pushes_back_is_an_outage() -> None:
    outage = EngineOutage()
    with capture_logs() as logs:
        outage.failed("poll", EngineBusyError("busy"))
        outage.failed("poll", OSError("gone"))
    assert [entry["reason"] for entry in logs] == ["gone"]


def test_the_first_connection_is_no_return(monkeypatch: pytest.MonkeyPatch) -> None:
    outage = EngineOutage()
    with capture_logs() as logs:
        for who in ("one", "other"):
            outage.failed(who, OSError("not there yet"))
        outage.over("one")
        outage.over("other")
        assert [entry["log_level"] for entry in logs] == ["warning"]
        outage.failed("one", OSError("gone"))
        outage.over("one")
    assert [entry["event"] for entry in logs][1:] == [
        "engine not available, waiting for it",
        "engine available again",
    ]


def test_an_outage_that_goes_on_is_told_every_five_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(outages, "monotonic", lambda: now)
    outage = EngineOutage()
    with capture_logs() as logs:
        for _ in range(11):
            outage.failed("poll", OSError("gone"))
            now += 60
    assert [entry["seconds"] for entry in logs] == [0, 300, 600]


def test_a_refusal_that_goes_on_is_told_every_five_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(patience, "monotonic", lambda: now)
    access = Access("t", "poll")
    with capture_logs() as logs:
        for _ in range(11):
            access.refused(PermissionError("no"))
            now += 60
    assert len(logs) == 3
