"""One broker process: how it is called, whether it is ready, what it said, how it ends.

A Java and an unpacked distribution enter, a process leaves that listens on loopback ports of its own and
keeps everything it writes below one temporary directory. It knows nothing of downloads and patience.
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

from connector.devengine import warden

HOST = "127.0.0.1"
_MAIN_CLASS = "io.camunda.application.StandaloneBroker"
_PATIENCE = 15  # seconds between SIGTERM and SIGKILL
_PROBE_TIMEOUT = 5
_LOG_LINES = 25
# What runs quickly and small, and loses its data with the machine's power: fine for data that is thrown away.
_LIGHT_JVM = ("-XX:TieredStopAtLevel=1",)
_LIGHT = {
    "ZEEBE_BROKER_DATA_LOGSEGMENTSIZE": "16MB",
    "ZEEBE_BROKER_DATA_DISK_ENABLEMONITORING": "false",
    "ZEEBE_BROKER_CLUSTER_ELECTIONTIMEOUT": "500ms",
    "ZEEBE_BROKER_CLUSTER_HEARTBEATINTERVAL": "100ms",
    "ZEEBE_BROKER_CLUSTER_RAFT_FLUSH_ENABLED": "false",
    "ZEEBE_BROKER_EXPERIMENTAL_RAFT_PREALLOCATESEGMENTFILES": "false",
    "ZEEBE_BROKER_EXPERIMENTAL_ROCKSDB_MEMORYLIMIT": "32MB",
    "ZEEBE_BROKER_THREADS_CPUTHREADCOUNT": "1",
    "ZEEBE_BROKER_THREADS_IOTHREADCOUNT": "1",
}
# Every record that the engine writes becomes a line of JSON in its log: the only way to read an incident.
_RECORDS = {
    "ZEEBE_BROKER_EXPORTERS_DEBUG_CLASSNAME": "io.camunda.zeebe.broker.exporter.debug.DebugLogExporter",
    "ZEEBE_BROKER_EXPORTERS_DEBUG_ARGS_LOGLEVEL": "info",
}
# Nothing else of our environment reaches the broker: a stray ZEEBE_BROKER_… or SERVER_PORT would bend it.
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ")


@dataclass(frozen=True, slots=True)
class Ports:
    """Where one broker listens: three doors for clients, two that the broker itself wants."""

    grpc: int
    rest: int
    actuator: int
    command: int
    internal: int

    @classmethod
    def free(cls) -> Ports:
        """Choose ports that nobody listens on at this moment; all are held until the last is known."""
        with ExitStack() as held:
            sockets = [held.enter_context(socket.socket()) for _ in range(5)]
            for one in sockets:
                one.bind((HOST, 0))
            return cls(*(one.getsockname()[1] for one in sockets))


class Broker:
    """A started broker.

    Args:
        java: The ``java`` executable.
        home: The unpacked distribution.
        durable: The vendor's own settings instead of the light ones.
        records: Write the engine's records to the log.
        environ: What a few harmless variables, such as ``PATH``, are taken from.
    """

    def __init__(
        self, java: Path, home: Path, *, durable: bool, records: bool, environ: Mapping[str, str]
    ) -> None:
        self.ports = Ports.free()
        self._directory = Path(tempfile.mkdtemp(prefix="smtp-connector-engine-"))
        self.log = self._directory / "output.log"
        watch = [sys.executable, "-I", warden.__file__, str(_PATIENCE), str(self._directory)]
        with self.log.open("wb") as log:
            # A session of its own: Ctrl-C in the terminal is for us, who stop the worker before the engine.
            self._process = subprocess.Popen(  # noqa: S603 - our own command, no shell
                [*watch, *self._command(java, home, durable=durable)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._directory,
                env={
                    **self._environment(environ),
                    **({} if durable else _LIGHT),
                    **(_RECORDS if records else {}),
                },
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The warden's process id; the JVM is its only child."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether it stopped by itself."""
        return self._process.poll() is not None

    def ready(self) -> bool:
        """Ask the actuator once whether the broker takes commands."""
        connection = http.client.HTTPConnection(HOST, self.ports.actuator, timeout=_PROBE_TIMEOUT)
        try:
            connection.request("GET", "/actuator/health/readiness")
            return connection.getresponse().status == http.HTTPStatus.OK  # 503 while it is not UP
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def last_words(self) -> str:
        """The end of its log."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return "(it left no log)"
        return "\n".join(lines[-_LOG_LINES:])

    def stop(self) -> None:
        """Stop it, by force after a while, and remove its data; blocks until it is gone."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(2 * _PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        rmtree(self._directory, ignore_errors=True)

    def _command(self, java: Path, home: Path, *, durable: bool) -> list[str]:
        return [
            str(java),
            "-Xmx512m",
            "-XX:+UseSerialGC",
            *(() if durable else _LIGHT_JVM),
            "-XX:+ExitOnOutOfMemoryError",
            "-Dfile.encoding=UTF-8",
            "-Dapp.name=broker",
            # Where logs would go and relative paths start; by default the distribution's own directory.
            f"-Dapp.home={self._directory}",
            f"-Dbasedir={self._directory}",
            "-classpath",
            f"{home / 'config'}:{home / 'lib'}/*",
            _MAIN_CLASS,
        ]

    def _environment(self, environ: Mapping[str, str]) -> dict[str, str]:
        passed_on = {name: environ[name] for name in _PASSED_ON if name in environ}
        return {
            **passed_on,
            "ZEEBE_LOG_PATH": str(self._directory / "logs"),
            "ZEEBE_BROKER_DATA_DIRECTORY": str(self._directory / "data"),
            "ZEEBE_BROKER_NETWORK_HOST": HOST,
            "ZEEBE_BROKER_NETWORK_COMMANDAPI_PORT": str(self.ports.command),
            "ZEEBE_BROKER_NETWORK_INTERNALAPI_PORT": str(self.ports.internal),
            "ZEEBE_BROKER_GATEWAY_NETWORK_HOST": HOST,
            "ZEEBE_BROKER_GATEWAY_NETWORK_PORT": str(self.ports.grpc),
            "SERVER_ADDRESS": HOST,
            "SERVER_PORT": str(self.ports.rest),
            "MANAGEMENT_SERVER_ADDRESS": HOST,
            "MANAGEMENT_SERVER_PORT": str(self.ports.actuator),
        }
