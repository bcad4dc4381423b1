"""Write our events and the log records of all libraries to standard error, with secrets masked.

structlog events and records of the standard library leave as console lines or JSON lines. The secrets that
the :class:`Masker` knows are masked in all of them, tracebacks included, and so are fields whose names say
that they contain a credential or a job's data. We never log job variables or message content, and turn off
the debug logs of libraries that do.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
from collections.abc import Mapping
from functools import lru_cache, partial
from types import TracebackType
from typing import Any

import structlog
from structlog.types import EventDict, Processor, WrappedLogger

from connector.secrets.masker import MASK, Masker
from connector.settings.model import LogSettings

# At debug level pyzeebe logs whole jobs with their variables, httpx2 URLs, httpcore2 headers with tokens,
# botocore AWS's answers with secrets that the masker does not know yet, and the others tokens and claims.
_TALKATIVE = ("pyzeebe", "httpx2", "httpcore2", "botocore", "azure", "msal", "google")

# Shared, because json.dumps creates an encoder for each call. The masker has made its input plain JSON.
_WRITER = json.JSONEncoder(check_circular=False)

# Nearly all values. The check for a mapping costs ten times as much, and `str | int` is built at each use.
_PLAIN = (str, int)

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SENSITIVE = re.compile(
    r"(?:^|[^a-z])(?:password|passwd|pwd|passphrase|secret|token|credential|authorization|authentication|"
    r"cookie|api_?key|private_?key|variable|content|body)s?$"
)


def configure_logging(settings: LogSettings, masker: Masker, process: int | None = None) -> None:
    """Send every log of the process through the masker to standard error; may be called again.

    Replaces the handlers of the root logger, :mod:`warnings`, and Python's hooks for uncaught exceptions in
    the main thread, in other threads and in destructors.

    Args:
        settings: The lowest level; console or JSON lines.
        masker: Masks the secrets.
        process: The number of this process among several, for every line.
    """
    stamps, finish = _stamps(process), _finish(settings, masker)
    handler = _Handler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *stamps],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *finish],
            use_get_message=True,
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            *stamps,
            structlog.processors.StackInfoRenderer(),
            *finish,
        ],
        # Written directly: a record of the standard library costs more than the rest of the line.
        logger_factory=partial(_Lines, handler),
        wrapper_class=structlog.make_filtering_bound_logger(root.level),
    )
    _take_over_hooks()


def _stamps(process: int | None) -> list[Processor]:
    def number(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["process"] = process
        return event

    return [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        *([number] if process is not None else []),
    ]


def _finish(settings: LogSettings, masker: Masker) -> list[Processor]:
    """Return the last processors of every event: mask first, then render."""
    return [structlog.processors.format_exc_info, _mask_by_name, _Masking(masker), _renderer(settings)]


def _renderer(settings: LogSettings) -> Processor:
    if settings.format == "console" or (settings.format == "auto" and sys.stderr.isatty()):
        # Its default for tracebacks shows local variables; ours are already text.
        plain = structlog.dev.plain_traceback
        return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)
    return _as_json


def _as_json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    return _WRITER.encode(event)


class _Masking:
    """The last processor before rendering: it masks the secrets in every value."""

    def __init__(self, masker: Masker) -> None:
        self._masker = masker

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        masked: EventDict = self._masker.mask_value(event)
        return masked


def _mask_by_name(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for key, value in event.items():
        event[key] = _without_named(key, value)
    return event


def _without_named(key: object, value: object) -> object:
    if value is not None and isinstance(key, str) and _is_sensitive(key):
        return MASK
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, Mapping):
        return {inner: _without_named(inner, item) for inner, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_named(None, item) for item in value]
    return value


@lru_cache(maxsize=1024)
def _is_sensitive(name: str) -> bool:
    """Return whether a field's last word names a credential or job data: clientSecret, not secret_name."""
    return _SENSITIVE.search(_CAMEL.sub("_", name).lower()) is not None


class _Handler(logging.StreamHandler[Any]):
    def line(self, text: str, source: str) -> None:
        """Write one of our lines without mixing it with those of the standard library."""
        self.acquire()
        try:
            self.stream.write(f"{text}\n")
            self.stream.flush()
        except (OSError, ValueError):
            self._note_lost(source)
        finally:
            self.release()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Report a record that could not be written; logging's own report would print its arguments."""
        self._note_lost(f"{record.name} ({record.filename}:{record.lineno})")

    def _note_lost(self, source: str) -> None:
        error = sys.exc_info()[0]
        reason = error.__name__ if error else "unknown error"
        try:
            self.stream.write(f"log record from {source} lost: {reason}\n")
            self.flush()
        except (OSError, ValueError):  # standard error is closed
            return


class _Lines:
    """Writes the rendered events of one of our loggers, a line for each."""

    def __init__(self, handler: _Handler, name: str = "connector") -> None:
        self.name = name
        self._handler = handler

    def _line(self, text: str) -> None:
        self._handler.line(text, self.name)

    debug = info = warning = error = critical = _line


def _take_over_hooks() -> None:
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread
    sys.unraisablehook = _log_unraisable


def _log_uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    logging.getLogger("connector").critical("uncaught exception", exc_info=(kind, error, traceback))


def _log_uncaught_in_thread(uncaught: threading.ExceptHookArgs) -> None:
    # SystemExit ends a thread like return.
    if uncaught.exc_value is not None and not issubclass(uncaught.exc_type, SystemExit):
        _log_uncaught(uncaught.exc_type, uncaught.exc_value, uncaught.exc_traceback)


def _log_unraisable(unraisable: sys.UnraisableHookArgs) -> None:
    if unraisable.exc_value is not None:
        _log_uncaught(unraisable.exc_type, unraisable.exc_value, unraisable.exc_traceback)
