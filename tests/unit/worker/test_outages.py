"""The worker waits for an engine that is away, busy or refuses its subscription."""

from collections import Counter
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from connector.engine.port import (
    EngineBusyError,
    EngineDeniedError,
    EngineRefusedError,
    EngineUnavailableError,
)
from connector.model.job import Complete
from connector.testing.engine import FakeEngine
from tests.unit.worker.at_work import TYPE, Held, complete, working


async def test_an_outage_is_waited_out_and_logged_once() -> None:
    engine, held = FakeEngine(), Held()
    with capture_logs() as logs:
        async with working(engine, held) as running:
            await engine.until(lambda: engine.open_streams == 1)
            during = engine.create_job(TYPE)
            await held.until(1)
            engine.go_down()
            calls = engine.calls["activate"] + engine.calls["report"]
            held.let_go.set()
            await engine.until(lambda: engine.calls["activate"] + engine.calls["report"] >= calls + 8)
            assert engine.open_streams == 0
            engine.come_back()
            assert await engine.outcome(during) == Complete()
            await engine.until(lambda: engine.open_streams == 1)
            assert await engine.outcome(engine.create_job(TYPE)) == Complete()
            await running.shut_down()
    events = Counter(entry["event"] for entry in logs)
    assert events["engine not available, waiting for it"] == 1
    assert events["engine available again"] == 1


async def test_a_poll_that_finds_no_engine_ends_the_stream() -> None:
    engine = FakeEngine()
    async with working(engine, complete):
        await engine.until(lambda: engine.open_streams == 1)
        polls = engine.calls["activate"]
        engine.fail_next("activate", *[EngineUnavailableError("shutting down")] * 4)
        await engine.until(lambda: engine.open_streams == 0)
        await engine.until(lambda: engine.calls["activate"] == polls + 4)
        assert engine.calls["stream"] == 1
        await engine.until(lambda: engine.open_streams == 1)


async def test_back_pressure_does_not_end_the_stream() -> None:
    engine = FakeEngine()
    async with working(engine, complete):
        await engine.until(lambda: engine.open_streams == 1)
        polls = engine.calls["activate"]
        engine.fail_next("activate", *[EngineBusyError("busy")] * 3)
        await engine.until(lambda: engine.calls["activate"] >= polls + 5)
        assert engine.calls["stream"] == 1


async def test_a_stream_that_ends_is_opened_again_and_the_gap_is_polled() -> None:
    engine = FakeEngine()
    async with working(engine, complete, poll_interval=timedelta(hours=1)):
        await engine.until(lambda: engine.open_streams == 1)
        await engine.until(lambda: engine.calls["activate"] >= 2)
        engine.end_streams()
        gap = engine.create_job(TYPE)
        assert await engine.outcome(gap) == Complete({"seen": gap})
        await engine.until(lambda: engine.open_streams == 1)


@pytest.mark.parametrize("error", [EngineRefusedError("unknown tenant"), EngineDeniedError("no permission")])
async def test_a_refused_subscription_is_an_error_in_the_log_and_is_tried_again(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector.worker.patience._REFUSED_FIRST", 0.01)
    engine = FakeEngine()
    engine.fail_next("activate", *[error] * 4)
    key = engine.create_job(TYPE)
    with capture_logs() as logs:
        async with working(engine, complete, stream=False):
            assert await engine.outcome(key) == Complete({"seen": key})
    refusals = [entry for entry in logs if entry["event"] == "engine refused the subscription"]
    assert [(entry["log_level"], entry["reason"]) for entry in refusals] == [("error", str(error))]
    assert any(entry["event"] == "engine takes the subscription now" for entry in logs)


async def test_a_stream_that_is_refused_granted_and_refused_again_is_said_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("connector.worker.patience._REFUSED_FIRST", 0.01)
    engine = FakeEngine()
    with capture_logs() as logs:
        async with working(engine, complete, poll_interval=timedelta(hours=1)):
            for _ in range(2):
                await engine.until(lambda: engine.open_streams == 1)
                engine.fail_next("stream", *[EngineDeniedError("no permission")] * 2)
                engine.end_streams()
                await engine.until(lambda: engine.open_streams == 1)
                await engine.outcome(engine.create_job(TYPE))
    said = [entry["event"] for entry in logs if entry.get("by") == "stream"]
    assert said == ["engine refused the subscription", "engine takes the subscription now"] * 2


async def test_a_stream_that_was_refused_and_lasts_is_taken_for_granted_without_a_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("connector.worker.patience._REFUSED_FIRST", 0.01)
    monkeypatch.setattr("connector.worker.intake._LASTING", 0.01)
    engine = FakeEngine()
    engine.fail_next("stream", EngineDeniedError("no permission"))
    with capture_logs() as logs:
        async with working(engine, complete):
            await engine.until(lambda: "engine takes the subscription now" in [e["event"] for e in logs])
