"""Messages: who receives one, how long it is kept, and which instances it starts."""

from __future__ import annotations

import pytest

from connector.devengine.commands import CommandRefusedError
from tests.diagrams import (
    a_message,
    boundary,
    catch,
    diagram,
    end,
    extensions,
    mapped,
    message,
    path,
    start,
    task,
)
from tests.unit.devengine.bench import Bench


def waiting(process_id: str = "p", key: str = "=key", name: str = "reply") -> bytes:
    nodes = (start(), catch("wait", message(name)), end(), path("start", "wait", "end"))
    return diagram(*nodes, process_id=process_id, shared=a_message(name, key))


def started(*more: str, process_id: str = "p", outputs: str = "") -> bytes:
    nodes = (start("start", outputs, message("go")), task(), end(), path("start", "task", "end"))
    return diagram(*nodes, *more, process_id=process_id, shared=a_message("go"))


def test_a_message_reaches_the_instance_with_its_key() -> None:
    bench = Bench(waiting())
    first, second = bench.start(key="1"), bench.start(key="2")
    bench.publish("reply", "2", text="yes")
    assert (bench.ended_in(first), bench.ended_in(second)) == ([], ["end"])
    assert bench.variables(second) == {"key": "2", "text": "yes"}


@pytest.mark.parametrize(("value", "key"), [(4711, "4711"), ("4711", "4711"), (1.5, "1.5")])
def test_a_number_is_compared_as_text(value: object, key: str) -> None:
    bench = Bench(waiting())
    instance = bench.start(key=value)
    bench.publish("reply", key)
    assert bench.ended_in(instance) == ["end"]


@pytest.mark.parametrize(
    ("value", "kind"), [(None, "NULL"), (True, "BOOLEAN"), ([], "ARRAY"), ({}, "OBJECT")]
)
def test_another_key_is_an_incident(value: object, kind: str) -> None:
    bench = Bench(waiting())
    incident = bench.incident(bench.start(key=value))
    assert incident.kind == "EXTRACT_VALUE_ERROR"
    assert incident.text.endswith(f"must be either a string or a number, but was '{kind}'.")


def test_a_subscription_keeps_the_key_that_it_was_opened_with() -> None:
    bench = Bench(waiting())
    instance = bench.start(key="1")
    bench.engine.set_variables(instance, {"key": "2"})
    bench.publish("reply", "2")
    assert bench.ended_in(instance) == []


def test_the_name_may_be_an_expression() -> None:
    bench = Bench(waiting(name='="reply-" + kind'))
    instance = bench.start(key="1", kind="a")
    bench.publish("reply-a", "1")
    assert bench.ended_in(instance) == ["end"]


def test_a_message_reaches_each_process_once() -> None:
    bench = Bench(waiting("p"), waiting("q"))
    first, second, other = bench.start("p", key="1"), bench.start("p", key="1"), bench.start("q", key="1")
    bench.publish("reply", "1")
    assert [bench.ended_in(instance) for instance in (first, second, other)] == [["end"], [], ["end"]]


def test_without_a_time_to_live_nothing_is_kept() -> None:
    bench = Bench(waiting())
    bench.publish("reply", "1")
    assert bench.ended_in(bench.start(key="1")) == []


def test_a_message_waits_for_a_subscription() -> None:
    bench = Bench(waiting())
    bench.publish("reply", "1", ttl=60, n=1)
    bench.publish("reply", "1", ttl=60, n=2)
    first, second, third = bench.start(key="1"), bench.start(key="1"), bench.start(key="1")
    assert [bench.variables(instance).get("n") for instance in (first, second, third)] == [1, 2, None]


def test_a_message_is_kept_for_its_time_to_live_only() -> None:
    bench = Bench(waiting())
    bench.publish("reply", "1", ttl=60)
    bench.advance(60)
    assert bench.ended_in(bench.start(key="1")) == []


def test_a_message_that_has_reached_one_process_waits_for_another() -> None:
    bench = Bench(waiting("p"), waiting("q"))
    bench.start("p", key="1")
    bench.publish("reply", "1", ttl=60)
    assert bench.ended_in(bench.start("p", key="1")) == []
    assert bench.ended_in(bench.start("q", key="1")) == ["end"]


def test_a_message_with_an_id_is_unique_while_it_is_kept() -> None:
    bench = Bench()
    bench.publish("reply", "1", ttl=60, message_id="m")
    with pytest.raises(CommandRefusedError) as caught:
        bench.publish("reply", "1", ttl=60, message_id="m")
    assert caught.value.text == (
        "Command 'PUBLISH' rejected with code 'ALREADY_EXISTS': "
        "Expected to publish a new message with id 'm', but a message with that id was already published"
    )
    bench.publish("reply", "2", ttl=60, message_id="m")
    bench.publish("other", "1", ttl=60, message_id="m")
    bench.advance(60)
    bench.publish("reply", "1", ttl=60, message_id="m")


@pytest.mark.parametrize(("ttl", "message_id"), [(0.0, "m"), (60.0, "")])
def test_other_messages_need_not_be_unique(ttl: float, message_id: str) -> None:
    bench = Bench()
    bench.publish("reply", "1", ttl=ttl, message_id=message_id)
    bench.publish("reply", "1", ttl=ttl, message_id=message_id)


def test_a_boundary_takes_every_kept_message() -> None:
    guard = boundary("tell", "task", message("reply"), interrupting=False)
    flows = path("start", "task") + path("tell", "told")
    bench = Bench(diagram(start(), task(), guard, end("told"), flows, shared=a_message("reply")))
    bench.publish("reply", "1", ttl=60)
    bench.publish("reply", "1", ttl=60)
    assert bench.ended_in(bench.start(key="1")) == ["told", "told"]


def test_an_interrupting_boundary_takes_a_kept_message_before_the_job_is_taken() -> None:
    guard = boundary("stop", "task", message("reply"))
    bench = Bench(diagram(start(), task(), guard, path("start", "task"), shared=a_message("reply")))
    bench.publish("reply", "1", ttl=60)
    instance = bench.start(key="1")
    assert bench.state(instance) == "COMPLETED"
    assert bench.take() == []


# Start events


def test_a_message_starts_a_process() -> None:
    bench = Bench(started())
    bench.publish("go", "1", n=1)
    job = bench.job()
    assert job.variables == {"n": 1}
    assert bench.passed(job.process_instance_key) == ["start"]


def test_the_start_event_may_map_the_message() -> None:
    bench = Bench(started(outputs=extensions(mapped(outputs={"number": "=n"}))))
    bench.publish("go", "1", n=1)
    assert bench.variables(bench.job().process_instance_key) == {"number": 1}


def test_one_instance_at_a_time_for_each_key() -> None:
    bench = Bench(started())
    for number in (1, 2, 3):
        bench.publish("go", "a", ttl=60, number=number)
    bench.publish("go", "b", number=4)
    assert [job.variables["number"] for job in bench.take()] == [1, 4]
    for view in list(bench.engine.jobs()):
        bench.engine.complete_job(view.key)
    assert [job.variables["number"] for job in bench.take()] == [2]


def test_the_next_starts_when_the_instance_is_cancelled() -> None:
    bench = Bench(started())
    bench.publish("go", "a")
    bench.publish("go", "a", ttl=60, next=True)
    bench.engine.cancel_instance(bench.job().process_instance_key)
    assert bench.job().variables == {"next": True}


def test_a_message_that_has_expired_starts_nothing() -> None:
    bench = Bench(started())
    bench.publish("go", "a")
    bench.publish("go", "a", ttl=60)
    job = bench.take(timeout=1_000)[0]
    bench.advance(60)
    bench.engine.complete_job(job.key)
    assert bench.take() == []


def test_without_a_key_every_message_starts_an_instance() -> None:
    bench = Bench(started())
    bench.publish("go")
    bench.publish("go")
    assert len(bench.take()) == 2


def test_a_new_version_takes_the_start_over() -> None:
    bench = Bench(started())
    bench.deploy(started().replace(b'type="work"', b'type="new"'))
    bench.publish("go")
    assert (bench.take(), len(bench.take("new"))) == ([], 1)


def test_a_version_without_the_start_event_closes_it() -> None:
    bench = Bench(started())
    bench.deploy(diagram(start()))
    bench.publish("go")
    assert list(bench.engine.instances()) == []


def test_a_process_has_none_start_and_message_start() -> None:
    bench = Bench(started(start("plain"), path("plain", "task")))
    instance = bench.start()
    assert bench.passed(instance) == ["plain"]
