"""A logged-in IMAP connection: its folders, and mails in them.

All of it waits, so all of it runs in the connection's thread. Folder names go to the server as it spelled
them, since not every server spells them by the rules (modified UTF-7, RFC 9051 section 5.1).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from imapclient.imap_utf7 import decode, encode  # type: ignore[import-untyped]

from connector.errors import ErrorCode, MailboxError
from connector.mailbox.folders import find_folder, not_found, usual_role
from connector.mailbox.imap.client import ENDS_LINE, Client, quoted
from connector.mailbox.imap.fetching import Row, read_rows
from connector.mailbox.imap.searching import imap_day, uid_set
from connector.mailbox.imap.watch import ImapWatch
from connector.mailbox.port import WHOLE, Folder, Listing, Role
from connector.mailbox.reading.fields import values_of
from connector.mailbox.reading.summary import first_message_id
from connector.mailbox.references import ImapName

_ROLES = {
    b"\\SENT": Role.SENT,
    b"\\DRAFTS": Role.DRAFTS,
    b"\\TRASH": Role.TRASH,
    b"\\JUNK": Role.JUNK,
    b"\\ARCHIVE": Role.ARCHIVE,
    b"\\ALL": Role.ALL,
    b"\\FLAGGED": Role.FLAGGED,
}
_NOT_FOR_MAIL = frozenset((b"\\NOSELECT", b"\\NONEXISTENT"))
_UNUSUAL = frozenset((Role.JUNK, Role.TRASH))
# Views of mails that are in other folders.
_VIEWS = frozenset((Role.ALL, Role.FLAGGED))
KNOWN_BY = "UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (Message-ID)]"
_A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Opened:
    """A folder that is selected.

    Attributes:
        validity: UIDVALIDITY: another one means that no UID of before is valid.
        next_uid: The UID that the next mail will have; 0 where the server does not say.
        exists: How many mails it has.
    """

    folder: Folder
    validity: int
    next_uid: int
    exists: int


class ImapSession:
    """One connection, used by one thread at a time.

    Args:
        client: Logged in.
        watch: Names the steps that fail.
        namespace: The prefix of the user's own folders, where an operator sets it.
    """

    def __init__(self, client: Client, watch: ImapWatch, namespace: str | None = None) -> None:
        self.client = client
        self.watch = watch
        self._set_namespace = namespace
        self._folders: tuple[Folder, ...] = ()
        self._spelled: dict[str, bytes] = {}
        self._prefix: tuple[str, ...] = ()
        self._foreign: tuple[str, ...] = ()
        self._delimiter = "/"

    # --- folders ------------------------------------------------------------------------------------

    def folders(self, *, counted: bool = False) -> tuple[Folder, ...]:
        """Every folder that can hold mails.

        Args:
            counted: Whether the numbers of mails are wanted too; otherwise the last list may serve again.
        """
        if not self._folders or counted:
            self._list()
        if counted:
            self._folders = tuple(self._counted(folder) for folder in self._folders)
        return self._folders

    def folder(self, wanted: str, *, create: bool = False) -> Folder:
        """The folder that a task means.

        Raises:
            MailboxError: ``FOLDER_NOT_FOUND``: there is none, and it is not to be created.
        """
        found = find_folder(self.folders(), wanted, self._prefix)
        if found is None:  # another client may have created it since
            self._list()
            found = find_folder(self._folders, wanted, self._prefix)
        if found is None and create:
            found = self._create(wanted)
        if found is None:
            raise not_found(self._folders, wanted, self.watch.server)
        return found

    def chosen(self, listing: Listing) -> tuple[Folder, ...]:
        """The folders of a list, each once."""
        found: dict[str, Folder] = {}
        for wanted in listing.folders:
            several = self._whole(listing.included) if wanted == WHOLE else (self.folder(wanted),)
            found.update((folder.path, folder) for folder in several)
        return tuple(found.values())

    def _whole(self, included: Iterable[Role]) -> tuple[Folder, ...]:
        """The folder of all mails, or else every folder but junk and trash, which may be added."""
        added = frozenset(included)
        own = [folder for folder in self.folders() if not folder.path.startswith(self._foreign or ("\0",))]
        if everything := [folder for folder in own if folder.role is Role.ALL]:
            return (everything[0], *(folder for folder in own if folder.role in added & _UNUSUAL))
        return tuple(folder for folder in own if folder.role not in (_UNUSUAL - added) | _VIEWS)

    def _list(self) -> None:
        with self.watch.step("list"):
            self.client.begin()
            listed = self.client.list_folders()
        self._learn_namespace()
        self._folders = self._with_roles(
            [
                self._folder(spelled, delimiter, flags)
                for flags, delimiter, name in listed
                if not _NOT_FOR_MAIL & {flag.upper() for flag in flags}
                and (spelled := _spelling_of(name)) is not None
            ]
        )

    def _folder(self, spelled: bytes, delimiter: bytes | None, flags: Sequence[bytes]) -> Folder:
        path = _decoded(spelled)
        between = delimiter.decode("latin-1") if delimiter else ""
        self._delimiter = between or self._delimiter
        self._spelled[path] = spelled
        parts = tuple(path.split(between)) if between else (path,)
        role = next((_ROLES[flag.upper()] for flag in flags if flag.upper() in _ROLES), None)
        if path.upper() == "INBOX":
            role = Role.INBOX
        return Folder(path, parts[-1], role, None, None, parts)

    def _with_roles(self, folders: list[Folder]) -> tuple[Folder, ...]:
        """Give roles by the usual names, where the server gives a role to no folder."""
        taken = {folder.role for folder in folders}
        complete = []
        for folder in folders:
            guess = None
            if folder.role is None and folder.parts[:-1] in {(), self._prefix, ("INBOX",)}:
                guess = usual_role(folder.name)
            if guess is not None and guess not in taken:
                taken.add(guess)
                folder = replace(folder, role=guess)  # noqa: PLW2901 - the same folder, complete
            complete.append(folder)
        return tuple(complete)

    def _learn_namespace(self) -> None:
        if self._set_namespace is not None:
            self._prefix = self._split(self._set_namespace)
            return
        if not self.client.offers("NAMESPACE"):
            return
        with self.watch.step("namespace"):
            self.client.begin()
            told = self.client.namespace()
        personal, others, shared = (
            [_decoded(prefix) for prefix, _ in space or ()]
            for space in (told.personal, told.other, told.shared)
        )
        self._prefix = self._split(next(iter(personal), ""))
        self._foreign = tuple(filter(None, (*others, *shared)))

    def _split(self, prefix: str) -> tuple[str, ...]:
        return tuple(filter(None, prefix.rstrip("/.").replace(".", "/").split("/")))

    def _counted(self, folder: Folder) -> Folder:
        with self.watch.step("status"):
            self.client.begin()
            told = self.client.folder_status(self._spelling(folder.path), ["MESSAGES", "UNSEEN"])
        return replace(folder, unread=told.get(b"UNSEEN"), total=told.get(b"MESSAGES"))

    def _create(self, wanted: str) -> Folder | None:
        parts = tuple(part.strip() for part in wanted.strip("/").split("/"))
        if self._prefix and parts[: len(self._prefix)] != self._prefix:
            parts = (*self._prefix, *parts)
        if any(not part or self._delimiter in part for part in parts):
            text = (
                f"No folder can be named {wanted[:100]!r} on this server, where {self._delimiter} stands "
                "between the names of folders."
            )
            raise MailboxError(ErrorCode.FOLDER_NOT_FOUND, text, server=self.watch.server, phase="create")
        path = self._delimiter.join(parts)
        with self.watch.step("create"):
            self.client.begin()
            self.client.create_folder(encode(path))
        self._list()
        return find_folder(self._folders, path, self._prefix)

    def spelled(self, folder: Folder) -> bytes:
        """A folder's name in a command."""
        return quoted(self._spelling(folder.path))

    def _spelling(self, path: str) -> bytes:
        return self._spelled.get(path) or bytes(encode(path))

    # --- mails --------------------------------------------------------------------------------------

    def open(self, folder: Folder, *, readonly: bool = True) -> Opened:
        """Select a folder."""
        with self.watch.step("examine" if readonly else "select"):
            told = self.client.open_folder(self.spelled(folder), readonly=readonly)
        return Opened(
            folder, told.get(b"UIDVALIDITY") or 0, told.get(b"UIDNEXT") or 0, told.get(b"EXISTS") or 0
        )

    def rows(self, messages: str, items: str, *, uid: bool = True) -> list[Row]:
        """Fetch what is asked for of some mails."""
        with self.watch.step("fetch"):
            return list(read_rows(self.client.fetch_raw(messages, f"({items})", uid=uid)))

    def row(self, uid: int) -> Row | None:
        """What a mail is known by; None where there is none of this UID."""
        return next((row for row in self.rows(str(uid), KNOWN_BY) if row.uid == uid), None)

    def search(self, words: Sequence[bytes]) -> list[int]:
        """The UIDs of mails, in order."""
        with self.watch.step("search"):
            return self.client.search_raw(words)

    def name(self, opened: Opened, row: Row) -> ImapName:
        """What names a mail of the folder that is selected."""
        return name_of(opened, row, first_message_id(values_of(row.body).get("message-id")))

    def append(self, folder: Folder, octets: bytes, at: datetime) -> tuple[int, int] | None:
        """Put a mail into a folder; UIDVALIDITY and UID, where the server tells."""
        with self.watch.step("append"):
            return self.client.file(self._spelling(folder.path), octets, at)

    def seek(self, wanted: ImapName, opened: Opened) -> ImapName | None:
        """A mail in the folder that is selected, by what it is known by; the one that came last."""
        if wanted.message_id is not None:
            found = self.search([b"HEADER", b"Message-ID", quoted(wanted.message_id.encode())])
        else:
            found = self.search(
                [
                    *(b"LARGER", str(wanted.size - 1).encode(), b"SMALLER", str(wanted.size + 1).encode()),
                    *(b"SINCE", imap_day(wanted.received_at - _A_DAY)),
                    *(b"BEFORE", imap_day(wanted.received_at + 2 * _A_DAY)),
                ]
            )
        for row in reversed(self.rows(uid_set(found), KNOWN_BY) if found else []):
            name = self.name(opened, row)
            if _is_same(name, wanted):
                return name
        return None


def _spelling_of(name: object) -> bytes | None:
    """The name of a folder as the server spells it; None for one that no command can name."""
    spelled = name.encode() if isinstance(name, str) else name  # the library reads 2026 as a number
    return spelled if isinstance(spelled, bytes) and not ENDS_LINE.search(spelled) else None


def _decoded(spelled: bytes) -> str:
    """Read a folder's name; one that is wrongly spelled stands as it is."""
    if not spelled.isascii():
        return spelled.decode("utf-8", "replace")
    try:
        name = str(decode(spelled))
        name.encode()  # half a surrogate pair cannot leave in a result
    except ValueError:
        return spelled.decode("ascii")
    return name


def name_of(opened: Opened, row: Row, message_id: str | None) -> ImapName:
    """What names a mail."""
    if message_id is not None:
        return ImapName(opened.folder.path, opened.validity, row.uid, message_id)
    received = int(row.received_at.timestamp()) if row.received_at else 0
    return ImapName(opened.folder.path, opened.validity, row.uid, message_id, row.size, received)


def _is_same(one: ImapName, other: ImapName) -> bool:
    if other.message_id is not None:
        return one.message_id == other.message_id
    return (one.message_id, one.size, one.received) == (None, other.size, other.received)
