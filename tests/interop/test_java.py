"""Camunda's Java client, over gRPC and over REST, against the engine: a client that is not ours."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.engines import Engine

PROJECT = Path(__file__).parent / "java"
CHECKS = (
    *("topology", "deploy", "refuse a broken deployment", "start with result", "stream", "worker"),
    *("fail with back-off", "throw", "publish", "cancel", "long poll", "a poll that stays empty"),
    *("lease that ends", "update timeout", "incident, retries and resolve", "set variables"),
    *("complete an unknown job", "searches"),
)
_BUILD_SECONDS, _RUN_SECONDS = 600, 100


def _run(command: list[str], seconds: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=seconds)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command of the Java program, built with Maven."""
    missing = [name for name in ("javac", "mvn") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"Camunda's Java client needs a JDK and Maven; missing: {', '.join(missing)}")
    output = tmp_path_factory.mktemp("java")
    classpath = output / "classpath"
    command = ["mvn", "-q", "-B", "-f", str(PROJECT / "pom.xml"), f"-Doutput={output}"]
    goals = ["compile", "dependency:build-classpath", f"-Dmdep.outputFile={classpath}"]
    built = _run([*command, *goals], _BUILD_SECONDS)
    assert built.returncode == 0, built.stdout + built.stderr
    return ["java", "-cp", f"{output / 'classes'}:{classpath.read_text().strip()}", "Interop"]


@pytest.mark.timeout(_BUILD_SECONDS + _RUN_SECONDS)
@pytest.mark.parametrize("door", ["grpc", "rest"])
def test_the_java_client(program: list[str], shared_engine: Engine, door: str) -> None:
    if shared_engine.rest_address is None:
        pytest.skip("the incidents are looked for over REST: set ZEEBE_REST_ADDRESS")
    addresses = [shared_engine.grpc_address, shared_engine.rest_address]
    ran = _run([*program, door, *addresses], _RUN_SECONDS)
    lines = [line for line in ran.stdout.splitlines() if line.startswith(("ok ", "failed "))]
    assert lines == [f"ok {name}" for name in CHECKS], ran.stdout + ran.stderr
