"""The heap of due times."""

from __future__ import annotations

from connector.devengine.agenda import Agenda


def taken(agenda: Agenda, now: float) -> list[object]:
    found = []
    while (action := agenda.take(now)) is not None:
        found.append(action())
    return found


def test_appointments_are_kept_in_the_order_of_time_and_of_making() -> None:
    agenda = Agenda()
    for due, name in ((3, "c"), (1, "a"), (2, "b1"), (2, "b2"), (4, "d")):
        agenda.at(due, lambda name=name: name)  # type: ignore[misc]
    assert agenda.next_due() == 1
    assert taken(agenda, 3) == ["a", "b1", "b2", "c"]
    assert agenda.next_due() == 4


def test_a_closed_appointment_is_not_kept() -> None:
    agenda = Agenda()
    first, second = agenda.at(1, lambda: "a"), agenda.at(2, lambda: "b")
    first.close()
    first.close()
    assert (agenda.next_due(), taken(agenda, 5), agenda.next_due()) == (2, ["b"], None)
    second.close()


def test_dead_appointments_do_not_fill_the_memory() -> None:
    agenda = Agenda()
    kept = agenda.at(9_999, lambda: "kept")
    for number in range(1_000):
        agenda.at(number, lambda: "dead").close()
    assert len(agenda._heap) < 200
    assert taken(agenda, 10_000) == ["kept"]
    kept.close()
