"""Signals: everything that waits for one receives it, and what starts with one starts."""

from __future__ import annotations

from tests.diagrams import (
    a_signal,
    catch,
    diagram,
    element,
    end,
    extensions,
    mapped,
    path,
    signal,
    start,
    task,
    throw,
)
from tests.unit.devengine.bench import Bench

WAITING = diagram(
    start(), catch("wait", signal("go")), end(), path("start", "wait", "end"), shared=a_signal("go")
)


def test_every_instance_receives_a_signal() -> None:
    bench = Bench(WAITING)
    instances = [bench.start() for _ in range(3)]
    bench.engine.broadcast_signal("other")
    assert [bench.ended_in(instance) for instance in instances] == [[], [], []]
    bench.engine.broadcast_signal("go", {"n": 1})
    assert [bench.ended_in(instance) for instance in instances] == [["end"]] * 3
    assert bench.variables(instances[0]) == {"n": 1}


def test_a_signal_is_not_kept() -> None:
    bench = Bench(WAITING)
    bench.engine.broadcast_signal("go")
    assert bench.ended_in(bench.start()) == []


def test_a_signal_starts_the_latest_version_of_a_process() -> None:
    begun = diagram(start("start", signal("go")), task(), path("start", "task"), shared=a_signal("go"))
    bench = Bench(begun)
    bench.deploy(begun.replace(b'type="work"', b'type="new"'))
    bench.engine.broadcast_signal("go", {"n": 1})
    assert bench.job("new").variables == {"n": 1}
    assert bench.take() == []


def test_a_signal_may_be_thrown_with_its_inputs() -> None:
    inputs = extensions(mapped({"n": "=n + 1"}))
    thrower = throw("tell", inputs, signal("go"))
    sender = diagram(
        start(), thrower, end(), path("start", "tell", "end"), process_id="q", shared=a_signal("go")
    )
    bench = Bench(WAITING, sender)
    waiting, sending = bench.start("p"), bench.start("q", n=1)
    assert (bench.ended_in(waiting), bench.ended_in(sending)) == (["end"], ["end"])
    assert bench.variables(waiting) == {"n": 2}


def test_a_signal_may_end_a_path() -> None:
    sender = diagram(
        start(), end("end", signal("go")), path("start", "end"), process_id="q", shared=a_signal("go")
    )
    bench = Bench(WAITING, sender)
    waiting = bench.start("p")
    bench.start("q")
    assert bench.ended_in(waiting) == ["end"]


def test_the_name_may_be_an_expression() -> None:
    nodes = (start(), catch("wait", signal("s")), path("start", "wait"))
    bench = Bench(diagram(*nodes, shared=element("signal", "s", name='="go-" + which')))
    instance = bench.start(which="a")
    bench.engine.broadcast_signal("go-a")
    assert bench.state(instance) == "COMPLETED"
