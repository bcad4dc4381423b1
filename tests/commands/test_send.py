"""``smtp-connector send`` as a person runs it: a process of its own, its output and its exit code."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from connector.testing.smtp import SmtpServer
from tests.commands.terminal import command

INFOSYS = "com.infosys.camundaconnectors.email:smtp:1"


def mail(port: int, **changed: Any) -> str:
    variables = {
        "authentication": {"hostname": "127.0.0.1", "port": port},
        "smtpEmailMailBoxName": "workflow@example.test",
        "smtpEmailToRecipients": ["ann@example.test"],
        "smtpEmailSubject": "Order",
        "smtpEmailContent": "Thanks.",
        **changed,
    }
    return json.dumps(variables)


async def test_a_mail_from_a_file_is_sent_and_the_outcome_printed(tmp_path: Path) -> None:
    async with SmtpServer() as server:
        (tmp_path / "mail.json").write_text(mail(server.port))
        done = await command("send", str(tmp_path / "mail.json"), "--header", "resultVariable=mail")
    assert (done.code, done.outcome["outcome"]) == (0, "complete")
    assert done.outcome["variables"]["mail"]["accepted"] == ["ann@example.test"]
    assert {name: done.outcome[name] for name in ("code", "message", "retries", "error")} == {
        "code": None,
        "message": None,
        "retries": None,
        "error": None,
    }
    assert len(server.received) == 1


async def test_a_mail_from_standard_input_as_the_other_task_type() -> None:
    async with SmtpServer(users={"u": "p"}) as server:
        login = {"hostname": "127.0.0.1", "port": server.port, "username": "u", "password": "secrets.PW"}
        done = await command(
            "send",
            "-",
            "--type",
            INFOSYS,
            "--header=resultVariable=response",
            stdin=mail(server.port, authentication=login, smtpEmailMailBoxName="mailBoxName"),
            environ={"SECRET_PW": "p"},
        )
    assert done.outcome["variables"]["response"]["response"] == "Mail sent successfully"
    assert server.received[0].sender == "mailBoxName"


async def test_a_failure_is_exit_code_1_with_the_error() -> None:
    done = await command("send", "-", stdin=mail(1, smtpEmailImportance="urgent"))
    outcome = done.outcome
    assert (done.code, outcome["outcome"], outcome["code"], outcome["retries"]) == (
        1,
        "fail",
        "INVALID_INPUT",
        0,
    )
    assert outcome["error"]["variables"]["allowed"][:3] == ["high", "normal", "low"]
    assert outcome["message"].startswith("INVALID_INPUT: smtpEmailImportance: ")


async def test_a_dry_run_writes_the_message_and_connects_to_nobody(tmp_path: Path) -> None:
    file = tmp_path / "mail.eml"
    async with SmtpServer() as server:
        done = await command("send", "-", "--dry-run", str(file), "--key", "k1", stdin=mail(server.port))
        assert server.connections == []
    message = message_from_bytes(file.read_bytes(), policy=policy.default)
    assert (done.code, message["Subject"], message["To"]) == (0, "Order", "ann@example.test")
    again = tmp_path / "again.eml"
    await command("send", "-", "--dry-run", str(again), "--key", "k1", stdin=mail(server.port))
    assert message_from_bytes(again.read_bytes())["Message-ID"] == message["Message-ID"]


async def test_the_response_is_printed_without_a_header() -> None:
    async with SmtpServer() as server:
        done = await command("send", "-", stdin=mail(server.port))
    assert done.outcome["variables"]["response"]["status"] == "SUCCESS"


async def test_a_result_expression_says_alone_what_is_printed() -> None:
    async with SmtpServer() as server:
        header = "--header=resultExpression={told: response.status}"
        done = await command("send", "-", header, stdin=mail(server.port))
    assert done.outcome["variables"] == {"told": "SUCCESS"}


async def test_a_dry_run_may_write_to_standard_output() -> None:
    done = await command("send", "-", "--dry-run", "-", stdin=mail(1))
    assert message_from_bytes(done.stdout.encode(), policy=policy.default)["Subject"] == "Order"
    assert json.loads(done.stderr)["outcome"] == "complete"


async def test_a_dry_run_shows_an_attached_mail_as_one() -> None:
    attached = {"name": "m.eml", "content": "From: a@b.c\n\nGrüße\n", "contentType": "message/rfc822"}
    done = await command("send", "-", "--dry-run", "-", stdin=mail(1, smtpEmailAttachments=[attached]))
    parts = message_from_bytes(done.stdout.encode(), policy=policy.default).walk()
    assert "message/rfc822" in [part.get_content_type() for part in parts]


def test_a_dry_run_leaves_what_standard_output_holds_already(tmp_path: Path) -> None:
    log = tmp_path / "out.log"
    log.write_text("before\n")
    with log.open("a") as output:
        subprocess.run(
            [sys.executable, "-m", "connector", "send", "-", "--dry-run", "-"],
            input=mail(1, smtpEmailToRecipients=[], smtpEmailRecipientsData=[{"to": "a@x"}, {"to": "b@x"}]),
            text=True,
            stdout=output,
            stderr=subprocess.DEVNULL,
            check=True,
            timeout=60,
        )
    assert log.read_text().startswith("before\nFrom: ")
    assert log.read_text().count("Subject: Order") == 2


async def test_json_lines_are_a_mail_each_and_sent_once(tmp_path: Path) -> None:
    ledger = {"SMTP_CONNECTOR_LEDGER_KIND": "sqlite", "SMTP_CONNECTOR_LEDGER_PATH": str(tmp_path / "l.db")}
    async with SmtpServer() as server:
        same = mail(server.port)
        lines = "\n".join([same, same, mail(server.port, key="k3"), mail(server.port, smtpEmailSubject="")])
        first = await command("send", "-", stdin=f"{lines}\n", environ=ledger)
        again = await command("send", "-", stdin=f"{lines}\n", environ=ledger)
    told = [json.loads(line) for line in first.stdout.splitlines()]
    assert [item["outcome"] for item in told] == ["complete", "complete", "complete", "fail"]
    assert (first.code, again.code) == (1, 1)
    repeated = [json.loads(line)["variables"] for line in again.stdout.splitlines()]
    assert [item["response"]["duplicate"] for item in repeated[:3]] == [True, True, True]
    assert len(server.received) == 3


@pytest.mark.parametrize("broken", ["{", "no JSON", "[1]"])
async def test_a_broken_line_is_named_and_nothing_is_sent(broken: str) -> None:
    async with SmtpServer() as server:
        done = await command("send", "-", stdin=f"{mail(server.port)}\n{broken}\n")
        assert server.connections == []
    assert done.code == 2
    assert "standard input, line 2: " in done.stderr


async def test_the_settings_own_credentials_are_masked_in_the_log(tmp_path: Path) -> None:
    """An expression's warning names the function that is not there, which is how a text gets into the log."""
    done = await command(
        *("send", "-", "--dry-run", str(tmp_path / "mail.eml")),
        *("--header", "resultExpression={a: theWorkersOwn(1)}"),
        stdin=mail(1),
        environ={
            "ZEEBE_CLIENT_ID": "worker",
            "ZEEBE_CLIENT_SECRET": "theWorkersOwn",
            "ZEEBE_AUTHORIZATION_SERVER_URL": "https://login.example.test/",
        },
    )
    assert "There is no function ***(number)" in done.stderr
    assert "theWorkersOwn" not in done.stderr


async def test_an_outcome_that_cannot_be_printed_does_not_make_a_sent_mail_look_unsent(
    tmp_path: Path,
) -> None:
    async with SmtpServer() as server:
        (tmp_path / "mail.json").write_text(mail(server.port))
        send = f"{sys.executable} -m connector send {tmp_path / 'mail.json'} --header resultVariable=r"
        codes = []
        for way in (">&-", ">/dev/full", "> >(true)"):
            shell = await asyncio.create_subprocess_exec(
                "bash",
                "-c",
                f"SMTP_CONNECTOR_LEDGER_KIND=memory {send} {way}",
                stderr=asyncio.subprocess.PIPE,
            )
            _, err = await shell.communicate()
            codes.append(shell.returncode)
            assert b"Traceback" not in err
    assert codes == [0, 0, 0]
    assert len(server.received) == 3


USAGE: dict[str, tuple[tuple[str, ...], str, str]] = {
    "no file": (("send",), "", "Missing argument"),
    "missing file": (
        ("send", "/no/such.json"),
        "",
        "/no/such.json: cannot read it: No such file or directory",
    ),
    "no JSON": (("send", "-"), "{", "standard input: not valid JSON"),
    "number too long": (("send", "-"), f'{{"a": {"1" * 5000}}}', "standard input: not valid JSON"),
    "brackets too deep": (("send", "-"), "[" * 100_000, "standard input: not valid JSON"),
    "secret in a mistake": (
        ("send", "-", "--set", "engine.client_secret:hush"),
        "{}",
        "--set: expected KEY=VALUE",
    ),
    "no host in the settings": (
        ("send", "-", "--set", "attachments.urls=http://x/y"),
        "{}",
        "attachments.urls",
    ),
    "no object": (("send", "-"), "[]", "expected a JSON object"),
    "unknown type": (("send", "-", "--type", "x"), "{}", "--type x: expected one of smtp-connector:send:1"),
    "bad header": (("send", "-", "--header", "x"), "{}", "--header x: expected KEY=VALUE"),
    "unknown setting": (("send", "-", "--set", "worker.jobs=1"), "{}", "worker.jobs: no such setting"),
    "unknown option": (("send", "-", "--nonsense"), "{}", "No such option"),
    "unknown command": (("sned",), "", "No such command"),
    "dry run nowhere": (
        ("send", "-", "--dry-run", "/no/such/m.eml"),
        mail(1),
        "--dry-run /no/such/m.eml: No such",
    ),
}


@pytest.mark.parametrize(("arguments", "stdin", "message"), USAGE.values(), ids=USAGE)
async def test_wrong_usage_is_exit_code_2_with_one_clear_message(
    arguments: tuple[str, ...], stdin: str, message: str
) -> None:
    done = await command(*arguments, stdin=stdin)
    assert done.code == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert "hush" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("name", ["run", "send", "engine", "demo", "settings", "feel", "check"])
async def test_every_command_explains_itself_with_an_example(name: str) -> None:
    done = await command(name, "--help")
    assert done.code == 0
    assert "Example" in done.stdout
    assert f"smtp-connector {name}" in done.stdout


async def test_settings_shows_values_and_sources_and_no_secret() -> None:
    environ = {
        "ZEEBE_ADDRESS": "zeebe:26500",
        "ZEEBE_CLIENT_ID": "id",
        "ZEEBE_CLIENT_SECRET": "hush-hush",
        "CAMUNDA_OAUTH_URL": "https://login.example.com",
    }
    table = await command("settings", environ=environ)
    as_json = await command("settings", "--json", environ=environ)
    assert "hush-hush" not in table.stdout + as_json.stdout
    assert json.loads(as_json.stdout)["engine.address"]["source"] == "ZEEBE_ADDRESS"
    assert "ZEEBE_CLIENT_SECRET" in table.stdout


async def test_settings_schema_is_the_page_of_the_reference() -> None:
    page = Path(__file__).parents[2] / "docs/reference/settings.schema.json"
    done = await command("settings", "schema")
    assert (done.code, done.stdout) == (0, page.read_text(encoding="utf-8"))
