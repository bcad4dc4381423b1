"""One client of the mailbox for tests: its commands in, responses out (RFC 3501, RFC 4315, RFC 6851).

It knows as much of IMAP as clients need to list, search, read, mark, move and delete mails, and answers BAD
to the rest.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from imaplib import Internaldate2tuple
from time import mktime

from connector.testing.imap_commands import inner_of, read_command, word_of
from connector.testing.imap_mail import NotUnderstoodError, StoredMail, Words, matches, numbers, told
from connector.testing.imap_state import Folder, State, decoded, encoded

_CAPABILITIES = b"IMAP4rev1 AUTH=PLAIN LITERAL+ SPECIAL-USE UIDPLUS MOVE UNSELECT"
_TRANSFERS = {b"COPY": False, b"MOVE": True}
# During these no mail may change its number (RFC 3501 section 7.4.1).
_NUMBERED = frozenset((b"FETCH", b"STORE", b"SEARCH"))


class _RefusedError(Exception):
    """The text of a NO."""


class ImapDialogue:
    """Serves one connection.

    Args:
        state: The mailbox.
        reader: From the client.
        writer: To the client.
    """

    def __init__(self, state: State, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._state = state
        self._reader = reader
        self._writer = writer
        self._logged_in = False
        self._folder: Folder | None = None
        self._readonly = False
        self._known: list[StoredMail] = []

    async def run(self) -> None:
        """Serve until the client leaves."""
        self._say(b"* OK [CAPABILITY %s] ready" % _CAPABILITIES)
        with suppress(OSError, asyncio.IncompleteReadError, ValueError):
            while (words := await read_command(self._reader, self._writer)) is not None:
                await self._answer(words)
                if [word.upper() for word in words[1:2] if isinstance(word, bytes)] == [b"LOGOUT"]:
                    break
        self._writer.close()

    def abort(self) -> None:
        """Break the connection."""
        self._writer.transport.abort()

    async def _answer(self, words: Words) -> None:
        tag, *rest = words
        if not isinstance(tag, bytes) or not rest or not isinstance(rest[0], bytes):
            self._say(b"* BAD a command is a tag, a word, and what it is about")
            return
        verb = rest[0].upper()
        try:
            code = await self._do(verb, rest[1:])
            if verb not in _NUMBERED:
                self._tell_changes()
            self._say(b"%s OK %s%s done" % (tag, code, verb))
        except _RefusedError as error:
            self._say(b"%s NO %s" % (tag, str(error).encode()))
        except (NotUnderstoodError, IndexError, TypeError, ValueError) as error:
            said = f"the mailbox for tests does not know this: {error}"
            self._say(b"%s BAD %s" % (tag, said.encode("ascii", "replace")))
        await self._writer.drain()

    async def _do(self, verb: bytes, words: Words) -> bytes:
        """Do what a command asks; the response code of its OK."""
        anyone: dict[bytes, Callable[[Words], bytes]] = {
            b"CAPABILITY": self._capability,
            b"NOOP": lambda _: b"",
            b"LOGOUT": self._logout,
            b"LOGIN": lambda found: self._login(word_of(found[0]), word_of(found[1])),
        }
        known: dict[bytes, Callable[[Words], bytes]] = {
            b"LIST": self._list,
            b"STATUS": self._status,
            b"CREATE": self._create,
            b"SELECT": lambda found: self._select(found, readonly=False),
            b"EXAMINE": lambda found: self._select(found, readonly=True),
            b"APPEND": self._append,
        }
        if verb == b"AUTHENTICATE":
            return await self._authenticate(words)
        if verb in anyone:
            return anyone[verb](words)
        if not self._logged_in:
            raise _RefusedError("log in first")
        return known[verb](words) if verb in known else self._in_folder(verb, words)

    # --- without a folder -------------------------------------------------------------------------------

    def _capability(self, _: Words) -> bytes:
        self._say(b"* CAPABILITY " + _CAPABILITIES)
        return b""

    def _logout(self, _: Words) -> bytes:
        self._say(b"* BYE logging out")
        return b""

    async def _authenticate(self, words: Words) -> bytes:
        if word_of(words[0]).upper() != b"PLAIN":
            raise _RefusedError("[AUTHENTICATIONFAILED] only PLAIN")
        if len(words) < 2:
            self._say(b"+ ")
            await self._writer.drain()
        answer = word_of(words[1]) if len(words) > 1 else (await self._reader.readline()).strip()
        try:
            _, user, password = base64.b64decode(answer).split(b"\0")
        except (binascii.Error, ValueError):
            raise _RefusedError("[AUTHENTICATIONFAILED] no user name with a password") from None
        return self._login(user, password)

    def _login(self, user: bytes, password: bytes) -> bytes:
        users = self._state.users
        if users is not None and users.get(user.decode("utf-8", "replace")) != password.decode(
            "utf-8", "replace"
        ):
            raise _RefusedError("[AUTHENTICATIONFAILED] wrong user name or password")
        self._logged_in = True
        return b"[CAPABILITY %s] " % _CAPABILITIES

    def _list(self, words: Words) -> bytes:
        pattern = re.escape(word_of(words[1]).decode("ascii", "replace"))
        wanted = re.compile(pattern.replace(r"\*", ".*").replace("%", "[^/]*"), re.IGNORECASE)
        for folder in self._state.folders.values():
            if wanted.fullmatch(encoded(folder.name)):
                flag = folder.role.encode()
                self._say(b'* LIST (%s) "/" %s' % (flag, _quoted(folder.name)))
        return b""

    def _status(self, words: Words) -> bytes:
        folder = self._found(words[0])
        counts = {
            b"MESSAGES": len(folder.mails),
            b"UNSEEN": sum(mail.unread for mail in folder.mails),
            b"RECENT": 0,
            b"UIDNEXT": folder.next_uid,
            b"UIDVALIDITY": folder.validity,
        }
        wanted = [word_of(one).upper() for one in inner_of(words[1])]
        shown = b" ".join(b"%s %d" % (name, counts[name]) for name in wanted if name in counts)
        self._say(b"* STATUS %s (%s)" % (_quoted(folder.name), shown))
        return b""

    def _create(self, words: Words) -> bytes:
        name = decoded(word_of(words[0]).decode("ascii", "replace")).rstrip("/")
        if self._state.find(name) is not None:
            raise _RefusedError("[ALREADYEXISTS] there is such a folder")
        self._state.folder(name)
        return b""

    def _select(self, words: Words, *, readonly: bool) -> bytes:
        self._folder, self._readonly = None, readonly
        folder = self._found(words[0])
        self._folder, self._known = folder, list(folder.mails)
        for line in (
            b"FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)",
            b"OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)] kept",
            b"%d EXISTS" % len(self._known),
            b"0 RECENT",
            b"OK [UIDVALIDITY %d] valid" % folder.validity,
            b"OK [UIDNEXT %d] next" % folder.next_uid,
        ):
            self._say(b"* " + line)
        return b"[READ-ONLY] " if readonly else b"[READ-WRITE] "

    def _append(self, words: Words) -> bytes:
        folder = self._found(words[0], advice="[TRYCREATE] ")
        lists = [one for one in words[1:-1] if isinstance(one, list)]
        flags = [word_of(flag).decode("ascii") for one in lists for flag in one]
        at = next((_moment(one) for one in words[1:-1] if isinstance(one, bytes)), datetime.now(UTC))
        mail = folder.add(word_of(words[-1]), flags, at)
        return b"[APPENDUID %d %d] " % (folder.validity, mail.uid)

    def _found(self, name: bytes | Words, advice: str = "[NONEXISTENT] ") -> Folder:
        folder = self._state.find(decoded(word_of(name).decode("ascii", "replace")))
        if folder is None:
            raise _RefusedError(f"{advice}there is no such folder")
        return folder

    # --- within a folder --------------------------------------------------------------------------------

    def _in_folder(self, verb: bytes, words: Words) -> bytes:
        if self._folder is None:
            raise NotUnderstoodError(f"{verb.decode('latin-1')} without a folder that is selected")
        uid = verb == b"UID"
        if uid:
            verb, words = word_of(words[0]).upper(), words[1:]
        match verb:
            case b"FETCH":
                return self._fetch(words, uid=uid)
            case b"SEARCH":
                return self._search(words, uid=uid)
            case b"STORE":
                return self._store(words, uid=uid)
            case b"COPY" | b"MOVE":
                return self._transfer(self._folder, words, uid=uid, gone=_TRANSFERS[verb])
            case b"EXPUNGE":
                return self._expunge(
                    self._folder, {mail for _, mail in self._chosen(words[0], uid=True)} if uid else None
                )
            case b"CLOSE" | b"UNSELECT":
                if verb == b"CLOSE" and not self._readonly:
                    self._expunge(self._folder, None)
                self._folder, self._known = None, []
                return b""
        raise NotUnderstoodError(verb.decode("latin-1"))

    def _chosen(self, written: bytes | Words, *, uid: bool) -> list[tuple[int, StoredMail]]:
        last = max((mail.uid for mail in self._known), default=0) if uid else len(self._known)
        wanted = numbers(word_of(written), last)
        found = enumerate(self._known, 1)
        return [(number, mail) for number, mail in found if (mail.uid if uid else number) in wanted]

    def _fetch(self, words: Words, *, uid: bool) -> bytes:
        items = [word_of(item) for item in (inner_of(words[1]) if isinstance(words[1], list) else words[1:])]
        if uid and b"UID" not in {item.upper() for item in items}:
            items.insert(0, b"UID")
        for number, mail in self._chosen(words[0], uid=uid):
            flags, shown = set(mail.flags), [told(mail, item) for item in items]
            if self._readonly:
                mail.flags = flags
            self._say(b"* %d FETCH (%s)" % (number, b" ".join(shown)))
        return b""

    def _search(self, words: Words, *, uid: bool) -> bytes:
        keys = words[2:] if word_of(words[0]).upper() == b"CHARSET" else words
        found = [
            mail.uid if uid else number
            for number, mail in enumerate(self._known, 1)
            if matches(keys, mail, number, len(self._known))
        ]
        self._say(b" ".join([b"* SEARCH", *(b"%d" % one for one in found)]))
        return b""

    def _store(self, words: Words, *, uid: bool) -> bytes:
        self._writable()
        how = word_of(words[1]).upper()
        inner = inner_of(words[2]) if isinstance(words[2], list) else words[2:]
        flags = {word_of(flag).decode("ascii") for flag in inner}
        lowered = {flag.lower() for flag in flags}
        for number, mail in self._chosen(words[0], uid=uid):
            kept = {flag for flag in mail.flags if flag.lower() not in lowered}
            mail.flags = kept if how[:1] == b"-" else kept | flags if how[:1] == b"+" else set(flags)
            if not how.endswith(b".SILENT"):
                self._say(b"* %d FETCH (%s %s)" % (number, told(mail, b"UID"), told(mail, b"FLAGS")))
        return b""

    def _transfer(self, source: Folder, words: Words, *, uid: bool, gone: bool) -> bytes:
        target = self._found(words[1], advice="[TRYCREATE] ")
        if gone:
            self._writable()
        mails = [mail for _, mail in self._chosen(words[0], uid=uid) if mail in source.mails]
        if not mails:
            return b""
        copies = [target.add(mail.octets, mail.flags, mail.received_at) for mail in mails]
        before, after = (b",".join(b"%d" % one.uid for one in several) for several in (mails, copies))
        code = b"[COPYUID %d %s %s]" % (target.validity, before, after)
        if not gone:
            return code + b" "
        self._say(b"* OK %s moved" % code)
        source.mails[:] = [mail for mail in source.mails if mail not in mails]
        return b""

    def _expunge(self, folder: Folder, among: set[StoredMail] | None) -> bytes:
        self._writable()
        folder.mails[:] = [
            mail
            for mail in folder.mails
            if not mail.has("\\deleted") or (among is not None and mail not in among)
        ]
        return b""

    def _writable(self) -> None:
        if self._readonly:
            raise _RefusedError("the folder was opened with EXAMINE")

    def _tell_changes(self) -> None:
        """Tell what other clients, and this one, have changed in the folder (RFC 3501 section 7.4.1)."""
        if self._folder is None:
            return
        for number in range(len(self._known), 0, -1):
            if self._known[number - 1] not in self._folder.mails:
                del self._known[number - 1]
                self._say(b"* %d EXPUNGE" % number)
        if len(self._known) != len(self._folder.mails):
            self._known = list(self._folder.mails)
            self._say(b"* %d EXISTS" % len(self._known))

    # --- the wire ---------------------------------------------------------------------------------------

    def _say(self, line: bytes) -> None:
        self._writer.write(line + b"\r\n")


def _moment(written: bytes) -> datetime:
    found = Internaldate2tuple(b'INTERNALDATE "%s"' % written)
    if found is None:
        raise NotUnderstoodError(f"the date {written.decode('latin-1')}")
    return datetime.fromtimestamp(mktime(found), UTC)


def _quoted(name: str) -> bytes:
    return b'"%s"' % encoded(name).replace("\\", "\\\\").replace('"', '\\"').encode("ascii")
