"""How often we agree with Camunda's own engine (1.21), measured on cases that it was run on.

The cases of the engine's own suite and of the TCK stay outside the repository; without them their tests are
skipped. Each known difference stands in `KNOWN_DIFFERENCES` with its reason: one that is not there fails the
test, and so does one that is there but no longer differs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal

import pytest

from connector import feel
from connector.feel import CONNECTOR_FUNCTIONS, FeelError, Limits, evaluate
from connector.feel.expression import utc_now
from connector.feel.temporal_text import parse_literal
from tests.shared import data_file

# The rate that each file must reach, known differences included.
AIMS = {"feel-camunda.json": 1.0, "feel-engine.json": 0.99, "feel-tck.json": 0.97}
# By the id of the case: why we differ.
KNOWN_DIFFERENCES: dict[str, str] = {}

# Agreement is about values; a busy machine must not decide over it.
_LIMITS = Limits(seconds=60)
_FAILED = object()


@dataclass(frozen=True, slots=True)
class Case:
    """An expression, its variables, and what the engine gives (`_FAILED` if it fails)."""

    id: str
    expression: str
    variables: dict[str, object]
    expected: object


def _cases(file: str) -> list[Case]:
    return list(map(_case, json.loads(data_file(file).read_text("utf-8"))))


def _case(raw: dict[str, object]) -> Case:
    outcome = raw.get("camunda", raw)
    assert isinstance(outcome, dict)
    failed = "error" in outcome or outcome.get("fails") is True
    expected = outcome.get("value" if "camunda" in raw else "expected")
    variables = {key: _typed(item) for key, item in raw["inputs"].items()}  # type: ignore[attr-defined]
    return Case(str(raw["id"]), str(raw["expression"]), variables, _FAILED if failed else _plain(expected))


def _plain(value: object) -> object:
    """Return a value of the files as the JSON that we give for it."""
    return _read(value, lambda text: evaluate(f'@"{text}"'))


def _typed(value: object) -> object:
    """Return a variable of the files; a typed one is a value of FEEL and not its text."""
    return _read(value, lambda text: parse_literal(text, utc_now))


def _read(value: object, temporal: Callable[[str], object]) -> object:
    if isinstance(value, list):
        return [_read(item, temporal) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"$t", "v"}:
        return Decimal(value["v"]) if value["$t"] == "number" else temporal(value["v"])
    return {key: _read(item, temporal) for key, item in value.items()}


def _agree(ours: object, theirs: object) -> bool:
    if isinstance(ours, bool) or isinstance(theirs, bool) or ours is _FAILED or theirs is _FAILED:
        return ours is theirs
    if isinstance(ours, int | float) and isinstance(theirs, int | float | Decimal):
        return ours == theirs or math.isclose(ours, theirs, rel_tol=1e-15)
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(_agree, ours, theirs))
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(_agree(item, theirs[key]) for key, item in ours.items())
    return ours == theirs


def _differences(cases: list[Case]) -> Iterator[tuple[Case, object]]:
    for case in cases:
        ours: object
        try:
            ours = (
                feel.compile(case.expression)
                .evaluate(case.variables, functions=CONNECTOR_FUNCTIONS, limits=_LIMITS)
                .value
            )
        except FeelError as error:
            ours = _FAILED if case.expected is _FAILED else error
        if not _agree(ours, case.expected):
            yield case, ours


@pytest.mark.parametrize("file", AIMS)
def test_agreement_with_the_engine(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    cases = _cases(file)
    different = list(_differences(cases))
    rate = 1 - len(different) / len(cases)
    with capsys.disabled():
        print(f"\n{file}: {rate:.2%} of {len(cases)} cases agree")  # noqa: T201 - the rate is what one runs this for
        for case, _ in different:
            print(f"  {case.id}: {KNOWN_DIFFERENCES.get(case.id, 'unknown')}")  # noqa: T201
    new = [(case, ours) for case, ours in different if case.id not in KNOWN_DIFFERENCES]
    assert not new
    here = {case.id for case in cases}
    assert {case.id for case, _ in different} == here & KNOWN_DIFFERENCES.keys()
    assert rate >= AIMS[file]


def test_a_difference_is_seen() -> None:
    wrong = [
        Case("value", "1 + 1", {}, 3),
        Case("type", "1 = 1", {}, 1),
        Case("failure", "1 +", {}, None),
        Case("no failure", "1", {}, _FAILED),
    ]
    right = [Case("same", "1 + 1", {}, 2.0), Case("fails", "1 +", {}, _FAILED)]
    assert [case.id for case, _ in _differences(wrong + right)] == ["value", "type", "failure", "no failure"]
