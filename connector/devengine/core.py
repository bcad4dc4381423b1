"""What every part of one engine stands on: its state, its time, and what reads and writes variables."""

from __future__ import annotations

from dataclasses import dataclass

from connector.devengine.agenda import Agenda
from connector.devengine.clock import Clock
from connector.devengine.expressions import Evaluator
from connector.devengine.incidents import Incidents
from connector.devengine.recorder import Recorder
from connector.devengine.records import RecordLog
from connector.devengine.scopes import Scopes
from connector.devengine.state import State


@dataclass(frozen=True, slots=True)
class Core:
    """The parts that know no other parts."""

    clock: Clock
    state: State
    agenda: Agenda
    recorder: Recorder
    evaluator: Evaluator
    incidents: Incidents
    scopes: Scopes

    @classmethod
    def of(cls, clock: Clock, records: RecordLog | None, seed: int, history: int) -> Core:
        """Make the parts of a new engine."""
        state, recorder, evaluator = State(history), Recorder(records, clock), Evaluator(clock, seed)
        incidents, scopes = Incidents(state, clock, recorder), Scopes(state, evaluator, recorder)
        return cls(clock, state, Agenda(), recorder, evaluator, incidents, scopes)
