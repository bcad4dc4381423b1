"""The files of one template in one language: which there are, and when they changed.

::

    NAME/subject.txt  body.txt  body.html      each also as body.de.html, body.de-AT.html
    NAME/images/      what the HTML shows through cid:
    NAME/attachments/ what goes with every mail
    layouts/  partials/  images/               for all templates, in languages too
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path, PurePosixPath

from jinja2 import BaseLoader, Environment
from jinja2.exceptions import TemplateNotFound

SHARED = ("layouts", "partials", "images")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_LARGEST = 1_000_000  # octets of a file that is rendered
_MOST_FILES = 1_000

Stamps = tuple[tuple[str, int, int, int], ...]


def is_name(name: str) -> bool:
    """Whether a folder of this name can be a template."""
    return bool(_NAME.fullmatch(name)) and name not in SHARED


def names(directory: Path) -> list[str]:
    """Return the names of all templates of a directory."""
    return sorted(entry.name for entry in directory.iterdir() if entry.is_dir() and is_name(entry.name))


@dataclass(frozen=True, slots=True)
class Folder:
    """One template in one language.

    Attributes:
        directory: Holds all templates, and what they share.
        name: The template's.
        locale: A language tag; None for the files without one.
    """

    directory: Path
    name: str
    locale: str | None

    @property
    def path(self) -> Path:
        """The template's own folder."""
        return self.directory / self.name

    def find(self, name: str) -> Path | None:
        """Find a file, in its language first, in the template's folder before the shared ones.

        Args:
            name: As ``body.html`` or ``layouts/letter.html``.
        """
        parts = PurePosixPath(name)
        if parts.is_absolute() or ".." in parts.parts:
            return None
        for folder in (self.path, *([self.directory] if parts.parts[0] in SHARED else [])):
            for language in (*self._languages(), ""):
                file = folder / parts.parent / f"{parts.stem}{language}{parts.suffix}"
                if file.is_file() and file.resolve().is_relative_to(self.directory.resolve()):
                    return file
        return None

    def attached(self) -> list[Path]:
        """Return the files that go with every mail, in the order of their names."""
        folder = self.path / "attachments"
        return sorted(one for one in folder.iterdir() if one.is_file()) if folder.is_dir() else []

    def stamps(self) -> Stamps:
        """Return what changes with any file of the template, or of those that all share."""
        return stamps_below(self.path, *(self.directory / name for name in SHARED))

    def shown(self, file: Path) -> str:
        """Return a file's name for an error, from the directory on."""
        return file.relative_to(self.directory).as_posix()

    def _languages(self) -> Iterator[str]:
        parts = self.locale.split("-") if self.locale else []
        for length in range(len(parts), 0, -1):
            yield "." + "-".join(parts[:length])


class FolderLoader(BaseLoader):
    """Gives Jinja the files of a template.

    Args:
        folder: Where they are; what it has once found is kept.
    """

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self.find = cache(folder.find)

    def get_source(
        self,
        environment: Environment,  # noqa: ARG002 - Jinja's interface
        template: str,
    ) -> tuple[str, str, Callable[[], bool]]:
        """Read a file; its name for errors is the one in the directory.

        Raises:
            TemplateNotFound: There is none, or it is no UTF-8 text of at most a megabyte.
        """
        file = self.find(template)
        if file is None:
            raise TemplateNotFound(template)
        shown = self._folder.shown(file)
        if file.stat().st_size > _LARGEST:
            raise TemplateNotFound(template, f"{shown} is larger than {_LARGEST:,} bytes")
        try:
            return file.read_text(encoding="utf-8-sig"), shown, lambda: True
        except (UnicodeDecodeError, OSError):
            raise TemplateNotFound(template, f"{shown} cannot be read as UTF-8 text") from None


def stamps_below(*roots: Path) -> Stamps:
    """Return what changes with any file below these directories."""
    return tuple(islice((one for root in roots for one in _stamps(str(root))), _MOST_FILES))


def _stamps(root: str) -> Iterator[tuple[str, int, int, int]]:
    """Path, inode, time of last change and size of each file below a directory."""
    try:
        entries = sorted(os.scandir(root), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _stamps(entry.path)
        else:
            with suppress(OSError):  # deleted just now
                status = entry.stat()
                yield entry.path, status.st_ino, status.st_mtime_ns, status.st_size
