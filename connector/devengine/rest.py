"""The REST door: the paths of the Orchestration Cluster API that workers, people and tests use.

A request enters, the core runs a command, JSON or a problem (RFC 9457) leaves. Keys are strings in JSON.
``POST /development/faults`` is this engine's own: it orders a fault, for tests.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from connector.devengine import search
from connector.devengine.arguments import BadRequestError, root_object
from connector.devengine.commands import CommandRefusedError, Rejection
from connector.devengine.faults import FaultError
from connector.devengine.http_server import Request, Response
from connector.devengine.journal import JournalError
from connector.devengine.service import EngineService

_PROBLEM = "application/problem+json"
_STATUS = {
    Rejection.INVALID_ARGUMENT: HTTPStatus.BAD_REQUEST,
    Rejection.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Rejection.INVALID_STATE: HTTPStatus.CONFLICT,
    Rejection.ALREADY_EXISTS: HTTPStatus.CONFLICT,
    Rejection.EXCEEDED_BATCH_RECORD_SIZE: HTTPStatus.INTERNAL_SERVER_ERROR,
    Rejection.UNSUPPORTED: HTTPStatus.NOT_IMPLEMENTED,
}
_NOT_HERE = (
    "This development engine has no {method} {path}. Use a Camunda 8 cluster for it; the documentation of "
    "smtp-connector engine lists what there is here."
)
_FOREIGN = "A page of another site must not use this engine."


class RestError(Exception):
    """A request ends with this status."""

    def __init__(self, status: HTTPStatus, title: str, detail: str) -> None:
        self.status = status
        self.title = title
        super().__init__(detail)


@dataclass(frozen=True, slots=True)
class Call:
    """A request as a path's function gets it.

    Attributes:
        service: The engine.
        key: The key in the path, 0 where it has none.
        query: The last value of each parameter.
        request: All of it.
    """

    service: EngineService
    key: int
    query: Mapping[str, str]
    request: Request

    def body(self) -> dict[str, Any]:
        """Read the JSON object of the request; none at all is an empty one.

        Raises:
            BadRequestError: It is something else.
        """
        if not self.request.body:
            return {}
        try:
            value = json.loads(self.request.body)
        except (ValueError, RecursionError) as error:
            raise BadRequestError(f"The request's body is not JSON: {error}") from error
        return root_object(value, "body")


# What a path's function gives: an object, None for "no content", or the future of one.
Function = Callable[[Call], Any]


@dataclass(frozen=True, slots=True)
class Route:
    """One path, ``{key}`` standing for a key, and what answers there.

    Attributes:
        name: The command, as faults name it.
    """

    method: str
    path: str
    name: str
    function: Function
    pattern: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        pattern = re.compile(re.escape(self.path).replace(r"\{key\}", r"(?P<key>\d{1,19})"))
        object.__setattr__(self, "pattern", pattern)


class RestApi:
    """Answers requests.

    Args:
        service: The engine, which runs already.
        routes: Every path that there is.
    """

    def __init__(self, service: EngineService, routes: tuple[Route, ...]) -> None:
        self._service = service
        self._routes = routes

    async def handle(self, request: Request) -> Response:
        """Answer one request; what is wrong with it becomes a problem."""
        target = urlsplit(request.path)
        try:
            return await self._answer(request, target.path, target.query)
        except Exception as error:  # noqa: BLE001 - the client always gets an answer
            return _problem(error, target.path)

    async def _answer(self, request: Request, path: str, query: str) -> Response:
        _check_origin(request)
        route, key = self._find(request.method, path)
        self._check_faults(route.name)
        parameters = {name: values[-1] for name, values in parse_qs(query).items()}
        answer = route.function(Call(self._service, key, parameters, request))
        if asyncio.iscoroutine(answer):
            answer = await answer
        if answer is None:
            return Response(HTTPStatus.NO_CONTENT)
        return Response(HTTPStatus.OK, json.dumps(answer, ensure_ascii=False).encode("utf-8", "replace"))

    def _find(self, method: str, path: str) -> tuple[Route, int]:
        allowed = []
        for route in self._routes:
            if found := route.pattern.fullmatch(path):
                if route.method == method:
                    return route, int(found.groupdict().get("key") or 0)
                allowed.append(route.method)
        detail = _NOT_HERE.format(method=method, path=path)
        if allowed:
            raise RestError(HTTPStatus.METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", detail)
        raise RestError(HTTPStatus.NOT_FOUND, "NOT_FOUND", detail)

    def _check_faults(self, name: str) -> None:
        faults = self._service.faults
        if name in {"Topology", "Status", "Faults"}:
            return
        busy = HTTPStatus.SERVICE_UNAVAILABLE
        if faults.leaderless_for:
            raise RestError(busy, "UNAVAILABLE", "There is no partition leader (a fault that was ordered).")
        if faults.pushes_back(name):
            raise RestError(busy, "RESOURCE_EXHAUSTED", "The engine is busy (a fault that was ordered).")


def found(item: search.Item | None, what: str, key: int) -> search.Item:
    """Give an item that was looked for by its key.

    Raises:
        RestError: There is none.
    """
    if item is None:
        raise RestError(HTTPStatus.NOT_FOUND, "NOT_FOUND", f"There is no {what} with the key {key}.")
    return item


def _check_origin(request: Request) -> None:
    """Refuse what a browser sends for a page of another site: the engine asks for no password."""
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise RestError(HTTPStatus.FORBIDDEN, "FORBIDDEN", _FOREIGN)


def _problem(error: Exception, path: str) -> Response:
    match error:
        case RestError(status=status, title=title):
            pass
        case CommandRefusedError(rejection=rejection):
            status, title = _STATUS[rejection], rejection.value
        case BadRequestError() | FaultError():
            status, title = HTTPStatus.BAD_REQUEST, "INVALID_ARGUMENT"
        case JournalError():
            status, title = HTTPStatus.INTERNAL_SERVER_ERROR, "INTERNAL"
        case _:
            status, title = HTTPStatus.INTERNAL_SERVER_ERROR, type(error).__name__
    problem = {
        "type": "about:blank",
        "title": title,
        "status": status.value,
        "detail": str(error),
        "instance": path,
    }
    return Response(status, json.dumps(problem).encode(), _PROBLEM)
