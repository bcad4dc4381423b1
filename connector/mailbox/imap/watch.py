"""What IMAP servers and imaplib say when something goes wrong, as our errors."""

from __future__ import annotations

import imaplib
import re
from collections.abc import Iterator
from contextlib import contextmanager

from connector.errors import ErrorCode, MailboxError
from connector.mailbox.connection import EndedError, RefusedError, Watch

_COMMAND = re.compile(r"^command: \S+ => |^\S+ (?:command error|failed): (?:(?:NO|BAD) )?")
# RFC 5530: codes that say that the same command may work later, and that it never will for this user.
_LATER = re.compile(r"\[(?:UNAVAILABLE|INUSE|LIMIT|SERVERBUG|OVERQUOTA)\]", re.IGNORECASE)
_NEVER = re.compile(r"\[(?:NOPERM|CANNOT|CLIENTBUG|CONTACTADMIN)\]", re.IGNORECASE)
_NO_FOLDER = re.compile(r"\[(?:NONEXISTENT|TRYCREATE)\]", re.IGNORECASE)
# Gmail: "[ALERT] Too many simultaneous connections. (Failure)".
_TOO_MANY = re.compile(r"too many|try again|unavailable", re.IGNORECASE)


class ImapWatch(Watch):
    """Tells what breaks on an IMAP connection."""

    @contextmanager
    def step(self, phase: str) -> Iterator[None]:
        """Name the step during which something may break."""
        with super().step(phase):
            try:
                yield
            except imaplib.IMAP4.abort as error:
                raise self._ended(error) from error
            except imaplib.IMAP4.error as error:
                raise RefusedError(words_of(error)) from error

    def _ended(self, error: imaplib.IMAP4.abort) -> Exception:
        words = words_of(error)
        if not words.startswith("socket error"):
            return EndedError(words)
        return TimeoutError() if "timed out" in words else ConnectionResetError()

    def refused(self, words: str, phase: str) -> MailboxError:
        """The error for NO and BAD."""
        if phase == "auth":
            return self._login_refused(words)
        if _NO_FOLDER.search(words):
            return self.error(ErrorCode.FOLDER_NOT_FOUND, "There is no such folder.", phase, words)
        error = super().refused(words, phase)
        error.retryable = not _NEVER.search(words)
        return error

    def _login_refused(self, words: str) -> MailboxError:
        if _LATER.search(words) or _TOO_MANY.search(words):
            text = "The mail server cannot check the login now, or has enough connections of ours."
            return self.error(ErrorCode.AUTH_UNAVAILABLE, text, "auth", words)
        text = "The mail server refuses the login; check user name and password."
        return self.error(ErrorCode.AUTH_FAILED, text, "auth", words)


def words_of(error: Exception) -> str:
    """The server's words in an exception of imaplib's or IMAPClient's."""
    text = _COMMAND.sub("", str(error.args[0]) if error.args else "")
    # Both put the representation of octets into their messages: "['…']", "[b'…']", "b'…'".
    if match := re.fullmatch(r"\[?b?(['\"])(.*)\1\]?", text, re.DOTALL):
        text = match[2]
    return text.strip()
