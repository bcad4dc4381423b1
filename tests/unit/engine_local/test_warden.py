"""The warden: what it watches ends with it, whatever becomes of the one who asked for it."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from connector.devengine import warden

_PATIENT = "import time; print('ready', flush=True); time.sleep(600)"
_STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + _PATIENT
_TIMEOUT = 30


def _watch(directory: Path, program: str, *, patience: str = "20") -> "subprocess.Popen[str]":
    command = [sys.executable, "-I", warden.__file__, patience, str(directory), sys.executable, "-c", program]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.mkdir()
    (path / "segment.log").write_text("records")
    return path


def _ready(process: "subprocess.Popen[str]") -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"


def _gone(process: "subprocess.Popen[str]") -> bool:
    """Its standard output, which the child inherits, reaches its end only when the child is gone as well."""
    assert process.stdout is not None
    readable, _, _ = select.select([process.stdout], [], [], _TIMEOUT)
    return bool(readable) and process.stdout.read() == ""


def test_the_end_of_standard_input_ends_it(directory: Path) -> None:
    with _watch(directory, _PATIENT) as process:
        _ready(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(_TIMEOUT) == -signal.SIGTERM & 0xFF
        assert _gone(process)
    assert not directory.exists()


def test_one_that_ignores_sigterm_is_killed(directory: Path) -> None:
    with _watch(directory, _STUBBORN, patience="0.1") as process:
        _ready(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(_TIMEOUT) == -signal.SIGKILL & 0xFF
        assert _gone(process)
    assert not directory.exists()


def test_the_death_of_the_one_who_asked_ends_it(directory: Path) -> None:
    asking = (
        "import subprocess, sys\n"
        "subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE)\n"
        "import time; time.sleep(600)\n"
    )
    command = [sys.executable, "-I", warden.__file__, "20", str(directory), sys.executable, "-c", _PATIENT]
    with subprocess.Popen(
        [sys.executable, "-c", asking, *command], stdout=subprocess.PIPE, text=True
    ) as process:
        _ready(process)
        process.kill()
        assert _gone(process)
    assert not directory.exists()


def test_its_own_sigterm_is_passed_on(directory: Path) -> None:
    with _watch(directory, _PATIENT) as process:
        _ready(process)
        os.kill(process.pid, signal.SIGTERM)
        assert _gone(process)


def test_a_command_that_ends_by_itself_leaves_its_log_to_be_read(directory: Path) -> None:
    with _watch(directory, "raise SystemExit(3)") as process:
        assert process.wait(_TIMEOUT) == 3
    assert (directory / "segment.log").exists()
