"""Adding up the metrics of several processes.

The text of each process enters, one text leaves in which samples of the same name and labels are one. A
counter must never fall, or whoever collects it takes the fall for a restart: what a process had counted when
it was last heard of is kept after its end. Gauges end with their process.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

_Sample: TypeAlias = tuple[str, str, tuple[tuple[str, str], ...]]
_Totals: TypeAlias = dict[_Sample, float]
# What says the same in every process, and would be wrong as a sum.
_SAME = frozenset({"smtp_connector_build_info"})


class Addition:
    """The sum over processes, those that have ended included."""

    def __init__(self) -> None:
        self._ended: _Totals = {}
        self._running: dict[object, str] = {}
        self._families: dict[str, Metric] = {}

    def heard(self, process: object, text: str) -> None:
        """Take in what a process says now, in place of what it said before."""
        self._running[process] = text

    def ended(self, process: object) -> None:
        """Keep the counters of a process that is gone, as it was last heard of."""
        for family in _families([self._running.pop(process, "")]):
            self._families.setdefault(family.name, family)
            if family.type != "gauge":
                _add(self._ended, family)

    def text(self) -> bytes:
        """The sum as Prometheus reads it."""
        totals = dict(self._ended)
        for family in _families(self._running.values()):
            self._families.setdefault(family.name, family)
            _add(totals, family)
        return generate_latest(_Summed(self._families, totals))


def _families(texts: Iterable[str]) -> Iterator[Metric]:
    for text in texts:
        yield from text_string_to_metric_families(text)


def _add(totals: _Totals, family: Metric) -> None:
    for sample in family.samples:
        key = (family.name, sample.name, tuple(sample.labels.items()))
        totals[key] = sample.value if family.name in _SAME else totals.get(key, 0.0) + sample.value


class _Summed(CollectorRegistry):
    """A registry that holds nothing but sums."""

    def __init__(self, families: Mapping[str, Metric], totals: _Totals) -> None:
        super().__init__()
        self._families = families
        self._totals = totals

    def collect(self) -> Iterator[Metric]:
        for name, family in self._families.items():
            summed = Metric(name, family.documentation, family.type)
            for (of, sample, labels), value in self._totals.items():
                if of == name:
                    summed.add_sample(sample, dict(labels), value)
            yield summed
