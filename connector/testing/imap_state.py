"""The folders of the mailbox for tests, which all of its clients share, and how IMAP spells their names."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from connector.testing.imap_mail import StoredMail

_USUAL = {
    "INBOX": "",
    "Archive": "\\Archive",
    "Drafts": "\\Drafts",
    "Junk": "\\Junk",
    "Sent": "\\Sent",
    "Trash": "\\Trash",
}


@dataclass(eq=False, slots=True)
class Folder:
    """A folder.

    Attributes:
        name: With ``/`` between the names of folders within each other.
        role: Its flag of RFC 6154, or an empty text.
        validity: UIDVALIDITY.
    """

    name: str
    role: str = ""
    validity: int = 1
    next_uid: int = 1
    mails: list[StoredMail] = field(default_factory=list)

    def add(self, octets: bytes, flags: Iterable[str], at: datetime) -> StoredMail:
        """Put a mail into it."""
        mail = StoredMail(self.next_uid, octets, at, set(flags))
        self.next_uid += 1
        self.mails.append(mail)
        return mail


class State:
    """All folders, and who may log in.

    Args:
        users: Passwords by user name; None lets any in.
    """

    def __init__(self, users: Mapping[str, str] | None) -> None:
        self.users = users
        self.folders: dict[str, Folder] = {}
        for name, role in _USUAL.items():
            self.folder(name).role = role

    def find(self, name: str) -> Folder | None:
        """Return a folder; the inbox by its name in any case (RFC 3501 section 5.1)."""
        return self.folders.get("INBOX" if name.upper() == "INBOX" else name)

    def folder(self, name: str) -> Folder:
        """Return a folder, which is made where it is missing, with those around it."""
        parts = name.split("/")
        for depth in range(1, len(parts) + 1):
            path = "/".join(parts[:depth])
            if self.find(path) is None:
                self.folders[path] = Folder(path, validity=len(self.folders) + 1)
        return self.find(name) or self.folders[name]


def decoded(spelled: str) -> str:
    """Read a name in modified UTF-7 (RFC 3501 section 5.1.3)."""

    def part(found: re.Match[str]) -> str:
        letters = found[1].replace(",", "/")
        octets = base64.b64decode(letters + "=" * (-len(letters) % 4))
        return octets.decode("utf-16-be") if letters else "&"

    return re.sub(r"&([A-Za-z0-9+,]*)-", part, spelled)


def encoded(name: str) -> str:
    """Write a name in modified UTF-7."""

    def part(found: re.Match[str]) -> str:
        octets = base64.b64encode(found[0].encode("utf-16-be")).decode()
        return f"&{octets.rstrip('=').replace('/', ',')}-"

    return re.sub(r"[^\x20-\x7e]+", part, name.replace("&", "&-"))
