"""Each element from the outside, as the documentation has it: gateways, events, scopes, loops, calls."""

from __future__ import annotations

import pytest

from tests.conformance.cluster import Site
from tests.conformance.marks import unverified
from tests.diagrams import (
    TERMINATE,
    a_message,
    a_signal,
    an_error,
    an_escalation,
    boundary,
    catch,
    diagram,
    element,
    end,
    error,
    escalation,
    extensions,
    flow,
    loop,
    mapped,
    message,
    path,
    signal,
    start,
    subprocess,
    task,
    throw,
    timer,
    zeebe,
)


def process(*inside: str, shared: str = "", process_id: str = "~p") -> bytes:
    return diagram(*inside, process_id=process_id, shared=shared)


def work(element_id: str = "task", *inside: str, job_type: str = "~work") -> str:
    return task(element_id, *inside, job_type=job_type)


def choice(tag: str) -> bytes:
    flows = (flow("g", "a", "=n > 10"), flow("g", "b", "=n > 5"), flow("g", "c"))
    return process(
        start(), element(tag, "g", default="g_c"), end("a"), end("b"), end("c"), path("start", "g"), *flows
    )


# Gateways


@pytest.mark.parametrize(("n", "ends"), [(11, ["a"]), (6, ["b"]), (1, ["c"])])
def test_exclusive_gateway(site: Site, n: int, ends: list[str]) -> None:
    site.ends_in(site.run(choice("exclusiveGateway"), n=n), *ends)


@pytest.mark.parametrize(("n", "ends"), [(11, ["a", "b"]), (6, ["b"]), (1, ["c"])])
def test_inclusive_gateway(site: Site, n: int, ends: list[str]) -> None:
    site.ends_in(site.run(choice("inclusiveGateway"), n=n), *ends)


@unverified("newer versions may say CONDITION_ERROR here")
def test_a_condition_that_is_null(site: Site) -> None:
    instance = site.run(choice("exclusiveGateway"))
    incident = site.incident(instance)
    assert incident.kind == "EXTRACT_VALUE_ERROR"
    assert "to be 'BOOLEAN', but was 'NULL'" in incident.text


@unverified("the text of the incident")
def test_no_way_out_of_a_gateway(site: Site) -> None:
    flows = (flow("g", "a", "=n > 10"), flow("g", "b", "=n > 5"))
    nodes = (start(), element("exclusiveGateway", "g"), end("a"), end("b"), path("start", "g"))
    instance = site.run(process(*nodes, *flows), n=1)
    incident = site.incident(instance)
    assert incident.kind == "CONDITION_ERROR"
    wanted = "Expected at least one condition to evaluate to true, or to have a default flow"
    assert incident.text.rstrip(".") == wanted
    site.cluster.set_variables(instance, {"n": 7}, local=True)
    site.cluster.resolve(incident.key)
    site.ends_in(instance, "b")


def test_parallel_gateway_joins(site: Site) -> None:
    fork, join = element("parallelGateway", "fork"), element("parallelGateway", "join")
    nodes = (start(), fork, work("a", job_type="~a"), work("b", job_type="~b"), join, end())
    instance = site.run(process(*nodes, path("start", "fork", "a", "join", "end"), path("fork", "b", "join")))
    site.complete("~a")
    site.waits_in(instance, "b")
    site.complete("~b")
    site.ends_in(instance, "end")


@unverified("an instance with a token at a join that never opens stays active")
def test_a_join_that_never_opens(site: Site) -> None:
    fork, join = element("parallelGateway", "fork"), element("parallelGateway", "join")
    nodes = (start(), fork, work(), element("exclusiveGateway", "g", default="g_join"), join, end("a"), end())
    flows = (path("start", "fork", "g"), path("fork", "task", "a"), flow("g", "join"), path("join", "end"))
    other = flow("g", "other", "=false") + work("other") + path("other", "join")
    instance = site.run(process(*nodes, *flows, other))
    site.complete()
    site.has_reached(instance, "a")
    site.sees(lambda: site.state(instance), "ACTIVE")


RACE = process(
    start(),
    element("eventBasedGateway", "race"),
    catch("paid", message("~paid")),
    catch("stopped", signal("~stop")),
    catch("late", timer("PT1H")),
    end("a"),
    end("b"),
    end("c"),
    path("start", "race", "paid", "a"),
    path("race", "stopped", "b"),
    path("race", "late", "c"),
    shared=a_message("~paid") + a_signal("~stop"),
)


def test_event_based_gateway_message(site: Site) -> None:
    instance = site.run(RACE, key="1")
    site.waits_in(instance, "race")
    site.publish("~paid", "1", amount=5)
    site.ends_in(instance, "a")
    site.has(instance, key="1", amount=5)


def test_event_based_gateway_signal(site: Site) -> None:
    instance = site.run(RACE, key="1")
    site.waits_in(instance, "race")
    site.cluster.broadcast(site.own("~stop"), {})
    site.ends_in(instance, "b")


def test_event_based_gateway_timer(site: Site) -> None:
    instance = site.run(RACE, key="1")
    site.waits_in(instance, "race")
    site.advance(3600)
    site.ends_in(instance, "c")


# Tasks


def test_a_user_task_is_a_job(site: Site) -> None:
    assigned = zeebe("assignmentDefinition", assignee="=who", candidateGroups="a, b")
    node = element("userTask", "task", extensions(assigned))
    site.deploy(process(start(), node, end(), path("start", "task", "end")))
    instance = site.start(who="ann")
    job = next(
        job
        for job in site.take("io.camunda.zeebe:userTask", 100)
        if job.element_instance_key == site.scope(instance, "task")
    )
    assert job.headers["io.camunda.zeebe:assignee"] == "ann"
    site.cluster.complete(job.key, {"approved": True})
    site.ends_in(instance, "end")
    site.has(instance, who="ann", approved=True)


@unverified("a list of groups is a JSON list in the header")
def test_the_groups_of_a_user_task(site: Site) -> None:
    node = element("userTask", "task", extensions(zeebe("assignmentDefinition", candidateGroups="a, b")))
    instance = site.run(process(start(), node, path("start", "task")))
    jobs = site.take("io.camunda.zeebe:userTask", 100)
    (job,) = (job for job in jobs if job.element_instance_key == site.scope(instance, "task"))
    assert job.headers["io.camunda.zeebe:candidateGroups"].replace(" ", "") == '["a","b"]'


@unverified("the kind of the incident")
@pytest.mark.parametrize("given", [{"type": "=n"}, {"type": "~work", "retries": "=none"}])
def test_a_type_or_retries_of_another_kind(site: Site, given: dict[str, str]) -> None:
    node = element("serviceTask", "task", extensions(zeebe("taskDefinition", **given)))
    instance = site.run(process(start(), node, path("start", "task")), n=1)
    assert site.incident(instance).kind == "EXTRACT_VALUE_ERROR"


def test_every_flow_out_of_a_task_is_taken(site: Site) -> None:
    instance = site.run(
        process(start(), work(), end("a"), end("b"), path("start", "task", "a"), path("task", "b"))
    )
    site.complete()
    site.ends_in(instance, "a", "b")


# Boundary events and event subprocesses


def guarded(definition: str, *, interrupting: bool = True, shared: str = "", outputs: str = "") -> bytes:
    guard = boundary("guard", "task", outputs, definition, interrupting=interrupting)
    flows = path("start", "task", "end") + path("guard", "told")
    return process(start(), work(), guard, end(), end("told"), flows, shared=shared)


def test_interrupting_message(site: Site) -> None:
    instance = site.run(guarded(message("~stop"), shared=a_message("~stop")), key="1")
    site.waits_in(instance, "task")
    site.publish("~stop", "1", why="late")
    site.ends_in(instance, "told")
    site.has(instance, key="1", why="late")


def test_non_interrupting_message_comes_often(site: Site) -> None:
    instance = site.run(guarded(message("~tell"), interrupting=False, shared=a_message("~tell")), key="1")
    site.waits_in(instance, "task")
    site.publish("~tell", "1")
    site.publish("~tell", "1")
    site.has_reached(instance, "told", "told")
    site.complete()
    site.ends_in(instance, "told", "told", "end")


def test_interrupting_timer(site: Site) -> None:
    instance = site.run(guarded(timer("PT1H")))
    site.waits_in(instance, "task")
    site.advance(3600)
    site.ends_in(instance, "told")


def test_non_interrupting_cycle(site: Site) -> None:
    instance = site.run(guarded(timer(cycle="R2/PT1H"), interrupting=False))
    for count in (1, 2, 2):
        site.advance(3600)
        site.has_reached(instance, *["told"] * count)
    site.waits_in(instance, "task")


def test_a_boundary_signal(site: Site) -> None:
    instance = site.run(guarded(signal("~stop"), shared=a_signal("~stop")))
    site.waits_in(instance, "task")
    site.cluster.broadcast(site.own("~stop"), {"why": 1})
    site.ends_in(instance, "told")
    site.has(instance, why=1)


def test_a_boundary_maps_the_message(site: Site) -> None:
    outputs = extensions(mapped(outputs={"reason": "=why"}))
    instance = site.run(guarded(message("~stop"), shared=a_message("~stop"), outputs=outputs), key="1")
    site.waits_in(instance, "task")
    site.publish("~stop", "1", why="late", more=1)
    site.ends_in(instance, "told")
    site.has(instance, key="1", reason="late")


def reacting(definition: str, *, interrupting: bool, shared: str) -> bytes:
    begin = start("on_start", definition, interrupting=interrupting)
    inside = (begin, work("on_task", job_type="~on"), end("on_end"), path("on_start", "on_task", "on_end"))
    sub = subprocess("on", *inside, triggered=True)
    return process(start(), work(), end(), sub, path("start", "task", "end"), shared=shared)


def test_an_interrupting_event_subprocess(site: Site) -> None:
    instance = site.run(reacting(message("~stop"), interrupting=True, shared=a_message("~stop")), key="1")
    site.waits_in(instance, "task")
    site.publish("~stop", "1")
    site.waits_in(instance, "on", "on_task")
    site.complete("~on")
    site.ends_in(instance, "on_end")


def test_a_non_interrupting_event_subprocess(site: Site) -> None:
    instance = site.run(reacting(timer("PT1H"), interrupting=False, shared=""))
    site.waits_in(instance, "task")
    site.advance(3600)
    site.waits_in(instance, "on", "on_task", "task")
    site.complete()
    site.sees(lambda: site.state(instance), "ACTIVE")
    site.complete("~on")
    site.ends_in(instance, "end", "on_end")


@unverified("the variables of a start event go up to the process, past the event subprocess")
def test_the_variables_of_an_event_subprocess(site: Site) -> None:
    instance = site.run(reacting(message("~stop"), interrupting=True, shared=a_message("~stop")), key="1")
    site.waits_in(instance, "task")
    site.publish("~stop", "1", why="late")
    site.waits_in(instance, "on", "on_task")
    site.has(instance, key="1", why="late")


# Ends and throws


def test_terminate_ends_its_scope(site: Site) -> None:
    fork = element("parallelGateway", "fork")
    inside = (
        start("in"),
        fork,
        work(),
        end("stop", TERMINATE),
        path("in", "fork", "stop"),
        path("fork", "task"),
    )
    instance = site.run(process(start(), subprocess("sub", *inside), end(), path("start", "sub", "end")))
    site.ends_in(instance, "stop", "end")
    assert site.none_to_take()


def test_an_error_end_event(site: Site) -> None:
    sub = subprocess("sub", start("in"), end("bad", error("~E")), path("in", "bad"))
    guard = boundary("caught", "sub", error("~E"))
    flows = path("start", "sub") + path("caught", "told")
    instance = site.run(process(start(), sub, guard, end("told"), flows, shared=an_error("~E")))
    site.ends_in(instance, "told")


@unverified("a resolution raises the incident again")
def test_an_error_end_event_that_is_not_caught(site: Site) -> None:
    instance = site.run(
        process(start(), end("bad", error("~E")), path("start", "bad"), shared=an_error("~E"))
    )
    incident = site.incident(instance)
    assert incident.kind == "UNHANDLED_ERROR_EVENT"
    site.cluster.resolve(incident.key)
    site.sees(lambda: site.incident(instance).key != incident.key, True)


@pytest.mark.parametrize(("interrupting", "ends"), [(True, ["told"]), (False, ["after", "end", "told"])])
def test_an_escalation_in_the_middle(site: Site, interrupting: bool, ends: list[str]) -> None:
    warn = throw("warn", escalation("~W"))
    sub = subprocess("sub", start("in"), warn, end("after"), path("in", "warn", "after"))
    guard = boundary("caught", "sub", escalation("~W"), interrupting=interrupting)
    flows = path("start", "sub", "end") + path("caught", "told")
    nodes = (start(), sub, guard, end(), end("told"), flows)
    site.ends_in(site.run(process(*nodes, shared=an_escalation("~W"))), *ends)


def test_an_escalation_that_is_not_caught(site: Site) -> None:
    nodes = (start(), throw("warn", escalation("~W")), end(), path("start", "warn", "end"))
    site.ends_in(site.run(process(*nodes, shared=an_escalation("~W"))), "end")


@unverified("a thrown signal brings the inputs of its event")
def test_a_signal_that_is_thrown(site: Site) -> None:
    tell = throw("tell", extensions(mapped({"n": "=n + 1"})), signal("~go"))
    site.deploy(
        process(start(), tell, path("start", "tell"), process_id="~q", shared=a_signal("~go")), "~q.bpmn"
    )
    nodes = (start(), catch("wait", signal("~go")), end(), path("start", "wait", "end"))
    instance = site.run(process(*nodes, shared=a_signal("~go")))
    site.waits_in(instance, "wait")
    site.start("~q", n=1)
    site.ends_in(instance, "end")
    site.has(instance, n=2)


# Loops


def many(characteristics: str) -> bytes:
    return process(start(), work("task", characteristics), end(), path("start", "task", "end"))


def test_a_sequence(site: Site) -> None:
    instance = site.run(many(loop(sequential=True, output="results", collect="=result")), items=[1, 2])
    for item in (1, 2):
        job = site.job()
        assert (job.variables["item"], job.variables["loopCounter"]) == (item, item)
        assert site.none_to_take()
        site.cluster.complete(job.key, {"result": item * 10})
    site.ends_in(instance, "end")
    site.has(instance, items=[1, 2], results=[10, 20])


@pytest.mark.parametrize("sequential", [True, False])
def test_an_empty_list(site: Site, sequential: bool) -> None:
    instance = site.run(many(loop(sequential=sequential, output="results", collect="=result")), items=[])
    site.ends_in(instance, "end")
    site.has(instance, items=[], results=[])


@unverified("the kind of the incident")
def test_what_is_no_list(site: Site) -> None:
    assert site.incident(site.run(many(loop()), items="abc")).kind == "EXTRACT_VALUE_ERROR"


def test_a_completion_condition(site: Site) -> None:
    instance = site.run(many(loop(until="=result = 2", output="results", collect="=result")), items=[1, 2, 3])
    first, second, third = sorted(site.take(limit=3), key=lambda job: int(job.variables["item"]))
    site.cluster.complete(first.key, {"result": 1})
    site.cluster.complete(second.key, {"result": 2})
    site.ends_in(instance, "end")
    site.has(instance, items=[1, 2, 3], results=[1, 2, None])
    assert third.variables["item"] == 3


@unverified("the numbers of instances are quoted by users, not documented")
def test_the_numbers_of_instances(site: Site) -> None:
    condition = "=numberOfInstances = 3 and numberOfActiveInstances = 1 and numberOfCompletedInstances = 2"
    instance = site.run(many(loop(until=condition)), items=[1, 2, 3])
    for job in site.take(limit=3)[:2]:
        site.cluster.complete(job.key, {})
    site.ends_in(instance, "end")


def test_a_boundary_of_a_loop_leaves_no_output(site: Site) -> None:
    guard = boundary("late", "task", timer("PT1H"))
    node = work("task", loop(output="results", collect="=result"))
    flows = path("start", "task", "end") + path("late", "told")
    instance = site.run(process(start(), node, guard, end(), end("told"), flows), items=[1, 2])
    site.cluster.complete(site.job().key, {"result": 1})
    site.advance(3600)
    site.ends_in(instance, "told")
    site.has(instance, items=[1, 2])


# Calls

CHILD = process(start("c_start"), work(), end("c_end"), path("c_start", "task", "c_end"), process_id="~child")


def calling(*more: str, shared: str = "", inside: str = "", **given: str) -> bytes:
    call = element(
        "callActivity", "call", extensions(zeebe("calledElement", processId="~child", **given), inside)
    )
    return process(start(), call, end(), path("start", "call", "end"), *more, shared=shared)


def test_a_call_with_all_variables(site: Site) -> None:
    site.deploy(CHILD, "~child.bpmn")
    instance = site.run(calling(propagateAllChildVariables="true"), n=1)
    assert site.complete(result=2).variables == {"n": 1}
    site.ends_in(instance, "end")
    site.has(instance, n=1, result=2)


@unverified("the default of propagateAllChildVariables")
def test_a_call_says_nothing_about_variables(site: Site) -> None:
    site.deploy(CHILD, "~child.bpmn")
    instance = site.run(calling(), n=1)
    site.complete(result=2)
    site.ends_in(instance, "end")
    site.has(instance, n=1, result=2)


def test_a_call_takes_nothing_back(site: Site) -> None:
    site.deploy(CHILD, "~child.bpmn")
    instance = site.run(calling(propagateAllChildVariables="false"), n=1)
    site.complete(result=2)
    site.ends_in(instance, "end")
    site.has(instance, n=1)


def test_an_error_goes_into_the_caller(site: Site) -> None:
    site.deploy(CHILD, "~child.bpmn")
    guard = boundary("caught", "call", error("~E"))
    more = (guard, end("told"), path("caught", "told"))
    instance = site.run(calling(*more, shared=an_error("~E")))
    site.throw(site.own("~E"))
    site.ends_in(instance, "told")


def test_a_call_of_nothing(site: Site) -> None:
    instance = site.run(calling())
    incident = site.incident(instance)
    assert incident.kind == "CALLED_ELEMENT_ERROR"
    site.deploy(CHILD, "~child.bpmn")
    site.cluster.resolve(incident.key)
    site.complete()
    site.ends_in(instance, "end")
