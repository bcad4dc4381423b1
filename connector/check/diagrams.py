"""Check what a diagram says to this connector, before it is deployed and without an engine.

A BPMN file and the settings enter; a report leaves with a finding for each thing that would fail a job, or
that a modeler hardly means. Values that the diagram writes down are read as a job's are; one that only a
process knows is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import Any
from xml.etree.ElementTree import Element as Xml

from connector import feel
from connector.accounts.accounts import Accounts, Origin
from connector.check.findings import CheckStep, Finding, Report, Status
from connector.devengine.complaints import Complaints
from connector.devengine.extensions import BPMN, ZEEBE, Extensions
from connector.devengine.read import parse
from connector.errors import ConnectorError, ErrorCode
from connector.secrets.lookalikes import refuse_near_reference
from connector.secrets.resolve import References
from connector.settings.model import MAILBOX_TASK_TYPE, MessageSettings, Settings
from connector.tasks import TASK_TYPES, send_task
from connector.tasks.header_advice import decides_blindly, header_warnings, unknown_functions
from connector.tasks.headers import HEADERS, read_task_headers
from connector.tasks.input_advice import misspelling_warnings
from connector.tasks.inputs import is_blank
from connector.tasks.mailbox import misspelt_inputs, read_mailbox_task
from connector.tasks.port import ReadContext

_NEAR = 0.8
# Most servers that greylist take a mail after five minutes (verdicts of the SMTP transport say the same).
_GREYLISTED = timedelta(minutes=5)
_WRITTEN_BY_VERSION_1 = timedelta(seconds=30)
_SERVER = {"hostname": "localhost", "port": 25, "username": "a@example.org", "password": "placeholder"}
# Stand for what only a process knows, so that what the diagram writes down can be read.
_SEND: Mapping[str, Any] = {
    "authentication": _SERVER,
    "smtpEmailMailBoxName": "a@example.org",
    "smtpEmailToRecipients": "b@example.org",
    "smtpEmailSubject": "placeholder",
    "smtpEmailContentType": "multipart",
    "smtpEmailContent": "<p>placeholder</p>",
}
_MAILBOX: Mapping[str, Any] = {
    "authentication": {**_SERVER, "port": 993, "protocol": "imap"},
    "mailboxOperation": "list",
}
_MAILBOX_IF_MAPPED: Mapping[str, Any] = {
    "mailboxMessage": "<a@example.org>",
    "mailboxTargetFolder": "Archive",
    "mailboxMark": "read",
    "mailboxSearch": {"subject": "placeholder"},
}
_WRITTEN_HERE = ("smtpEmailSubject", "smtpEmailContent", "smtpEmailContentType")

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Task:
    """A job of this connector in a diagram.

    Attributes:
        process: The id of its process.
        element: Its id.
        name: Its name in the diagram, or its id.
        type: The task type.
        sources: The input mappings, by the path of their variable.
        version: The version of its element template; empty where it has none.
    """

    process: str
    element: str
    name: str
    type: str
    sources: Mapping[Path, str]
    headers: Mapping[str, str]
    version: str


async def check_diagram(name: str, content: bytes, settings: Settings, *, configured: bool) -> Report:
    """Check a diagram.

    Args:
        name: The file's name.
        content: BPMN as XML.
        settings: Those of the worker, or the defaults.
        configured: Whether they are the worker's, so that accounts and hosts can be compared.
    """
    complaints = Complaints(name)
    root = parse(content, complaints)
    if root is None:
        fix = "Save the diagram as BPMN for Camunda 8."
        return _report(name, [_finding(Status.FAILED, "; ".join(complaints.texts), fix, "")])
    tasks = list(_tasks(root, complaints))
    findings: list[Finding] = []
    for task in tasks:
        findings += await _Checked(task, settings, configured).findings()
    findings += _foreign(root)
    if not findings:
        told = _count(len(tasks))
        findings = [_finding(Status.OK, told, None, "")]
    return _report(name, findings)


def _count(tasks: int) -> str:
    return f"{tasks or 'no'} task{'s' * (tasks > 1)} of this connector"


def _report(name: str, findings: list[Finding]) -> Report:
    return Report("diagram", name, "diagram", tuple(findings))


def _finding(status: Status, message: str, fix: str | None, element: str) -> Finding:
    code = ErrorCode.INVALID_INPUT if status is Status.FAILED and element else None
    return Finding(CheckStep.DIAGRAM, status, message, fix, code, facts={"element": element or None})


def _jobs(root: Xml) -> Iterator[tuple[str, Xml, str]]:
    """Give the elements that have a task type of their own, with the id of their process and that type."""
    for process in root.iter(f"{BPMN}process"):
        for element in process.iter():
            found = element.find(f"{BPMN}extensionElements/{ZEEBE}taskDefinition")
            if found is not None:
                yield process.get("id", ""), element, found.get("type", "").strip()


def _tasks(root: Xml, complaints: Complaints) -> Iterator[_Task]:
    for process, element, task_type in _jobs(root):
        if task_type in TASK_TYPES:
            element_id = element.get("id", "")
            extensions = Extensions(element, element_id, complaints)
            task = extensions.task()
            yield _Task(
                process,
                element_id,
                " ".join(element.get("name", "").split()) or element_id,
                task_type,
                {one.target: one.source.text for one in extensions.mappings("input", "8.8")},
                {} if task is None else task.headers,
                element.get(f"{ZEEBE}modelerTemplateVersion", ""),
            )


def _foreign(root: Xml) -> Iterator[Finding]:
    """Warn of task types that are nearly ours: no worker takes their jobs, and the process waits."""
    for _, element, task_type in _jobs(root):
        near = get_close_matches(task_type, TASK_TYPES, n=1, cutoff=_NEAR)
        if near and task_type not in TASK_TYPES:
            name = element.get("name") or element.get("id", "")
            message = (
                f"{name}: the task type {task_type} is none of this connector's, so its jobs wait forever"
            )
            yield _finding(Status.FAILED, message, f"Write {near[0]}.", element.get("id", ""))


class _Checked:
    """What there is to say of one task."""

    def __init__(self, task: _Task, settings: Settings, configured: bool) -> None:
        self._task = task
        self._settings = settings
        self._configured = configured
        self._literals: dict[Path, Any] = {}

    async def findings(self) -> list[Finding]:
        """Give all findings, in the order of inputs and headers."""
        found = [*self._names(), *self._expressions(), *self._account(), *self._password()]
        return [*found, *await self._values(), *self._headers()]

    def _tell(self, status: Status, message: str, fix: str) -> Finding:
        return _finding(status, f"{self._task.name}: {message}", fix, self._task.element)

    def _names(self) -> Iterator[Finding]:
        names = dict.fromkeys(path[0] for path in self._task.sources)
        if self._task.type == MAILBOX_TASK_TYPE:
            warnings = misspelt_inputs(names)
        else:
            warnings = misspelling_warnings(names, send_task(self._task.type).variable_names)
        for warning in warnings:
            yield self._tell(Status.WARNING, warning, "Correct the name of the input mapping.")

    def _expressions(self) -> Iterator[Finding]:
        """Evaluate what needs no process, and tell of what cannot be parsed."""
        for path, source in self._task.sources.items():
            if not source.lstrip().startswith("="):
                self._literals[path] = source
                continue
            try:
                evaluated = feel.compile(source).evaluate({})
            except feel.FeelSyntaxError as error:
                message = f"{'.'.join(path)}: {error}\n{error.caret()}"
                yield self._tell(Status.FAILED, message, "Correct the expression.")
            except feel.FeelError:
                continue  # it needs the process
            else:
                if not evaluated.warnings:
                    self._literals[path] = evaluated.value

    def _account(self) -> Iterator[Finding]:
        name = self._literals.pop(("account",), None)
        known = self._settings.accounts
        if self._configured and isinstance(name, str) and not is_blank(name) and name.strip() not in known:
            near = get_close_matches(name.strip(), known, n=1)
            fix = f"Write {near[0]}." if near else f"The settings have: {', '.join(known) or 'no account'}."
            yield self._tell(Status.FAILED, f"account: the settings have no account {name.strip()!r}", fix)

    def _password(self) -> Iterator[Finding]:
        source = self._task.sources.get(("authentication", "password"), "")
        if not source.strip():
            return
        written = self._literals.get(("authentication", "password"))
        if isinstance(written, str) and "secrets." not in written and not _is_refused_as_reference(written):
            message = "authentication.password is written in the diagram, which everyone who opens it reads"
            yield self._tell(Status.WARNING, message, "Store it as a secret and write secrets.NAME.")
        if self._configured and not self._settings.smtp.hosts:
            message = (
                "authentication.password is in the diagram while smtp.hosts is not set, so a diagram may "
                "send it to any server"
            )
            fix = "List the servers that tasks may name in smtp.hosts, or use an account."
            yield self._tell(Status.WARNING, message, fix)

    async def _values(self) -> list[Finding]:
        """Read the values as those of a job; each one that is refused is told, and left out for the next."""
        refused: list[Finding] = []
        literals = {path: value for path, value in self._literals.items() if not is_blank(value)}
        while True:
            try:
                await self._read(literals)
            except ConnectorError as error:
                path = _path_of(error, literals)
                if path is None:  # it is about what only the process knows
                    return refused
                del literals[path]
                refused.append(self._tell(Status.FAILED, error.message, "Correct the value of this input."))
            else:
                return refused

    async def _read(self, literals: Mapping[Path, Any]) -> None:
        """Read a job with these values.

        Raises:
            ConnectorError: As for a job.
        """
        variables = self._placeholders()
        for path, value in literals.items():
            _put(variables, path, value)

        async def look_up(_: str, field: str) -> str:
            key = field.removeprefix("authentication.")
            return str(_SERVER.get(key, "a@example.org"))

        fields = frozenset(self._settings.secrets.fields)
        variables = await References(fields, look_up).replaced(variables)
        message = self._settings.message
        if not message.time_zone_is_set:
            message = MessageSettings(time_zone="UTC")
        accounts, origin = Accounts(self._settings), Origin(self._task.process, "<default>")
        context = ReadContext(message, datetime.now(UTC), accounts, origin)
        if self._task.type == MAILBOX_TASK_TYPE:
            read_mailbox_task(variables, context)
        else:
            send_task(self._task.type).read(variables, context)

    def _placeholders(self) -> dict[str, Any]:
        mapped = {path[0] for path in self._task.sources}
        if self._task.type == MAILBOX_TASK_TYPE:
            known = {name: value for name, value in _MAILBOX_IF_MAPPED.items() if name in mapped}
            variables = {**_MAILBOX, **known}
        else:
            variables = dict(_SEND)
            if "smtpEmailTemplate" in mapped:
                variables = {name: value for name, value in _SEND.items() if name not in _WRITTEN_HERE}
        variables["authentication"] = dict(variables["authentication"])
        return variables

    def _headers(self) -> Iterator[Finding]:
        headers = self._task.headers
        for warning in header_warnings(headers, HEADERS):
            yield self._tell(Status.WARNING, warning, "Correct this task header.")
        right: dict[str, str] = {}
        for name in HEADERS:
            one = {name: headers.get(name, "")}
            try:
                read_task_headers(one)
            except ConnectorError as error:
                yield self._tell(Status.FAILED, error.message, "Correct this task header.")
            else:
                right |= one
        read = read_task_headers(right)
        for name, expression in (
            ("resultExpression", read.result_expression),
            ("errorExpression", read.error_expression),
        ):
            for unknown in [] if expression is None else unknown_functions(expression.text):
                yield self._tell(Status.WARNING, f"{name}: {unknown}", "Correct this task header.")
        if read.error_expression is not None and decides_blindly(read.error_expression.text):
            message = (
                "errorExpression reads neither error nor response, so it answers every mail that was sent"
            )
            yield self._tell(Status.WARNING, message, "Write if error != null then … else null.")
        pause = read.retry_backoff
        of_version_1 = self._task.version == "1" and pause is not None and pause < _GREYLISTED
        if pause == _WRITTEN_BY_VERSION_1 or of_version_1:
            yield self._short_pause()

    def _short_pause(self) -> Finding:
        pause = self._task.headers["retryBackoff"].strip()
        message = (
            f"retryBackoff is {pause}, as version 1 of the element template wrote it: a server "
            "that greylists takes a mail after about five minutes, when the retries are used up"
        )
        fix = "Clear Retry backoff: the worker then waits as long as the error needs."
        return self._tell(Status.WARNING, message, fix)


def _is_refused_as_reference(password: str) -> bool:
    try:
        refuse_near_reference(password, "authentication.password")
    except ConnectorError:
        return True
    return False


def _put(variables: dict[str, Any], path: Path, value: Any) -> None:
    for key in path[:-1]:
        inner = variables.get(key)
        variables[key] = dict(inner) if isinstance(inner, dict) else {}
        variables = variables[key]
    variables[path[-1]] = value


def _path_of(error: ConnectorError, literals: Mapping[Path, Any]) -> Path | None:
    """Find the value that an error is about; that of a context is about a key that it does not have."""
    field, known = error.variables.get("field"), error.variables.get("allowed") or ()
    if not isinstance(field, str):
        return None
    inside = tuple(field.split("."))
    for path in literals:
        if path[: len(inside)] == inside and path[len(inside) :] and path[len(inside)] not in known:
            return path
    places = (path for path in literals if f"{field}.".startswith(f"{'.'.join(path)}."))
    indexed = (path for path in literals if field.startswith(f"{'.'.join(path)}["))
    return next(places, None) or next(indexed, None)
