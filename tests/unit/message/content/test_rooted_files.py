"""A path from a task reads what is below a root, and nothing else on this machine."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from connector.errors import AttachmentError, ErrorCode
from connector.message.content.rooted_files import Allowance, Portion, RootedFiles
from connector.settings.model import AttachmentSettings

FIELD = "smtpEmailAttachments[0]"


def portion(max_size: int = 1000, max_total: int = 1000) -> Portion:
    return Allowance(AttachmentSettings(max_size=max_size, max_total=max_total)).portion(FIELD)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "offer.txt").write_bytes(b"offer")
    (root / "sub" / "deep.txt").write_bytes(b"deep")
    (tmp_path / "outside.txt").write_bytes(b"not yours")
    return root


def refused(files: RootedFiles, path: str) -> AttachmentError:
    with pytest.raises(AttachmentError) as caught:
        files.read(path, portion())
    assert caught.value.field == FIELD
    assert str(caught.value).startswith(f"{FIELD}: ")
    return caught.value


@pytest.mark.parametrize("path", ["offer.txt", "./offer.txt", "sub/deep.txt", "sub//deep.txt"])
def test_a_relative_path_is_below_the_root(root: Path, path: str) -> None:
    assert RootedFiles([root]).read(path, portion()) == (root / path).read_bytes()


def test_an_absolute_path_has_to_lead_below_a_root(root: Path) -> None:
    assert RootedFiles([root]).read(str(root / "offer.txt"), portion()) == b"offer"


def test_a_drive_letter_is_a_directory_name(root: Path) -> None:
    (root / "D:" / "Dump").mkdir(parents=True)
    (root / "D:" / "Dump" / "Banner.bmp").write_bytes(b"BM")
    assert RootedFiles([root]).read("D:/Dump/Banner.bmp", portion()) == b"BM"


def test_roots_are_tried_in_order(root: Path, tmp_path: Path) -> None:
    first = tmp_path / "first"
    first.mkdir()
    files = RootedFiles([first, root])
    assert files.read("offer.txt", portion()) == b"offer"
    (first / "offer.txt").write_bytes(b"first")
    assert files.read("offer.txt", portion()) == b"first"


def test_the_root_may_be_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    files = RootedFiles([tmp_path / "link"])
    assert files.read("offer.txt", portion()) == b"offer"
    assert files.read(str(tmp_path / "link" / "offer.txt"), portion()) == b"offer"


def test_a_link_that_stays_below_a_root_is_followed(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "shared.txt").write_bytes(b"shared")
    (root / "file").symlink_to("sub/deep.txt")
    (root / "directory").symlink_to("sub")
    (root / "elsewhere").symlink_to(other / "shared.txt")
    files = RootedFiles([root, other])
    assert files.read("file", portion()) == b"deep"
    assert files.read("directory/deep.txt", portion()) == b"deep"
    assert files.read("elsewhere", portion()) == b"shared"


def test_without_roots_nothing_is_read_and_the_setting_is_named(root: Path) -> None:
    error = refused(RootedFiles([]), str(root / "offer.txt"))
    assert error.code is ErrorCode.ATTACHMENT_NOT_ALLOWED
    assert "attachments.roots" in str(error)


def outside_paths(root: Path) -> list[str]:
    (root / "to-file").symlink_to(root.parent / "outside.txt")
    (root / "to-nothing").symlink_to(root.parent / "absent.txt")
    (root / "to-parent").symlink_to("..")
    (root / "to-slash").symlink_to("/")
    (root / "to-environ").symlink_to("/proc/self/environ")
    (root / "to-root-of-process").symlink_to("/proc/self/root")
    (root / "loop").symlink_to("loop")
    return [
        "to-file",
        "to-nothing",
        "to-parent/outside.txt",
        "to-parent/absent.txt",
        "to-slash/etc/passwd",
        "to-environ",
        f"to-root-of-process{root.parent}/outside.txt",
        "loop",
        "../outside.txt",
        "../absent.txt",
        "sub/../offer.txt",
        "sub/../../outside.txt",
        str(root.parent / "outside.txt"),
        str(root.parent / "absent.txt"),
        f"{root}-sibling",
        f"{root}/../outside.txt",
        "/etc/passwd",
        "/proc/self/environ",
        f"/proc/self/cwd{root.parent}/outside.txt",
        "offer.txt\0.png",
        "offer\ud800.txt",
    ]


def test_outside_is_refused_and_never_tells_what_is_there(root: Path) -> None:
    files = RootedFiles([root])
    for path in outside_paths(root):
        error = refused(files, path)
        assert error.code is ErrorCode.ATTACHMENT_NOT_ALLOWED, path
        assert str(error).endswith(" is not below a directory of the setting attachments.roots"), path


def test_a_process_gives_nothing_away_even_below_the_root_of_all() -> None:
    error = refused(RootedFiles([Path("/")]), "/proc/self/environ")
    assert error.code is ErrorCode.ATTACHMENT_NOT_ALLOWED


@pytest.mark.parametrize("path", ["absent.txt", "sub/absent/deep.txt", "offer.txt/more", "x" * 300])
def test_what_is_missing_below_a_root_is_said_to_be_missing(root: Path, path: str) -> None:
    error = refused(RootedFiles([root]), path)
    assert error.code is ErrorCode.ATTACHMENT_NOT_FOUND
    assert "attachments.roots" in str(error)


def fifo(path: Path) -> None:
    os.mkfifo(path)


def unix_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        working = Path.cwd()
        os.chdir(path.parent)  # the name of a socket has 108 octets at most
        try:
            bound.bind(path.name)
        finally:
            os.chdir(working)


@pytest.mark.parametrize("make", [fifo, unix_socket, Path.mkdir])
def test_only_regular_files_are_read(root: Path, make: Callable[[Path], None]) -> None:
    make(root / "odd")
    error = refused(RootedFiles([root]), "odd")
    assert error.code is ErrorCode.ATTACHMENT_NOT_ALLOWED
    assert "is not a regular file" in str(error)


@pytest.mark.parametrize("path", [".", "sub"])
def test_a_directory_is_no_file(root: Path, path: str) -> None:
    assert refused(RootedFiles([root]), path).code is ErrorCode.ATTACHMENT_NOT_ALLOWED


def test_a_file_that_the_worker_may_not_read_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied")

    files = RootedFiles([root])
    monkeypatch.setattr(os, "open", denied)  # tests may run as root, who may read everything
    error = refused(files, "offer.txt")
    assert error.code is ErrorCode.ATTACHMENT_NOT_ALLOWED
    assert "Permission denied" in str(error)


@pytest.mark.parametrize("swapped", ["sub", "sub/deep.txt"])
def test_a_link_put_there_between_check_and_opening_is_not_followed(
    root: Path, swapped: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Swap a part of the path for a link after ``resolve`` has looked at it: the walk must notice."""
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "deep.txt").write_bytes(b"not yours")
    files = RootedFiles([root])
    look = files._allowed_places

    def swap(path: str, refusal: object) -> list[tuple[Path, Path]]:
        places = look(path, refusal)  # type: ignore[arg-type]  # its type is private
        (root / swapped).rename(root / "moved")
        (root / swapped).symlink_to(outside if swapped == "sub" else outside / "deep.txt")
        return places

    monkeypatch.setattr(files, "_allowed_places", swap)
    error = refused(files, "sub/deep.txt")
    assert error.code in (ErrorCode.ATTACHMENT_NOT_ALLOWED, ErrorCode.ATTACHMENT_NOT_FOUND)


def test_a_file_at_the_limit_is_read_and_one_byte_more_is_not(root: Path) -> None:
    (root / "large").write_bytes(b"x" * 100_000)
    files = RootedFiles([root])
    assert len(files.read("large", portion(100_000, 100_000))) == 100_000
    with pytest.raises(AttachmentError, match=r"more than 99999 bytes \(attachments.max_size\)") as caught:
        files.read("large", portion(99_999, 100_000))
    assert caught.value.code is ErrorCode.MESSAGE_TOO_LARGE
    with pytest.raises(AttachmentError, match=r"more than 99999 bytes \(attachments.max_total\)"):
        files.read("large", portion(100_000, 99_999))


def test_a_large_file_is_refused_before_it_is_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unread(*_: object) -> bytes:
        raise AssertionError("it was read")

    (root / "large").write_bytes(b"x" * 2000)
    monkeypatch.setattr(os, "read", unread)
    assert refused(RootedFiles([root]), "large").code is ErrorCode.MESSAGE_TOO_LARGE


def test_a_file_that_grows_while_it_is_read_is_stopped_at_the_limit(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces = iter([b"x" * 900, b"x" * 900, b""])
    monkeypatch.setattr(os, "read", lambda *_: next(pieces))
    assert refused(RootedFiles([root]), "offer.txt").code is ErrorCode.MESSAGE_TOO_LARGE
    assert next(pieces) == b""


def test_no_descriptor_stays_open(root: Path) -> None:
    files = RootedFiles([root])
    before = len(list(Path("/proc/self/fd").iterdir()))
    files.read("sub/deep.txt", portion())
    for path in ("absent", "sub", "../x", "sub/absent/x"):
        refused(files, path)
    with pytest.raises(AttachmentError):
        files.read("offer.txt", portion(1))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_link_that_changes_while_it_is_followed_is_refused(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = RootedFiles((root,))

    def failing(_: Path, strict: bool = False) -> Path:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Path, "resolve", failing)
    assert refused(files, "offer.txt").code is ErrorCode.ATTACHMENT_NOT_ALLOWED
