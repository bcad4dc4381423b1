"""What a template makes of its data, and how it fails."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import thread_time
from typing import Any

import pytest

from connector.errors import InputError, TemplateError
from connector.mailtemplates.render import Rendered, Templates
from connector.model.mail import DataSource, TemplateUse
from connector.settings.model import TemplateSettings

Write = Callable[..., Templates]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(**files: str) -> Templates:
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return Templates(TemplateSettings(directory=tmp_path), "Europe/Berlin")

    return written


def rendered(templates: Templates, name: str = "a", locale: str | None = None, **data: Any) -> Rendered:
    return templates.render(TemplateUse(name, data, locale))


def failed(templates: Templates, name: str = "a", **data: Any) -> TemplateError:
    with pytest.raises(TemplateError) as raised:
        rendered(templates, name, **data)
    return raised.value


def body(write: Write, source: str, **data: Any) -> str:
    return rendered(write(a__body_txt=source), **data).text or ""


def test_subject_text_and_html(write: Write) -> None:
    made = rendered(
        write(a__subject_txt="Hi {{ x }}\n", a__body_txt="{{ x }}", a__body_html="<p>{{ x }}</p>"), x="<b>&"
    )
    assert (made.subject, made.text) == ("Hi <b>&", "<b>&")
    assert "<p>&lt;b&gt;&amp;</p>" in (made.html or "")


@pytest.mark.parametrize(
    ("locale", "expected"), [("de-AT", "at"), ("de-CH", "de"), ("fr", "en"), (None, "en")]
)
def test_a_language_falls_back(tmp_path: Path, locale: str | None, expected: str) -> None:
    (tmp_path / "a").mkdir()
    for name, text in {"body.txt": "en", "body.de.txt": "de", "body.de-AT.txt": "at"}.items():
        (tmp_path / "a" / name).write_text(text)
    templates = Templates(TemplateSettings(directory=tmp_path), "UTC")
    assert rendered(templates, locale=locale).text == expected


def test_layouts_and_partials(write: Write) -> None:
    made = rendered(
        write(
            layouts__l_html="<h1>{% block b %}{% endblock %}</h1>",
            partials__p_html="<i>{{ x }}</i>",
            a__body_html=(
                '{% extends "layouts/l.html" %}{% block b %}{% include "partials/p.html" %}{% endblock %}'
            ),
        ),
        x="'\"",
    )
    assert "<h1><i>'\"</i></h1>" in (made.html or "")


def test_styles_are_inlined_and_nothing_is_fetched(write: Write) -> None:
    html = '<style>p { color: red }</style><link rel="stylesheet" href="http://127.0.0.1:1/a.css"><p>x</p>'
    assert '<p style="color: red' in (rendered(write(a__body_html=html)).html or "")


def test_files_and_the_images_that_are_shown(write: Write) -> None:
    templates = write(
        a__body_html='<img src="cid:logo.png">',
        a__images__logo_png="PNG",
        a__images__other_png="other",
        a__attachments__terms_txt="terms",
    )
    terms, logo = rendered(templates).attachments
    assert (terms.name, terms.inline, logo.content_id, logo.inline) == ("terms.txt", False, "logo.png", True)
    assert logo.source == DataSource(b"PNG")


def test_a_changed_file_holds_from_the_next_mail(write: Write) -> None:
    templates = write(a__body_txt="one")
    assert rendered(templates).text == "one"
    write(a__body_txt="three")
    assert rendered(templates).text == "three"


def test_a_broken_template_fails_its_own_mails_only(write: Write) -> None:
    templates = write(a__body_txt="fine", b__body_txt="line 1\n{% if %}")
    error = failed(templates, "b")
    assert (error.file, error.line) == ("b/body.txt", 2)
    assert rendered(templates).text == "fine"


@pytest.mark.parametrize("data", [{}, {"order": None}, {"order": {}}, {"order": {"total": None}}])
def test_what_is_missing_is_named_with_file_and_line(write: Write, data: dict[str, Any]) -> None:
    error = failed(write(a__body_html="<p>\n{{ order.total }}</p>"), **data)
    assert (error.code, error.file, error.line) == ("TEMPLATE_ERROR", "a/body.html", 2)
    assert error.name == ("total" if data.get("order") is not None else "order")
    assert error.variables["line"] == 2


def test_a_mistake_in_a_partial_is_found_there(write: Write) -> None:
    error = failed(write(partials__p_txt="\n\n{{ gone }}", a__body_txt='{% include "partials/p.txt" %}'))
    assert (error.file, error.line, error.name) == ("partials/p.txt", 3, "gone")


def test_null_counts_as_missing(write: Write) -> None:
    source = "{{ x | default('none') }}{% if y is defined %}!{% endif %}"
    assert body(write, source, x=None, y=None) == "none"


def test_keys_come_before_methods(write: Write) -> None:
    assert body(write, "{{ order.items }}", order={"items": "two"}) == "two"


def test_unknown_templates_name_the_known(write: Write) -> None:
    templates = write(a__body_txt="x", b__body_txt="x", layouts__l_html="")
    for name in ("c", "../a", "layouts", ""):
        with pytest.raises(InputError) as raised:
            rendered(templates, name)
        assert raised.value.allowed == ("a", "b")


def test_without_a_directory_the_operator_is_asked() -> None:
    with pytest.raises(InputError, match=r"templates\.directory"):
        rendered(Templates(TemplateSettings(), "UTC"))


def test_no_file_outside_the_directory(write: Write, tmp_path: Path) -> None:
    (tmp_path.parent / "secret.txt").write_text("secret")
    templates = write(a__body_txt='{% include "../secret.txt" %}', b__body_txt='{% include "link.txt" %}')
    (tmp_path / "b/link.txt").symlink_to(tmp_path.parent / "secret.txt")
    assert "there is no file" in failed(templates).message
    assert "there is no file" in failed(templates, "b").message


@pytest.mark.parametrize("subject", ["a\r\nBcc: eve@example.com", "a\nb", "a\0b", "a\u200bb", "a\u2028b"])
def test_a_subject_is_one_line(write: Write, subject: str) -> None:
    error = failed(write(a__subject_txt="{{ s }}\n", a__body_txt="x"), s=subject)
    assert error.file == "a/subject.txt"
    assert "eve@" not in error.message


def test_data_is_never_a_template(write: Write) -> None:
    assert body(write, "{{ x }}", x="{{ 7 * 7 }}{% if %}") == "{{ 7 * 7 }}{% if %}"


def doubled(step: str, start: str = "'xxxx'", after: str = "") -> str:
    turns = "{% for i in range(60) %}" + step + "{% endfor %}"
    return "{% set n = namespace(x=" + start + ") %}" + turns + after


TOO_MUCH = {
    "a product": "{{ 'x' * 10**9 }}",
    "a list": "{% for x in [1] * 10**9 %}{% endfor %}",
    "a width": "{{ '%1000000000d' % 1 }}",
    "format": "{{ '{:1000000000}'.format(1) }}",
    "a method": "{{ 'x'.ljust(10**9) }}",
    "a filter": "{{ 'x' | center(1000000000) }}",
    "a power": "{{ 10 ** 1000000000 }}",
    "a range": "{% for x in range(10**9) %}{% endfor %}",
    "loops": "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
    "doubled by ~": doubled("{% set n.x = n.x ~ n.x %}"),
    "doubled by +": doubled("{% set n.x = n.x + n.x %}"),
    "doubled by a block": doubled("{% set y %}{{ n.x }}{{ n.x }}{% endset %}{% set n.x = y %}"),
    "doubled by join": doubled("{% set n.x = [n.x, n.x] | join(n.x) %}"),
    "doubled by replace": doubled("{% set n.x = n.x | replace('x', n.x) %}"),
    "nested lists": doubled("{% set n.x = [n.x, n.x] %}", after="{{ n.x | string }}"),
    "nested contexts": doubled("{% set n.x = {'a': n.x, 'b': n.x} %}"),
    "joined lists": doubled("{% set n.x = [n.x, n.x] %}{{ n.x ~ 1 }}"),
    "squares": doubled("{% set n.x = n.x * n.x %}", "99"),
    "a macro": "{% macro f(n) %}{% if n %}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}{{ f(40) }}",
    "itself": '{% include "body.txt" %}',
    "python": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
}


@pytest.mark.parametrize("source", TOO_MUCH.values(), ids=TOO_MUCH)
def test_a_rendering_is_bounded(write: Write, source: str) -> None:
    templates = write(a__body_txt=source)
    began = thread_time()
    error = failed(templates)
    assert error.file == "a/body.txt"
    assert thread_time() - began < 1.5  # of the processor, the compiling included


_IN_A_PROCESS = """
import resource, sys
from connector.mailtemplates.render import Templates
from connector.errors import TemplateError
from connector.model.mail import TemplateUse
from connector.settings.model import TemplateSettings
from pathlib import Path
templates = Templates(TemplateSettings(directory=Path(sys.argv[1])), "UTC")
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    templates.render(TemplateUse("fine", {}, None))
    before = peak()
    templates.render(TemplateUse("a", {}, None))
except TemplateError:
    print(peak() - before)
"""


@pytest.mark.parametrize("name", ["a product", "doubled by ~", "doubled by replace", "nested lists"])
def test_memory_is_bounded(write: Write, tmp_path: Path, name: str) -> None:
    write(a__body_txt=TOO_MUCH[name], fine__body_txt="x")
    done = subprocess.run(
        [sys.executable, "-c", _IN_A_PROCESS, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 100_000  # KB


def test_formats_of_a_language(write: Write) -> None:
    source = "{{ d | date('long') }}|{{ m | datetime('short') }}|{{ n | money('EUR') }}|{{ n | number(1) }}"
    templates = write(a__body_txt=source + "|{{ l | and_list }}|{{ 0.256 | percent(1) }}")
    data: dict[str, Any] = {"d": "2026-11-20", "m": "2026-11-20T23:30:00Z", "n": 1234.5, "l": ["a", "b"]}
    assert rendered(templates, locale="de", **data).text == (
        "20. November 2026|21.11.26, 00:30|1.234,50\xa0€|1.234,5|a und b|25,6\xa0%"
    )
    assert (rendered(templates, **data).text or "").endswith("|€1,234.50|1,234.5|a and b|25.6%")


@pytest.mark.parametrize(
    ("source", "data"),
    [
        ("{{ x | date }}", "tomorrow"),
        ("{{ x | time }}", "2026-11-20"),
        ("{{ x | money('Euro') }}", 1),
        ("{{ x | money('EUR') }}", "1e999"),
        ("{{ x | money('EUR') }}", True),
        ("{{ x | number(99) }}", 1),
        ("{{ x | and_list }}", "a"),
        ("{{ x | link }}", "javascript:alert(1)"),
        ("{{ x | link }}", "https://a.example/\r\nb"),
        ("{{ x }}", ["a"]),
        ("{{ x }}", {"a": 1}),
        ("{{ x + 1 }}", "a"),
    ],
)
def test_values_of_the_wrong_kind(write: Write, source: str, data: Any) -> None:
    error = failed(write(a__body_txt="\n" + source), x=data)
    assert (error.file, error.line) == ("a/body.txt", 2)
