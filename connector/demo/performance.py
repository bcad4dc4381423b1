"""Play an example: start its process instances in turn, and watch each until its end.

It also provides what a scene needs from outside, such as a server that refuses a recipient or a message to
the process. The engine, the worker and the inbox are already running.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any
from uuid import uuid4

from pyzeebe import ZeebeClient

from connector.demo.inbox import Inbox, Mail
from connector.demo.scene import Example, Publication, Scene
from connector.demo.story import Story
from connector.model.job import Complete, Fail, Job, Outcome
from connector.testing.behaviour import Rule
from connector.testing.imap import ImapServer
from connector.testing.smtp import SmtpServer

_RUN = "demoRun"  # a variable that distinguishes the instances of this demo from others
_OUTCOME = "outcome"  # a variable that diagrams with several ends set at each end
_PATIENCE = 60  # seconds for one process instance
_MESSAGE_LIFETIME = 60_000  # milliseconds for which the engine keeps a message until the process waits for it


class DemoError(Exception):
    """A part of the demo failed; the message says which and what to do."""


@dataclass(slots=True)
class _Run:
    """One process instance, and the outcomes of its jobs so far."""

    id: str = field(default_factory=lambda: uuid4().hex)
    completed: int = 0
    stuck: bool = False  # a job waits for a person
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, outcome: Outcome) -> None:
        match outcome:
            case Complete():
                self.completed += 1
            case Fail(retries=0):
                self.stuck = True
        self.news.set()

    async def until_completed(self, count: float) -> None:
        while self.completed < count:
            if self.stuck:
                raise DemoError("The process waits at its task; the line above says why.")
            self.news.clear()
            await self.news.wait()


class Performance:
    """Plays one example, any number of times.

    Args:
        example: The example.
        story: Prints the steps.
        inbox: Receives the mails.
        server: The inbox's mail server, which misbehaves as a scene's rules say.
        mailbox: The mailbox that tasks read.
        client: A client of the engine to which the diagram is deployed.
        tenant_id: The tenant for which it is deployed, if the engine has tenants.
    """

    def __init__(  # noqa: PLR0913 - the parts of a stage, always given by name
        self,
        example: Example,
        *,
        story: Story,
        inbox: Inbox,
        server: SmtpServer,
        mailbox: ImapServer,
        client: ZeebeClient,
        tenant_id: str | None,
    ) -> None:
        self._example = example
        self._story = story
        self._inbox = inbox
        self._server = server
        self._mailbox = mailbox
        self._client = client
        self._tenant_id = tenant_id
        self._run = _Run()

    def job_done(self, job: Job, outcome: Outcome) -> None:
        """Note what the worker reports for the instances of this demo."""
        if job.variables.get(_RUN) == self._run.id:
            self._run.note(outcome)

    async def play(self) -> list[Mail]:
        """Play every scene.

        Returns:
            The mails, in order of arrival.

        Raises:
            DemoError: A process instance did not reach the expected end, or its mails differ.
        """
        mails: list[Mail] = []
        for number, scene in enumerate(self._example.scenes(uuid4().hex[:6])):
            if number:
                self._story.note()
            mails += await self._play(scene)
        return mails

    async def _play(self, scene: Scene) -> list[Mail]:
        self._server.behaviour.rules[:] = map(_unused, scene.rules)
        self._run = _Run()
        before = self._inbox.count
        waiting = [self._mailbox.deliver(letter) for letter in scene.letters]
        for letter in waiting:
            self._story.step("Mail in the mailbox", f"{letter.subject!r}, {len(letter.octets)} bytes, unread")
        self._story.step("Process started", f"{self._example.process_id}, {scene.about}")
        instance = await self._to_its_end(scene)
        variables = instance.variables
        self._story.result(instance.process_instance_key, {name: variables.get(name) for name in scene.shown})
        mails = [mail for mail in self._inbox.mails if mail.number > before]
        _check(scene, mails, variables)
        self._check_mailbox(scene)
        return mails

    def _check_mailbox(self, scene: Scene) -> None:
        """Raise an error unless the scene's mails are where they should be at the end."""
        there = {mail.octets: mail for mail in self._mailbox.mails(scene.filed)}
        for letter in scene.letters:
            if letter not in there:
                raise DemoError(f"The process was completed, but a mail is not in the folder {scene.filed}.")
            self._story.step("Mail filed", f"{there[letter].subject!r} is in the folder {scene.filed}")

    async def _to_its_end(self, scene: Scene) -> Any:  # pyzeebe does not export the type of its response
        """Run the process instance, and publish its messages meanwhile."""
        running = asyncio.ensure_future(self._instance(scene))
        attending = asyncio.create_task(self._attend(scene.messages, self._run))
        try:
            await asyncio.wait({running, attending}, timeout=_PATIENCE, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                return running.result()
            if attending.done():
                attending.result()
            raise DemoError(
                f"The process has not ended within {_PATIENCE} seconds. Does another worker take "
                "jobs of the same type from this engine?"
            )
        finally:
            running.cancel()
            attending.cancel()
            await asyncio.gather(running, attending, return_exceptions=True)

    async def _instance(self, scene: Scene) -> Any:
        server = {"hostname": self._server.hostname, "port": self._server.port}
        variables: dict[str, Any] = {**scene.variables, "mailServer": server, _RUN: self._run.id}
        return await self._client.run_process_with_result(
            self._example.process_id,
            variables,
            timeout=_PATIENCE * 1000,
            tenant_id=self._tenant_id,
        )

    async def _attend(self, messages: tuple[Publication, ...], run: _Run) -> None:
        """Publish the messages of the scene; then watch the process, which ends only if it is stuck."""
        for message in messages:
            await run.until_completed(message.after)
            self._story.step("Message published", f"{message.name}, for {message.correlation_key}")
            await self._client.publish_message(
                message.name,
                message.correlation_key,
                dict(message.variables),
                time_to_live_in_milliseconds=_MESSAGE_LIFETIME,
                tenant_id=self._tenant_id,
            )
        await run.until_completed(inf)


def _unused(rule: Rule) -> Rule:
    """Return the rule with its count of uses reset."""
    return Rule(rule.verb, rule.action, rule.containing, rule.times, rule.after, rule.keep)


def _check(scene: Scene, mails: list[Mail], variables: Mapping[str, Any]) -> None:
    """Raise an error unless the mails and the end are the expected ones."""
    wanted = Counter(scene.mails)
    came = Counter(mail.envelope_recipients for mail in mails)
    if missing := wanted - came:
        raise DemoError(f"The process was completed, but this mail is not in the inbox: {_listed(missing)}.")
    if more := came - wanted:
        raise DemoError(f"There is an unexpected mail in the inbox: {_listed(more)}.")
    ending = variables.get(_OUTCOME)
    if ending != scene.ending:
        raise DemoError(f"The process ended with {ending!r} instead of {scene.ending!r}.")


def _listed(mails: Mapping[tuple[str, ...], int]) -> str:
    return "; ".join(f"for {', '.join(recipients)}" for recipients in mails)
