"""The engine's files on this machine: fetched once, checked, unpacked, and found again.

A cache directory enters, the directory of an unpacked distribution leaves; ``local`` starts what lies in
it. It stands apart because it is the only place that talks to a package repository, and because an
interrupted or concurrent download must never leave behind something that looks complete.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from threading import Event

VERSION = "8.6.0"
# Of the release on Maven Central. Pinned here: a checksum that lies beside the download proves nothing
# about who put it there, and jgo only warns when that one differs.
SHA256 = "5c699e86a6c9d290dd7b1f0b2ea648fb57fd1dacf1cab22c874219e58827ea45"
DOWNLOAD_SIZE = "299 MB"
LICENCE_NOTE = (
    f"Zeebe {VERSION} is Camunda's. You download it from Maven Central, under the Camunda License 1.0, which "
    "covers development and test; production use needs a licence from Camunda."
)
_REPOSITORY_TIMEOUT = 60

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
        environ: ``SMTP_CONNECTOR_CACHE`` names it; else it lies below ``XDG_CACHE_HOME`` or ``~/.cache``.
    """
    if chosen := environ.get("SMTP_CONNECTOR_CACHE"):
        return Path(chosen).expanduser().absolute()
    base = environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache").absolute() / "smtp-connector"


def install(
    cache: Path, *, say: Callable[[str], None], progress: DownloadProgress | None, cancelled: Event
) -> Path:
    """Give the unpacked distribution, downloading it when it is not there; blocks for as long as that takes.

    Processes that start at once share one download: the first holds a lock, the others wait for it.

    Args:
        cache: See :func:`cache_directory`; made when missing.
        say: Takes one line about each step that takes time.
        progress: Called with the file's name and size; gives a context whose value takes numbers of bytes.
        cancelled: Set from another thread, it ends the work within a moment.

    Raises:
        LocalEngineError: The extra is not installed, the download failed, or it is not what was published.
    """
    home = cache / f"camunda-zeebe-{VERSION}"
    if home.is_dir():
        return home
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _only_one(cache / f"camunda-zeebe-{VERSION}.lock", say=say, cancelled=cancelled):
            if not home.is_dir():
                _clear_interrupted(cache)
                with tempfile.TemporaryDirectory(prefix="partial-", dir=cache) as workshop:
                    _install_into(home, Path(workshop), say=say, progress=progress, cancelled=cancelled)
    except OSError as error:
        raise LocalEngineError(
            f"The engine cannot be kept in {cache}: {error}. "
            "SMTP_CONNECTOR_CACHE names another directory; 1 GB of free space is enough."
        ) from error
    return home


def _install_into(
    home: Path,
    workshop: Path,
    *,
    say: Callable[[str], None],
    progress: DownloadProgress | None,
    cancelled: Event,
) -> None:
    say(LICENCE_NOTE)
    say(f"Downloading the engine, {DOWNLOAD_SIZE}; this happens once.")
    archive = _download(workshop, progress, cancelled)
    _verify(archive, cancelled)
    say("Unpacking it.")
    unpacked = _unpack(archive, workshop / "unpacked", cancelled)
    # A rename within one file system is atomic: the final name appears with everything in it, or not at all.
    unpacked.rename(home)


@contextmanager
def _only_one(lock: Path, *, say: Callable[[str], None], cancelled: Event) -> Iterator[None]:
    """Hold the lock file; the system lets go of it when the process dies, however it dies."""
    with lock.open("w") as file:
        waiting = False
        while not _try_lock(file.fileno()):
            if not waiting:
                say("Another process is fetching the engine; waiting for it.")
                waiting = True
            if cancelled.wait(0.2):  # flock has no time-out and cannot be woken by an event
                raise InstallationCancelledError
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _clear_interrupted(cache: Path) -> None:
    """Remove what a killed process left; the lock says that nobody is at it any more."""
    for leftover in cache.glob("partial-*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _download(workshop: Path, progress: DownloadProgress | None, cancelled: Event) -> Path:
    try:
        import requests  # noqa: PLC0415 - comes with jgo
        from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415 - only in the extra "demo"
    except ImportError as error:
        raise LocalEngineError(
            "The engine for development needs an extra of this package: "
            "pip install 'zeebe-smtp-connector[demo]'. "
            "Or name an engine that runs already in ZEEBE_ADDRESS."
        ) from error
    context = MavenContext(
        resolver=PythonResolver(progress_callback=_cancellable(progress, cancelled)),
        repo_cache=workshop / "repository",
        timeout=_REPOSITORY_TIMEOUT,
    )
    project = context.project("io.camunda", "camunda-zeebe")
    try:
        path: Path = project.at_version(VERSION).artifact(packaging="tar.gz").resolve()
    except (requests.RequestException, RuntimeError) as error:
        raise LocalEngineError(
            f"The engine could not be downloaded: {error}. Check the network (HTTPS_PROXY and "
            "REQUESTS_CA_BUNDLE are heeded) and start again, or name a running engine in ZEEBE_ADDRESS."
        ) from error
    return path


def _cancellable(progress: DownloadProgress | None, cancelled: Event) -> DownloadProgress:
    """Wrap the progress, the only place where jgo calls back, so that it also ends an unwanted download."""

    @contextmanager
    def watched(name: str, size: int) -> Iterator[Callable[[int], None]]:
        with progress(name, size) if progress else _silent() as advance:

            def received(count: int) -> None:
                if cancelled.is_set():
                    raise InstallationCancelledError
                advance(count)

            yield received

    return watched


@contextmanager
def _silent() -> Iterator[Callable[[int], None]]:
    yield lambda _count: None


def _verify(archive: Path, cancelled: Event) -> None:
    digest = hashlib.sha256()
    with archive.open("rb") as file:
        while block := file.read(1 << 20):
            if cancelled.is_set():
                raise InstallationCancelledError
            digest.update(block)
    if digest.hexdigest() != SHA256:
        raise LocalEngineError(
            f"The download of Zeebe {VERSION} is damaged or not the published one: its SHA-256 is "
            f"{digest.hexdigest()}, wanted is {SHA256}. It was thrown away. Start again; if it "
            "stays so, a proxy or mirror on the way alters it."
        )


def _unpack(archive: Path, target: Path, cancelled: Event) -> Path:
    target.mkdir()
    with tarfile.open(archive, "r:gz") as members:
        # PEP 706: nothing outside the target, no devices, no set-uid. Python before 3.11.4 has no filter;
        # there the pinned digest alone vouches for the members.
        members.extraction_filter = getattr(tarfile, "data_filter", lambda member, _path: member)
        for member in members:
            if cancelled.is_set():
                raise InstallationCancelledError
            members.extract(member, target)
    (unpacked,) = (Path(entry) for entry in os.scandir(target) if entry.is_dir())
    return unpacked
