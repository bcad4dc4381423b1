"""The documentation says what the code does: generated parts are up to date, examples and links hold."""

from __future__ import annotations

import ast
import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import indent
from types import ModuleType
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from connector import feel, send
from connector.check.findings import FACTS, CheckStep
from connector.errors import ErrorCode
from connector.modeler import generate
from connector.settings.model import Settings
from connector.settings.show import json_schema
from connector.settings.sources import leaves, load_settings

ROOT = Path(__file__).parents[2]
OUTSIDE = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "benchmarks/README.md",
    "element-templates/README.md",
)
PAGES = [*map(ROOT.joinpath, OUTSIDE), *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(language: str) -> list[tuple[str, str]]:
    """Every block of code in a language, with the path of its page; one inside a list without its margin."""
    fence = re.compile(rf"^( *)```{language}\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
    return [
        (page.relative_to(ROOT).as_posix(), re.sub(rf"^{found[1]}", "", found[2], flags=re.MULTILINE))
        for page in PAGES
        for found in fence.finditer(page.read_text(encoding="utf-8"))
    ]


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs/generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_picture_of_a_jobs_way_is_the_packages() -> None:
    page = (ROOT / "docs/explanation/how-a-job-becomes-a-mail.md").read_text(encoding="utf-8")
    (picture,) = re.findall(r"^```\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert indent(picture, "    ") in (send.__doc__ or "")


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
    dead = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in PAGES
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


def test_an_address_in_angle_brackets_is_code_and_no_link() -> None:
    without_code = [
        (page.name, re.sub(r"^( *)```.*?^\1```$|`[^`]*`", "", page.read_text("utf-8"), flags=re.M | re.S))
        for page in PAGES
    ]
    assert [
        (name, found) for name, text in without_code for found in re.findall(r"<[^>\s]+@[^>]+>", text)
    ] == []


def test_the_arguments_and_attributes_of_the_python_pages_are_lists() -> None:
    pages = [ROOT / f"docs/reference/{name}.md" for name in ("python", "testing")]
    after = [
        found
        for page in pages
        for found in re.findall(r"^(?:Args|Attributes):\n\n(.*)$", page.read_text("utf-8"), re.MULTILINE)
    ]
    assert len(after) > 30
    assert [line for line in after if not line.startswith("- `")] == []


def test_each_fixture_for_tests_is_on_their_page() -> None:
    page = (ROOT / "docs/reference/testing.md").read_text(encoding="utf-8")
    source = "".join(
        (ROOT / f"connector/testing/{name}.py").read_text("utf-8") for name in ("fixtures", "plugin")
    )
    names = re.findall(r"^@pytest\w*\.fixture.*?^(?:async )?def (\w+)", source, re.MULTILINE | re.DOTALL)
    assert len(names) > 4
    assert [name for name in names if not name.startswith("_") and f"- `{name}`: " not in page] == []


def test_the_tutorial_shows_the_templates_that_the_command_writes() -> None:
    page = (ROOT / "docs/tutorial/first-mail.md").read_text(encoding="utf-8")
    assert re.findall(r"^/home/ada/.*/(.*\.json)$", page, re.MULTILINE) == list(generate.pages())


def test_every_settings_file_of_the_pages_fits_the_schema() -> None:
    validator = Draft202012Validator(json_schema())
    examples = [(name, yaml.safe_load(block)) for name, block in blocks("yaml")]
    settings = [(name, tree) for name, tree in examples if set(tree) & set(Settings.model_fields)]
    assert len(settings) >= 4
    assert [(name, error.message) for name, tree in settings for error in validator.iter_errors(tree)] == []


def test_the_complete_settings_file_has_every_setting_at_its_default(tmp_path: Path) -> None:
    lines = (ROOT / "docs/reference/worker.yaml").read_text(encoding="utf-8").split("\n\n")[-1].splitlines()
    assert load_settings({}, config=_file(tmp_path, "\n".join(lines))) == Settings()
    tree = yaml.safe_load("\n".join(line.removeprefix("#") for line in lines))
    expected = {path for path, _ in leaves(accounts=["NAME"], credentials=["NAME"])}
    assert set(_paths(tree, expected)) == expected
    # Several of them, and an account without a host, cannot stand together.
    del tree["accounts"], tree["credentials"]
    assert load_settings({}, config=_file(tmp_path, yaml.safe_dump(tree))) == Settings()


def _file(directory: Path, text: str) -> Path:
    file = directory / "worker.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def _paths(tree: dict[str, Any], settings: set[str], prefix: str = "") -> Iterator[str]:
    for name, value in tree.items():
        path = f"{prefix}{name}"
        if path in settings or not isinstance(value, dict):
            yield path
        else:
            yield from _paths(value, settings, f"{path}.")


def test_the_page_on_checks_names_every_fact_of_every_step() -> None:
    page = (ROOT / "docs/how-to/check-an-account.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| .*? \| (.*)\|$", page, re.MULTILINE))
    named = {step: re.findall(r"`(\w+)`", re.sub(r"\(.*\)", "", facts)) for step, facts in rows.items()}
    assert named == {step.value: list(FACTS[step]) for step in CheckStep}


RESULTS = ROOT / "docs/reference/results-and-errors.md"
REFUSED = [{"address": "a@x", "text": "no"}]
ERROR = {"code": "RECIPIENT_REJECTED", "message": "no", "variables": {"smtpCode": 550, "rejected": REFUSED}}
RESPONSE = {"messageId": "<1@x>", "sentAt": "2026-11-20T20:50:33Z", "accepted": ["a@x"], "rejected": REFUSED}
CONTEXTS: tuple[dict[str, object], ...] = (
    {**RESPONSE, "response": RESPONSE},
    *(
        {"error": {**ERROR, "code": code}, "job": {"retries": 3}}
        for code in ("RECIPIENT_REJECTED", "TEMPORARILY_REJECTED", "AUTH_FAILED")
    ),
)


def test_every_expression_of_the_pages_gives_something_with_no_null_in_it() -> None:
    expressions = blocks("feel")
    assert len(expressions) >= 12
    for name, expression in expressions:
        feel.compile(expression)
        if name.startswith("docs/examples/"):
            continue  # they speak of their diagrams' variables, and tests/engine runs those
        results = [result for context in CONTEXTS if (result := feel.evaluate(expression, context))]
        assert results, f"{name}: {expression}"
        assert any("None" not in str(result) for result in results), f"{name}: {expression}"


def test_the_symptoms_are_sentences_that_users_see() -> None:
    texts = "\n".join(
        node.value
        for file in sorted((ROOT / "connector").rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    headings = re.findall(r"^### (.+)$", (ROOT / "docs/how-to/symptoms.md").read_text("utf-8"), re.MULTILINE)
    assert len(headings) > 15
    parts = [part for heading in headings for part in re.split(r"\s*…[;\s]*", heading) if part]
    assert [part for part in parts if part not in texts] == []


def test_the_mistake_of_the_page_on_results_is_shown_as_it_is() -> None:
    with pytest.raises(feel.FeelError) as caught:
        feel.evaluate('if x then "a" els "b"')
    shown = f"```\n{caught.value}\n{caught.value.caret()}\n```"
    assert shown in RESULTS.read_text(encoding="utf-8")


def test_every_code_that_a_page_names_is_one() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    named = set(
        re.findall(
            r"`([A-Z]+_(?:REJECTED|FAILED|UNCERTAIN|ERROR|INPUT|UNAVAILABLE|OFFERED|ALLOWED|FOUND))`", text
        )
    )
    assert len(named) > 10
    assert named <= set(ErrorCode)


def test_every_setting_that_a_page_names_is_one() -> None:
    sections = "|".join(Settings.model_fields)
    named = {
        (page.name, name)
        for page in PAGES
        for name in re.findall(rf"`((?:{sections})\.[a-z_.]+)`", page.read_text(encoding="utf-8"))
        if not name.endswith((".py", ".yaml", ".com", ".net", ".org"))  # files and hosts
    }
    paths = [path for path, _ in leaves(accounts=["default"])]
    known = {path[:end] for path in paths for end in range(len(path) + 1) if path[end : end + 1] in ("", ".")}
    assert len(named) > 50
    assert sorted(item for item in named if item[1] not in known) == []


@pytest.mark.parametrize(("name", "block"), blocks("json"))
def test_every_json_of_the_pages_is_json(name: str, block: str) -> None:
    json.loads(block)


# Commands, doubles and what stands beside the worker have no log that an operator reads.
NOT_IN_THE_LOG = {"cli", "demo", "devengine", "testing", "modeler"}


def _events() -> set[str]:
    """The events that the worker logs with a constant text, but those for its developers."""
    calls = (
        node
        for file in (ROOT / "connector").rglob("*.py")
        if file.relative_to(ROOT).parts[1] not in NOT_IN_THE_LOG
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    )
    return {
        call.args[0].value
        for call in calls
        if isinstance(call.func, ast.Attribute)
        and call.func.attr in {"info", "warning", "error", "exception"}
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id in {"log", "_log"}
        and call.args
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    }


def test_each_event_of_the_log_is_explained() -> None:
    page = (ROOT / "docs" / "reference" / "logs.md").read_text(encoding="utf-8")
    assert len(_events()) > 50
    assert [event for event in sorted(_events()) if re.split("[:;]", event)[0] not in page] == []
