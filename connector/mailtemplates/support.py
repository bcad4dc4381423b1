"""What mail programs do not show: a small table of HTML and CSS, and a reader that looks for it in a mail.

HTML enters, findings leave. The table holds what templates are likely to use and what changes a mail where it
is missing: for Outlook on Windows, which renders by Word, for Gmail in the browser, and for Apple Mail. It is
no complete list; what is not in it is not reported.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from html.parser import HTMLParser
from types import MappingProxyType

# Above it Gmail cuts the mail and offers the rest behind a link.
_GMAIL_CLIPS = 102_000
# A longer <style> Gmail drops as a whole.
_GMAIL_STYLE = 8_192


class Program(StrEnum):
    """A mail program."""

    OUTLOOK = "Outlook on Windows"
    GMAIL = "Gmail"
    APPLE = "Apple Mail"


_OUTLOOK = (Program.OUTLOOK,)
_GMAIL = (Program.GMAIL,)
_BOTH = (Program.OUTLOOK, Program.GMAIL)
_ALL = tuple(Program)


@dataclass(frozen=True, slots=True)
class Fact:
    """What some programs do not show.

    Attributes:
        programs: Which.
        instead: What their readers see, or what to write.
    """

    programs: tuple[Program, ...]
    instead: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in a mail that a program does not show.

    Attributes:
        what: The element, property or value, as ``<video>`` or ``border-radius``.
    """

    what: str
    fact: Fact

    def __str__(self) -> str:
        return f"{self.what} is not shown by {', '.join(self.fact.programs)}: {self.fact.instead}"


_NOT_RUN = Fact(_ALL, "remove it; mail programs run nothing")
_POSTER = Fact(_BOTH, "show a picture that links to it")
ELEMENTS = MappingProxyType(
    {
        "script": _NOT_RUN,
        "iframe": Fact(_ALL, "link to the page"),
        "object": Fact(_ALL, "link to it, or attach it"),
        "embed": Fact(_ALL, "link to it, or attach it"),
        "video": _POSTER,
        "audio": _POSTER,
        "svg": Fact(_BOTH, "use a PNG picture through cid:"),
        "canvas": _NOT_RUN,
        "form": Fact(_OUTLOOK, "link to a page with the form"),
        "input": Fact(_OUTLOOK, "link to a page with the form"),
        "link": Fact(_BOTH, "write the styles into the template; the worker fetches nothing"),
        "base": Fact(_BOTH, "write whole addresses"),
    }
)
_LAYOUT = Fact(_OUTLOOK, "use tables for columns")
PROPERTIES = MappingProxyType(
    {
        "position": Fact(_BOTH, "use tables, padding and align"),
        "border-radius": Fact(_OUTLOOK, "corners are square there"),
        "box-shadow": Fact(_OUTLOOK, "there is no shadow there"),
        "text-shadow": Fact(_OUTLOOK, "there is no shadow there"),
        "background-image": Fact(_OUTLOOK, "set a background-color too"),
        "opacity": Fact(_OUTLOOK, "use the mixed colour"),
        "transform": Fact(_OUTLOOK, "it stays as it is there"),
        "transition": Fact(_OUTLOOK, "nothing moves there"),
        "animation": Fact(_BOTH, "nothing moves there"),
        "object-fit": Fact(_OUTLOOK, "give the picture its size by width and height"),
        "gap": _LAYOUT,
        "flex-direction": _LAYOUT,
        "grid-template-columns": Fact(_BOTH, "use tables for columns"),
        "z-index": Fact(_OUTLOOK, "use tables and padding"),
        "filter": Fact(_OUTLOOK, "use a picture that has the effect"),
    }
)
VALUES = (
    ("display", re.compile(r"(inline-)?flex\b"), "display: flex", _LAYOUT),
    ("display", re.compile(r"(inline-)?grid\b"), "display: grid", Fact(_BOTH, "use tables for columns")),
    ("", re.compile(r"var\("), "var(…)", Fact(_BOTH, "write the value")),
    ("", re.compile(r"calc\("), "calc(…)", Fact(_OUTLOOK, "write the value")),
    ("background", re.compile(r"url\("), "background: url(…)", PROPERTIES["background-image"]),
    ("background", re.compile(r"gradient\("), "gradient(…)", Fact(_OUTLOOK, "set a background-color too")),
    ("", re.compile(r"rgba\(|hsla?\("), "rgba(…) or hsl(…)", Fact(_OUTLOOK, "write the colour as #rrggbb")),
)
RULES = MappingProxyType(
    {
        "@import": Fact(_BOTH, "write the styles into the template; the worker fetches nothing"),
        "@font-face": Fact(_BOTH, "name a usual font behind it, as Arial, sans-serif"),
        "@keyframes": Fact(_BOTH, "nothing moves there"),
    }
)
_DATA_URL = Fact(_BOTH, "put the picture into images/ and write cid:NAME")
_HANDLER = Fact(_ALL, "remove it; mail programs run nothing")
_CLIPPED = Fact(_GMAIL, f"it cuts mails above {_GMAIL_CLIPS // 1000} KB; shorten it")
_DROPPED = Fact(_GMAIL, f"it drops a <style> above {_GMAIL_STYLE:,} characters; shorten it")

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_DECLARATION = re.compile(r"([a-z-]{2,40})\s*:\s*([^;{}]{1,2000})")


def findings(html: str) -> tuple[Finding, ...]:
    """Look for what mail programs do not show, each thing once, in the order of the mail.

    Args:
        html: The body, with its styles inlined or not.
    """
    reader = _Reader()
    reader.feed(html)
    reader.close()
    found = [*reader.found]
    if len(html.encode()) > _GMAIL_CLIPS:
        found.append(Finding("the end of the mail", _CLIPPED))
    return tuple(dict.fromkeys(found))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[Finding] = []
        self._style: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ELEMENTS:
            self.found.append(Finding(f"<{tag}>", ELEMENTS[tag]))
        for name, value in attrs:
            self.found += _in_attribute(name, value or "")
        self._style = [] if tag == "style" else self._style

    def handle_data(self, data: str) -> None:
        if self._style is not None:
            self._style.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "style" and self._style is not None:
            css, self._style = "".join(self._style), None
            if len(css) > _GMAIL_STYLE:
                self.found.append(Finding("<style>", _DROPPED))
            self.found += in_style(css)


def _in_attribute(name: str, value: str) -> Iterable[Finding]:
    if name.startswith("on"):
        return (Finding(name, _HANDLER),)
    if name == "style":
        return in_style(value)
    if name in {"src", "background"} and value.lstrip().lower().startswith("data:"):
        return (Finding("a data: picture", _DATA_URL),)
    return ()


def in_style(css: str) -> Iterator[Finding]:
    """Look into declarations, or a whole style sheet."""
    css = _COMMENT.sub(" ", css).lower()
    for rule, fact in RULES.items():
        if rule in css:
            yield Finding(rule, fact)
    for name, value in _DECLARATION.findall(css):
        if name in PROPERTIES and value.strip() not in {"none", "static", "0", "initial"}:
            yield Finding(name, PROPERTIES[name])
        for of, pattern, what, fact in VALUES:
            if name.startswith(of) and pattern.search(value):
                yield Finding(what, fact)
