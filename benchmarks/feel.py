"""How long an expression takes, beside a fixed piece of Python in the same run.

Run with ``python benchmarks/feel.py``. Every row is measured in turn with the baseline, round by round, so a
busy machine slows down both; the last columns are the quotients, which can be compared between machines.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from time import perf_counter_ns

from connector.feel.expression import Expression, parse

_ROUNDS = 2_000
_RESPONSE = {
    "status": "SUCCESS",
    "messageId": "<1@mail>",
    "accepted": ["a@x.org", "b@x.org"],
    "rejected": [],
    "size": 2048,
    "reply": "250 2.0.0 Ok: queued as 4F1",
    "sentAt": "2026-11-20T20:50:33Z",
    "items": [{"name": "a", "price": 10.5}, {"name": "b", "price": 20}, {"name": "c", "price": 4.5}],
}
_SENT = {"response": _RESPONSE, **_RESPONSE}
_FAILED = {"error": {"code": "450", "message": "greylisted, try later"}, "job": {"retries": 3}}
_CASES: list[tuple[str, str, dict[str, object]]] = [
    ("pick one value", "={ id: response.messageId }", _SENT),
    (
        "build a result",
        '={ id: response.messageId, ok: response.status = "SUCCESS", n: count(response.accepted) }',
        _SENT,
    ),
    ("decide an error", 'if error.code in ("421", "450") then {retries: job.retries - 1} else null', _FAILED),
    (
        "match a message",
        'if contains(lower case(error.message), "try later") then error.code else null',
        _FAILED,
    ),
    ("filter a list", "response.items[price > 5].name", _SENT),
    ("calculate", "(size + 100) * 1.19 / 3", _SENT),
    ("add a duration", 'date and time(sentAt) + @"PT36H"', _SENT),
]


def baseline() -> str:
    """Do a fixed piece of work that has nothing to do with FEEL."""
    return json.dumps(json.loads(json.dumps(_RESPONSE)), sort_keys=True)


def _time(call: Callable[[], object]) -> float:
    start = perf_counter_ns()
    call()
    return (perf_counter_ns() - start) / 1_000


def _quantiles(samples: list[float]) -> tuple[float, float]:
    return statistics.median(samples), statistics.quantiles(samples, n=100)[98]


def _measure(text: str, context: dict[str, object]) -> tuple[list[float], list[float], list[float]]:
    cached: list[float] = []
    parsed: list[float] = []
    fixed: list[float] = []
    kept: Expression = parse(text)
    for _ in range(_ROUNDS):
        fixed.append(_time(baseline))
        cached.append(_time(lambda: kept.evaluate(context)))
        parsed.append(_time(lambda: parse(text).evaluate(context)))
    return cached, parsed, fixed


def main() -> None:
    """Print a table: microseconds at the median and at the 99th percentile, and the median per baseline."""
    heads = ("cached p50", "p99", "parsed p50", "p99", "baseline")
    print(f"{'expression':18}{''.join(f'{head:>12}' for head in heads)}{'ratio':>14}")
    for name, text, context in _CASES:
        (cached, cached99), (parsed, parsed99), (fixed, _) = map(_quantiles, _measure(text, context))
        ratio = f"{cached / fixed:.2f} / {parsed / fixed:.2f}"
        times = "".join(f"{time:12.1f}" for time in (cached, cached99, parsed, parsed99, fixed))
        print(f"{name:18}{times}{ratio:>14}")


if __name__ == "__main__":
    main()
