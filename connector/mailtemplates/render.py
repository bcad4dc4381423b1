"""Renders the template that a task names into subject, text, HTML and files.

Compiled templates are kept until one of their files changes; the stamps are compared at every mail, so that
an edited template holds from the next mail on, and a broken one fails its own mails only.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import GeneratorType, MappingProxyType, TracebackType
from typing import Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from jinja2.exceptions import TemplateError as JinjaError
from jinja2.exceptions import TemplateNotFound, TemplateSyntaxError

from connector.errors import InputError, TemplateError
from connector.mailtemplates import folder as folders
from connector.mailtemplates.budget import BudgetError, joined, limited
from connector.mailtemplates.folder import Folder, FolderLoader, Stamps
from connector.mailtemplates.formats import FormatError, Formats
from connector.mailtemplates.sandbox import BoundedEnvironment, MissingError
from connector.model import to_install
from connector.model.mail import Attachment, DataSource, TemplateUse
from connector.model.text import invisible
from connector.settings.model import TemplateSettings

_FIELD = "smtpEmailTemplate"
_MOST_KEPT = 500
_CID = re.compile(r"""["'(]\s*cid:([^"'()\s>]+)""", re.IGNORECASE)


_REASONS: Mapping[type[Exception], str] = MappingProxyType(
    {
        RecursionError: "includes or calls itself without an end",
        ImportError: f"this filter needs Babel: {to_install('templates')}",
    }
)


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a template makes of its data.

    Attributes:
        subject: One line; None without ``subject.txt``.
        text: The text body; None without ``body.txt``.
        html: The HTML body with its styles inlined; None without ``body.html``.
        attachments: The template's files, and the images that the HTML shows.
    """

    subject: str | None
    text: str | None
    html: str | None
    attachments: tuple[Attachment, ...]


class Templates:
    """The operator's templates.

    Args:
        settings: Their directory, and the usual language.
        zone: IANA name of the zone in which moments are shown.
    """

    def __init__(self, settings: TemplateSettings, zone: str) -> None:
        self._settings = settings
        self._zone = ZoneInfo(zone)
        self._kept: dict[tuple[str, str | None], _Kept] = {}
        self._lock = threading.Lock()

    def render(self, use: TemplateUse) -> Rendered:
        """Render a template; it reads files and takes about a millisecond.

        Raises:
            InputError: There is no such template.
            TemplateError: It cannot be rendered with this data.
        """
        kept = self._current(use)
        with limited():
            subject = kept.text("subject.txt", use.data)
            text, html = kept.text("body.txt", use.data), kept.text("body.html", use.data)
        if text is None and html is None:
            raise TemplateError(use.name, "has neither body.html nor body.txt", file=use.name)
        html = kept.inlined(html) if html is not None else None
        return Rendered(_one_line(use.name, subject), text, html, kept.attachments(html or ""))

    def _current(self, use: TemplateUse) -> _Kept:
        directory = self._settings.directory
        if directory is None:
            raise InputError(_FIELD, "the worker has no templates; the operator sets templates.directory")
        found = Folder(directory, use.name, use.locale)
        if not folders.is_name(use.name) or not found.path.is_dir():
            known = tuple(folders.names(directory)) if directory.is_dir() else ()
            shown = ", ".join(known[:20]) or "none"
            raise InputError(_FIELD, f"there is no such template; there are: {shown}", allowed=known)
        stamps, key = found.stamps(), (use.name, use.locale)
        with self._lock:
            kept = self._kept.get(key)
            if kept is None or kept.stamps != stamps:
                if len(self._kept) >= _MOST_KEPT:
                    self._kept.clear()
                formats = Formats(use.locale or self._settings.locale, self._zone)
                kept = self._kept[key] = _Kept(found, stamps, formats)
        return kept


class _Kept:
    """A template in one language, compiled."""

    def __init__(self, folder: Folder, stamps: Stamps, formats: Formats) -> None:
        self.stamps = stamps
        self._folder = folder
        loader = FolderLoader(folder)
        self._find = loader.find
        self._environment = BoundedEnvironment(loader, formats.filters)

    def text(self, name: str, data: Mapping[str, Any]) -> str | None:
        if self._find(name) is None:
            return None
        stream: Iterator[str] | None = None
        try:
            template = self._environment.get_template(name)
            stream = template.root_render_func(template.new_context(dict(data)))
            return joined(stream)
        except Exception as error:  # noqa: BLE001 - a template may call anything with anything
            raise self._told(error, name, stream) from None

    @cached_property
    def _inliner(self) -> Any:
        import css_inline  # noqa: PLC0415 - loads a library

        # Without the first option it fetches <link rel=stylesheet> over the network.
        return css_inline.CSSInliner(load_remote_stylesheets=False, keep_at_rules=True)

    def inlined(self, html: str) -> str:
        try:
            return str(self._inliner.inline(html))
        except Exception as error:  # noqa: BLE001 - the library's own errors have no common class
            reason = f"its styles cannot be inlined: {str(error)[:200]}"
            raise TemplateError(self._folder.name, reason, file=f"{self._folder.name}/body.html") from None

    @cached_property
    def _attached(self) -> list[Attachment]:
        return [_attached(file) for file in self._folder.attached()]

    def attachments(self, html: str) -> tuple[Attachment, ...]:
        found = [*self._attached]
        for name in dict.fromkeys(unquote(one[1]) for one in _CID.finditer(html)):
            image = self._find(f"images/{name}")
            if image is not None:
                found.append(_attached(image, name))
        return tuple(found)

    def _told(self, error: Exception, name: str, stream: Iterator[str] | None) -> TemplateError:
        """Say where a rendering failed and why, without quoting the data."""
        file, line = _stopped(stream) or self._place(error, name)
        return TemplateError(
            self._folder.name,
            _reason(error),
            file=file,
            line=line,
            name=error.name if isinstance(error, MissingError) else None,
        )

    def _place(self, error: Exception, name: str) -> tuple[str, int | None]:
        if isinstance(error, TemplateSyntaxError):
            return error.filename or name, error.lineno
        found = self._find(name)
        place: tuple[str, int | None] = (self._folder.shown(found) if found else name, None)
        trace: TracebackType | None = error.__traceback__
        while trace is not None:
            template = trace.tb_frame.f_globals.get("__jinja_template__")
            if template is not None:
                place = (template.filename or name, template.get_corresponding_lineno(trace.tb_lineno))
            trace = trace.tb_next
        return place


def _stopped(stream: object) -> tuple[str, int] | None:
    """Where output has stopped that was too much; None where the template itself has failed."""
    place = None
    while isinstance(stream, GeneratorType) and stream.gi_frame is not None:
        template = stream.gi_frame.f_globals.get("__jinja_template__")
        if template is not None:
            place = str(template.filename), template.get_corresponding_lineno(stream.gi_frame.f_lineno)
        stream = stream.gi_yieldfrom
    return place


def _reason(error: Exception) -> str:
    known = [text for kind, text in _REASONS.items() if isinstance(error, kind)]
    if known:
        return known[0]
    if isinstance(error, TemplateNotFound) and str(error) == error.name:
        return f"there is no file {error.name}"
    if isinstance(error, JinjaError | BudgetError | FormatError):
        return str(error).rstrip(".")
    if isinstance(error, ZeroDivisionError):
        return "a number is divided by zero"
    return "a value is not of the kind that this line needs"


def _one_line(template: str, subject: str | None) -> str | None:
    if subject is None:
        return None
    line = subject.strip()
    if "\r" in line or "\n" in line or "\0" in line:
        raise TemplateError(template, "the subject has several lines", file=f"{template}/subject.txt")
    if hidden := invisible(line):
        raise TemplateError(template, f"the subject holds {hidden}", file=f"{template}/subject.txt")
    return line


def _attached(file: Path, content_id: str | None = None) -> Attachment:
    source = DataSource(file.read_bytes())
    return Attachment(_FIELD, source, file.name, inline=content_id is not None, content_id=content_id)
