"""Canaries: a secret goes into every way of logging that there is, and must not come out."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from connector.observe.logs import configure_logging
from connector.secrets.masker import Masker
from connector.settings.model import LogSettings

CANARY = "canary-7f3a/9+Zq"


@pytest.fixture(autouse=True)
def _process_state() -> Iterator[None]:
    """Give back what configure_logging takes over for the whole process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    show = warnings.showwarning
    yield
    logging.captureWarnings(capture=False)
    warnings.showwarning = show
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def fail() -> None:
    password = CANARY  # a local variable, for a formatter that would show it
    message = f"server said: wrong password {password}"
    raise ValueError(message)


def log_with_structlog() -> None:
    log = structlog.get_logger("connector.test")
    log.info(f"event {CANARY}", plain=CANARY, nested={"list": [CANARY, {CANARY: 1}]}, data=CANARY.encode())
    log.bind(bound=CANARY).warning("bound")


def log_with_stdlib() -> None:
    log = logging.getLogger("aiosmtplib")
    log.debug("args %s and %r", CANARY, [CANARY])
    log.info("extra", extra={"detail": CANARY, "object": {"key": CANARY}})
    log.warning("mapping %(user)s", {"user": CANARY})
    log.info(CANARY, stack_info=True)


def log_exceptions() -> None:
    for log in (structlog.get_logger("connector.test"), logging.getLogger("grpc")):
        try:
            try:
                fail()
            except ValueError as error:
                error.add_note(f"note {CANARY}")
                raise RuntimeError(CANARY) from error
        except RuntimeError:
            log.exception("failed")
            log.error("failed", exc_info=True)


def warn() -> None:
    warnings.warn(f"warned of {CANARY}", UserWarning, stacklevel=1)


def leave_uncaught() -> None:
    try:
        fail()
    except ValueError:
        sys.excepthook(*sys.exc_info())


def leave_uncaught_in_thread() -> None:
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()


def leave_uncaught_in_destructor() -> None:
    class Fragile:
        def __del__(self) -> None:
            fail()

    Fragile()


def leave_uncaught_in_loop() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        done = asyncio.Event()
        loop.call_soon(fail)
        loop.call_soon(done.set)
        await done.wait()

    asyncio.run(main())


def format_wrongly() -> None:
    logging.getLogger("anywhere").info("number %d", CANARY)


@pytest.mark.filterwarnings("default::UserWarning")
@pytest.mark.parametrize("style", ["json", "console"])
@pytest.mark.parametrize(
    ("way", "said"),
    [
        (log_with_structlog, "event ***"),
        (log_with_stdlib, "args *** and ['***']"),
        (log_exceptions, "wrong password ***"),
        (warn, "warned of ***"),
        (leave_uncaught, "wrong password ***"),
        (leave_uncaught_in_thread, "wrong password ***"),
        (leave_uncaught_in_destructor, "wrong password ***"),
        (leave_uncaught_in_loop, "wrong password ***"),
        (format_wrongly, "lost: TypeError"),
    ],
)
def test_a_canary_is_never_in_the_output(
    style: str, way: Callable[[], None], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    masker = Masker()
    masker.remember(CANARY)
    configure_logging(LogSettings.model_validate({"level": "debug", "format": style}), masker)
    way()
    written = capsys.readouterr()
    assert written.out == ""
    assert said in written.err
    assert CANARY not in written.err


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def configure(level: str = "info") -> None:
    configure_logging(LogSettings.model_validate({"level": level, "format": "json"}), Masker())


def test_both_kinds_of_log_calls_give_the_same_json(capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    structlog.get_logger("connector.worker.worker").info("job taken", job=4)
    logging.getLogger("grpc").warning("channel %s", "idle")
    ours, theirs = lines(capsys.readouterr().err)
    assert ours["timestamp"].endswith("Z")
    assert theirs["timestamp"].endswith("Z")
    assert {key: ours[key] for key in ("level", "event", "logger", "job")} == {
        "level": "info",
        "event": "job taken",
        "logger": "connector.worker.worker",
        "job": 4,
    }
    assert (theirs["level"], theirs["event"], theirs["logger"]) == ("warning", "channel idle", "grpc")


def test_one_of_several_processes_is_named_in_every_line(capsys: pytest.CaptureFixture[str]) -> None:
    settings = LogSettings.model_validate({"level": "info", "format": "json"})
    configure_logging(settings, Masker(), process=2)
    structlog.get_logger("connector.worker.worker").info("job taken")
    logging.getLogger("grpc").warning("idle")
    assert [line["process"] for line in lines(capsys.readouterr().err)] == [2, 2]
    configure_logging(settings, Masker())
    structlog.get_logger("connector.worker.worker").info("job taken")
    assert "process" not in lines(capsys.readouterr().err)[0]


def test_a_line_is_this_to_the_octet(capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    structlog.get_logger("connector.worker.reports").info(
        "job reported", job_key=4711, element_id="Send", reply='"Ä"', token="t", outcome="complete"
    )
    written = capsys.readouterr().err
    stamp = re.compile(r'(?<="timestamp": ")\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?Z(?="})')
    expected = (
        r'{"job_key": 4711, "element_id": "Send", "reply": "\"\u00c4\"", "token": "***", '
        '"outcome": "complete", "event": "job reported", "logger": "connector.worker.reports", '
        '"level": "info", "timestamp": "now"}\n'
    )
    assert stamp.sub("now", written) == expected


def test_what_is_masked_in_the_line_stays_with_whoever_logged_it(capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    details = {"password": "unknown", "list": [{"token": "unknown"}]}
    log = structlog.get_logger("connector").bind(cookie="unknown")
    log.info("event", details=details)
    logging.getLogger("grpc").info("event", extra={"details": details})
    assert "unknown" not in capsys.readouterr().err
    assert details == {"password": "unknown", "list": [{"token": "unknown"}]}
    assert structlog.get_context(log) == {"cookie": "unknown"}


@pytest.mark.parametrize("style", ["json", "console"])
def test_a_value_that_cannot_be_shown_costs_no_line(style: str, capsys: pytest.CaptureFixture[str]) -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError(CANARY)

    configure_logging(LogSettings.model_validate({"format": style}), Masker())
    structlog.get_logger("connector").info("ours", value=Broken())
    logging.getLogger("grpc").info("theirs", extra={"value": Broken()})
    written = capsys.readouterr().err
    assert written.count("<Broken>") == 2
    assert CANARY not in written


def test_a_traceback_is_in_the_line_without_local_variables(capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    try:
        fail()
    except ValueError:
        structlog.get_logger("connector").exception("failed")
    (line,) = lines(capsys.readouterr().err)
    assert "ValueError: server said" in line["exception"]
    assert line["exception"].count(CANARY) == 1  # in the message; not once more as a local variable


def test_the_level_holds_for_everybody(capsys: pytest.CaptureFixture[str]) -> None:
    configure("warning")
    structlog.get_logger("connector").info("quiet")
    logging.getLogger("grpc").info("quiet")
    logging.getLogger("grpc").warning("loud")
    assert [line["event"] for line in lines(capsys.readouterr().err)] == ["loud"]


@pytest.mark.parametrize(
    "library",
    [
        "pyzeebe.grpc_internals.zeebe_job_adapter",
        "httpx2",
        "httpcore2.http11",
        "botocore.parsers",
        "azure.core",
        "msal",
        "google.auth",
    ],
)
def test_what_libraries_say_of_jobs_and_urls_is_off_even_at_debug(
    library: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure("debug")
    logging.getLogger(library).debug("Got job: %s", {"variables": {"smtpEmailContent": "Dear Jane"}})
    logging.getLogger(library).info("GET https://files.example/?token=1")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "log", [logging.getLogger("anywhere"), structlog.get_logger("connector")], ids=["a library", "ours"]
)
def test_a_logger_in_use_follows_the_next_configuration(log: Any, capsys: pytest.CaptureFixture[str]) -> None:
    configure("warning")
    log.warning(CANARY)
    log.info(CANARY)
    masker = Masker()
    masker.remember(CANARY)
    configure_logging(LogSettings.model_validate({"level": "info", "format": "json"}), masker)
    log.info(CANARY)
    configure("warning")
    log.info(CANARY)
    assert [line["event"] for line in lines(capsys.readouterr().err)] == [CANARY, "***"]


def test_a_second_configuration_replaces_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    configure()
    structlog.get_logger("connector").info("once")
    assert len(lines(capsys.readouterr().err)) == 1


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "client_secret",
        "clientSecret",
        "Authorization",
        "access-token",
        "api_key",
        "variables",
        "content",
    ],
)
def test_a_field_is_masked_by_its_name(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    structlog.get_logger("connector").info("event", **{name: "unknown"}, nested={"list": [{name: "unknown"}]})
    written = capsys.readouterr().err
    assert "unknown" not in written
    assert written.count("***") == 2


@pytest.mark.parametrize("name", ["secret_name", "token_url", "content_type", "retries"])
def test_a_field_about_a_credential_is_shown(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    structlog.get_logger("connector").info("event", **{name: "known"})
    assert lines(capsys.readouterr().err)[0][name] == "known"


@pytest.mark.parametrize(
    "log", [logging.getLogger("anywhere"), structlog.get_logger("connector")], ids=["a library", "ours"]
)
def test_a_closed_standard_error_stops_nobody(
    log: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    with (tmp_path / "stderr").open("w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        configure()
    log.warning("into the void")


def test_a_line_that_cannot_be_written_is_told_without_what_it_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Narrow(io.StringIO):
        def write(self, text: str, /) -> int:
            if "Straße" in text:
                raise UnicodeEncodeError("ascii", text, 0, 1, "ordinal not in range")
            return super().write(text)

    stream = Narrow()
    monkeypatch.setattr(sys, "stderr", stream)
    configure_logging(LogSettings.model_validate({"format": "console"}), Masker())
    structlog.get_logger("connector.worker.worker").warning("Straße")
    assert stream.getvalue() == "log record from connector.worker.worker lost: UnicodeEncodeError\n"


def test_a_level_can_be_lowered_and_raised_while_loggers_are_in_use(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = structlog.get_logger("connector")
    for level in ("warning", "debug", "warning"):
        configure(level)
        log.debug(level)
    assert [line["event"] for line in lines(capsys.readouterr().err)] == ["debug"]


def test_lines_of_several_threads_do_not_mix(monkeypatch: pytest.MonkeyPatch) -> None:
    class InPieces(io.StringIO):
        """Lets other threads run in the middle of a line."""

        def write(self, text: str, /) -> int:
            for character in text:
                super().write(character)
            return len(text)

    stream = InPieces()
    monkeypatch.setattr(sys, "stderr", stream)
    configure()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        logs = [structlog.get_logger("connector"), logging.getLogger("grpc")] * 2
        threads = [
            threading.Thread(target=lambda log=log: [log.info("event") for _ in range(50)]) for log in logs
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert [line["event"] for line in lines(stream.getvalue())] == ["event"] * 200
