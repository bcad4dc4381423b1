"""Processes in memory: what a test can do to them, and what it can see."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest

from connector import Settings, load_settings
from connector.testing import (
    Bpmn,
    Complete,
    Delay,
    Drop,
    Incident,
    Job,
    ProcessTestError,
    Silence,
    Throw,
    Verb,
)
from tests.diagrams import (
    TERMINATE,
    Pairs,
    a_message,
    a_signal,
    an_error,
    boundary,
    catch,
    diagram,
    element,
    end,
    error,
    extensions,
    loop,
    message,
    path,
    signal,
    start,
    subprocess,
    task,
    timer,
    zeebe,
)

JANE = "jane@example.org"
UNKNOWN, GREYLISTED = "550 5.1.1 no such user", "450 4.2.0 greylisted"
SERVER: Pairs = {"authentication.hostname": "smtp.example.com", "authentication.port": "587"}
Save = Callable[..., Path]


def send(element_id: str = "send", *inside: str, server: Pairs = SERVER, **more: str) -> str:
    """A task that sends a mail to the variable ``to``, or to Jane."""
    mail = {
        "smtpEmailMailBoxName": "shop@example.com",
        "smtpEmailToRecipients": f'=if to = null then "{JANE}" else to',
        "smtpEmailSubject": element_id,
        "smtpEmailContent": "Hello.",
    }
    return task(element_id, *inside, job_type="smtp-connector:send:1", inputs={**server, **mail, **more})


SEND = diagram(start(), send(), end(), path("start", "send", "end"))
WORK = diagram(start(), task(), end(), path("start", "task", "end"))
WAIT = diagram(
    start(),
    catch("wait", message("paid")),
    end(),
    path("start", "wait", "end"),
    shared=a_message("paid"),
)


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Write a diagram to a file."""

    def saved(content: bytes, name: str = "a.bpmn") -> Path:
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return saved


# Time


async def test_time_stands_still(bpmn: Bpmn, save: Save) -> None:
    run = await bpmn.run(
        save(
            diagram(start(), catch("wait", timer("PT0.01S")), end(), path("start", "wait", "end")),
        )
    )
    before = bpmn.now
    await asyncio.sleep(0.05)
    assert (bpmn.now, run.waits_at) == (before, ["wait"])
    assert before.microsecond == 0, "a moment that is reckoned from it is met exactly"
    await bpmn.advance("PT0.01S")
    assert run.ended_at == ["end"]


@pytest.mark.parametrize(
    "to", ["P2D", timedelta(days=2), lambda now: now + timedelta(days=2), lambda now: now + timedelta(days=3)]
)
async def test_time_is_moved_by_a_duration_or_to_a_moment(bpmn: Bpmn, save: Save, to: Any) -> None:
    run = await bpmn.run(
        save(diagram(start(), catch("wait", timer("P2D")), end(), path("start", "wait", "end")))
    )
    await bpmn.advance("PT0S")
    assert run.ended_at == []
    await bpmn.advance(to(bpmn.now) if callable(to) else to)
    assert run.ended_at == ["end"]


async def test_what_is_due_at_once_is_waited_for(bpmn: Bpmn, save: Save) -> None:
    shape = diagram(
        start(), catch("wait", timer("PT0S")), send(), end(), path("start", "wait", "send", "end")
    )
    run = await bpmn.run(save(shape))
    assert (run.ended_at, len(bpmn.inbox)) == (["end"], 1)


@pytest.mark.parametrize(
    ("to", "text"),
    [
        ("2 days", "'2 days' is no duration"),
        ("-P1D", "cannot go back"),
        (timedelta(seconds=-1), "cannot go back"),
        (datetime(2020, 1, 1, tzinfo=UTC), "cannot go back"),
    ],
)
async def test_time_does_not_go_back(bpmn: Bpmn, to: Any, text: str) -> None:
    with pytest.raises(ProcessTestError, match=text):
        await bpmn.advance(to)


async def test_work_is_done_in_its_turn_while_time_moves(bpmn: Bpmn, save: Save) -> None:
    """A retry after ten seconds succeeds long before the reminder of the next day is due."""
    late = boundary("late", "send", timer("P1D"))
    bpmn.inbox.refuse(JANE, GREYLISTED, times=1)
    run = await bpmn.run(
        save(
            diagram(
                start(),
                send(),
                late,
                end(),
                end("reminded"),
                path("start", "send", "end"),
                path("late", "reminded"),
            )
        )
    )
    await bpmn.advance("P2D")
    assert run.ended_at == ["end"]


async def test_mails_are_of_the_time_of_the_test(bpmn: Bpmn, save: Save) -> None:
    await bpmn.advance("P400D")
    await bpmn.run(save(SEND))
    sent = parsedate_to_datetime(bpmn.inbox[0].headers["Date"])
    assert sent == bpmn.now.replace(microsecond=0)


# Jobs of other types


async def test_a_job_that_no_worker_takes_waits_for_one(bpmn: Bpmn, save: Save) -> None:
    run = await bpmn.run(save(WORK), number=20)
    assert run.waits_at == ["task"]

    def double(job: Job) -> dict[str, Any]:
        return {"number": job.variables["number"] * 2}

    bpmn.worker("work", double)
    await bpmn.advance("PT0S")
    assert (run.ended_at, run.variables) == (["end"], {"number": 40})


async def test_a_handler_may_be_a_coroutine_and_give_nothing(bpmn: Bpmn, save: Save) -> None:
    async def work(job: Job) -> None:
        await asyncio.sleep(0.01)

    bpmn.worker("work", work)
    assert (await bpmn.run(save(WORK))).ended_at == ["end"]


@pytest.mark.parametrize(
    ("outcome", "ended_at"), [(Complete({"a": 1}), ["end"]), (Throw("LATE", "too late"), ["told"])]
)
async def test_a_handler_may_give_an_outcome(
    bpmn: Bpmn, save: Save, outcome: Any, ended_at: list[str]
) -> None:
    bpmn.worker("work", lambda job: outcome)
    inside = (start(), task(), end(), path("start", "task", "end"))
    caught = (boundary("late", "task", error("LATE")), end("told"), path("late", "told"))
    run = await bpmn.run(save(diagram(*inside, *caught, shared=an_error("LATE"))))
    assert run.ended_at == ended_at


async def test_a_handler_is_replaced(bpmn: Bpmn, save: Save) -> None:
    bpmn.worker("work", lambda job: {"by": 1})
    bpmn.worker("work", lambda job: {"by": 2})
    assert (await bpmn.run(save(WORK))).variables == {"by": 2}


async def test_what_a_handler_raises_the_test_raises(bpmn: Bpmn, save: Save) -> None:
    def work(job: Job) -> None:
        raise ZeroDivisionError("in the handler")

    bpmn.worker("work", work)
    with pytest.raises(ZeroDivisionError, match="in the handler"):
        await bpmn.run(save(WORK))


async def test_a_handler_that_gives_something_else_is_told_so(bpmn: Bpmn, save: Save) -> None:
    bpmn.worker("work", lambda job: 3)  # type: ignore[arg-type, return-value]
    with pytest.raises(TypeError, match="The handler of 'work' gave 3"):
        await bpmn.run(save(WORK))


async def test_the_workers_own_jobs_have_no_handler(bpmn: Bpmn) -> None:
    with pytest.raises(ValueError, match="look at the inbox"):
        bpmn.worker("smtp-connector:send:1", lambda job: None)


# Messages, signals, people


async def test_a_message_may_come_first(bpmn: Bpmn, save: Save) -> None:
    await bpmn.publish("paid", "A1", amount=3)
    run = await bpmn.run(save(WAIT), key="A1")
    assert (run.ended_at, run.variables) == (["end"], {"key": "A1", "amount": 3})


async def test_a_message_for_another_key_moves_nothing(bpmn: Bpmn, save: Save) -> None:
    run = await bpmn.run(save(WAIT), key="A1")
    await bpmn.publish("paid", "A2")
    assert run.waits_at == ["wait"]


async def test_a_message_starts_a_process(bpmn: Bpmn, save: Save) -> None:
    started = diagram(
        start("start", message("ordered")),
        send(),
        end(),
        path("start", "send", "end"),
        shared=a_message("ordered"),
    )
    bpmn.deploy(save(started))
    assert bpmn.runs == []
    await bpmn.publish("ordered", to="joe@example.org")
    (run,) = bpmn.runs
    assert run.ended_at == ["end"]
    assert bpmn.inbox[0].to == ["joe@example.org"]


async def test_a_signal_reaches_every_process(bpmn: Bpmn, save: Save) -> None:
    waiting = diagram(
        start(), catch("wait", signal("open")), end(), path("start", "wait", "end"), shared=a_signal("open")
    )
    runs = [await bpmn.run(save(waiting)) for _ in range(3)]
    await bpmn.broadcast("open", by="us")
    assert [(run.ended_at, run.variables) for run in runs] == [(["end"], {"by": "us"})] * 3


async def test_a_user_task_is_completed(bpmn: Bpmn, save: Save) -> None:
    asking = diagram(
        start(), element("userTask", "approve"), send(), end(), path("start", "approve", "send", "end")
    )
    run = await bpmn.run(save(asking))
    assert run.waits_at == ["approve"]
    await run.complete_user_task("approve", to="joe@example.org")
    assert (run.ended_at, bpmn.inbox[0].to) == (["end"], ["joe@example.org"])
    with pytest.raises(ProcessTestError, match="No user task 'approve' waits"):
        await run.complete_user_task("approve")


# Incidents


async def test_an_incident_is_told_and_resolved(bpmn: Bpmn, save: Save) -> None:
    bpmn.inbox.refuse(JANE, UNKNOWN)
    run = await bpmn.run(save(SEND))
    assert run.incident is not None
    assert (run.incident.element_id, run.incident.kind) == ("send", "JOB_NO_RETRIES")
    assert "smtp.example.com:587 replied: 550 5.1.1 no such user" in run.incident.text
    assert (run.ended_at, run.waits_at) == ([], ["send"])
    bpmn.inbox.accept(JANE)
    await run.resolve_incident()
    assert (run.incidents, run.ended_at, len(bpmn.inbox)) == ([], ["end"], 1)
    with pytest.raises(ProcessTestError, match="There is no incident"):
        await run.resolve_incident()


async def test_an_incident_without_a_job_goes_with_a_variable(bpmn: Bpmn, save: Save) -> None:
    failing = diagram(start(), catch("wait", timer("=after")), end(), path("start", "wait", "end"))
    run = await bpmn.run(save(failing))
    assert [incident.kind for incident in run.incidents] == ["EXTRACT_VALUE_ERROR"]
    await run.set_variables(after="PT1H")
    await run.resolve_incident()
    await bpmn.advance("PT1H")
    assert run.ended_at == ["end"]


async def test_an_error_that_nothing_catches_is_an_incident(bpmn: Bpmn, save: Save) -> None:
    bpmn.worker("work", lambda job: Throw("LATE", "too late"))
    run = await bpmn.run(save(WORK))
    assert run.incident == Incident(
        "task", "UNHANDLED_ERROR_EVENT", run.incident.text if run.incident else ""
    )
    assert "BPMN error LATE: too late" in bpmn.describe()


# The way


async def test_the_ends_of_a_process(bpmn: Bpmn, save: Save) -> None:
    """An event subprocess ends it within; a path may end with a task; a subprocess is one step."""
    on_paid = subprocess(
        "paid_early",
        start("on_paid", message("paid")),
        end("paid_end"),
        path("on_paid", "paid_end"),
        triggered=True,
    )
    inside = subprocess("inside", start("in"), end("out"), path("in", "out"))
    shape = diagram(
        start(), inside, task(), on_paid, path("start", "inside", "task"), shared=a_message("paid")
    )
    run = await bpmn.run(save(shape), key="A1")
    assert run.path == ["start", "inside", "in", "out", "task"]
    other = await bpmn.run(save(shape), key="A2")
    await bpmn.publish("paid", "A2")
    assert other.ended_at == ["paid_end"]
    assert run.ended_at == []
    bpmn.worker("work", lambda job: None)
    await bpmn.advance("PT0S")
    assert run.ended_at == ["task"]


async def test_each_round_of_a_loop_is_a_step_and_mails_keep_their_order(bpmn: Bpmn, save: Save) -> None:
    many = send("each", loop("=people", item="to"))
    bpmn.inbox.behaviour.on(Verb.RCPT, Delay(0.1), containing="<0@example.org>")
    run = await bpmn.run(
        save(diagram(start(), many, end(), path("start", "each", "end"))),
        people=[f"{number}@example.org" for number in range(12)],
    )
    assert run.path == ["start", *["each"] * 12, "end"]
    assert [mail.to for mail in bpmn.inbox] == [[f"{number}@example.org"] for number in range(12)]
    nobody = await bpmn.run(save(diagram(start(), many, end(), path("start", "each", "end"))), people=[])
    assert nobody.path == ["start", "each", "end"]


async def test_a_terminated_branch_is_no_end(bpmn: Bpmn, save: Save) -> None:
    shape = diagram(
        start(),
        element("parallelGateway", "both"),
        catch("wait", timer("P1D")),
        end(),
        end("stop", TERMINATE),
        path("start", "both", "wait", "end"),
        path("both", "stop"),
    )
    run = await bpmn.run(save(shape))
    assert run.ended_at == ["stop"]
    assert "✗ wait" in bpmn.describe()


async def test_a_called_process_belongs_to_its_caller(bpmn: Bpmn, save: Save) -> None:
    call = element("callActivity", "call", extensions(zeebe("calledElement", processId="called")))
    bpmn.deploy(
        save(
            diagram(
                start(),
                send(),
                element("userTask", "look"),
                end(),
                path("start", "send", "look", "end"),
                process_id="called",
            ),
            "called.bpmn",
        )
    )
    bpmn.inbox.refuse(JANE, UNKNOWN)
    run = await bpmn.run(save(diagram(start(), call, end(), path("start", "call", "end"))))
    assert run.incident is not None
    assert run.incident.element_id == "send"
    assert "called: stands at send" in bpmn.describe()
    bpmn.inbox.accept(JANE)
    await run.resolve_incident()
    await run.complete_user_task("look")
    assert (run.path, run.ended_at) == (["start", "call", "end"], ["end"])
    assert len(bpmn.runs) == 1


async def test_the_picture_says_what_holds_a_process(bpmn: Bpmn, save: Save) -> None:
    late = boundary("late", "send", timer("P1D"))
    bpmn.inbox.refuse(JANE, GREYLISTED)
    shape = diagram(start(), send(), late, end(), path("start", "send", "end"))
    await bpmn.run(save(shape))
    await bpmn.run(save(WORK, "b.bpmn"))
    await bpmn.run(save(WAIT, "c.bpmn"), key="A1")
    tomorrow = bpmn.now + timedelta(days=1)
    picture = bpmn.describe().splitlines()
    assert picture[:3] == ["p: stands at send", "  ✓ start", "  ▶ send"]
    assert picture[3].startswith("      failed, tried again at ")
    assert "2 left" in picture[3]
    assert picture[4] == f"      waits for the time {tomorrow:%Y-%m-%dT%H:%M:%SZ} (late)"
    assert picture[5:8] == ["p: stands at task", "  ✓ start", "  ▶ task"]
    assert picture[8] == "      no worker takes its job of the type 'work'"
    assert picture[11:] == [
        "  ▶ wait",
        "      waits for the message 'paid' with the key 'A1'",
        "inbox: 0 mails",
    ]


async def test_a_long_way_is_shortened(bpmn: Bpmn, save: Save) -> None:
    names = [f"step{number}" for number in range(100)]
    steps = "".join(element("task", name) for name in names)
    run = await bpmn.run(save(diagram(start(), steps, end(), path("start", *names, "end"))))
    assert len(run.path) == 102
    picture = bpmn.describe().splitlines()
    assert (len(picture), picture[21]) == (63, "  … 42 more")
    assert "step18 → … 42 more → step61" in repr(run)


# What cannot be done


async def test_a_diagram_that_is_refused_names_the_element(bpmn: Bpmn, save: Save) -> None:
    with pytest.raises(ProcessTestError, match=r"(?s)CREATE.*wait.*message"):
        await bpmn.run(
            save(diagram(start(), catch("wait", message("nothing")), end(), path("start", "wait", "end")))
        )


async def test_a_file_that_is_not_there_is_named_with_its_places(bpmn: Bpmn) -> None:
    with pytest.raises(ProcessTestError) as caught:
        await bpmn.run("nothing.bpmn")
    assert str(Path(__file__).parent / "nothing.bpmn") in str(caught.value)
    assert str(Path(__file__).parents[2] / "nothing.bpmn") in str(caught.value)


async def test_of_several_processes_one_is_named(bpmn: Bpmn, save: Save) -> None:
    other = element("process", "other", start("s"), end("e"), path("s", "e"), isExecutable="true")
    file = save(diagram(start(), end(), path("start", "end"), shared=other))
    with pytest.raises(ProcessTestError, match="has the processes p, other; name one"):
        await bpmn.run(file)
    assert (await bpmn.run(file, "other")).ended_at == ["e"]


@pytest.mark.parametrize("value", [{1, 2}, float("nan"), datetime(2026, 1, 1, tzinfo=UTC)])
async def test_variables_are_json(bpmn: Bpmn, save: Save, value: Any) -> None:
    with pytest.raises(ProcessTestError, match="JSON"):
        await bpmn.run(save(WORK), value=value)
    with pytest.raises(ProcessTestError, match="JSON"):
        await bpmn.publish("paid", "A1", value=value)


async def test_a_process_that_goes_on_and_on_is_told_where_it_stands(bpmn: Bpmn, save: Save) -> None:
    bpmn.worker("work", lambda job: asyncio.Event().wait())  # type: ignore[arg-type, return-value]
    bpmn.limit = 0.2
    with pytest.raises(ProcessTestError) as caught:
        await bpmn.run(save(WORK))
    assert "still moves after 0.2 seconds" in str(caught.value)
    assert "▶ task\n      a worker has its job of the type 'work'" in str(caught.value)


async def test_a_mail_under_way_does_not_hold_up_the_end(save: Save) -> None:
    async with asyncio.timeout(8):
        async with Bpmn(limit=0.3) as bpmn:
            bpmn.inbox.behaviour.on(Verb.MAIL, Silence())
            with pytest.raises(ProcessTestError, match="a worker has its job"):
                await bpmn.run(save(SEND))


async def test_it_has_to_be_entered(save: Save) -> None:
    with pytest.raises(ProcessTestError, match="async with Bpmn"):
        await Bpmn().run(save(WORK))


# The inbox stands for every mail server


async def test_a_server_with_tls_and_a_login_is_the_inbox(bpmn: Bpmn, save: Save) -> None:
    server = {
        "authentication.hostname": "smtp.example.com",
        "authentication.port": "465",
        "authentication.security": "tls",
        "authentication.username": "shop",
        "authentication.password": "{{secrets.MAIL_PASSWORD}}",
    }
    run = await bpmn.run(save(diagram(start(), send(server=server), end(), path("start", "send", "end"))))
    assert (run.incident, len(bpmn.inbox)) == (None, 1)


async def test_a_secret_may_be_set(bpmn: Bpmn, save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    server = {"authentication.hostname": "secrets.mail/host", "authentication.port": "secrets.MAIL_PORT"}
    shape = save(diagram(start(), send(server=server), end(), path("start", "send", "end")))
    refused = await bpmn.run(shape)
    assert refused.incident is not None
    assert "authentication.port" in refused.incident.text
    monkeypatch.setenv("SECRET_MAIL_PORT", "2525")
    monkeypatch.setenv("SECRET_MAIL_HOST", "smtp.example.net")
    assert (await bpmn.run(shape)).ended_at == ["end"]


def accounts(**more: str) -> Settings:
    sales = {
        "host": "smtp.example.com",
        "address": "sales@example.com",
        "username": "u",
        "password": "secrets.PW",
    }
    slow = {"rate": "0.001", **sales}
    overrides = {f"accounts.sales.{name}": value for name, value in slow.items()}
    return load_settings({}, overrides={**overrides, **more})


async def test_an_account_of_the_settings_is_the_inbox(save: Save) -> None:
    shape = diagram(
        start(),
        send(server={"account": "sales"}, smtpEmailMailBoxName='=""'),
        end(),
        path("start", "send", "end"),
    )
    async with Bpmn(accounts()) as bpmn:
        runs = [await bpmn.run(save(shape)) for _ in range(2)]
        assert [run.incident for run in runs] == [None, None]
        assert [mail.sender for mail in bpmn.inbox] == ["sales@example.com"] * 2


async def test_the_settings_decide_about_outcomes(save: Save) -> None:
    settings = accounts(**{"worker.rejection_backoff": "7", "smtp.hosts": "smtp.example.com"})
    async with Bpmn(settings) as bpmn:
        bpmn.inbox.refuse(JANE, GREYLISTED, times=1)
        run = await bpmn.run(save(SEND))
        await bpmn.advance("PT6S")
        assert run.ended_at == []
        await bpmn.advance("PT1S")
        assert run.ended_at == ["end"]
        other = {"authentication.hostname": "smtp.example.net", "authentication.port": "587"}
        run = await bpmn.run(save(diagram(start(), send(server=other), end(), path("start", "send", "end"))))
        assert run.incident is not None
        assert "smtp.hosts" in run.incident.text


async def test_a_lost_connection_is_told_with_the_name_of_the_diagram(bpmn: Bpmn, save: Save) -> None:
    bpmn.inbox.behaviour.on(Verb.MAIL, Drop())
    await bpmn.run(save(SEND))
    assert "smtp.example.com:587" in bpmn.describe()
    assert "127.0.0.1" not in bpmn.describe()


@pytest.mark.parametrize("place", ["task", "account"])
async def test_no_access_token_is_asked_for(save: Save, place: str) -> None:
    """No authorization server listens at the address."""
    oauth = {"tokenUrl": "https://127.0.0.1:9/token", "clientId": "shop", "clientSecret": "secrets.CLIENT"}
    task_server = {
        **SERVER,
        "authentication.username": "shop@example.com",
        **{f"authentication.oauth.{name}": value for name, value in oauth.items()},
    }
    settings = {
        "host": "smtp.example.com",
        "address": "shop@example.com",
        "oauth.grant": "client_credentials",
        "oauth.token_url": "https://127.0.0.1:9/token",
        "oauth.client_id": "shop",
        "oauth.client_secret": "secrets.CLIENT",
    }
    server = task_server if place == "task" else {"account": "shop"}
    overrides = {f"accounts.shop.{name}": value for name, value in settings.items()}
    shape = diagram(start(), send(server=server), end(), path("start", "send", "end"))
    async with Bpmn(load_settings({}, overrides=overrides)) as bpmn:
        run = await bpmn.run(save(shape))
        assert (run.incidents, len(bpmn.inbox)) == ([], 1)


async def test_several_processes_at_once(bpmn: Bpmn, save: Save) -> None:
    file = save(SEND)
    runs = await asyncio.gather(*(bpmn.run(file, to=f"{number}@example.org") for number in range(20)))
    assert [run.ended_at for run in runs] == [["end"]] * 20
    assert len({mail.to[0] for mail in bpmn.inbox}) == 20


async def test_a_mail_shows_its_parts(bpmn: Bpmn, save: Save) -> None:
    more: dict[str, Any] = {
        "smtpEmailCcRecipients": "joe@example.org",
        "smtpEmailBccRecipients": "boss@example.com",
        "smtpEmailContent": '="one\ntwo"',
        "smtpEmailSubject": "Grüße",
    }
    await bpmn.run(save(diagram(start(), send(**more), end(), path("start", "send", "end"))))
    (mail,) = bpmn.inbox
    assert (mail.to, mail.cc, mail.bcc) == ([JANE], ["joe@example.org"], ["boss@example.com"])
    assert mail.recipients == [JANE, "joe@example.org", "boss@example.com"]
    assert (mail.subject, mail.html, mail.attachments) == ("Grüße", "", [])
    assert mail.text.splitlines(keepends=True)[0] == "one\n"
    assert mail.headers["SUBJECT"] == mail.headers["subject"] == "Grüße"
    assert "Subject" in list(mail.headers)
    assert b"\r\nSubject: =?" in mail.raw
    assert bpmn.inbox[0:1] == [mail]
    assert repr(bpmn.inbox) == f"<Inbox of [<Mail to {', '.join(mail.recipients)}: 'Grüße'>]>"
    with pytest.raises(KeyError):
        mail.headers["X-Nothing"]


async def test_only_the_address_itself_is_refused(bpmn: Bpmn, save: Save) -> None:
    bpmn.inbox.refuse(JANE, UNKNOWN)
    run = await bpmn.run(save(SEND), to=f"mary-{JANE}")
    assert run.ended_at == ["end"]


@pytest.mark.parametrize("reply", ["250 Ok", "no such user", ""])
async def test_a_reply_that_is_no_refusal_is_named(bpmn: Bpmn, reply: str) -> None:
    with pytest.raises(ValueError, match="is no refusal"):
        bpmn.inbox.refuse(JANE, reply)


async def test_two_inboxes_are_apart(bpmn: Bpmn, save: Save) -> None:
    async with Bpmn() as other:
        await other.run(save(SEND))
        assert (len(other.inbox), len(bpmn.inbox)) == (1, 0)
