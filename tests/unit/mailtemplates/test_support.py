"""What mail programs do not show, and that the shipped templates do without it."""

from __future__ import annotations

import pytest

from connector.mailtemplates.render import Templates
from connector.mailtemplates.support import Program, findings
from connector.model.mail import TemplateUse
from connector.settings.model import TemplateSettings
from tests.unit.mailtemplates.test_shipped_examples import DATA, EXAMPLES


@pytest.mark.parametrize(
    ("html", "what", "programs"),
    [
        ("<video src=x></video>", "<video>", {Program.OUTLOOK, Program.GMAIL}),
        ("<SCRIPT>x</SCRIPT>", "<script>", set(Program)),
        ("<p onclick='x'>", "onclick", set(Program)),
        ("<p style='border-radius: 4px'>", "border-radius", {Program.OUTLOOK}),
        ("<style>p { display : inline-flex }</style>", "display: flex", {Program.OUTLOOK}),
        ("<style>p{background:#fff URL(x)}</style>", "background: url(…)", {Program.OUTLOOK}),
        ("<style>@font-face{}</style>", "@font-face", {Program.OUTLOOK, Program.GMAIL}),
        ("<p style='color:var(--x)'>", "var(…)", {Program.OUTLOOK, Program.GMAIL}),
        ("<img src='data:image/png;base64,x'>", "a data: picture", {Program.OUTLOOK, Program.GMAIL}),
        (f"<style>p{{}}{' ' * 8_200}</style>", "<style>", {Program.GMAIL}),
        ("x" * 102_001, "the end of the mail", {Program.GMAIL}),
    ],
)
def test_each_is_found(html: str, what: str, programs: set[Program]) -> None:
    (found,) = findings(html)
    assert (found.what, set(found.fact.programs)) == (what, programs)
    assert str(found).startswith(f"{what} is not shown by ")


@pytest.mark.parametrize(
    "html",
    [
        "<p style='position: static; border-radius: 0; color: #123456'>positions: none</p>",
        "<style>/* display: flex */ .grid { padding: 0 }</style><p>display: flex</p>",
        "<style>@media (max-width: 480px) { p { padding: 0 } }</style>",
        "<img src='cid:logo'><a href='https://a.example/'>data:</a>",
        "<<<>>>&&&<p style='",
    ],
)
def test_what_is_shown_is_not_reported(html: str) -> None:
    assert findings(html) == ()


def test_each_thing_is_told_once() -> None:
    assert len(findings("<p style='opacity:.5'><p style='opacity:.6'>")) == 1


@pytest.mark.parametrize("locale", [None, "de"])
@pytest.mark.parametrize("name", sorted(DATA))
def test_the_shipped_templates_are_shown_by_all(name: str, locale: str | None) -> None:
    templates = Templates(TemplateSettings(directory=EXAMPLES), "Europe/Berlin")
    html = templates.render(TemplateUse(name, DATA[name], locale)).html
    assert html is not None
    assert [str(found) for found in findings(html)] == []
