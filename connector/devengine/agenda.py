"""What happens later: one heap of due times for timers, leases, back-offs and the ends of messages."""

from __future__ import annotations

import heapq
from collections.abc import Callable

# A lease is nearly always cancelled before it ends. Below this number the dead ones may stay in the heap.
_FEW = 64


class Appointment:
    """Something to do at a time, unless it is closed before."""

    __slots__ = ("_agenda", "action", "due")

    def __init__(self, agenda: Agenda, due: float, action: Callable[[], object]) -> None:
        self._agenda = agenda
        self.due = due
        self.action: Callable[[], object] | None = action

    def close(self) -> None:
        """Cancel it; a second time, or after it was kept, this does nothing."""
        if self.action is not None:
            self.action = None
            self._agenda.forget_one()


class Agenda:
    """Appointments in the order of their time; those at the same time in the order of their making."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Appointment]] = []
        self._made = 0
        self._dead = 0

    def at(self, due: float, action: Callable[[], object]) -> Appointment:
        """Make an appointment; a time that has passed is due at once."""
        appointment = Appointment(self, due, action)
        self._made += 1
        heapq.heappush(self._heap, (due, self._made, appointment))
        return appointment

    def next_due(self) -> float | None:
        """Return the time of the next appointment."""
        heap = self._heap
        while heap and heap[0][2].action is None:
            heapq.heappop(heap)
            self._dead -= 1
        return heap[0][0] if heap else None

    def take(self, now: float) -> Callable[[], object] | None:
        """Return the action of the next appointment that is due, and strike it out."""
        due = self.next_due()
        if due is None or due > now:
            return None
        appointment = heapq.heappop(self._heap)[2]
        action, appointment.action = appointment.action, None
        return action

    def forget_one(self) -> None:
        """Count a cancelled appointment, and clear the heap when most are."""
        self._dead += 1
        if self._dead > _FEW and self._dead * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if entry[2].action is not None]
            heapq.heapify(self._heap)
            self._dead = 0
