"""The journal: what is written comes back as it was, and what is not whole is left out."""

import json
from pathlib import Path

import pytest

from connector.devengine.commands import ActivationRequest, Failure, MessageToPublish, Resource
from connector.devengine.journal import Entry, Journal, JournalError
from connector.devengine.record_file import RecordFile
from connector.devengine.records import RecordLog

REQUEST = ActivationRequest("mail", "worker", 2.5, ("a", "b"), ("<default>",))
ENTRIES = [
    Entry(1700000000.123456, "deploy", ([Resource("a.bpmn", b"<\xff\x00>")],), {}),
    Entry(1700000001.0, "lease_job", (2251799813685249, REQUEST), {}),
    Entry(1700000002.5, "complete_job", (2251799813685249, {"n": 2**60, "text": "Grüße \ud800"}), {}),
    Entry(1700000003.0, "publish_message", (MessageToPublish("go", "key", 1.5, "id", {"a": None}),), {}),
    Entry(1700000004.0, "set_variables", (7, {"a": 1}), {"local": True}),
    Entry(1700000005.0, "tick", (), {}),
    Entry(1700000006.0, "fail_job", (8, Failure(2, "no", 1.5, {"why": "no"})), {}),
]


def written(path: Path) -> Journal:
    journal = Journal(path, "8.6", 7)
    assert list(journal.entries()) == []
    for entry in ENTRIES:
        journal.append(entry)
    return journal


def read(path: Path) -> list[Entry]:
    journal = Journal(path, "8.6", 8)
    try:
        return list(journal.entries())
    finally:
        journal.close()


def test_every_command_comes_back_as_it_was(tmp_path: Path) -> None:
    written(tmp_path / "j").close()
    assert read(tmp_path / "j") == ENTRIES


def test_the_seed_stays_with_the_journal(tmp_path: Path) -> None:
    written(tmp_path / "j").close()
    journal = Journal(tmp_path / "j", "8.6", 8)
    journal.close()
    assert journal.seed == 7


def test_a_line_is_in_the_file_before_it_is_closed(tmp_path: Path) -> None:
    journal = written(tmp_path / "j")
    assert len((tmp_path / "j").read_bytes().splitlines()) == 1 + len(ENTRIES)
    journal.close()


@pytest.mark.parametrize("cut", [1, 2, 10])
def test_a_torn_last_line_is_removed_and_writing_goes_on(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "j"
    written(path).close()
    path.write_bytes(path.read_bytes()[:-cut])
    journal = Journal(path, "8.6", 8)
    assert list(journal.entries()) == ENTRIES[:-1]
    journal.append(ENTRIES[1])
    journal.close()
    assert read(path) == [*ENTRIES[:-1], ENTRIES[1]]


def test_a_torn_first_line_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "j"
    path.write_bytes(b'{"journal"')
    assert read(path) == []
    assert json.loads(path.read_bytes()) == {"journal": 1, "version": "8.6", "seed": 8}


def test_the_journal_of_another_version_is_refused(tmp_path: Path) -> None:
    written(tmp_path / "j").close()
    with pytest.raises(JournalError, match=r"begun by an engine with --version 8\.6"):
        Journal(tmp_path / "j", "8.8", 7)


@pytest.mark.parametrize("content", [b"hello\n", b"[1]\n", b'{"journal":99}\n', b'{"a":1}\n{"b":2}\n'])
def test_another_file_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "j"
    path.write_bytes(content)
    with pytest.raises(JournalError, match="is no journal of this engine"):
        Journal(path, "8.6", 7)
    assert path.read_bytes() == content


def test_a_line_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "j"
    written(path).close()
    path.write_bytes(path.read_bytes() + b'{"at":"never"}\n')
    with pytest.raises(JournalError, match="line 9, cannot be read"):
        read(path)


def test_a_directory_is_no_journal(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="cannot be opened"):
        Journal(tmp_path, "8.6", 7)


def test_records_are_written_once_over_a_replay(tmp_path: Path) -> None:
    path = tmp_path / "records"
    for texts in (["a", "b"], ["a", "b", "c"]):
        file = RecordFile(path)
        log = RecordLog(sink=file.add)
        for text in texts:
            log.add({"value": text})
        file.flush()
        file.close()
    assert [json.loads(line)["value"] for line in path.read_bytes().splitlines()] == ["a", "b", "c"]


def test_a_torn_record_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "records"
    path.write_bytes(b'{"value":"a","position":1}\n{"val')
    file = RecordFile(path)
    log = RecordLog(sink=file.add)
    for text in ("a", "b"):
        log.add({"value": text})
    file.flush()
    file.close()
    assert [json.loads(line)["value"] for line in path.read_bytes().splitlines()] == ["a", "b"]
