"""Variables: what a scope sees, where a result goes, and the mappings at the borders of an element."""

from __future__ import annotations

from typing import Any

import pytest

from connector.devengine.commands import CommandRefusedError
from tests.diagrams import diagram, end, extensions, mapped, path, start, subprocess, task
from tests.unit.devengine.bench import Bench


def one(
    inputs: dict[str, str] | None = None, outputs: dict[str, str] | None = None, version: Any = "8.6"
) -> Bench:
    node = task(inputs=inputs or {}, outputs=outputs or {})
    return Bench(diagram(start(), node, end(), path("start", "task", "end")), version=version)


def sub(*mappings: str, inside: str = "") -> Bench:
    """A task in a subprocess with mappings of its own."""
    inner = (start("in"), inside or task(), end("out"), path("in", "task", "out"))
    node = subprocess("sub", extensions(*mappings), *inner)
    return Bench(diagram(start(), node, end(), path("start", "sub", "end")))


# Input mappings


def test_input_mappings_make_local_variables() -> None:
    bench = one({"to": "=customer.mail", "subject": "Order", "none": "=missing"})
    instance = bench.start(customer={"mail": "a@b.c"})
    assert bench.job().variables == {
        "customer": {"mail": "a@b.c"},
        "to": "a@b.c",
        "subject": "Order",
        "none": None,
    }
    assert bench.variables(instance) == {"customer": {"mail": "a@b.c"}}


def test_each_input_sees_those_before_it() -> None:
    bench = one({"a": "=n + 1", "b": "=a + 1", "c.d": "=b + 1", "e": "=c.d + 1"})
    bench.start(n=1)
    assert bench.job().variables == {"n": 1, "a": 2, "b": 3, "c": {"d": 4}, "e": 5}


def test_a_nested_target_builds_an_object_that_replaces() -> None:
    bench = one({"server.host": "mail", "server.port": "=25", "server.login.user": "u"})
    instance = bench.start(server={"old": True})
    assert bench.job().variables["server"] == {"host": "mail", "port": 25, "login": {"user": "u"}}
    assert bench.variables(instance) == {"server": {"old": True}}


def test_static_text_is_no_number() -> None:
    bench = one({"port": "25", "flag": "true"})
    bench.start()
    assert bench.job().variables == {"port": "25", "flag": "true"}


def test_a_fault_in_a_mapping_is_an_incident_before_there_is_a_job() -> None:
    bench = one({"to": '=assert(to, to != null, "no recipient")'})
    instance = bench.start()
    incident = bench.incident(instance)
    assert incident.kind == "IO_MAPPING_ERROR"
    assert "Failed to evaluate expression" in incident.text
    assert "no recipient" in incident.text
    assert list(bench.engine.jobs()) == []
    assert bench.local(instance, "task") == {}
    bench.engine.set_variables(instance, {"to": "a"})
    bench.engine.resolve_incident(incident.key)
    assert bench.job().variables == {"to": "a"}


def test_a_literal_of_two_megabytes_is_no_problem() -> None:
    bench = one({"body": f'="{"x" * 2_100_000}"'})
    bench.start()
    assert len(bench.job().variables["body"]) == 2_100_000


def test_the_text_of_an_incident_is_cut() -> None:
    bench = one({"body": f'=assert("{"x" * 100_000}", false, "{"y" * 100_000}")'})
    assert len(bench.incident(bench.start()).text) == 10_000


def test_an_input_without_a_source_means_null_from_8_8_on() -> None:
    bench = one({"to": ""}, version="8.8")
    bench.start()
    assert bench.job().variables == {"to": None}


# Results


def test_a_result_goes_to_the_nearest_scope_that_has_it() -> None:
    bench = sub(mapped({"inner": "=1"}))
    instance = bench.start(outer=1)
    bench.complete(inner=2, outer=2, new=2)
    assert bench.local(instance, "sub") == {"inner": 2}
    assert bench.variables(instance) == {"outer": 2, "new": 2}


def test_the_local_variables_of_a_subprocess_go_with_it() -> None:
    bench = sub(mapped({"inner": "=1"}, {"kept": "=inner"}))
    instance = bench.start()
    bench.complete(inner=5)
    assert bench.variables(instance) == {"kept": 5}


def test_of_two_variables_with_one_name_the_nearer_is_seen() -> None:
    bench = sub(mapped({"n": "=n + 1"}), inside=task(inputs={"n": "=n + 1"}))
    bench.start(n=1)
    assert bench.job().variables == {"n": 3}


# Output mappings


def test_with_output_mappings_only_their_targets_go_up() -> None:
    bench = one(outputs={"id": "=mail.id", "both": "=id + other"})
    instance = bench.start(other="!")
    bench.complete(mail={"id": "x"}, more=1)
    assert bench.variables(instance) == {"other": "!", "id": "x", "both": "x!"}
    assert bench.local(instance, "task") == {"mail": {"id": "x"}, "more": 1}


def test_a_nested_output_merges() -> None:
    bench = one(outputs={"order.mail": "=id", "order.state.sent": "=true"})
    instance = bench.start(order={"number": 1, "state": {"paid": True}})
    bench.complete(id="x")
    assert bench.variables(instance)["order"] == {
        "number": 1,
        "state": {"paid": True, "sent": True},
        "mail": "x",
    }


def test_an_output_goes_past_the_local_variables_of_its_element() -> None:
    bench = one({"n": "=5"}, {"n": "=n * 2"})
    instance = bench.start(n=1)
    bench.complete()
    assert bench.variables(instance) == {"n": 10}


def test_a_fault_in_an_output_holds_the_element_not_the_job() -> None:
    bench = one(outputs={"id": "=assert(id, id != null)"})
    instance = bench.start()
    bench.complete()
    incident = bench.incident(instance)
    assert (incident.kind, incident.job_key) == ("IO_MAPPING_ERROR", None)
    task_key = next(view.key for view in bench.engine.elements(instance) if view.element_id == "task")
    bench.engine.set_variables(task_key, {"id": "x"}, local=True)
    bench.engine.resolve_incident(incident.key)
    assert bench.variables(instance) == {"id": "x"}
    assert bench.ended_in(instance) == ["end"]


def test_an_end_event_maps_too() -> None:
    last = end("end", extensions(mapped(outputs={"outcome": "=n + 1"})))
    bench = Bench(diagram(start(), last, path("start", "end")))
    assert bench.variables(bench.start(n=1)) == {"n": 1, "outcome": 2}


# SetVariables


def test_variables_may_be_set_from_a_scope_upwards_or_in_it() -> None:
    bench = sub(mapped({"inner": "=1"}))
    instance = bench.start(outer=1)
    scope = next(view.key for view in bench.engine.elements(instance) if view.element_id == "sub")
    bench.engine.set_variables(scope, {"inner": 2, "outer": 2, "new": 2})
    bench.engine.set_variables(scope, {"outer": 3}, local=True)
    assert bench.local(instance, "sub") == {"inner": 2, "outer": 3}
    assert bench.variables(instance) == {"outer": 2, "new": 2}


def test_a_scope_that_is_unknown_or_over_is_refused() -> None:
    bench = one()
    instance = bench.start()
    bench.complete()
    for key in (instance, 1):
        with pytest.raises(CommandRefusedError) as caught:
            bench.engine.set_variables(key, {})
        assert caught.value.text == (
            "Command 'UPDATE' rejected with code 'NOT_FOUND': "
            f"Expected to update variables for element with key '{key}', but no such element was found"
        )
