"""The diagrams that we ship, and the process of the other tests, driven by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.engine.processes import send_process
from tests.unit.devengine.bench import Bench

SEND = "smtp-connector:send:1"
EXAMPLES = sorted((Path(__file__).parents[3] / "bpmn-examples").glob("*.bpmn"))


def example(name: str) -> Bench:
    path = next(path for path in EXAMPLES if path.stem == name)
    return Bench(path.read_bytes())


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.stem))
def test_every_example_deploys(path: Path) -> None:
    Bench(path.read_bytes())


def test_a_send_process_runs() -> None:
    bench = Bench(send_process("p", SEND, {"to": ["a@b.c"], "server.port": 25}, {"resultVariable": "=mail"}))
    instance = bench.start(order=4711)
    job = bench.complete(SEND, mail="sent")
    assert job.variables == {"order": 4711, "to": ["a@b.c"], "server": {"port": 25}}
    assert job.custom_headers == {"resultVariable": "=mail"}
    assert bench.ended_in(instance) == ["end"]
    assert bench.variables(instance) == {"order": 4711, "mail": "sent"}
