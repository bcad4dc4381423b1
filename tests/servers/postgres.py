"""A private PostgreSQL: its own cluster on a Unix socket in a directory of its own, gone with the session.

The server refuses to run as root, so root hands the directory to the user that the Debian package makes.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

_USER = "postgres"


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running cluster.

    Attributes:
        directory: Holds its data and its socket.
    """

    directory: Path

    def url(self, database: str) -> str:
        """Where clients find a database."""
        return f"postgresql://{_USER}@/{database}?host={quote(str(self.directory), safe='')}"

    def create_database(self) -> str:
        """Make an empty database and give its URL."""
        name = f"ledger_{uuid4().hex}"
        self.sql(f"CREATE DATABASE {name}")
        return self.url(name)

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run one statement as superuser; what it yields, as text."""
        command = [
            "psql",
            "-XAtq",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            str(self.directory),
            "-U",
            _USER,
            "-d",
            database,
        ]
        return subprocess.run([*command, "-c", statement], check=True, capture_output=True, text=True).stdout

    def stop(self) -> None:
        """End the server as a crash would; every connection breaks."""
        _run(self.directory, "pg_ctl", "-D", str(self.directory / "data"), "-m", "immediate", "-w", "stop")

    def start(self) -> None:
        """Start it, and return when it takes connections."""
        options = f"-k {self.directory} -c listen_addresses='' -c fsync=on"
        _run(
            self.directory,
            *("pg_ctl", "-D", str(self.directory / "data"), "-l", str(self.directory / "log")),
            *("-o", options, "-w", "start"),
        )


def missing() -> str | None:
    """Say why PostgreSQL cannot be run here, or None when it can."""
    absent = [tool for tool in ("initdb", "pg_ctl", "psql") if shutil.which(tool, path=_path()) is None]
    if absent:
        return f"not installed: {', '.join(absent)}"
    if os.geteuid() == 0 and _USER not in {user.pw_name for user in pwd.getpwall()}:
        return f"it does not run as root, and there is no user {_USER}"
    return None


@contextmanager
def running() -> Iterator[Postgres]:
    """Run a PostgreSQL until the block ends."""
    with tempfile.TemporaryDirectory(prefix="postgres-") as name:
        server = Postgres(Path(name))
        if os.geteuid() == 0:
            shutil.chown(name, _USER)
        # For clients of the tests, which are another user than the server.
        server.directory.chmod(0o755)
        data = str(server.directory / "data")
        _run(server.directory, "initdb", "-D", data, "-U", _USER, "-A", "trust", "-E", "UTF8", "--no-locale")
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _path() -> str:
    # Debian keeps the server's programs out of the way of its several versions.
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return os.pathsep.join([*map(str, versions), os.environ.get("PATH", "")])


def _run(directory: Path, *command: str) -> None:
    subprocess.run(
        command,
        check=True,
        cwd=directory,
        stdin=subprocess.DEVNULL,
        # pg_ctl's server inherits what it is given, so a pipe would never end.
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PATH": _path()},
        user=_USER if os.geteuid() == 0 else None,
        group=pwd.getpwnam(_USER).pw_gid if os.geteuid() == 0 else None,
        extra_groups=[] if os.geteuid() == 0 else None,
    )
