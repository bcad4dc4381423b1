"""How the engine's files get onto the machine, against a Maven repository on loopback."""

import contextlib
import fcntl
import gc
import hashlib
import io
import random
import sys
import tarfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest

from connector.devengine import distribution
from connector.devengine.distribution import (
    VERSION,
    Installation,
    InstallationCancelledError,
    LocalEngineError,
    cache_directory,
)

_NAME = f"camunda-zeebe-{VERSION}"
_ARCHIVE = f"io/camunda/camunda-zeebe/{VERSION}/{_NAME}.tar.gz"


def _archive(*members: tarfile.TarInfo, content: bytes = b"jar") -> bytes:
    """A distribution as small as can be, with what else a test wants in it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        directory = tarfile.TarInfo(f"{_NAME}/lib")
        directory.type = tarfile.DIRTYPE
        directory.mode = 0o755
        archive.addfile(directory)
        jar = tarfile.TarInfo(f"{_NAME}/lib/broker.jar")
        jar.size = len(content)
        archive.addfile(jar, io.BytesIO(content))
        for member in members:
            archive.addfile(member)
    return buffer.getvalue()


class Repository:
    """A Maven repository that counts what is asked of it."""

    def __init__(self, root: Path, url: str, asked: list[str]) -> None:
        self.url = url
        self.asked = asked
        self._path = root / _ARCHIVE
        self._path.parent.mkdir(parents=True)

    @property
    def downloads(self) -> int:
        return sum(path.endswith(".tar.gz") for path in self.asked)

    def offer(self, data: bytes) -> None:
        self._path.write_bytes(data)


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            asked.append(self.path)

    root = tmp_path / "repository"
    root.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(root)))
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield Repository(root, f"http://127.0.0.1:{server.server_port}/", asked)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def published(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> Callable[..., bytes]:
    """Offer an archive and take its digest for the pinned one."""

    def publish(*members: tarfile.TarInfo, content: bytes = b"jar") -> bytes:
        data = _archive(*members, content=content)
        repository.offer(data)
        monkeypatch.setattr(distribution, "SHA256", hashlib.sha256(data).hexdigest())
        return data

    return publish


def _installation(tmp_path: Path, repository: Repository, said: list[str]) -> Installation:
    return Installation(tmp_path / "cache", repository=repository.url, say=said.append)


def _left(tmp_path: Path) -> set[str]:
    return {path.name for path in (tmp_path / "cache").iterdir()} - {f"{_NAME}.lock"}


def test_downloads_once_and_finds_it_again(
    tmp_path: Path, repository: Repository, published: Callable[..., bytes]
) -> None:
    published()
    said: list[str] = []
    home = _installation(tmp_path, repository, said).complete()
    assert (home / "lib" / "broker.jar").read_bytes() == b"jar"
    assert "Camunda License" in said[0]
    assert _left(tmp_path) == {_NAME}, "the archive is not kept"

    said.clear()
    assert _installation(tmp_path, repository, said).complete() == home
    assert repository.downloads == 1
    assert said == []


def test_a_download_that_is_not_the_published_one_is_refused(tmp_path: Path, repository: Repository) -> None:
    repository.offer(_archive())
    with pytest.raises(LocalEngineError, match="damaged or not the published one"):
        _installation(tmp_path, repository, []).complete()
    assert _left(tmp_path) == set()


def test_a_truncated_download_is_refused(
    tmp_path: Path, repository: Repository, published: Callable[..., bytes]
) -> None:
    repository.offer(published()[:-20])
    with pytest.raises(LocalEngineError, match="damaged"):
        _installation(tmp_path, repository, []).complete()
    assert _left(tmp_path) == set()


def test_a_repository_without_the_engine_is_told_as_such(tmp_path: Path, repository: Repository) -> None:
    with pytest.raises(LocalEngineError, match="could not be downloaded") as raised:
        _installation(tmp_path, repository, []).complete()
    assert "ZEEBE_ADDRESS" in str(raised.value)


def _refusal(installation: Installation) -> str:
    try:
        installation.complete()
    except LocalEngineError as error:
        return str(error)
    return ""


# urllib3 drops the refused socket without closing it; the collector finds it within this test.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_repository_that_cannot_be_reached_is_told_as_such(tmp_path: Path) -> None:
    nobody = Installation(tmp_path / "cache", repository="http://127.0.0.1:1/", say=lambda _line: None)
    assert "Check the network" in _refusal(nobody)
    gc.collect()


def test_what_a_killed_download_left_is_removed(
    tmp_path: Path, repository: Repository, published: Callable[..., bytes]
) -> None:
    published()
    leftover = tmp_path / "cache" / "partial-abc"
    leftover.mkdir(parents=True)
    (leftover / "half.tar.gz").write_bytes(b"half")
    _installation(tmp_path, repository, []).complete()
    assert _left(tmp_path) == {_NAME}


def test_two_at_once_share_one_download(
    tmp_path: Path, repository: Repository, published: Callable[..., bytes]
) -> None:
    published()
    installations = [_installation(tmp_path, repository, []) for _ in range(4)]
    with ThreadPoolExecutor() as pool:
        homes = set(pool.map(Installation.complete, installations))
    assert len(homes) == 1
    assert repository.downloads == 1


def test_waiting_for_another_process_can_be_cancelled(tmp_path: Path, repository: Repository) -> None:
    cancelled = Event()

    def say(line: str) -> None:
        assert "Another process" in line
        cancelled.set()

    (tmp_path / "cache").mkdir()
    with (tmp_path / "cache" / f"{_NAME}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        waiting = Installation(tmp_path / "cache", repository=repository.url, say=say, cancelled=cancelled)
        with pytest.raises(InstallationCancelledError):
            waiting.complete()
    assert repository.downloads == 0


def test_a_download_can_be_cancelled_and_starts_afresh(
    tmp_path: Path, repository: Repository, published: Callable[..., bytes]
) -> None:
    published(content=random.Random(0).randbytes(1 << 20))  # several blocks, also when compressed
    cancelled = Event()

    @contextlib.contextmanager
    def cancelling(name: str, size: int) -> Iterator[Callable[[int], None]]:
        assert name == f"{_NAME}.tar.gz"
        assert size > 0
        yield lambda _count: cancelled.set()

    doomed = Installation(
        tmp_path / "cache",
        repository=repository.url,
        say=lambda _line: None,
        progress=cancelling,
        cancelled=cancelled,
    )
    with pytest.raises(InstallationCancelledError):
        doomed.complete()
    assert _left(tmp_path) == set()
    assert _installation(tmp_path, repository, []).complete().is_dir()


@pytest.mark.skipif(not hasattr(tarfile, "data_filter"), reason="this Python has no PEP 706 filters")
def test_a_member_outside_the_target_is_refused(
    tmp_path: Path, repository: Repository, published: Callable[..., bytes]
) -> None:
    published(tarfile.TarInfo("../../../escaped"))
    with pytest.raises(tarfile.OutsideDestinationError):
        _installation(tmp_path, repository, []).complete()
    assert not (tmp_path / "escaped").exists()
    assert _left(tmp_path) == set()


def test_without_the_extra_it_says_what_to_install(
    tmp_path: Path, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jgo.maven", None)
    with pytest.raises(LocalEngineError, match=r"pip install '\.\[demo\]'"):
        _installation(tmp_path, repository, []).complete()


def test_a_cache_that_cannot_be_written_is_told_as_such(tmp_path: Path, repository: Repository) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalEngineError, match="LOCAL_ENGINE_CACHE"):
        Installation(tmp_path / "file" / "cache", repository=repository.url).complete()


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"LOCAL_ENGINE_CACHE": "/var/cache/ours", "XDG_CACHE_HOME": "/xdg"}, "/var/cache/ours"),
        ({"XDG_CACHE_HOME": "/xdg"}, "/xdg/smtp-connector"),
        ({}, str(Path.home() / ".cache" / "smtp-connector")),
    ],
)
def test_where_the_engine_is_kept(environ: dict[str, str], expected: str) -> None:
    assert str(cache_directory(environ)) == expected
