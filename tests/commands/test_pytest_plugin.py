"""The pytest plugin as its users meet it: runs of pytest with projects of their own."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from connector.testing import plugin
from tests.wire.test_bpmn import SEND, WAIT

CONFTEST = """\
from connector.testing import plugin

def pytest_configure(config):
    if not config.pluginmanager.is_registered(plugin):
        config.pluginmanager.register(plugin, "bpmn")
"""
_AUTO = """\
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
"""
_STRICT = _AUTO.replace("auto", "strict")
_PASSING = """\
async def test_a_mail_goes_out(bpmn):
    run = await bpmn.run("send.bpmn")
    assert run.ended_at == ["end"]
    assert bpmn.inbox[0].to == ["jane@example.org"]
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A project with two diagrams and pytest-asyncio's automatic mode."""
    only_asyncio(monkeypatch)
    pytester.makeconftest(CONFTEST)
    pytester.makeini(_AUTO)
    (pytester.path / "send.bpmn").write_bytes(SEND)
    (pytester.path / "wait.bpmn").write_bytes(WAIT)
    return pytester


def only_asyncio(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the other plugins of this environment, which take seconds to load for each run."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p pytest_asyncio.plugin")


def test_the_package_declares_it() -> None:
    declared = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert declared["project"]["entry-points"]["pytest11"] == {"bpmn": plugin.__name__}


def test_a_test_runs_a_diagram_beside_it(project: pytest.Pytester) -> None:
    project.makepyfile(_PASSING)
    project.runpytest_inprocess("-W", "error").assert_outcomes(passed=1)


def test_a_diagram_is_found_below_the_root(project: pytest.Pytester) -> None:
    (project.mkdir("checks") / "test_it.py").write_text(_PASSING)
    project.runpytest_inprocess("checks").assert_outcomes(passed=1)


def test_a_failed_test_shows_where_the_process_went(project: pytest.Pytester) -> None:
    project.makepyfile(
        """\
        async def test_the_mail_is_refused(bpmn):
            bpmn.inbox.refuse("jane@example.org", "550 5.1.1 no such user")
            run = await bpmn.run("send.bpmn")
            assert run.ended_at == ["end"]
        """
    )
    result = project.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines(
        [
            r"E .*assert \[\] == \['end'\]",
            r"-+ BPMN, call -+",
            "p: stands at send",
            "  ✓ start",
            "  ▶ send",
            "      incident JOB_NO_RETRIES: .*550 5.1.1 no such user.*",
            "inbox: 0 mails",
        ]
    )


def test_a_test_that_passes_shows_nothing(project: pytest.Pytester) -> None:
    project.makepyfile(_PASSING)
    project.runpytest_inprocess("-rA").stdout.no_fnmatch_line("*BPMN*")


def test_a_failed_fixture_shows_where_the_process_went(project: pytest.Pytester) -> None:
    project.makepyfile(
        """\
        import pytest

        @pytest.fixture
        async def paid(bpmn):
            run = await bpmn.run("wait.bpmn", key="A1")
            await run.resolve_incident()

        async def test_it(paid):
            pass
        """
    )
    result = project.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    result.stdout.re_match_lines(["-+ BPMN, setup -+", "p: stands at wait"])


def test_settings_are_given_by_a_fixture(project: pytest.Pytester) -> None:
    project.makepyfile(
        """\
        import pytest
        from connector import load_settings

        @pytest.fixture
        def bpmn_settings():
            return load_settings({}, overrides={"worker.rejection_backoff": "0"})

        async def test_it(bpmn):
            bpmn.inbox.refuse("jane@example.org", "450 4.2.0 later", times=1)
            assert (await bpmn.run("send.bpmn")).ended_at == ["end"]
        """
    )
    project.runpytest_inprocess().assert_outcomes(passed=1)


def test_without_a_mode_the_test_is_told_what_to_set(project: pytest.Pytester) -> None:
    project.makeini(_STRICT)
    project.makepyfile(_PASSING)
    result = project.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(['asyncio_mode = "auto"', "*@pytest.mark.asyncio*"])


def test_a_marked_test_needs_no_mode(project: pytest.Pytester) -> None:
    project.makeini(_STRICT)
    project.makepyfile("import pytest\n\n@pytest.mark.asyncio\n" + _PASSING)
    project.runpytest_inprocess().assert_outcomes(passed=1)


def test_a_plain_test_may_look_at_what_a_fixture_did(project: pytest.Pytester) -> None:
    project.makepyfile(
        """\
        import pytest

        @pytest.fixture
        async def run(bpmn):
            return await bpmn.run("send.bpmn")

        def test_it(run, bpmn):
            assert run.ended_at == ["end"]
            assert len(bpmn.inbox) == 1
        """
    )
    project.runpytest_inprocess().assert_outcomes(passed=1)


def test_another_event_loop_is_told_what_to_set(project: pytest.Pytester) -> None:
    project.makepyfile('import pytest\n\n@pytest.mark.asyncio(loop_scope="session")\n' + _PASSING)
    result = project.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*asyncio_default_fixture_loop_scope and asyncio_default_test_loop_scope*"])


def test_without_pytest_asyncio_the_test_is_told_what_to_install(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plugin, "find_spec", lambda name: None)
    monkeypatch.setattr(plugin, "bpmn", plugin._fixture())
    monkeypatch.delenv("PYTEST_ADDOPTS")
    project.makeini("[pytest]\n")
    project.makepyfile("def test_it(bpmn):\n    pass\n")
    result = project.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*pip install pytest-asyncio*"])


def test_it_costs_nothing_where_no_test_uses_it(project: pytest.Pytester) -> None:
    project.makepyfile(
        """\
        import sys

        def test_it():
            ours = {name for name in sys.modules if name.partition(".")[0] == "connector"}
            assert ours == {"connector", "connector.model", "connector.testing", "connector.testing.plugin"}
            assert {"pydantic", "grpc", "structlog"}.isdisjoint(sys.modules)
        """
    )
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=project.path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_is_safe_under_xdist(project: pytest.Pytester) -> None:
    project.makepyfile(
        """\
        import pytest

        @pytest.mark.parametrize("number", range(8))
        async def test_it(bpmn, number):
            run = await bpmn.run("send.bpmn", to=f"{number}@example.org")
            assert [mail.to for mail in bpmn.inbox] == [[f"{number}@example.org"]]
            assert number != 7
        """
    )
    command = [sys.executable, "-m", "pytest", "-p", "xdist", "-n", "2"]
    done = subprocess.run(command, cwd=project.path, capture_output=True, text=True, check=False)
    assert "1 failed, 7 passed" in done.stdout, done.stdout + done.stderr
    assert "to 7@example.org: send" in done.stdout
