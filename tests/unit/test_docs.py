"""The documentation says what the code does: generated parts are up to date, examples and links hold."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from jsonschema import Draft202012Validator

from connector import feel
from connector.check.findings import FACTS, Step
from connector.errors import ErrorCode
from connector.settings.model import Settings
from connector.settings.schema import json_schema

ROOT = Path(__file__).parents[2]


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs/generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_documentation_is_up_to_date() -> None:
    stale = [
        str(path.relative_to(ROOT))
        for path, text in _generator().pages().items()
        if path.read_text(encoding="utf-8") != text
    ]
    assert stale == [], "run: python docs/generate.py"


def test_the_first_two_commands_of_the_readme_are_one_line_each() -> None:
    blocks = (ROOT / "README.md").read_text(encoding="utf-8").split("```sh\n")[1:3]
    commands = [block.split("```")[0].strip() for block in blocks]
    assert ["\n" in command for command in commands] == [False, False]
    assert commands[0].endswith("smtp-connector demo")
    assert commands[1].endswith("pytest")


def test_every_link_between_pages_leads_somewhere() -> None:
    top = ("README.md", "CHANGELOG.md", "element-templates/README.md")
    pages = [*map(ROOT.joinpath, top), *(ROOT / "docs").rglob("*.md")]
    dead = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in pages
        for link in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text(encoding="utf-8"))
        if not _leads_somewhere(page, link)
    ]
    assert dead == []


def _leads_somewhere(page: Path, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = page.parent / name if name else page
    return target.exists() and (not anchor or anchor in _anchors(target))


def _anchors(page: Path) -> set[str]:
    """The headings of a page as links name them."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_settings_file_of_the_pages_fits_the_schema() -> None:
    validator = Draft202012Validator(json_schema())
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    examples = [
        (page.name, yaml.safe_load(block))
        for page in pages
        for block in re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    ]
    settings = [(name, tree) for name, tree in examples if set(tree) & set(Settings.model_fields)]
    assert len(settings) >= 4
    assert [(name, error.message) for name, tree in settings for error in validator.iter_errors(tree)] == []


def test_the_page_on_checks_names_every_fact_of_every_step() -> None:
    page = (ROOT / "docs/how-to/check-an-account.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| .*? \| (.*)\|$", page, re.MULTILINE))
    named = {step: re.findall(r"`(\w+)`", re.sub(r"\(.*\)", "", facts)) for step, facts in rows.items()}
    assert named == {step.value: list(FACTS[step]) for step in Step}


RESULTS = ROOT / "docs/reference/results-and-errors.md"
ERROR = {"code": "RECIPIENT_REJECTED", "message": "no", "variables": {"rejected": [{"text": "no"}]}}
RESPONSE = {"messageId": "<1@x>", "sentAt": "2026-11-20T20:50:33Z", "accepted": ["a@x"], "rejected": [{}]}
CONTEXTS: tuple[dict[str, object], ...] = (
    {**RESPONSE, "response": RESPONSE},
    {"error": ERROR, "job": {"retries": 3}},
    {"error": {**ERROR, "code": "TEMPORARILY_REJECTED"}, "job": {"retries": 3}},
)


def test_every_expression_of_the_page_on_results_gives_something() -> None:
    blocks = re.findall(r"```feel\n(.*?)```", RESULTS.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 6
    for block in blocks:
        assert any(feel.evaluate(block, context) for context in CONTEXTS), block


def test_the_mistake_of_the_page_on_results_is_shown_as_it_is() -> None:
    with pytest.raises(feel.FeelError) as caught:
        feel.evaluate('if x then "a" els "b"')
    shown = f"```\n{caught.value}\n{caught.value.caret()}\n```"
    assert shown in RESULTS.read_text(encoding="utf-8")


def test_every_code_that_a_page_names_is_one() -> None:
    named = set(re.findall(r"[A-Z]+_(?:REJECTED|FAILED|UNCERTAIN|ERROR|INPUT)\b", RESULTS.read_text("utf-8")))
    assert named
    assert named <= set(ErrorCode)
