"""The mistakes of an author that are found before a mail needs the template."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connector.mailtemplates.check import TemplateCheck
from tests.unit.mailtemplates.test_shipped_examples import DATA, EXAMPLES

Found = Callable[..., list[str]]


@pytest.fixture
def found(tmp_path: Path) -> Found:
    """What is wrong with a template of these files, whose names have ``__`` for a dot."""

    def check(data: Any = None, provided: Any = None, **files: str) -> list[str]:
        (tmp_path / "a").mkdir()
        for name, text in files.items():
            (tmp_path / "a" / name.replace("__", ".")).write_text(text, encoding="utf-8")
        return [str(problem) for problem in TemplateCheck(tmp_path, "a").problems(data, provided)]

    return check


@pytest.mark.parametrize("name", sorted(DATA))
def test_the_shipped_templates_have_none(name: str) -> None:
    check = TemplateCheck(EXAMPLES, name)
    assert list(check.problems(DATA[name], {"task": DATA[name]})) == []


def test_a_good_template_has_none(found: Found) -> None:
    body = (
        "{% set x = a %}{% for one in items %}{{ one.b }}{{ loop.index }}{% endfor %}{{ x }}{{ c | d('') }}"
    )
    assert found({"a": 1, "items": []}, {"t": ["a", "items"]}, body__txt=body) == []


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{{ a", "line 1: unexpected end"),
        ("\n{{ a | no_such }}", "line 2: No filter named 'no_such'"),
        ("{% include 'partials/none.html' %}", "there is no file partials/none.html"),
        ("<img src='cid:logo.png'>", "shows cid:logo.png, and there is no a/images/logo.png"),
    ],
)
def test_what_no_data_can_mend(found: Found, source: str, words: str) -> None:
    (problem,) = found(body__html=source)
    assert problem.startswith("a/body.html: ")
    assert words in problem


def test_a_language_that_lacks_a_file(found: Found) -> None:
    problems = found(body__html="x", body__de__html="y", subject__txt="s", body__fr__txt="z")
    assert problems == [
        "a/subject.de.txt: is missing; readers of de get subject.txt",
        "a/subject.fr.txt: is missing; readers of fr get subject.txt",
        "a/body.txt: is missing for languages other than fr",
        "a/body.fr.html: is missing; readers of fr get body.html",
    ]


def test_a_name_that_one_language_writes_otherwise(found: Found) -> None:
    problems = found(body__txt="{{ customer }}", body__de__txt="{{ custmer }}")
    assert "a/body.de.txt: uses custmer, which no other file does; did you mean customer?" in problems


def test_a_name_that_the_data_or_the_task_lacks(found: Found) -> None:
    rendered = "a/body.txt, line 1: amount is missing or null in the data."
    assert found({"amout": 1}, {"mail": ["b"]}, body__txt="{{ amount }}") == [
        "a/body.txt: needs amount: no input mapping of the task mail provides it",
        "a/body.txt: needs amount: the data does not have it; did you mean amout?",
        f"a: cannot be rendered in the usual language: {rendered}",
    ]


def test_what_mail_programs_do_not_show_is_a_note(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "body.html").write_text("<video></video>", encoding="utf-8")
    (problem,) = TemplateCheck(tmp_path, "a").problems({})
    assert problem.advice
    assert "<video>" in problem.text
