"""The commands that the engine has accepted, as JSON lines, so that a restart comes to the same state.

The first line has the engine's version and seed; each other line is one command with its time. A line is
written before the command is answered and reaches the operating system at once: it survives the death of the
process, but not the loss of power. A command that was refused is not in it.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any

from connector.devengine.commands import (
    ActivationRequest,
    EngineVersion,
    Failure,
    MessageToPublish,
    Resource,
)

_FORMAT = 1


class JournalError(Exception):
    """The journal cannot be used; the message says why and what to change."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One accepted command.

    Attributes:
        at: The real time at which it ran, in seconds since the epoch.
        command: Its name.
        arguments: In the order of the command's parameters.
        named: Those that are given by name.
    """

    at: float
    command: str
    arguments: tuple[Any, ...]
    named: Mapping[str, Any]


class Journal:
    """A file of accepted commands. Read its entries first, then append.

    Args:
        path: The file; made if it is absent.
        version: The engine's version, which must be the one that began the journal.
        seed: The seed of a new journal.

    Attributes:
        seed: The seed of the engine that began the journal.

    Raises:
        JournalError: It belongs to another version, is no journal, or cannot be opened.
    """

    def __init__(self, path: Path, version: EngineVersion, seed: int) -> None:
        self._path = path
        try:
            self._file = path.open("a+b", buffering=0)
        except OSError as error:
            raise JournalError(f"The journal {path} cannot be opened: {error.strerror}.") from error
        first, *self._lines = self._whole_lines() or [b""]
        if first:
            self.seed = self._checked(first, version)
        else:
            self._write({"journal": _FORMAT, "version": version, "seed": seed})
            self.seed = seed

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def entries(self) -> Iterator[Entry]:
        """Give the commands of earlier runs.

        Raises:
            JournalError: A line cannot be read.
        """
        for number, line in enumerate(self._lines, start=2):
            yield self._entry(number, line)
        self._lines.clear()

    def append(self, entry: Entry) -> None:
        """Write one command.

        Raises:
            JournalError: The disk is full, or the file is gone.
        """
        line = {"at": entry.at, "do": entry.command, "with": entry.arguments}
        try:
            self._write({**line, "named": entry.named} if entry.named else line)
        except OSError as error:
            raise JournalError(f"The journal {self._path} cannot be written: {error.strerror}.") from error

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(_WRITER.encode(line).encode("utf-8", "surrogatepass") + b"\n")

    def _whole_lines(self) -> list[bytes]:
        """Read the file; a last line that was torn by a crash is removed from it."""
        self._file.seek(0)
        *lines, torn = self._file.read().split(b"\n")
        if torn:
            self._file.truncate(self._file.tell() - len(torn))
        return lines

    def _checked(self, line: bytes, version: EngineVersion) -> int:
        try:
            header = json.loads(line)
        except ValueError:
            header = None
        if not isinstance(header, dict) or header.get("journal") != _FORMAT:
            self.close()
            raise JournalError(f"{self._path} is no journal of this engine. Name another file.")
        if header.get("version") != version:
            self.close()
            raise JournalError(
                f"{self._path} was begun by an engine with --version {header.get('version')}. Start with "
                "that version, or name another file."
            )
        return int(header["seed"])

    def _entry(self, number: int, line: bytes) -> Entry:
        try:
            read = json.loads(line.decode("utf-8", "surrogatepass"))
            given = read["with"]
            arguments = _READ.get(read["do"], tuple)(given)
            return Entry(float(read["at"]), str(read["do"]), arguments, read.get("named", {}))
        except (ValueError, KeyError, TypeError) as error:
            raise JournalError(
                f"{self._path}, line {number}, cannot be read ({error}). Remove the file."
            ) from error


def _plain(value: object) -> object:
    """Write what JSON does not know: the commands' own values, and the octets of a resource."""
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{type(value).__name__} cannot be written")


_WRITER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_plain)


def _deployment(given: list[Any]) -> tuple[Any, ...]:
    return ([Resource(one["name"], b64decode(one["content"])) for one in given[0]],)


def _message(given: list[Any]) -> tuple[Any, ...]:
    return (MessageToPublish(**given[0]),)


def _failure(given: list[Any]) -> tuple[Any, ...]:
    return given[0], Failure(**given[1])


def _lease(given: list[Any]) -> tuple[Any, ...]:
    key, request = given
    names = {name: tuple(request[name]) for name in ("fetch_variables", "tenants")}
    return key, ActivationRequest(**{**request, **names})


# Commands whose arguments are more than JSON values.
_READ: dict[str, Callable[[list[Any]], tuple[Any, ...]]] = {
    "deploy": _deployment,
    "fail_job": _failure,
    "publish_message": _message,
    "lease_job": _lease,
}
