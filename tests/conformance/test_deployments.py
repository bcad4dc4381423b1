"""Deployments and instances: versions, what is refused, and what cannot be started or cancelled."""

from __future__ import annotations

import pytest

from tests.conformance.cluster import RefusedError, Site
from tests.conformance.marks import unverified
from tests.diagrams import (
    a_message,
    an_error,
    boundary,
    catch,
    diagram,
    element,
    end,
    error,
    extensions,
    flow,
    mapped,
    message,
    path,
    start,
    task,
    timer,
    zeebe,
)

ONE = diagram(start(), task(job_type="~work"), end(), path("start", "task", "end"), process_id="~p")
WORK = zeebe("taskDefinition", type="work")


def around(node: str, *more: str, shared: str = "") -> bytes:
    return diagram(start(), node, end(), path("start", "node", "end"), *more, process_id="~p", shared=shared)


def refused(site: Site, content: bytes) -> RefusedError:
    with pytest.raises(RefusedError) as caught:
        site.deploy(content)
    assert caught.value.status == "INVALID_ARGUMENT"
    return caught.value


def test_each_change_is_a_version(site: Site) -> None:
    assert [site.deploy(ONE), site.deploy(ONE + b" "), site.deploy(ONE)] == [1, 2, 3]


def test_the_same_resource_keeps_its_version(site: Site) -> None:
    assert [site.deploy(ONE), site.deploy(ONE)] == [1, 1]


def test_running_instances_stay_with_their_version(site: Site) -> None:
    instance = site.run(ONE)
    site.deploy(diagram(start(), process_id="~p"))
    site.complete()
    site.ends_in(instance, "end")


def test_an_old_version_can_be_started(site: Site) -> None:
    site.deploy(ONE)
    site.deploy(ONE.replace(b"~work", b"~new"))
    site.cluster.start(site.own("~p"), {}, 1)
    site.job()


@pytest.mark.parametrize("version", [-1, 7])
def test_an_unknown_process(site: Site, version: int) -> None:
    with pytest.raises(RefusedError) as caught:
        site.cluster.start(site.own("~none"), {}, version)
    assert caught.value.status == "NOT_FOUND"


def test_a_process_without_a_none_start_event(site: Site) -> None:
    site.deploy(diagram(start("start", message("~go")), process_id="~p", shared=a_message("~go")))
    with pytest.raises(RefusedError) as caught:
        site.start()
    assert caught.value.status == "FAILED_PRECONDITION"


@unverified("the text of the refusal")
def test_an_instance_that_is_unknown_or_over_is_not_cancelled(site: Site) -> None:
    instance = site.run(diagram(start(), process_id="~p"))
    with pytest.raises(RefusedError) as caught:
        site.cluster.cancel(instance)
    assert caught.value.status == "NOT_FOUND"
    wanted = f"Expected to cancel a process instance with key '{instance}', but no such process was found"
    assert wanted in caught.value.text


@unverified("a called instance cannot be cancelled by itself")
def test_a_called_instance_is_not_cancelled(site: Site) -> None:
    site.deploy(ONE.replace(b"~p", b"~child"), "~child.bpmn")
    call = element("callActivity", "node", extensions(zeebe("calledElement", processId="~child")))
    instance = site.run(around(call))
    site.sees(lambda: len(site.cluster.instances(site.own("~child"))), 1)
    (child,) = site.cluster.instances(site.own("~child"))
    with pytest.raises(RefusedError) as caught:
        site.cluster.cancel(child)
    assert caught.value.status == "FAILED_PRECONDITION"
    site.cluster.cancel(instance)
    site.sees(lambda: site.state(child), "TERMINATED")


REFUSED: dict[str, tuple[bytes, str]] = {
    "no start event": (diagram(task(), process_id="~p"), "Must have at least one start event"),
    "no type": (around(task("node", job_type="")), "Task type must be present and not empty"),
    "not XML": (b"nothing", ""),
    "no expression": (around(task("node", inputs={"a": "=1 +"})), "failed to parse expression"),
    "an input without a source": (
        around(element("serviceTask", "node", extensions(WORK, mapped({"a": ""})))),
        "",
    ),
    "two events for one error": (
        around(
            task("node"),
            boundary("a", "node", error("~E")),
            boundary("b", "node", error("~E")),
            shared=an_error("~E"),
        ),
        "",
    ),
    "two events for every error": (
        around(task("node"), boundary("a", "node", error()), boundary("b", "node", error())),
        "",
    ),
    "a gateway of events with one flow": (around(element("eventBasedGateway", "node")), ""),
    "a gateway of events before a task": (
        around(element("eventBasedGateway", "node"), task("other"), flow("node", "other")),
        "",
    ),
    "a flow without a condition": (
        around(element("exclusiveGateway", "node"), end("other"), flow("node", "other", "=true")),
        "",
    ),
    "a caught code that is an expression": (
        around(
            task("node"),
            boundary("a", "node", error("~E")),
            shared=element("error", "~E", errorCode="=code"),
        ),
        "",
    ),
    "an interrupting cycle": (around(task("node"), boundary("a", "node", timer(cycle="R3/PT1H"))), ""),
    "a duration that starts": (diagram(start("start", timer("PT1H")), process_id="~p"), ""),
}


@pytest.mark.parametrize(("content", "text"), REFUSED.values(), ids=REFUSED)
def test_a_diagram_that_is_refused(site: Site, content: bytes, text: str) -> None:
    assert text in refused(site, content).text


@unverified("elements that the engine does not execute are refused, by their id")
@pytest.mark.parametrize("tag", ["complexGateway", "transaction"])
def test_elements_that_are_not_executed(site: Site, tag: str) -> None:
    assert "node" in refused(site, around(element(tag, "node"))).text


@unverified("an inclusive gateway that joins is refused by 8.6")
def test_an_inclusive_join(site: Site) -> None:
    other = task("other") + path("other", "node")
    refused(site, around(element("inclusiveGateway", "node"), other))


@unverified("a static time is looked at when it is deployed")
def test_a_static_time_that_is_none(site: Site) -> None:
    refused(site, around(catch("node", timer("soon"))))
