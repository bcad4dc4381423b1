"""The same commands give the same state and keys: watched, unwatched, or replayed from the journal."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from connector.devengine.commands import (
    ActivatedJob,
    ActivationRequest,
    CommandRefusedError,
    Failure,
    MessageToPublish,
    Resource,
)
from connector.devengine.service import EngineService, OpenStream, Options

_DIAGRAM = b"""<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" targetNamespace="t"
             xmlns:zeebe="http://camunda.org/schema/zeebe/1.0">
  <process id="p" isExecutable="true">
    <startEvent id="start"/>
    <sequenceFlow id="f1" sourceRef="start" targetRef="fork"/>
    <parallelGateway id="fork"/>
    <sequenceFlow id="f2" sourceRef="fork" targetRef="work"/>
    <sequenceFlow id="f3" sourceRef="fork" targetRef="wait"/>
    <serviceTask id="work">
      <extensionElements>
        <zeebe:taskDefinition type="work" retries="2"/>
        <zeebe:ioMapping>
          <zeebe:input source="=n + 1" target="local"/>
          <zeebe:input source="=string(random number())" target="chance"/>
          <zeebe:output source="=answer" target="answer"/>
        </zeebe:ioMapping>
      </extensionElements>
    </serviceTask>
    <boundaryEvent id="refused" attachedToRef="work"><errorEventDefinition errorRef="e"/></boundaryEvent>
    <boundaryEvent id="late" attachedToRef="work" cancelActivity="false">
      <timerEventDefinition><timeDuration>PT30S</timeDuration></timerEventDefinition>
    </boundaryEvent>
    <sequenceFlow id="f4" sourceRef="work" targetRef="end"/>
    <sequenceFlow id="f5" sourceRef="refused" targetRef="end"/>
    <sequenceFlow id="f6" sourceRef="late" targetRef="end"/>
    <receiveTask id="wait" messageRef="m"/>
    <sequenceFlow id="f7" sourceRef="wait" targetRef="end"/>
    <endEvent id="end"/>
  </process>
  <error id="e" errorCode="NO"/>
  <message id="m" name="go">
    <extensionElements><zeebe:subscription correlationKey="=key"/></extensionElements>
  </message>
</definitions>"""
_START = 1_700_000_000.0
_REQUEST = ActivationRequest("work", "tester", 20.0)


@dataclass
class Player:
    """Carries out commands by number, so that the same commands fit engines whose keys differ."""

    service: EngineService
    taken: list[ActivatedJob] = field(default_factory=list)
    instances: list[int] = field(default_factory=list)
    streams: list[OpenStream] = field(default_factory=list)

    def play(self, command: tuple[str, int]) -> None:
        name, number = command
        with contextlib.suppress(CommandRefusedError):
            getattr(self, name)(number)

    def create(self, number: int) -> None:
        core = self.service.core
        started = self.service.execute(core.create_instance, "p", -1, {"n": number, "key": f"k{number % 3}"})
        self.instances.append(started.process_instance_key)

    def poll(self, number: int) -> None:
        self.taken += self.service.take(_REQUEST, number)

    def stream(self, number: int) -> None:
        if self.streams:
            self.streams.pop().close()
            return

        def push(job: ActivatedJob) -> bool:
            self.taken.append(job)
            return True

        self.streams.append(self.service.open_stream(_REQUEST, push))

    def complete(self, number: int) -> None:
        if (job := self._job(number)) is not None:
            self.service.execute(self.service.core.complete_job, job, {"answer": number})

    def fail(self, number: int) -> None:
        if (job := self._job(number)) is not None:
            core = self.service.core
            failure = Failure(number % 2, "no", float(number % 3), {"why": number})
            self.service.execute(core.fail_job, job, failure)

    def throw(self, number: int) -> None:
        if (job := self._job(number)) is not None:
            code = "NO" if number % 2 else "OTHER"
            self.service.execute(self.service.core.throw_error, job, code, "no", {"code": code})

    def shorten(self, number: int) -> None:
        if (job := self._job(number)) is not None:
            self.service.execute(self.service.core.update_job_timeout, job, 0.001)

    def release(self, number: int) -> None:
        if (job := self._job(number)) is not None:
            self.service.execute(self.service.core.release_job, job)

    def resolve(self, number: int) -> None:
        incidents = [one for one in self.service.core.incidents() if one.state == "ACTIVE"]
        if incidents:
            one = incidents[number % len(incidents)]
            if one.job_key is not None:
                self.service.execute(self.service.core.update_job_retries, one.job_key, 1)
            self.service.execute(self.service.core.resolve_incident, one.key)

    def publish(self, number: int) -> None:
        message = MessageToPublish("go", f"k{number % 3}", float(number % 2) * 60, "", {"message": number})
        self.service.execute(self.service.core.publish_message, message)

    def cancel(self, number: int) -> None:
        if self.instances:
            key = self.instances[number % len(self.instances)]
            self.service.execute(self.service.core.cancel_instance, key)

    def advance(self, number: int) -> None:
        self.service.advance(float(number))

    def set(self, number: int) -> None:
        if self.instances:
            key = self.instances[number % len(self.instances)]
            core = self.service.core
            self.service.execute(core.set_variables, key, {"set": number}, local=number % 2 == 0)

    def _job(self, number: int) -> int | None:
        return self.taken[number % len(self.taken)].key if self.taken else None


_NAMES = [name for name in vars(Player) if not name.startswith("_") and name != "play"]
_NAMES = [name for name in _NAMES if callable(getattr(Player, name))]
COMMANDS = st.lists(st.tuples(st.sampled_from(_NAMES), st.integers(1, 40)), max_size=40)


def state(service: EngineService) -> list[Any]:
    """Everything that can be read of an engine."""
    core = service.core
    views: list[Callable[[], Any]] = [
        core.instances,
        core.elements,
        core.jobs,
        core.incidents,
        core.variables,
    ]
    return [service.clock.now(), core.due(), *(list(view()) for view in views)]


async def played(options: Options, commands: list[tuple[str, int]]) -> tuple[list[Any], Player]:
    service = EngineService(options, lambda: _START)
    async with service:
        player = Player(service)
        service.execute(service.core.deploy, [Resource("p.bpmn", _DIAGRAM)])
        for command in commands:
            player.play(command)
        return state(service), player


async def compared(commands: list[tuple[str, int]], more: list[tuple[str, int]], directory: Path) -> None:
    journaled = Options(journal=directory / "journal.jsonl", seed=1)
    watched = Options(record_file=directory / "records.jsonl", keep_records=True, seed=1)
    wanted, _ = await played(Options(seed=1), commands)
    assert (await played(watched, commands))[0] == wanted
    journaled_state, player = await played(journaled, commands)
    assert journaled_state == wanted
    later, _ = await played(Options(seed=1), commands + more)
    async with EngineService(journaled, lambda: _START) as again:
        assert state(again) == wanted
        player.service, player.streams = again, []
        for command in more:
            player.play(command)
        if "stream" not in {name for name, _ in commands}:
            assert state(again) == later


@settings(max_examples=60)
@given(commands=COMMANDS, more=COMMANDS)
def test_watched_unwatched_and_replayed_are_the_same(
    commands: list[tuple[str, int]], more: list[tuple[str, int]]
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(compared(commands, more, Path(directory)))


async def test_a_replay_has_the_times_of_the_first_run(tmp_path: Path) -> None:
    """Although real time goes on while a command runs."""
    options = Options(journal=tmp_path / "journal.jsonl", seed=1)
    moments = itertools.count(_START)
    async with EngineService(options, lambda: next(moments)) as service:
        player = Player(service)
        service.execute(service.core.deploy, [Resource("p.bpmn", _DIAGRAM)])
        for command in [
            ("create", 1),
            ("poll", 1),
            ("fail", 1),
            ("advance", 60),
            ("poll", 5),
            ("complete", 1),
        ]:
            player.play(command)
        wanted = state(service)[2:]
    async with EngineService(options, lambda: next(moments)) as again:
        assert state(again)[2:] == wanted
