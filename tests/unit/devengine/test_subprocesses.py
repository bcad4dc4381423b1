"""Subprocesses and event subprocesses: what is inside, and what interrupts what."""

from __future__ import annotations

from tests.diagrams import (
    TERMINATE,
    a_message,
    a_signal,
    an_error,
    an_escalation,
    boundary,
    diagram,
    element,
    end,
    error,
    escalation,
    extensions,
    mapped,
    message,
    path,
    signal,
    start,
    subprocess,
    task,
    throw,
    timer,
)
from tests.unit.devengine.bench import Bench

INNER = (start("in"), task(), end("out"), path("in", "task", "out"))


def test_a_subprocess_is_left_when_all_inside_has_ended() -> None:
    fork = element("parallelGateway", "fork")
    inside = (start("in"), fork, task("a", job_type="a"), task("b", job_type="b"))
    flows = path("in", "fork", "a") + path("fork", "b")
    bench = Bench(diagram(start(), subprocess("sub", *inside, flows), end(), path("start", "sub", "end")))
    instance = bench.start()
    bench.complete("a")
    assert bench.ended_in(instance) == []
    bench.complete("b")
    assert bench.ended_in(instance) == ["end"]


def test_subprocesses_nest() -> None:
    inner = subprocess("inner", *INNER)
    outer = subprocess("outer", start("at"), inner, end("off"), path("at", "inner", "off"))
    bench = Bench(diagram(start(), outer, end(), path("start", "outer", "end")))
    instance = bench.start()
    assert bench.waits_in(instance) == ["outer", "inner", "task"]
    bench.complete()
    assert bench.ended_in(instance) == ["out", "off", "end"]


def test_an_interrupting_boundary_ends_all_inside() -> None:
    guard = boundary("late", "sub", timer("PT1M"))
    bench = Bench(
        diagram(
            start(),
            subprocess("sub", *INNER),
            guard,
            end(),
            end("told"),
            path("start", "sub", "end"),
            path("late", "told"),
        )
    )
    instance = bench.start()
    bench.advance(60)
    assert bench.ended_in(instance) == ["told"]
    assert bench.take() == []
    (job,) = bench.engine.jobs()
    assert job.state == "CANCELED"


def events(*subprocesses: str, shared: str) -> Bench:
    return Bench(diagram(start(), task(), end(), *subprocesses, path("start", "task", "end"), shared=shared))


def on(definition: str, *, interrupting: bool = True, name: str = "on", inside: str = "") -> str:
    begin = start(f"{name}_start", definition, interrupting=interrupting)
    flows = path(f"{name}_start", f"{name}_task", f"{name}_end")
    work = task(f"{name}_task", job_type=name)
    return subprocess(name, begin, work, end(f"{name}_end"), flows, inside, triggered=True)


def test_an_interrupting_event_subprocess_takes_over() -> None:
    bench = events(on(message("stop")), shared=a_message("stop"))
    instance = bench.start(key="1")
    bench.publish("stop", "1", why="late")
    assert bench.waits_in(instance) == ["on", "on_task"]
    assert bench.take() == []
    bench.complete("on")
    assert bench.ended_in(instance) == ["on_end"]
    assert bench.variables(instance) == {"key": "1", "why": "late"}


def test_an_interrupting_event_subprocess_starts_once() -> None:
    bench = events(on(signal("stop")), shared=a_signal("stop"))
    instance = bench.start()
    bench.engine.broadcast_signal("stop")
    bench.engine.broadcast_signal("stop")
    assert bench.waits_in(instance) == ["on", "on_task"]


def test_a_non_interrupting_event_subprocess_may_run_often() -> None:
    bench = events(on(signal("tell"), interrupting=False), shared=a_signal("tell"))
    instance = bench.start()
    for _ in range(3):
        bench.engine.broadcast_signal("tell")
    assert len(bench.take("on")) == 3
    bench.complete()
    assert bench.state(instance) == "ACTIVE"


def test_the_scope_ends_with_its_event_subprocess() -> None:
    bench = events(on(signal("tell"), interrupting=False), shared=a_signal("tell"))
    instance = bench.start()
    bench.engine.broadcast_signal("tell")
    bench.complete()
    assert bench.state(instance) == "ACTIVE"
    bench.complete("on")
    assert bench.ended_in(instance) == ["end", "on_end"]
    assert bench.state(instance) == "COMPLETED"


def test_a_timer_may_start_an_event_subprocess_at_each_cycle() -> None:
    bench = events(on(timer(cycle="R2/PT1M"), interrupting=False), shared="")
    bench.start()
    assert bench.advance(300) == 2
    assert len(bench.take("on")) == 2


def test_an_interrupting_event_subprocess_closes_the_others() -> None:
    others = on(signal("tell"), interrupting=False, name="other")
    bench = events(on(message("stop")), others, shared=a_message("stop") + a_signal("tell"))
    bench.start(key="1")
    bench.publish("stop", "1")
    bench.engine.broadcast_signal("tell")
    assert bench.take("other") == []


def test_an_event_subprocess_of_a_subprocess_leaves_the_rest_alone() -> None:
    inside = subprocess("sub", *INNER, on(signal("stop")))
    bench = Bench(
        diagram(
            start(),
            element("parallelGateway", "fork"),
            inside,
            task("beside", job_type="beside"),
            end(),
            path("start", "fork", "sub", "end"),
            path("fork", "beside"),
            shared=a_signal("stop"),
        )
    )
    instance = bench.start()
    bench.engine.broadcast_signal("stop")
    assert bench.waits_in(instance) == ["sub", "beside", "on", "on_task"]
    bench.complete("on")
    assert bench.ended_in(instance) == ["on_end", "end"]


def test_the_start_of_an_event_subprocess_may_map_its_variables() -> None:
    begin = start("on_start", extensions(mapped(outputs={"reason": "=why"})), message("stop"))
    sub = subprocess("on", begin, end("on_end"), path("on_start", "on_end"), triggered=True)
    bench = events(sub, shared=a_message("stop"))
    instance = bench.start(key="1")
    bench.publish("stop", "1", why="late", more=1)
    assert bench.variables(instance) == {"key": "1", "reason": "late"}


def test_an_event_subprocess_may_have_variables_of_its_own() -> None:
    inputs = extensions(mapped({"copy": "=n"}))
    begin = start("on_start", signal("tell"), interrupting=False)
    sub = subprocess(
        "on", inputs, begin, task("on_task", job_type="on"), path("on_start", "on_task"), triggered=True
    )
    bench = events(sub, shared=a_signal("tell"))
    bench.start(n=1)
    bench.engine.broadcast_signal("tell")
    assert bench.job("on").variables == {"n": 1, "copy": 1}


def test_a_terminate_end_event_ends_its_scope_alone() -> None:
    inside = (
        start("in"),
        element("parallelGateway", "fork"),
        task(),
        end("stop", TERMINATE),
        path("in", "fork", "stop"),
        path("fork", "task"),
    )
    bench = Bench(diagram(start(), subprocess("sub", *inside), end(), path("start", "sub", "end")))
    instance = bench.start()
    assert bench.ended_in(instance) == ["stop", "end"]
    assert bench.state(instance) == "COMPLETED"
    assert bench.take() == []


def test_terminate_takes_tokens_that_wait_at_a_join() -> None:
    bench = Bench(
        diagram(
            start(),
            element("parallelGateway", "fork"),
            element("parallelGateway", "join"),
            task(),
            end("stop", TERMINATE),
            path("start", "fork", "join"),
            path("fork", "task", "join"),
            path("fork", "stop"),
        )
    )
    assert bench.state(bench.start()) == "COMPLETED"


def test_an_error_inside_an_event_subprocess_goes_outwards() -> None:
    inner = subprocess(
        "on",
        start("on_start", error("A")),
        end("again", error("A")),
        path("on_start", "again"),
        triggered=True,
    )
    body = (start("in"), task(), path("in", "task"), inner)
    bench = Bench(
        diagram(
            start(),
            subprocess("sub", *body),
            boundary("caught", "sub", error("A")),
            end("told"),
            path("start", "sub"),
            path("caught", "told"),
            shared=an_error("A"),
        )
    )
    instance = bench.start()
    bench.throw("A")
    assert bench.ended_in(instance) == ["told"]


def test_an_escalation_may_start_an_event_subprocess_beside_the_flow() -> None:
    sub = on(escalation("late"), interrupting=False)
    bench = Bench(
        diagram(
            start(),
            throw("warn", escalation("late")),
            task(),
            sub,
            path("start", "warn", "task"),
            shared=an_escalation("late"),
        )
    )
    instance = bench.start()
    assert bench.waits_in(instance) == ["on", "task", "on_task"]


def test_of_two_interrupting_events_at_once_the_first_wins() -> None:
    shared = a_signal("go") + element("signal", "same", name='="go"')
    bench = events(on(signal("go"), name="one"), on(signal("same"), name="two"), shared=shared)
    instance = bench.start()
    bench.engine.broadcast_signal("go")
    assert bench.waits_in(instance) == ["one", "one_task"]


def test_a_token_on_its_way_ends_with_its_scope() -> None:
    inside = (
        start("in"),
        element("parallelGateway", "fork"),
        throw("warn", escalation("late")),
        element("task", "beside"),
        task(),
        path("in", "fork", "beside", "task"),
        path("fork", "warn"),
    )
    flows = path("start", "sub") + path("caught", "told")
    guard = boundary("caught", "sub", escalation("late"))
    nodes = (start(), subprocess("sub", *inside), guard, end("told"), flows)
    bench = Bench(diagram(*nodes, shared=an_escalation("late")))
    instance = bench.start()
    assert bench.ended_in(instance) == ["told"]
    assert bench.state(instance) == "COMPLETED"
    assert list(bench.engine.jobs()) == []
