"""Read what a task only names: the HTML body's file, and attachments from files and URLs.

A :class:`~connector.model.mail.SendRequest` enters, a :class:`~connector.model.mail.LoadedContent` leaves, in
memory and in the task's order. Apart from building, which is pure: this is the last stage before the
transport that waits for anything.
"""

from __future__ import annotations

import asyncio
import codecs
import re
import ssl
from collections.abc import Iterable
from dataclasses import replace
from itertools import chain, count

from connector.errors import AttachmentError, ErrorCode, InputError
from connector.message.content.rooted_files import Allowance, RootedFiles
from connector.message.content.urls import Resolve, UrlFetcher, resolve_host
from connector.message.encoding import is_known_charset
from connector.model.mail import (
    BODY_FIELD,
    Attachment,
    DataSource,
    FileContent,
    FileSource,
    InlineContent,
    LoadedAttachment,
    LoadedContent,
    SendRequest,
    UrlSource,
)
from connector.model.text import base_name
from connector.net.outbound import DIRECT, Outbound
from connector.settings.model import AttachmentSettings

ATTACHMENTS_FIELD = "smtpEmailAttachments"

_AT_ONCE = 4  # files and URLs of one mail that are read side by side
_UNNAMED = "attachment"
_NOT_FOR_CONTENT_ID = re.compile(r"[^A-Za-z0-9._-]")
# UTF-32 has no place here: its little-endian mark starts with that of UTF-16, and HTML forbids it.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16le"),
    (codecs.BOM_UTF16_BE, "utf-16be"),
)
_PRESCAN = 1024  # HTML Standard: the declaration is within the first 1024 bytes
_META_CHARSET = re.compile(rb"<meta\s[^>]*?charset\s*=\s*[\"']?\s*([a-z0-9_:.-]+)", re.IGNORECASE)


class ContentReader:
    """Reads the contents of mails, within the limits and from the places that the settings allow.

    Args:
        settings: Roots, hosts and limits.
        resolve: Finds the addresses of a host; tests replace it.
        tls: What https servers are checked against; the system's authorities when None.
        way: Which proxy is for which URL.

    Raises:
        ValueError: ``attachments.urls`` has an entry that is no host.
    """

    def __init__(
        self,
        settings: AttachmentSettings,
        *,
        resolve: Resolve = resolve_host,
        tls: ssl.SSLContext | None = None,
        way: Outbound = DIRECT,
    ) -> None:
        self._settings = settings
        self._files = RootedFiles(settings.roots)
        self._urls = UrlFetcher(settings, resolve=resolve, tls=tls, way=way)

    async def load(self, request: SendRequest) -> LoadedContent:
        """Read the body and every attachment.

        An inline attachment without a content id gets its name as one, with ``-`` for everything but ASCII
        letters, digits, ``.``, ``_`` and ``-``: the body shows ``logo.png`` through ``cid:logo.png``. A
        second one of that name gets ``2-logo.png``, and so on.

        Args:
            request: The mail that a task wants sent.

        Raises:
            AttachmentError: A content may not be read, is missing, too large, or cannot be fetched now.
            InputError: The HTML file is not text in the encoding it declares.
        """
        if len(request.attachments) > self._settings.max_count:
            message = (
                f"{ATTACHMENTS_FIELD}: there are more than {self._settings.max_count} (attachments.max_count)"
            )
            raise AttachmentError(ErrorCode.MESSAGE_TOO_LARGE, message, field=ATTACHMENTS_FIELD)
        body = await self._body(request.content)
        return LoadedContent(body, await self._attachments(request.attachments), request.text)

    async def aclose(self) -> None:
        """Close what was opened for URLs."""
        await self._urls.aclose()

    async def _body(self, content: InlineContent | FileContent) -> str:
        if isinstance(content, InlineContent):
            return content.text
        return await asyncio.to_thread(self._read_html, content.path)

    def _read_html(self, path: str) -> str:
        portion = Allowance(self._settings).portion(BODY_FIELD)
        return decode_html(self._files.read(path, portion), BODY_FIELD)

    async def _attachments(self, attachments: tuple[Attachment, ...]) -> tuple[LoadedAttachment, ...]:
        if not attachments:
            return ()
        allowance, turns = Allowance(self._settings), asyncio.Semaphore(_AT_ONCE)
        loads = [asyncio.create_task(self._read(each, allowance, turns)) for each in attachments]
        try:
            return _identified(await asyncio.gather(*loads))
        except BaseException:
            # The first to fail stops the others. A TaskGroup of Python 3.11 would leave this task cancelled.
            for load in loads:
                load.cancel()
            await asyncio.wait(loads)
            raise

    async def _read(
        self, attachment: Attachment, allowance: Allowance, turns: asyncio.Semaphore
    ) -> LoadedAttachment:
        portion = allowance.portion(attachment.field)
        async with turns:
            match attachment.source:
                case DataSource(data):
                    portion.reach(len(data))
                    return _loaded(attachment, data)
                case FileSource(path):
                    data = await asyncio.to_thread(self._files.read, path, portion)
                    return _loaded(attachment, data, name=path)
                case UrlSource(url):
                    fetched = await self._urls.fetch(url, portion)
                    return _loaded(attachment, fetched.data, fetched.name, fetched.content_type)


def _loaded(
    attachment: Attachment, data: bytes, name: str = "", content_type: str | None = None
) -> LoadedAttachment:
    return LoadedAttachment(
        field=attachment.field,
        name=attachment.name or _file_name(name),
        content_type=attachment.content_type or content_type,
        data=data,
        inline=attachment.inline,
        content_id=attachment.content_id,
    )


def _file_name(path: str) -> str:
    """The last part of a path of any system, without what could break a header or deceive a reader.

    A name that the task gives has been checked when it was read; this one comes from a disk or a server.
    """
    last = base_name(path)
    return "".join(character for character in last if character.isprintable()).strip() or _UNNAMED


def _identified(attachments: Iterable[LoadedAttachment]) -> tuple[LoadedAttachment, ...]:
    """Give every inline attachment that has none a content id of its own."""
    loaded = tuple(attachments)
    used = {attachment.content_id for attachment in loaded}
    return tuple(
        _with_content_id(each, used) if each.inline and not each.content_id else each for each in loaded
    )


def _with_content_id(attachment: LoadedAttachment, used: set[str | None]) -> LoadedAttachment:
    wanted = _NOT_FOR_CONTENT_ID.sub("-", attachment.name)
    numbered = (f"{number}-{wanted}" for number in count(2))
    content_id = next(candidate for candidate in chain((wanted,), numbered) if candidate not in used)
    used.add(content_id)
    return replace(attachment, content_id=content_id)


def decode_html(octets: bytes, field: str) -> str:
    """Decode an HTML file: by its byte order mark, else by ``<meta charset>``, else as UTF-8.

    Args:
        octets: The whole file.
        field: The variable that named the file.

    Raises:
        InputError: The octets are not in that encoding, or it is not a known one.
    """
    for mark, charset in _MARKS:
        if octets.startswith(mark):
            return _decode(octets[len(mark) :], charset, field)
    return _decode(octets, _declared(octets, field), field)


def _declared(octets: bytes, field: str) -> str:
    declared = _META_CHARSET.search(octets[:_PRESCAN])
    charset = declared[1].decode("ascii") if declared else "utf-8"
    if not is_known_charset(charset):
        message = f"the HTML file declares the unknown charset {charset!r}; save it as UTF-8"
        raise InputError(field, message)
    # A declaration that could be read is not in UTF-16 (HTML Standard, 13.2.3.2).
    return "utf-8" if charset.lower().startswith("utf-16") else charset


def _decode(octets: bytes, charset: str, field: str) -> str:
    try:
        return octets.decode(charset)
    except UnicodeError as error:
        at = f" (byte {error.start})" if isinstance(error, UnicodeDecodeError) else ""
        message = f"the HTML file is not {charset.upper()} text{at}; save it as UTF-8, or declare its charset"
        # The original error holds the whole file.
        raise InputError(field, message) from None
