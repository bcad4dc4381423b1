"""The four templates that ship, with hostile data in every field."""

from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import connector.mailtemplates
from connector.errors import TemplateError
from connector.mailtemplates.folder import names
from connector.mailtemplates.render import Rendered, Templates
from connector.model.mail import TemplateUse
from connector.settings.model import TemplateSettings

EXAMPLES = Path(connector.mailtemplates.__file__).parent / "examples"
_ORDER = {"name": "Screw", "quantity": 1000, "price": 3.5}
DATA: dict[str, dict[str, Any]] = {
    "notification": {
        "title": "Shipped",
        "message": "On its way",
        "name": "Jane",
        "url": "https://a.example/",
    },
    "approval": {
        "request": "New laptop",
        "requester": "Joe",
        "amount": 1234.5,
        "currency": "EUR",
        "due": "2026-12-01",
        "approveUrl": "https://a.example/yes",
        "rejectUrl": "https://a.example/no",
    },
    "reminder": {"name": "Jane", "task": "Sign", "due": "2026-12-01", "url": "https://a.example/"},
    "receipt": {"number": "R-1", "date": "2026-11-20", "currency": "EUR", "items": [_ORDER], "total": 3500},
}
OPTIONAL = {"name", "url", "amount", "due"}
HOSTILE = {
    "markup": "<script>alert(1)</script><img src=x onerror=alert(1)>\"'><b>",
    "template syntax": "{{ 7 * 191 }}{% for x in range(9) %}",
    "a header": "x\r\nBcc: eve@example.com",
    "right to left": "\u202eevil\u2066",
    "a megabyte": "<&" * 500_000,
    "a number": 7,
    "a list": ["a"],
    "a context": {"a": "b"},
    "null": None,
}


def render(name: str, data: dict[str, Any], locale: str | None = None) -> Rendered:
    return Templates(TemplateSettings(directory=EXAMPLES), "UTC").render(TemplateUse(name, data, locale))


class Elements(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            self.attributes.add(name)
            if name == "href":
                self.links.add(value or "")


def test_there_are_four() -> None:
    assert names(EXAMPLES) == sorted(DATA)


@pytest.mark.parametrize("locale", [None, "de"])
@pytest.mark.parametrize("name", DATA)
def test_each_has_all_parts_in_two_languages(name: str, locale: str | None) -> None:
    made = render(name, DATA[name], locale)
    assert made.subject
    assert made.text
    assert made.html
    assert Elements(made.html).tags >= {"html", "head", "body", "table"}


@pytest.mark.parametrize("name", DATA)
def test_the_languages_differ(name: str) -> None:
    english, german = render(name, DATA[name]), render(name, DATA[name], "de-CH")
    assert english.html != german.html
    assert english.text != german.text


def _fields() -> Iterator[tuple[str, str]]:
    for name, data in DATA.items():
        yield from ((name, field) for field in data)
        yield from ((name, f"items.{field}") for field in _ORDER if "items" in data)


def _changed(name: str, field: str, value: Any) -> dict[str, Any]:
    _, inner, key = field.partition("items.")
    if inner:
        return {**DATA[name], "items": [{**_ORDER, key: value}]}
    return {**DATA[name], field: value}


def _tried(name: str, data: dict[str, Any]) -> Rendered | TemplateError:
    try:
        return render(name, data)
    except TemplateError as error:
        return error


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize(("name", "field"), list(_fields()))
def test_hostile_data_does_nothing(name: str, field: str, value: Any) -> None:
    usual = Elements(render(name, DATA[name]).html or "")
    made = _tried(name, _changed(name, field, value))
    if isinstance(made, TemplateError):
        assert made.file.startswith((f"{name}/", "partials/"))
        assert made.line or "subject" in made.message
        assert made.message.isprintable()
        return
    shown = Elements(made.html or "")
    assert shown.tags <= usual.tags | {"br"}
    assert shown.attributes <= usual.attributes
    assert all(link.startswith("https://a.example/") for link in shown.links)
    assert made.subject is not None
    assert made.subject.isprintable()
    assert "1337" not in (made.html or "") + (made.text or "") + made.subject


@pytest.mark.parametrize(("name", "field"), [pair for pair in _fields() if pair[1] not in OPTIONAL])
def test_a_missing_field_is_named(name: str, field: str) -> None:
    with pytest.raises(TemplateError) as raised:
        render(name, _changed(name, field, None))
    assert raised.value.name == field.removeprefix("items.")
    assert raised.value.line is not None


@pytest.mark.parametrize("name", DATA)
def test_optional_fields_can_be_left_out(name: str) -> None:
    needed = {field: value for field, value in DATA[name].items() if field not in OPTIONAL}
    if name == "reminder":
        needed["due"] = "2026-12-01"
    assert render(name, needed).html
