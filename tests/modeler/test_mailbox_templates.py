"""The templates of mailbox tasks, from the modeler to a mailbox on Dovecot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from pyzeebe import ZeebeClient

from connector.model.incoming import MailProtocol
from connector.modeler.generate import MAILBOX_ELEMENTS, Element
from tests.contract.mailboxes import DovecotPost, mail
from tests.engine.service import running_worker
from tests.engine.watch import Watch
from tests.modeler.modeler import Modeler
from tests.modeler.steps import applied, run_node
from tests.servers.dovecot import PASSWORD, Dovecot

FIND, READ, ORGANISE = MAILBOX_ELEMENTS
Entries = Mapping[tuple[str, str], str | bool]


def server(dovecot: Dovecot, post: DovecotPost) -> Entries:
    return {
        ("Mailbox", "Host"): "127.0.0.1",
        ("Mailbox", "Port"): str(dovecot.ports["imap"]),
        ("Mailbox", "Encryption"): "None",
        ("Mailbox", "Username"): post.user,
        ("Mailbox", "Password"): "{{secrets.MAILBOX_PASSWORD}}",
    }


TASKS: list[tuple[str, Element, Entries]] = [
    ("list", FIND, {("Operation", "Unread only"): True}),
    (
        "search",
        FIND,
        {
            ("Operation", "Operation"): "Search mails",
            ("Operation", "Search"): '={subject: "Number"}',
            ("Operation", "Folders"): "INBOX",
            ("Operation", "Preview"): True,
            ("Page", "Order"): "Oldest first",
            ("Page", "Mails in a page"): "2",
        },
    ),
    ("folders", FIND, {("Operation", "Operation"): "List folders"}),
    ("read", READ, {("Operation", "Mail"): "=message", ("Operation", "Attachments"): "Contents"}),
    (
        "move",
        ORGANISE,
        {
            ("Operation", "Mail"): "=message",
            ("Operation", "Target folder"): "Done",
            ("Operation", "Create folder"): True,
        },
    ),
    (
        "mark",
        ORGANISE,
        {
            ("Operation", "Operation"): "Mark",
            ("Operation", "Mail"): "=message",
            ("Operation", "Mark as"): "Flagged",
        },
    ),
]
RESULTS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "list": lambda found: [one["subject"] for one in found["messages"]] == ["Number 2", "Number 1"],
    "search": lambda found: [one["preview"] for one in found["messages"]][:1] == ["This is number 1."],
    "folders": lambda found: "INBOX" in [folder["path"] for folder in found["folders"]],
    "read": lambda found: found["mail"]["text"].strip() == "This is number 1.",
    "move": lambda found: found["id"].endswith(":Done"),
    "mark": lambda found: found["id"].endswith(":INBOX"),
}


# One of each template; the others as long forms.
SHORT = {"search", "read", "move"}
CASES = [
    pytest.param(*task, id=task[0], marks=() if task[0] in SHORT else (pytest.mark.long,)) for task in TASKS
]


@pytest.mark.parametrize(("name", "element", "entries"), CASES)
async def test_a_person_fills_it_in_and_the_process_uses_the_mailbox(  # noqa: PLR0917 - fixtures and a case
    modeler: Modeler,
    zeebe: ZeebeClient,
    watch: Watch,
    engine_address: str,
    dovecot: Dovecot,
    tmp_path: Path,
    name: str,
    element: Element,
    entries: Entries,
) -> None:
    post = DovecotPost(dovecot, MailProtocol.IMAP)
    for number in (1, 2):
        await asyncio.to_thread(post.deliver, mail(number))
    await applied(modeler, element, f"mailbox-{name}")
    filled = {**server(dovecot, post), **entries, ("Output mapping", "Result variable"): "found"}
    for (group, label), value in filled.items():
        await modeler.fill(group, label, value)
    assert await modeler.errors() == []
    file = tmp_path / f"mailbox-{name}.bpmn"
    await asyncio.to_thread(file.write_text, await modeler.save(), encoding="utf-8")
    assert await run_node("lint.mjs", file) == []
    await zeebe.deploy_resource(str(file))
    async with running_worker(engine_address, {"SECRET_MAILBOX_PASSWORD": PASSWORD}):
        started = await zeebe.run_process(file.stem, variables={"message": "<mail-1@example.test>"})
        await watch.completed(started.process_instance_key)
        variables = await watch.variables(started.process_instance_key)
    assert RESULTS[name](variables["found"])
