"""The texts that mistakes of all kinds bring about, held against the same rules."""

from __future__ import annotations

import errno
import json
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, cast

import grpc
import httpx2
import pytest
from typer.testing import CliRunner

from connector.accounts.accounts import Accounts
from connector.cli.main import app
from connector.engine.connect import port_error
from connector.errors import ConnectorError, Phase, Reply
from connector.feel import FeelError
from connector.feel import compile as compile_feel
from connector.model.causes import reason_of
from connector.model.server import Security, Server
from connector.settings.model import INFOSYS_TASK_TYPE, SEND_TASK_TYPE, Settings
from connector.settings.sources import SettingsError, leaves, load
from connector.tasks import send_task
from connector.tasks.definitions import Definitions
from connector.tasks.headers import read_task_headers
from connector.tasks.mailbox import read_mailbox_task
from connector.tasks.mailbox_inputs import MAILBOX
from connector.tasks.port import ReadContext, SendTask
from connector.tasks.records import BulkRecord
from connector.tls import faults as tls_faults
from connector.transport.smtp import failures
from tests.unit.tasks.task_inputs import ORIGIN, variables
from tests.wording import stumbles

REPLIES = json.loads((Path(__file__).parents[1] / "data" / "replies.json").read_text(encoding="utf-8"))
WRONG: tuple[Any, ...] = (
    *("x y", "[a", "http://u:p@h/x", "a\u200bb", "secrets.X", "${x}", "a@b@c.example", "2020-01-01", ""),
    *(-1, 3.5, 10**30, True, None),
    *([1, 2], [{}], [["a"]], [None], {"a": "b"}, {"a": {"b": "c"}}),
)
SERVER = Server("mail.example.com", 587, Security.STARTTLS)


def no_stumbles(texts: Iterator[str]) -> None:
    told = list(texts)
    assert told
    assert [fault for text in told for fault in stumbles(text)] == []


# --- settings -----------------------------------------------------------------------------------------


def settings_texts(file: Path) -> Iterator[str]:
    for number, (path, _) in enumerate(leaves(accounts=["a"], credentials=["c"])):
        for value in WRONG[number % 6 :: 6]:
            tree: Any = value
            for key in reversed(path.split(".")):
                tree = {key: tree}
            file.write_text(json.dumps(tree), encoding="utf-8")
            try:
                load({}, config=file)
            except SettingsError as error:
                yield str(error)


def test_wrong_settings(tmp_path: Path) -> None:
    no_stumbles(settings_texts(tmp_path / "worker.yaml"))


# --- inputs -------------------------------------------------------------------------------------------


def paths(definitions: Definitions, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for one in definitions:
        yield (*prefix, one.name)
        yield from paths(one.members, (*prefix, one.name))


def _refusal(read: Callable[[], object]) -> Iterator[str]:
    try:
        read()
    except ConnectorError as error:
        yield error.message


def _records(task: SendTask, given: dict[str, Any]) -> list[BulkRecord]:
    return list(task.records(given) or ())


def input_texts() -> Iterator[str]:
    configured = Accounts(Settings())
    for task_type in (SEND_TASK_TYPE, INFOSYS_TASK_TYPE):
        task = send_task(task_type)
        context = ReadContext(
            Settings().message, datetime.now(UTC), configured, ORIGIN, foreign_starttls_optional=False
        )
        for path in paths(cast("Definitions", task.definitions)):
            for value in WRONG:
                given = variables()
                node = given
                for key in path[:-1]:
                    node[key] = dict(node[key]) if isinstance(node.get(key), dict) else {}
                    node = node[key]
                node[path[-1]] = value
                yield from _refusal(partial(task.read, given, context))
                yield from _refusal(partial(_records, task, given))


def test_wrong_inputs_of_a_send_task() -> None:
    no_stumbles(input_texts())


def mailbox_texts() -> Iterator[str]:
    context = ReadContext(
        Settings().message, datetime.now(UTC), Accounts(Settings()), ORIGIN, foreign_starttls_optional=False
    )
    server = {"hostname": "imap.example.com", "port": 993, "username": "u", "password": "long enough"}
    operations = MAILBOX.by_name["mailboxOperation"].allowed
    for operation in operations:
        for path in paths(MAILBOX):
            for value in WRONG:
                given: dict[str, Any] = {"mailboxOperation": operation, "authentication": dict(server)}
                node = given
                for key in path[:-1]:
                    node = node.setdefault(key, {})
                node[path[-1]] = value
                yield from _refusal(partial(read_mailbox_task, given, context))


def test_wrong_inputs_of_a_mailbox_task() -> None:
    no_stumbles(mailbox_texts())


# --- expressions --------------------------------------------------------------------------------------

EXPRESSIONS = """\
1 +
a == b
a && b
a || b
'x'
If a then b else c
if a THEN b else c
{a: 1
[1, 2
"x
f(
a b
)
1..2
for x in
some x in y
@
{a 1}
x.
if
null(
->
bpmnErrors(1)
bpmnError()
jobError()
date("x")
1/0
backoff("a")
[1][0][1](2)
""".splitlines()


def expression_texts() -> Iterator[str]:
    for expression in EXPRESSIONS:
        for header in ("resultExpression", "errorExpression", "retryBackoff", "jobTimeout", "errorMapping"):
            yield from _refusal(partial(read_task_headers, {header: f"={expression}"}))
        with suppress(FeelError):
            yield from compile_feel(expression).evaluate({}).warnings


def test_wrong_expressions() -> None:
    # The line with the expression and the one with its caret are the modeler's own.
    no_stumbles(text.partition("\n")[0] for text in expression_texts())


# --- servers ------------------------------------------------------------------------------------------


def _of_openssl(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}] it failed (_ssl.c:1006)")
    error.reason = reason
    return error


def _untrusted(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed (_ssl.c:1006)")
    error.verify_code, error.verify_message = code, "it cannot be verified"
    return error


CAUSES = (
    ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('127.0.0.1', 25)"),
    OSError(errno.EHOSTUNREACH, "Connect call failed ('10.0.0.1', 25)"),
    ConnectionResetError(),
    TimeoutError(),
    EOFError(),
    socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
    UnicodeError("label too long"),
    _of_openssl("WRONG_VERSION_NUMBER"),
    _of_openssl("TLSV1_ALERT_PROTOCOL_VERSION"),
    _of_openssl("TLSV13_ALERT_CERTIFICATE_REQUIRED"),
    _of_openssl("SSLV3_ALERT_HANDSHAKE_FAILURE"),
    *(_untrusted(code) for code in (9, 10, 18, 19, 20, 21, 62, 64, 99)),
    httpx2.ReadTimeout(""),
    httpx2.RemoteProtocolError("Server disconnected without sending a response."),
    ExceptionGroup("several", [OSError(errno.ENETUNREACH, "x")]),
    ValueError(),
)


def server_texts() -> Iterator[str]:
    for phase in Phase:
        for row in REPLIES:
            text = row["reply"] if isinstance(row, dict) else row
            code, _, words = str(text).partition(" ")
            if not code.isdigit():
                continue
            reply = Reply(int(code), words)
            advice = failures.refused(phase, "mail.example.com:25", reply, reply).message
            yield advice.partition(" (mail.example.com:25 replied: ")[0]
        for cause in CAUSES:
            yield failures.broken(phase, "mail.example.com:25", cause).message
        yield failures.timed_out(phase, "mail.example.com:25", "smtp.timeouts.tls", 60).message
    for cause in CAUSES:
        yield reason_of(cause)
        if isinstance(cause, ssl.SSLError | ConnectionResetError):
            yield tls_faults.explain(cause, Phase.STARTTLS, SERVER)


def test_what_servers_and_connections_do() -> None:
    no_stumbles(server_texts())


_NO_ADDRESS = "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:26500: "
GRPC = {
    "refused": f"{_NO_ADDRESS}Failed to connect to remote host: Connection refused",
    "unknown": (
        "DNS resolution failed for zeebe:26500: C-ares status is not ARES_SUCCESS qtype=A name=zeebe "
        "is_balancer=0: Domain name not found"
    ),
    "not trusted": (
        f"{_NO_ADDRESS}Ssl handshake failed (TSI_PROTOCOL_FAILURE): SSL_ERROR_SSL: error:1000007d:SSL "
        "routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED: self signed certificate"
    ),
    "unknown to another resolver": (
        "errors resolving zeebe:26500: [field:hostname lookup error:address lookup failed for zeebe:26500: "
        "Domain name not found]"
    ),
    "closed": "Socket closed",
}


def grpc_texts() -> Iterator[str]:
    for said in GRPC.values():
        error = grpc.aio.AioRpcError(
            grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), said, None
        )
        yield str(port_error(error, "zeebe:26500"))


def test_an_engine_that_is_away() -> None:
    no_stumbles(grpc_texts())


# --- the command line ---------------------------------------------------------------------------------

COMMANDS = """\
foo
runn
run --foo
run --config /no/such.yaml
run --config /tmp
run --set a
run --set a=b
run --processes x
run --processes 0
check nosuch
check --timeout x
check --timeout -1
check --bpmn /no/such.bpmn
check --bpmn CONTRIBUTING.md
send
send /no/such.json
send CONTRIBUTING.md
send --dry-run
send --type foo -
feel
feel 1+
feel x --context /no/such
ledger show
ledger show --state foo
ledger prune --older-than x
keys show /no/such
keys show CONTRIBUTING.md
keys dkim-new
authorize
authorize nosuch
templates --check --foo
mail-templates check
mail-templates preview x
demo --example nosuch
engine --port x
engine --port 99999
engine --version 7
""".splitlines()


@pytest.mark.parametrize("line", COMMANDS)
def test_wrong_use_of_a_command(line: str) -> None:
    environ = {"NO_COLOR": "1", "COLUMNS": "200", "SMTP_CONNECTOR_LEDGER_KIND": "memory"}
    done = CliRunner().invoke(app, line.split(), input="{", env=environ)
    assert done.exit_code in {1, 2}
    told = [part for part in done.output.splitlines() if not part.startswith(("╭", "╰", "Usage", "Try"))]
    no_stumbles(" ".join(part.strip("│ ").split()) for part in told if part.strip("│ "))
