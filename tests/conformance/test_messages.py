"""Messages, signals and timers: who is reached, what is kept, what starts."""

from __future__ import annotations

import pytest

from tests.conformance.cluster import RefusedError, Site
from tests.conformance.marks import unverified
from tests.diagrams import (
    a_message,
    a_signal,
    boundary,
    catch,
    diagram,
    end,
    message,
    path,
    signal,
    start,
    task,
    timer,
)


def waiting(process_id: str = "~p") -> bytes:
    nodes = (start(), catch("wait", message("~reply")), end(), path("start", "wait", "end"))
    return diagram(*nodes, process_id=process_id, shared=a_message("~reply"))


def started(definition: str, shared: str = "") -> bytes:
    nodes = (start("start", definition), task(job_type="~work"), end(), path("start", "task", "end"))
    return diagram(*nodes, process_id="~p", shared=shared)


GO = started(message("~go"), a_message("~go"))


def test_a_message_reaches_the_instance_with_its_key(site: Site) -> None:
    first, second = site.run(waiting(), key="1"), site.start(key="2")
    site.waits_in(first, "wait")
    site.waits_in(second, "wait")
    site.publish("~reply", "2", text="yes")
    site.ends_in(second, "end")
    site.has(second, key="2", text="yes")
    site.waits_in(first, "wait")


@unverified("a number is compared as text")
def test_a_key_that_is_a_number(site: Site) -> None:
    instance = site.run(waiting(), key=4711)
    site.waits_in(instance, "wait")
    site.publish("~reply", "4711")
    site.ends_in(instance, "end")


@unverified("the text of the incident")
def test_a_key_that_is_null(site: Site) -> None:
    instance = site.run(waiting())
    incident = site.incident(instance)
    assert incident.kind == "EXTRACT_VALUE_ERROR"
    assert incident.text == (
        "Failed to extract the correlation key for 'key': "
        "The value must be either a string or a number, but was 'NULL'."
    )


def test_a_message_reaches_each_process_once(site: Site) -> None:
    site.deploy(waiting("~q"), "~q.bpmn")
    first, second, other = site.run(waiting(), key="1"), site.start(key="1"), site.start("~q", key="1")
    for instance in (first, second, other):
        site.waits_in(instance, "wait")
    site.publish("~reply", "1")
    site.ends_in(other, "end")
    site.sees(lambda: sorted([site.state(first), site.state(second)]), ["ACTIVE", "COMPLETED"])


def test_without_a_time_to_live_nothing_is_kept(site: Site) -> None:
    site.publish("~reply", "1")
    site.waits_in(site.run(waiting(), key="1"), "wait")


def test_a_message_waits_for_a_subscription_in_its_order(site: Site) -> None:
    site.publish("~reply", "1", ttl=60, n=1)
    site.publish("~reply", "1", ttl=60, n=2)
    first, second = site.run(waiting(), key="1"), site.start(key="1")
    site.has(first, key="1", n=1)
    site.has(second, key="1", n=2)


def test_a_message_expires(site: Site) -> None:
    site.publish("~reply", "1", ttl=10)
    site.advance(10)
    site.waits_in(site.run(waiting(), key="1"), "wait")


def test_a_message_with_an_id_is_unique_while_it_is_kept(site: Site) -> None:
    site.publish("~reply", "1", ttl=60, message_id="m")
    with pytest.raises(RefusedError) as caught:
        site.publish("~reply", "1", ttl=60, message_id="m")
    assert caught.value.status == "ALREADY_EXISTS"
    site.publish("~reply", "2", ttl=60, message_id="m")
    site.publish("~reply", "1", ttl=60)


@unverified("a non-interrupting boundary takes every message that was kept")
def test_a_boundary_takes_every_kept_message(site: Site) -> None:
    guard = boundary("tell", "task", message("~reply"), interrupting=False)
    flows = path("start", "task") + path("tell", "told")
    nodes = (start(), task(job_type="~work"), guard, end("told"), flows)
    site.publish("~reply", "1", ttl=60)
    site.publish("~reply", "1", ttl=60)
    instance = site.run(diagram(*nodes, process_id="~p", shared=a_message("~reply")), key="1")
    site.has_reached(instance, "told", "told")


# Starts


def test_a_message_starts_a_process(site: Site) -> None:
    site.deploy(GO)
    site.publish("~go", "1", n=1)
    assert site.job().variables == {"n": 1}


def test_one_instance_at_a_time_for_each_key(site: Site) -> None:
    site.deploy(GO)
    for number in (1, 2):
        site.publish("~go", "a", ttl=60, n=number)
    first = site.job()
    assert first.variables == {"n": 1}
    assert site.none_to_take()
    site.cluster.complete(first.key, {})
    assert site.job().variables == {"n": 2}


def test_without_a_key_every_message_starts_an_instance(site: Site) -> None:
    site.deploy(GO)
    site.publish("~go", "")
    site.publish("~go", "")
    assert [site.job().variables for _ in range(2)] == [{}, {}]


def test_a_new_version_takes_the_start_over(site: Site) -> None:
    site.deploy(GO)
    site.deploy(GO.replace(b"~work", b"~new"))
    site.publish("~go", "")
    site.job("~new")
    assert site.none_to_take()


@unverified("a message that is kept does not start a process that is deployed later")
def test_a_start_event_that_comes_after_the_message(site: Site) -> None:
    site.publish("~go", "1", ttl=60)
    site.deploy(GO)
    assert site.none_to_take()


def test_a_signal_reaches_all_and_starts(site: Site) -> None:
    nodes = (start(), catch("wait", signal("~on")), end(), path("start", "wait", "end"))
    site.deploy(started(signal("~on"), a_signal("~on")))
    site.deploy(diagram(*nodes, process_id="~q", shared=a_signal("~on")), "~q.bpmn")
    first, second = site.start("~q"), site.start("~q")
    for instance in (first, second):
        site.waits_in(instance, "wait")
    site.cluster.broadcast(site.own("~on"), {"n": 1})
    site.ends_in(first, "end")
    site.ends_in(second, "end")
    assert site.job().variables == {"n": 1}


# Timers


@pytest.mark.parametrize(
    "definition", [timer("PT1M"), timer('=duration("PT1M")'), timer(date='=now() + duration("PT1M")')]
)
def test_a_timer_goes_off(site: Site, definition: str) -> None:
    nodes = (start(), catch("wait", definition), end(), path("start", "wait", "end"))
    instance = site.run(diagram(*nodes, process_id="~p"))
    site.cluster.advance(58)
    site.waits_in(instance, "wait")
    site.advance(2)
    site.ends_in(instance, "end")


def test_a_time_that_has_passed(site: Site) -> None:
    nodes = (start(), catch("wait", timer(date="2020-01-01T00:00:00Z")), end(), path("start", "wait", "end"))
    instance = site.run(diagram(*nodes, process_id="~p"))
    site.advance(0)
    site.ends_in(instance, "end")


@unverified("the kind of the incident")
@pytest.mark.parametrize("definition", [timer("=missing"), timer('="soon"')])
def test_what_is_no_time(site: Site, definition: str) -> None:
    nodes = (start(), catch("wait", definition), end(), path("start", "wait", "end"))
    assert site.incident(site.run(diagram(*nodes, process_id="~p"))).kind == "EXTRACT_VALUE_ERROR"


def test_a_cycle_starts_a_process(site: Site) -> None:
    site.deploy(started(timer(cycle="R2/PT1H")))
    for _ in range(2):
        site.advance(3600)
        site.complete()
    site.advance(3600)
    assert site.none_to_take()


def test_a_new_version_cancels_the_timer(site: Site) -> None:
    site.deploy(started(timer(cycle="R/PT1H")))
    site.deploy(started(timer(cycle="R/PT2H")).replace(b"~work", b"~new"))
    site.advance(7200)
    site.job("~new")
    assert site.none_to_take()


@unverified("cron is in UTC, and both the day of the month and the weekday have to fit")
def test_cron(site: Site) -> None:
    site.deploy(started(timer(cycle="0 0 * * * *")))
    site.advance(3600)
    site.job()
