"""The engine's files on this machine: fetched once, checked, unpacked, and found again.

A cache directory enters, the directory of an unpacked distribution leaves; ``broker`` starts what lies in
it. It stands apart because it is the only place that talks to a package repository, and because an
interrupted or concurrent download must never leave behind something that looks complete.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

VERSION = "8.6.0"
# Of the release on Maven Central. Pinned here: a checksum that lies beside the download proves nothing
# about who put it there, and jgo only warns when that one differs.
SHA256 = "5c699e86a6c9d290dd7b1f0b2ea648fb57fd1dacf1cab22c874219e58827ea45"
LICENCE_NOTE = (
    f"Zeebe {VERSION} is Camunda's. You download it from Maven Central, under the Camunda License 1.0, which "
    "covers development and test; production use needs a licence from Camunda."
)
_REPOSITORY_TIMEOUT = 60  # seconds without a byte
_LOCK_INTERVAL = 0.2  # seconds; flock has no time-out and cannot be woken by an event

DownloadProgress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


class LocalEngineError(Exception):
    """The engine for development cannot be had; the message says what to do."""


class InstallationCancelledError(LocalEngineError):
    """Whoever asked for the engine does not want it any more; nothing half-finished stays behind."""

    def __init__(self) -> None:
        super().__init__("The download of the engine was interrupted; it starts afresh the next time.")


def cache_directory(environ: Mapping[str, str]) -> Path:
    """Where the engine is kept between runs, outside any project.

    Args:
        environ: ``LOCAL_ENGINE_CACHE`` names it; else it lies below ``XDG_CACHE_HOME`` or ``~/.cache``.
    """
    if chosen := environ.get("LOCAL_ENGINE_CACHE"):
        return Path(chosen).expanduser().absolute()
    base = environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache").absolute() / "smtp-connector"


@contextmanager
def _silent(_name: str, _size: int) -> Iterator[Callable[[int], None]]:
    yield lambda _count: None


@dataclass(frozen=True, slots=True)
class Installation:
    """How to come by the unpacked distribution.

    Attributes:
        cache: See :func:`cache_directory`; made when missing.
        repository: Base URL of a Maven repository, as a company's mirror; Maven Central when None.
        say: Takes one line about each step that takes time.
        progress: Called with the file's name and size; gives a context whose value takes numbers of bytes.
        cancelled: Set from another thread, it ends the work within a moment.
    """

    cache: Path
    repository: str | None = None
    say: Callable[[str], None] = print
    progress: DownloadProgress = _silent
    cancelled: Event = field(default_factory=Event)

    @property
    def home(self) -> Path:
        """Where the distribution is once it is complete."""
        return self.cache / f"camunda-zeebe-{VERSION}"

    def complete(self) -> Path:
        """Give the distribution, downloading it when it is not there; blocks for as long as that takes.

        Processes that start at once share one download: the first holds a lock, the others wait for it.

        Raises:
            LocalEngineError: The extra is not installed, the download failed, or is not what was published.
        """
        if self.home.is_dir():
            return self.home
        try:
            self.cache.mkdir(parents=True, exist_ok=True)
            with self._alone():
                if not self.home.is_dir():
                    self._install()
        except OSError as error:
            raise LocalEngineError(
                f"The engine cannot be kept in {self.cache}: {error}. "
                "LOCAL_ENGINE_CACHE names another directory; 1 GB of free space is enough."
            ) from error
        return self.home

    def _install(self) -> None:
        for leftover in self.cache.glob("partial-*"):  # of a killed process: the lock says nobody is at it
            shutil.rmtree(leftover, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix="partial-", dir=self.cache) as workshop:
            self.say(LICENCE_NOTE)
            self.say("Downloading the engine, 299 MB; this happens once.")
            archive = self._download(Path(workshop))
            self._verify(archive)
            self.say("Unpacking it.")
            # A rename within a file system is atomic: the name appears with everything in it, or not at all.
            self._unpack(archive, Path(workshop) / "unpacked").rename(self.home)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock file; the system lets go of it when the process dies, however it dies."""
        with (self.cache / f"{self.home.name}.lock").open("w") as lock:
            waiting = False
            while not _try_lock(lock.fileno()):
                if not waiting:
                    self.say("Another process is fetching the engine; waiting for it.")
                    waiting = True
                self.cancelled.wait(_LOCK_INTERVAL)
                self._check()
            yield

    def _check(self) -> None:
        if self.cancelled.is_set():
            raise InstallationCancelledError

    def _download(self, workshop: Path) -> Path:
        try:
            import requests  # noqa: PLC0415 - comes with jgo
            from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415 - only in the extra "demo"
        except ImportError as error:
            raise LocalEngineError(
                "The engine for development needs this package's extra: pip install '.[demo]' in a checkout. "
                "Or name a running engine in ZEEBE_ADDRESS."
            ) from error
        context = MavenContext(
            resolver=PythonResolver(progress_callback=self._cancellable_progress),
            repo_cache=workshop,  # of its own: jgo takes whatever half of a file lies there for the whole
            remote_repos={"chosen": self.repository.rstrip("/")} if self.repository else None,
            timeout=_REPOSITORY_TIMEOUT,
        )
        project = context.project("io.camunda", "camunda-zeebe")
        try:
            return Path(project.at_version(VERSION).artifact(packaging="tar.gz").resolve())
        except (requests.RequestException, RuntimeError) as error:
            raise LocalEngineError(
                f"The engine could not be downloaded: {error}. Check the network (HTTPS_PROXY and "
                "REQUESTS_CA_BUNDLE are heeded, LOCAL_ENGINE_REPOSITORY names a mirror) and start "
                "again, or name a running engine in ZEEBE_ADDRESS."
            ) from error

    @contextmanager
    def _cancellable_progress(self, name: str, size: int) -> Iterator[Callable[[int], None]]:
        """Pass the progress on; it is the only place where jgo calls back, so the download ends here too."""
        with self.progress(name, size) as advance:

            def received(count: int) -> None:
                self._check()
                advance(count)

            yield received

    def _verify(self, archive: Path) -> None:
        digest = hashlib.sha256()
        with archive.open("rb") as file:
            while block := file.read(1 << 20):
                self._check()
                digest.update(block)
        if digest.hexdigest() != SHA256:
            raise LocalEngineError(
                f"The download of Zeebe {VERSION} is damaged or not the published one: its SHA-256 is "
                f"{digest.hexdigest()}, wanted is {SHA256}. It was thrown away. Start again; if it stays "
                "so, a proxy or mirror on the way alters it."
            )

    def _unpack(self, archive: Path, target: Path) -> Path:
        with tarfile.open(archive, "r:gz") as members:
            # PEP 706: nothing outside the target, no devices, no set-uid. Python before 3.11.4 has no such
            # filter; there the pinned digest alone vouches for the members.
            members.extraction_filter = getattr(tarfile, "data_filter", lambda member, _path: member)
            for member in members:
                self._check()
                members.extract(member, target)
        return target / f"camunda-zeebe-{VERSION}"


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
