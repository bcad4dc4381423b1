"""Look for mistakes in mail templates before a mail needs them.

A directory and a template's name enter; problems leave, each with its file. Apart from the rendering because
it looks at what a template may need in any language, and renders nothing but with sample data.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import meta, nodes
from jinja2.exceptions import TemplateError as JinjaError
from jinja2.exceptions import TemplateNotFound, TemplateSyntaxError

from connector.errors import ConnectorError
from connector.mailtemplates.folder import Folder, FolderLoader
from connector.mailtemplates.formats import Formats
from connector.mailtemplates.render import Templates
from connector.mailtemplates.sandbox import BoundedEnvironment
from connector.mailtemplates.support import findings
from connector.model.mail import TemplateUse
from connector.settings.model import TemplateSettings

_FILES = ("subject.txt", "body.txt", "body.html")
_LANGUAGE = re.compile(r"(?:subject|body)\.([A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3})\.(?:txt|html)")
_CID = re.compile(r"""["'(]\s*cid:([^"'()\s>{}]+)""", re.IGNORECASE)
_DEFAULTS = frozenset({"default", "d"})
_DEFINED = frozenset({"defined", "undefined"})


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that an author should look at.

    Attributes:
        file: From the templates' directory on.
        text: What is wrong, and what to change.
        advice: It is no mistake, but some readers see less than others.
    """

    file: str
    text: str
    advice: bool = False

    def __str__(self) -> str:
        return f"{self.file}: {self.text}"


@dataclass(frozen=True, slots=True)
class Needs:
    """The variables of a file and of what it includes.

    Attributes:
        required: Those without which it fails.
        optional: Those that it asks for with ``default`` or ``is defined``.
    """

    required: frozenset[str]
    optional: frozenset[str]


def languages(path: Path) -> tuple[str, ...]:
    """Return the languages that a template's folder has files for, without the usual one."""
    found = {match[1] for file in path.iterdir() if (match := _LANGUAGE.fullmatch(file.name))}
    return tuple(sorted(found))


class TemplateCheck:
    """Checks one template in all its languages.

    Args:
        directory: Holds all templates.
        name: The template's.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self._name = name
        self._locales: tuple[str | None, ...] = (None, *languages(directory / name))
        self._needs: dict[str, Needs] = {}

    def problems(
        self,
        data: Mapping[str, Any] | None = None,
        provided: Mapping[str, Collection[str]] | None = None,
    ) -> Iterator[Problem]:
        """Look for everything that can be wrong.

        Args:
            data: Sample data, with which it is rendered in each language.
            provided: The variables that each send task of a diagram gives it, by the task's id.
        """
        yield from self._missing_files()
        for locale in self._locales:
            yield from self._compiled(Folder(self._directory, self._name, locale))
        yield from self._of_one_language()
        for task, names in (provided or {}).items():
            yield from self._unknown(names, f"no input mapping of the task {task} provides it")
        if data is not None:
            yield from self._unknown(data, "the data does not have it")
            for locale in self._locales:
                yield from self._rendered(data, locale)

    def _missing_files(self) -> Iterator[Problem]:
        folder = self._directory / self._name
        there = {file.name for file in folder.iterdir()}
        for name in _FILES:
            stem, _, suffix = name.partition(".")
            own = [one for one in self._locales if one and f"{stem}.{one}.{suffix}" in there]
            for language in self._locales:
                if language is None:
                    if own and name not in there:
                        yield Problem(
                            f"{self._name}/{name}", f"is missing for languages other than {', '.join(own)}"
                        )
                elif language not in own and name in there:
                    text = f"is missing; readers of {language} get {name}"
                    yield Problem(f"{self._name}/{stem}.{language}.{suffix}", text)
        if not {"body.txt", "body.html"} & there:
            yield Problem(self._name, "has neither body.html nor body.txt")

    def _compiled(self, folder: Folder) -> Iterator[Problem]:
        loader = FolderLoader(folder)
        environment = BoundedEnvironment(loader, Formats(folder.locale or "en", ZoneInfo("UTC")).filters)
        for name in _FILES:
            file = loader.find(name)
            if file is None or folder.shown(file) in self._needs:
                continue
            try:
                environment.get_template(name)
                self._needs[folder.shown(file)] = _needs(environment, name, set())
            except TemplateSyntaxError as error:
                place = error.filename or folder.shown(file)
                yield Problem(place, f"line {error.lineno}: {error.message}")
            except TemplateNotFound as error:
                yield Problem(folder.shown(file), f"there is no file {error.name}")
            except JinjaError as error:
                yield Problem(folder.shown(file), str(error))
            yield from self._pictures(loader, file, folder)

    def _pictures(self, loader: FolderLoader, file: Path, folder: Folder) -> Iterator[Problem]:
        for name in dict.fromkeys(_CID.findall(file.read_text(encoding="utf-8-sig", errors="replace"))):
            if loader.find(f"images/{name}") is None:
                text = f"shows cid:{name}, and there is no {self._name}/images/{name}"
                yield Problem(folder.shown(file), text)

    def _of_one_language(self) -> Iterator[Problem]:
        """A name that one language uses and no other file of the template is probably misspelt."""
        everywhere = [needs.required | needs.optional for needs in self._needs.values()]
        for file, needs in self._needs.items():
            for name in sorted(needs.required):
                users = sum(name in names for names in everywhere)
                near = get_close_matches(name, set().union(*everywhere) - {name}, n=1, cutoff=0.8)
                if users == 1 and near:
                    yield Problem(file, f"uses {name}, which no other file does; did you mean {near[0]}?")

    def _unknown(self, known: Collection[str], reason: str) -> Iterator[Problem]:
        for file, needs in self._needs.items():
            for name in sorted(needs.required.difference(known)):
                near = get_close_matches(name, known, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                yield Problem(file, f"needs {name}: {reason}{hint}")

    def _rendered(self, data: Mapping[str, Any], locale: str | None) -> Iterator[Problem]:
        templates = Templates(TemplateSettings(directory=self._directory), "UTC")
        try:
            made = templates.render(TemplateUse(self._name, data, locale))
        except ConnectorError as error:
            text = error.message.removesuffix(" Nothing was sent.")
            yield Problem(self._name, f"cannot be rendered in {locale or 'the usual language'}: {text}")
            return
        for found in findings(made.html or ""):
            yield Problem(f"{self._name}/body.html", str(found), advice=True)


def _needs(environment: BoundedEnvironment, name: str, seen: set[str]) -> Needs:
    """Collect the variables of a file and of what it extends and includes by name.

    Raises:
        JinjaError: A file is missing, or cannot be compiled.
    """
    seen.add(name)
    loader = environment.loader
    assert isinstance(loader, FolderLoader)  # noqa: S101 - the environment was made with one
    source, filename, _ = loader.get_source(environment, name)
    tree = environment._parse(source, name, filename)  # noqa: SLF001 - as Jinja's own meta module does
    asked = frozenset(_asked_for(tree))
    required = frozenset(meta.find_undeclared_variables(tree)) - asked - frozenset(_made(tree))
    optional = asked
    for other in meta.find_referenced_templates(tree):
        if other is not None and other not in seen:
            more = _needs(environment, other, seen)
            required, optional = required | more.required, optional | more.optional
    return Needs(required - optional - frozenset(environment.globals), optional)


def _made(tree: nodes.Template) -> Iterator[str]:
    """The names that the file gives itself, which Jinja does not see from within a block."""
    for macro in tree.find_all(nodes.Macro):
        yield macro.name
    for whole in tree.find_all(nodes.Import):
        yield whole.target
    for some in tree.find_all(nodes.FromImport):
        yield from (one[1] if isinstance(one, tuple) else one for one in some.names)
    for target in tree.find_all(nodes.Name):
        if target.ctx == "store":
            yield target.name


def _asked_for(tree: nodes.Template) -> Iterator[str]:
    for test in tree.find_all(nodes.Test):
        if test.name in _DEFINED and isinstance(test.node, nodes.Name):
            yield test.node.name
    for one in tree.find_all(nodes.Filter):
        if one.name in _DEFAULTS and isinstance(one.node, nodes.Name):
            yield one.node.name
