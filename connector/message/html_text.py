"""The text part of a mail that was written in HTML.

HTML enters, plain text leaves: paragraphs, lists, headings, links as ``text <url>``, tables row by row, the
``alt`` text of images. It has a scanner of its own because the body may hold what a stranger typed into a
form: ``html.parser`` raises on some malformed input and takes half a minute for 80 KB of ``<a "``. Here the
time grows with the length alone, and no input is an error.
"""

from __future__ import annotations

import re
from html import unescape

_TAG = re.compile(r"""<(/?)([a-zA-Z][^\s/<>"']*+)((?:[^<>"']++|"[^"]*+"|'[^']*+')*+)>""")
_ATTRIBUTE = re.compile(r"""([^\s=/"'<>]++)(?:\s*=\s*(?:"([^"]*+)"|'([^']*+)'|([^\s"'>]++)))?""")
_BLANK = " \t\r\n\f"
_BLANKS = re.compile(rf"[{_BLANK}]+")
_UNEVEN = re.compile(r"[\t\r\n\f]|  ")

# The content of these is not for reading; an unclosed one reaches to the end, as in a browser.
_DROPPED = {
    name: re.compile(rf"</{name}[^>]*>?", re.IGNORECASE) for name in ("script", "style", "title", "template")
}
_PARAGRAPHS = frozenset(
    ("p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "table", "blockquote", "pre", "hr")
)
_SECTIONS = ("article", "aside", "div", "footer", "form", "header", "main", "nav", "section")
_ROWS = ("address", "caption", "center", "dd", "dt", "fieldset", "figcaption", "figure", "li", "tr")
_LINES = frozenset((*_SECTIONS, *_ROWS))
_LISTS = frozenset(("ul", "ol"))
_CELLS = frozenset(("td", "th"))
# All others, such as b or span, leave no trace in plain text.
_SHAPING = _PARAGRAPHS | _LINES | _CELLS | {"br", "a", "img"}
_DEEPEST = 8  # levels of lists and quotations that are shown by an indent


def text_from_html(html: str) -> str:
    """Convert HTML to plain text.

    Args:
        html: A document or a fragment, well formed or not.

    Returns:
        Lines ended by a line feed, the same words in the same order; empty when there is nothing to read.
    """
    writer = _Writer()
    position = 0
    while (opening := html.find("<", position)) >= 0:
        if opening > position:
            writer.text(html[position:opening])
        if tag := _TAG.match(html, opening):
            position = tag.end()
            closing, name, attributes = tag.groups()
            name = name.lower()
            if name in _SHAPING:
                if closing:
                    writer.close(name)
                else:
                    writer.open(name, attributes)
            elif name in _DROPPED and not closing:
                end = _DROPPED[name].search(html, position)
                position = end.end() if end else len(html)
        elif html.startswith(("<!", "<?"), opening):
            position = _after_declaration(html, opening)
        else:
            writer.text("<")
            position = opening + 1
    writer.text(html[position:])
    return writer.finish()


def _after_declaration(html: str, start: int) -> int:
    """Skip a comment, doctype or processing instruction; an unclosed one reaches to the end."""
    mark = "-->" if html.startswith("<!--", start) else ">"
    end = html.find(mark, start)
    return len(html) if end < 0 else end + len(mark)


def _attribute(attributes: str, wanted: str) -> str:
    for name, double, single, bare in _ATTRIBUTE.findall(attributes):
        if name.lower() == wanted:
            return _BLANKS.sub(" ", _decode(double or single or bare)).strip()
    return ""


def _decode(text: str) -> str:
    """Resolve character references; one with thousands of digits is no reference but text."""
    if "&" not in text:
        return text
    try:
        return unescape(text)
    except ValueError:  # int() takes 4300 digits at most
        return text


class _Writer:
    """Collects words; line breaks, blanks and list markers wait until a word makes them visible."""

    def __init__(self) -> None:
        self._out: list[str] = []
        self._breaks = 0
        self._blank = False
        self._marker = ""
        self._lists: list[int | None] = []  # the next number of each open list, None where it has bullets
        self._quotes = 0
        self._link: tuple[str, int] | None = None
        self._cells = 0
        self._preformatted = False

    def text(self, text: str) -> None:
        text = _decode(text).replace("\xa0", " ")
        if self._preformatted:
            for at, line in enumerate(text.split("\n")):
                self._breaks += at > 0
                self._put(line)
            return
        words = text.strip(_BLANK)
        if not words:
            self._blank = self._blank or bool(text)
            return
        self._blank = self._blank or text[0] in _BLANK
        self._put(_BLANKS.sub(" ", words) if _UNEVEN.search(words) else words)
        self._blank = text[-1] in _BLANK

    def open(self, name: str, attributes: str) -> None:
        if name in _PARAGRAPHS:
            self._open_paragraph(name)
        elif name in _LINES:
            self._open_line(name)
        elif name in _CELLS:
            self._open_cell()
        elif name == "br":
            self._breaks += 1
            self._blank = False
        elif name == "a":
            self._close_link()  # as a browser does: links do not nest
            self._link = _attribute(attributes, "href"), len(self._out)
        elif name == "img":
            self.text(_attribute(attributes, "alt"))

    def close(self, name: str) -> None:
        if name in _PARAGRAPHS:
            self._close_paragraph(name)
        elif name in _LINES:
            self._break(1)
        elif name == "a":
            self._close_link()

    def finish(self) -> str:
        self._close_link()
        return "".join([*self._out, "\n"]) if self._out else ""

    def _open_paragraph(self, name: str) -> None:
        self._break(1 if self._lists and name in _LISTS else 2)
        if name in _LISTS:
            self._lists.append(1 if name == "ol" else None)
        elif name == "blockquote":
            self._quotes += 1
        elif name == "pre":
            self._preformatted = True
        elif name == "hr":
            self._put("-" * 20)
            self._break(2)

    def _close_paragraph(self, name: str) -> None:
        self._preformatted = self._preformatted and name != "pre"
        if name in _LISTS and self._lists:
            self._lists.pop()
            self._marker = ""
        elif name == "blockquote" and self._quotes:
            self._quotes -= 1
        self._break(1 if self._lists and name in _LISTS else 2)

    def _open_line(self, name: str) -> None:
        self._break(1)
        if name == "tr":
            self._cells = 0
        elif name == "li":
            number = self._lists[-1] if self._lists else None
            self._marker = "- " if number is None else f"{number}. "
            if number is not None:
                self._lists[-1] = number + 1

    def _open_cell(self) -> None:
        if self._cells and not self._breaks:
            self._blank = False
            self._put(" | ")
        self._cells += 1

    def _close_link(self) -> None:
        if self._link is None:
            return
        (url, start), self._link = self._link, None
        shown = "".join(self._out[start:]).strip()
        if url and not url.startswith(("#", "javascript:")) and url.removeprefix("mailto:") != shown:
            blank_after = self._blank
            self._blank = blank_after or bool(shown)
            self._put(f"<{url}>")
            self._blank = blank_after

    def _put(self, words: str) -> None:
        if not words:
            return
        if self._breaks or not self._out or self._marker:
            self._out.append(("\n" * max(self._breaks, 1) if self._out else "") + self._indent())
        elif self._blank:
            self._out.append(" ")
        self._breaks, self._blank, self._marker = 0, False, ""
        self._out.append(words)

    def _indent(self) -> str:
        depth = len(self._lists) - bool(self._marker)
        return "> " * min(self._quotes, _DEEPEST) + "  " * max(0, min(depth, _DEEPEST)) + self._marker

    def _break(self, lines: int) -> None:
        self._breaks = max(self._breaks, lines)
        self._blank = False
