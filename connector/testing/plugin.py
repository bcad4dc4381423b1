"""The pytest plugin: the fixture ``bpmn``, and the path of each process in the report of a failed test.

pytest loads it in every environment that has this package. So it imports the engine and the worker only for a
test that uses them.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Generator
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from connector.settings.model import Settings
    from connector.testing.bpmn import Bpmn

_MODE = """\
[tool.pytest.ini_options]
asyncio_mode = "auto"
asyncio_default_fixture_loop_scope = "function"
asyncio_default_test_loop_scope = "function\""""
_NO_ASYNCIO = f"The fixture bpmn needs pytest-asyncio: run pip install pytest-asyncio, and set\n\n{_MODE}"
_NO_MODE = (
    f"A test with the fixture bpmn is run by pytest-asyncio: set\n\n{_MODE}\n\n"
    "or mark the test with @pytest.mark.asyncio."
)
_RUNNING: pytest.StashKey[Bpmn] = pytest.StashKey()


@pytest.fixture
def bpmn_settings() -> Settings | None:
    """The worker's settings for :func:`bpmn`: the defaults, unless a test module overrides this fixture."""
    return None


async def _bpmn(request: pytest.FixtureRequest, bpmn_settings: Settings | None) -> AsyncIterator[Bpmn]:
    """A :class:`Bpmn` for one test: an engine in memory, this project's worker, and an inbox.

    A relative path of a diagram is searched in the directory of the test's file, then in ``rootdir``.
    """
    _check_mode(request)
    from connector.testing.bpmn import Bpmn  # noqa: PLC0415 - see above

    directories = (request.node.path.parent, request.config.rootpath)
    async with Bpmn(bpmn_settings, directories=directories) as bpmn:
        request.node.stash[_RUNNING] = bpmn
        yield bpmn


def _check_mode(request: pytest.FixtureRequest) -> None:
    """Fail with the missing setting, if pytest-asyncio would not run the test."""
    config, node = request.config, request.node
    mode = config.getoption("asyncio_mode", None) or config.getini("asyncio_mode")
    is_coroutine = inspect.iscoroutinefunction(inspect.unwrap(node.function))
    if is_coroutine and str(mode) != "auto" and node.get_closest_marker("asyncio") is None:
        pytest.fail(_NO_MODE, pytrace=False)


def _no_bpmn() -> None:
    pytest.fail(_NO_ASYNCIO, pytrace=False)


def _fixture() -> Any:
    if find_spec("pytest_asyncio") is None:
        return pytest.fixture(name="bpmn")(_no_bpmn)
    import pytest_asyncio  # noqa: PLC0415 - may be absent; where it is not, pytest has loaded it

    return pytest_asyncio.fixture(name="bpmn")(_bpmn)


bpmn = _fixture()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the paths of the processes to the report of a failed test."""
    report = yield
    running = item.stash.get(_RUNNING, None)
    if report.failed and running is not None:
        report.sections.append((f"BPMN, {call.when}", running.describe()))
    return report
