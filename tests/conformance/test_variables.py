"""Variables: mappings, results, scopes, and what may be set from outside."""

from __future__ import annotations

import pytest

from tests.conformance.cluster import RefusedError, Site
from tests.conformance.marks import unverified
from tests.diagrams import diagram, end, extensions, mapped, path, start, subprocess, task


def one(inputs: dict[str, str] | None = None, outputs: dict[str, str] | None = None) -> bytes:
    node = task(job_type="~work", inputs=inputs or {}, outputs=outputs or {})
    return diagram(start(), node, end(), path("start", "task", "end"), process_id="~p")


def sub(*mappings: str) -> bytes:
    inside = (start("in"), task(job_type="~work"), end("out"), path("in", "task", "out"))
    node = subprocess("sub", extensions(*mappings), *inside)
    return diagram(start(), node, end(), path("start", "sub", "end"), process_id="~p")


def test_each_input_sees_those_before_it(site: Site) -> None:
    site.run(one({"a": "=n + 1", "b.c": "=a + 1", "d": "=b.c + 1", "text": "25"}), n=1)
    assert site.job().variables == {"n": 1, "a": 2, "b": {"c": 3}, "d": 4, "text": "25"}


def test_an_input_of_nothing_is_null(site: Site) -> None:
    site.run(one({"a": "=missing"}))
    assert site.job().variables == {"a": None}


@unverified("the text of the incident; its kind is documented")
def test_a_fault_in_an_input(site: Site) -> None:
    instance = site.run(one({"a": '=assert(n, n != null, "no number")'}))
    incident = site.incident(instance)
    assert incident.kind == "IO_MAPPING_ERROR"
    assert "no number" in incident.text
    assert site.none_to_take()
    site.cluster.set_variables(instance, {"n": 1}, local=True)
    site.cluster.resolve(incident.key)
    assert site.job().variables == {"n": 1, "a": 1}


def test_a_fault_in_an_output_is_no_fault_of_the_job(site: Site) -> None:
    instance = site.run(one(outputs={"a": "=assert(n, n != null)"}))
    site.complete()
    incident = site.incident(instance)
    assert incident.kind == "IO_MAPPING_ERROR"
    site.cluster.set_variables(instance, {"n": 1}, local=True)
    site.cluster.resolve(incident.key)
    site.ends_in(instance, "end")
    site.has(instance, n=1, a=1)


def test_only_mapped_outputs_go_up(site: Site) -> None:
    instance = site.run(one(outputs={"order.mail": "=id"}), order={"number": 1})
    site.complete(id="x", more=1)
    site.ends_in(instance, "end")
    site.has(instance, order={"number": 1, "mail": "x"})


@unverified("an output sees those before it")
def test_an_output_sees_those_before_it(site: Site) -> None:
    instance = site.run(one(outputs={"a": "=n + 1", "b": "=a + 1"}))
    site.complete(n=1)
    site.ends_in(instance, "end")
    site.has(instance, a=2, b=3)


def test_a_result_goes_to_the_nearest_scope_that_has_it(site: Site) -> None:
    instance = site.run(sub(mapped({"inner": "=1"})), outer=1)
    site.complete(inner=2, outer=2, new=2)
    site.ends_in(instance, "out", "end")
    site.has(instance, outer=2, new=2)


def test_a_result_with_the_name_of_an_input_is_lost(site: Site) -> None:
    instance = site.run(one({"local": "=1"}))
    site.complete(local=2, other=3)
    site.ends_in(instance, "end")
    site.has(instance, other=3)


def test_the_outputs_of_a_subprocess(site: Site) -> None:
    instance = site.run(sub(mapped({"inner": "=1"}, {"kept": "=inner"})))
    site.complete(inner=5)
    site.ends_in(instance, "out", "end")
    site.has(instance, kept=5)


def test_an_end_event_maps(site: Site) -> None:
    last = end("end", extensions(mapped(outputs={"outcome": "=n + 1"})))
    instance = site.run(diagram(start(), last, path("start", "end"), process_id="~p"), n=1)
    site.ends_in(instance, "end")
    site.has(instance, n=1, outcome=2)


def test_variables_are_set_in_a_scope_or_from_it_upwards(site: Site) -> None:
    instance = site.run(sub(mapped({"inner": "=1"})), outer=1)
    site.waits_in(instance, "sub", "task")
    scope = site.scope(instance, "sub")
    site.cluster.set_variables(scope, {"inner": 2, "outer": 2, "new": 2}, local=False)
    site.cluster.set_variables(scope, {"outer": 3}, local=True)
    site.has(instance, outer=2, new=2)
    site.sees(lambda: dict(site.local(instance, "sub")), {"inner": 2, "outer": 3})


def test_variables_of_a_scope_that_is_unknown(site: Site) -> None:
    with pytest.raises(RefusedError) as caught:
        site.cluster.set_variables(1, {"n": 1}, local=False)
    assert caught.value.status == "NOT_FOUND"


def test_a_result_is_waited_for(site: Site) -> None:
    site.deploy(diagram(start(), end(), path("start", "end"), process_id="~p"))
    process_id = site.own("~p")
    assert site.cluster.result(process_id, {"a": 1, "b": 2}, (), 10) == {"a": 1, "b": 2}
    assert site.cluster.result(process_id, {"a": 1, "b": 2}, ("a",), 10) == {"a": 1}


@unverified("the instance goes on after the client has given up")
def test_a_result_that_does_not_come(site: Site) -> None:
    site.deploy(one())
    with pytest.raises(RefusedError) as caught:
        site.cluster.result(site.own("~p"), {"n": 1}, (), 0.5)
    assert caught.value.status == "DEADLINE_EXCEEDED"
    assert site.job().variables == {"n": 1}


def test_a_large_number_is_exact(site: Site) -> None:
    instance = site.run(one(), n=2**60)
    assert site.complete(m=2**60 + 1).variables == {"n": 2**60}
    site.has(instance, n=2**60, m=2**60 + 1)
