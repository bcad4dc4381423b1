"""The page on testing a process: a reader who copies its files and settings has tests that pass."""

from __future__ import annotations

import re
import shutil

import pytest

from tests.commands.test_pytest_plugin import CONFTEST, only_asyncio
from tests.diagrams import an_error, boundary, diagram, element, end, error, path, start, task
from tests.unit.test_docs import ROOT, blocks
from tests.wire.test_bpmn import send

_PAGE = "docs/how-to/test-your-process.md"
_ORDER = diagram(
    start(),
    task("charge", job_type="charge-card"),
    boundary("declined", "charge", error("DECLINED")),
    element("userTask", "pack"),
    send(),
    end(),
    end("order_declined"),
    path("start", "charge", "pack", "send", "end"),
    path("declined", "order_declined"),
    shared=an_error("DECLINED"),
)


def _blocks(language: str) -> list[str]:
    return [block for page, block in blocks(language) if page == _PAGE]


def _files() -> dict[str, str]:
    """The Python files of the page; each names itself in its first line."""
    return {block.partition("\n")[0].removeprefix("# "): block for block in _blocks("python")}


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """What a reader has who copied everything."""
    only_asyncio(monkeypatch)
    (settings,) = _blocks("toml")
    files = {name.removesuffix(".py"): text for name, text in _files().items()}
    pytester.makepyfile(**{**files, "conftest": files["conftest"] + CONFTEST})
    pytester.makepyprojecttoml(settings)
    for diagram_file in (ROOT / "bpmn-examples").glob("*.bpmn"):
        shutil.copy(diagram_file, pytester.path)
    (pytester.path / "order.bpmn").write_bytes(_ORDER)
    return pytester


def test_the_tests_of_the_page_pass(project: pytest.Pytester) -> None:
    tests = sum(len(re.findall(r"^async def test_", text, re.MULTILINE)) for text in _files().values())
    assert tests > 10
    # The fixtures of `conftest.py` are loaded already, in this process.
    warnings = ("-W", "error", "-W", "ignore::pytest.PytestAssertRewriteWarning")
    project.runpytest_inprocess(*warnings).assert_outcomes(passed=tests)


def test_a_test_that_fails_shows_what_the_page_shows(project: pytest.Pytester) -> None:
    shown = next(block for block in _blocks("text") if "BPMN" in block)
    failing = _files()["test_incident.py"].partition("    assert run.incident.kind")[0]
    project.makepyfile(test_incident=f'{failing}    assert run.ended_at == ["customer_notified"]\n')
    result = project.runpytest_inprocess("test_incident.py")
    result.assert_outcomes(failed=1)
    assert shown in result.stdout.str()
