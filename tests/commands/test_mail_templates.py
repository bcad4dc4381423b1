"""``smtp-connector mail-templates`` as an author runs it."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import httpx2
import pytest

from tests.commands.terminal import command
from tests.unit.mailtemplates.test_shipped_examples import DATA, EXAMPLES

_DIAGRAM = """
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"
  xmlns:zeebe="http://camunda.org/schema/zeebe/1.0"><process id="p"><serviceTask id="remind">
<extensionElements><zeebe:ioMapping>
<zeebe:input source="=&quot;reminder&quot;" target="smtpEmailTemplate"/>{inputs}
</zeebe:ioMapping></extensionElements></serviceTask></process></definitions>
"""


def file(directory: Path, name: str, text: str) -> str:
    path = directory / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def contents(path: Path) -> bytes:
    return path.read_bytes()


async def test_the_shipped_templates_pass() -> None:
    done = await command("mail-templates", "check", "--directory", str(EXAMPLES))
    assert (done.code, done.stdout) == (0, "")


@pytest.mark.parametrize(
    ("inputs", "missing"),
    [
        ('<zeebe:input source="={task: t, due: d, name: n, url: u}" target="smtpEmailTemplateData"/>', []),
        ('<zeebe:input source="={task: t}" target="smtpEmailTemplateData"/>', ["due"]),
        ('<zeebe:input source="=t" target="smtpEmailTemplateData.task"/>', ["due"]),
        ('<zeebe:input source="=customer" target="smtpEmailTemplateData"/>', []),
        ('<zeebe:input source="=x" target="due"/>', ["task"]),
    ],
)
async def test_variables_that_no_mapping_provides(tmp_path: Path, inputs: str, missing: list[str]) -> None:
    diagram = file(tmp_path, "p.bpmn", _DIAGRAM.format(inputs=inputs))
    done = await command("mail-templates", "check", "reminder", "-d", str(EXAMPLES), "--bpmn", diagram)
    named = re.findall(r"needs (\w+): no input mapping of the task remind provides it", done.stdout)
    assert sorted(set(named)) == missing
    assert done.code == bool(missing)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("check",), "give --directory, or set templates.directory"),
        (("check", "none", "-d", str(EXAMPLES)), "there are: approval, notification"),
        (("check", "-d", str(EXAMPLES), "--data", "x.json"), "name the one template"),
        (("check", "-d", "/no/such"), "no such directory"),
        (("check", "-d", str(EXAMPLES), "--bpmn", "/no/such.bpmn"), "No such file"),
        (
            ("preview", "reminder", "-d", str(EXAMPLES), "--data", "/no/such.json", "--eml", "x"),
            "cannot read",
        ),
    ],
)
async def test_wrong_usage(arguments: tuple[str, ...], words: str) -> None:
    done = await command("mail-templates", *arguments)
    assert done.code == 2
    assert words in done.stderr


async def test_a_mail_in_a_file(tmp_path: Path) -> None:
    data = file(tmp_path, "data.json", json.dumps(DATA["reminder"]))
    eml = tmp_path / "reminder.eml"
    given = ("reminder", "-d", str(EXAMPLES), "--data", data, "--locale", "de", "--eml", str(eml))
    done = await command("mail-templates", "preview", *given)
    assert (done.code, done.stdout) == (0, "")
    mail = message_from_bytes(contents(eml), policy=default)
    assert mail["Subject"] == "Erinnerung: Sign bis 01.12.2026"
    assert [part.get_content_type() for part in mail.walk()][1:] == ["text/plain", "text/html"]


@asynccontextmanager
async def previewing(*arguments: str) -> AsyncIterator[str]:
    """The address of the page."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "connector", "mail-templates", "preview", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        line = (await process.stdout.readline()).decode()
        (url,) = re.findall(r"http://127\.0\.0\.1:\d+/", line)
        yield url
        assert process.returncode is None
    finally:
        # Not by SIGINT: a test run in the background may have it ignored, and its processes too.
        if process.returncode is None:
            process.kill()
            await process.wait()


async def until(url: str, words: str) -> str:
    """Look at the page until it shows these words."""
    async with httpx2.AsyncClient(trust_env=False) as client, asyncio.timeout(60):
        while words not in (text := (await client.get(url)).text):  # noqa: ASYNC110 - the page is polled
            await asyncio.sleep(0.1)
    return text


async def test_the_page_follows_changes_and_shows_mistakes(tmp_path: Path) -> None:
    (tmp_path / "t" / "a").mkdir(parents=True)
    file(tmp_path / "t" / "a", "subject.txt", "Hello {{ name }}")
    file(tmp_path / "t" / "a", "body.html", "<p style='border-radius: 4px'>{{ name }}</p>")
    data = file(tmp_path, "data.json", '{"name": "Ann"}')
    async with previewing("a", "-d", str(tmp_path / "t"), "--data", data) as url:
        page = await until(url, "Hello Ann")
        for part in (
            "HTML on a phone",
            "<h2>Text</h2>",
            "Headers",
            "Size",
            "border-radius is not shown by Outlook",
        ):
            assert part in page
        file(tmp_path, "data.json", '{"name": "Ben"}')
        await until(url, "Hello Ben")
        file(tmp_path / "t" / "a", "subject.txt", "Hello {{ nam }}")
        await until(url, "a/subject.txt, line 1: nam is missing")
