"""The engine under any order of commands: records and refusals change nothing, a replay comes out alike.

Each run is done three times: with records; without; and, without records, only what was accepted the first
time. All three must give the same keys and the same state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from connector.devengine.clock import Clock
from connector.devengine.commands import (
    ActivationRequest,
    CommandRefusedError,
    Failure,
    MessageToPublish,
    Resource,
)
from connector.devengine.process_engine import ProcessEngine
from connector.devengine.records import RecordLog
from tests.diagrams import (
    a_message,
    a_signal,
    an_error,
    boundary,
    catch,
    diagram,
    element,
    end,
    error,
    extensions,
    loop,
    message,
    path,
    signal,
    start,
    subprocess,
    task,
    timer,
    zeebe,
)

WORK = diagram(
    start(),
    task("task", job_type="work", inputs={"local": "=[n, random number()]"}),
    boundary("failed", "task", error("E")),
    boundary("late", "task", timer(cycle="R2/PT40S"), interrupting=False),
    boundary("stopped", "task", message("stop")),
    element("exclusiveGateway", "enough", default="enough_end"),
    end(),
    path("start", "task", "enough", "end"),
    path("failed", "end"),
    path("late", "end"),
    path("stopped", "end"),
    process_id="work",
    shared=an_error("E") + a_message("stop", "=string(n)"),
)
MANY = diagram(
    start(),
    start("go", message("go")),
    subprocess(
        "each",
        start("in"),
        task("task", job_type="work"),
        catch("wait", signal("on")),
        path("in", "task", "wait"),
        loop("=[1, 2]", output="results", collect="=result"),
    ),
    element("callActivity", "call", extensions(zeebe("calledElement", processId="work"))),
    subprocess("again", start("again_start", signal("again"), interrupting=False), triggered=True),
    path("start", "each", "call"),
    path("go", "call"),
    process_id="many",
    shared=a_message("go") + a_signal("on") + a_signal("again"),
)
RESOURCES = (Resource("work.bpmn", WORK), Resource("many.bpmn", MANY))
REQUEST = ActivationRequest("work", "w", 30)

small = st.integers(0, 5)
Command = tuple[str, int, int]
commands = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "start",
                "start",
                "take",
                "take",
                "complete",
                "complete",
                "fail",
                "throw",
                "retries",
                "resolve",
                "publish",
                "signal",
                "advance",
                "set",
                "cancel",
                "deploy",
                "extend",
                "release",
            ]
        ),
        small,
        small,
    ),
    max_size=40,
)


class Run:
    """One engine, and what each command gave."""

    def __init__(self, records: RecordLog | None) -> None:
        self.clock = Clock()
        self.clock.pin(1_790_000_000)
        self.engine = ProcessEngine(self.clock, records=records, seed=7)
        self.engine.deploy(RESOURCES)
        self.accepted: list[Callable[[ProcessEngine, Clock], Any]] = []

    def do(self, command: Command) -> None:
        """Run a command that is not refused for want of something to name."""
        for call in _calls(self.engine, command):
            with suppress(CommandRefusedError):
                call(self.engine, self.clock)
                self.accepted.append(call)

    def replay(self, accepted: list[Callable[[ProcessEngine, Clock], Any]]) -> None:
        for call in accepted:
            call(self.engine, self.clock)

    def state(self) -> list[Any]:
        engine = self.engine
        views = [engine.instances(), engine.elements(), engine.jobs(), engine.incidents(), engine.variables()]
        return [*map(list, views), engine.due(), engine.broadcast_signal("the next key")]


def _calls(engine: ProcessEngine, command: Command) -> Iterator[Callable[[ProcessEngine, Clock], Any]]:
    name, which, other = command
    jobs, incidents = [job.key for job in engine.jobs()], [incident.key for incident in engine.incidents()]
    instances = [view.key for view in engine.instances()]
    job = jobs[-1 - which % len(jobs)] if jobs else 1
    instance = instances[-1 - which % len(instances)] if instances else 1
    incident = incidents[which % len(incidents)] if incidents else 1
    process = ("work", "many")[which % 2]
    resource = Resource("work.bpmn", WORK + b" " * other)
    published = MessageToPublish(("stop", "go")[which % 2], str(other), 50.0 * (which % 3), f"{which}")
    known: dict[str, Callable[[ProcessEngine, Clock], Any]] = {
        "start": lambda e, _: e.create_instance(process, variables={"n": other}),
        "take": lambda e, _: e.activate(REQUEST, 1 + which),
        "complete": lambda e, _: e.complete_job(job, {"result": other}),
        "fail": lambda e, _: e.fail_job(job, Failure(which % 3, "m", 20.0 * (other % 2), {"v": other})),
        "throw": lambda e, _: e.throw_error(job, ("E", "F")[other % 2], "", {"thrown": other}),
        "retries": lambda e, _: e.update_job_retries(job, other),
        "resolve": lambda e, _: e.resolve_incident(incident),
        "publish": lambda e, _: e.publish_message(published),
        "signal": lambda e, _: e.broadcast_signal(("on", "again")[which % 2], {"heard": other}),
        "advance": partial(_advance, which * 17),
        "set": lambda e, _: e.set_variables(instance, {"n": other}, local=bool(which % 2)),
        "cancel": lambda e, _: e.cancel_instance(instance),
        "deploy": lambda e, _: e.deploy([resource]),
        "extend": lambda e, _: e.update_job_timeout(job, 10 * which),
        "release": lambda e, _: e.release_job(job),
    }
    yield known[name]


def _advance(seconds: float, engine: ProcessEngine, clock: Clock) -> None:
    clock.advance(seconds)
    engine.tick()


@settings(max_examples=150)
@given(commands)
def test_records_and_refusals_change_nothing(given_commands: list[Command]) -> None:
    watched, alone, replayed = Run(RecordLog()), Run(None), Run(None)
    for command in given_commands:
        watched.do(command)
        alone.do(command)
    replayed.replay(watched.accepted)
    assert watched.state() == alone.state() == replayed.state()
