"""The body parts of a mail (RFC 2046): text, HTML and attachments, in the transfer encoding that suits each.

Unicode text, or an attachment with its octets, enters; a MIME part leaves. The encoding of text is 7bit where
the text permits it, so that a simple mail is readable as it is; otherwise the shorter of quoted-printable and
base64. What a task says about a media type is read and written anew, so that nothing else gets into the
header with it.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import PurePath

from connector.errors import InputError
from connector.message.encoding import base64, base64_size, encode_parameter, quoted_printable
from connector.message.header import tokens
from connector.model.mail import LoadedAttachment
from connector.model.text import MAX_NAME, check_length, check_name, check_text

_MAX_LINE = 78  # RFC 5322 section 2.1.1 asks for no longer ones
_PLAIN = bytes((9, 10, 13, *range(32, 127)))
_ASCII = bytes(range(128))
_DEFAULT = "application/octet-stream"
_TOKEN = r"[A-Za-z0-9!#$&+.^_`{|}~*'%-]+"  # noqa: S105 - RFC 2045 section 5.1, a grammar
_TYPE = re.compile(rf"\s*({_TOKEN})/({_TOKEN})\s*")
_PARAMETER = re.compile(rf';\s*({_TOKEN})\s*=\s*(?:({_TOKEN})|"((?:[^"\\]|\\.)*+)")\s*')
_WRITTEN_ANEW = frozenset(("name", "boundary"))
_CONTENT_ID = re.compile(r"[!-;=?-~]{1,200}")
_MAX_WORD = 127  # RFC 6838 section 4.2 (and 4.3): type, subtype, a parameter's name; none can be folded
_MAX_TYPE = 1_000  # a type with all its parameters
_LONGEST_LINE = 998  # RFC 5322 section 2.1.1
# The table that comes with Python, not the machine's: the same file is the same type on every worker.
_TYPES = mimetypes.MimeTypes(filenames=())
_OFFICE = "application/vnd.openxmlformats-officedocument"
_OPEN_DOCUMENT = "application/vnd.oasis.opendocument"
for _extension, _type in {
    ".docx": f"{_OFFICE}.wordprocessingml.document",
    ".xlsx": f"{_OFFICE}.spreadsheetml.sheet",
    ".pptx": f"{_OFFICE}.presentationml.presentation",
    ".odt": f"{_OPEN_DOCUMENT}.text",
    ".ods": f"{_OPEN_DOCUMENT}.spreadsheet",
    ".odp": f"{_OPEN_DOCUMENT}.presentation",
    ".ics": "text/calendar",
    ".md": "text/markdown",
    ".rtf": "application/rtf",
    ".webp": "image/webp",
    ".xml": "application/xml",
}.items():
    _TYPES.add_type(_type, _extension)
_FIELD = re.IGNORECASE | re.MULTILINE
_WANTED = {"From": re.compile(rb"^From[ \t]*:", _FIELD), "Date": re.compile(rb"^Date[ \t]*:", _FIELD)}
_COMPRESSED = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}


@dataclass(frozen=True, slots=True)
class Part:
    """One body part (RFC 2046 section 5.1), ready to be put into a multipart or to be the message.

    Attributes:
        header: Its Content-* fields, each with its CRLF.
        blocks: Its encoded octets, to be taken once; the last line need not be ended.
        size: How many octets the blocks have at most.
        encoded: In quoted-printable or base64, in which no boundary with ``=_`` can occur.
        eight_bit: Some of its octets are above 127.
        warnings: What the modeler should know about it.
        lowered: The same, where it is 7-bit only because the server may have no 8BITMIME.
    """

    header: str
    blocks: Iterable[bytes]
    size: int
    encoded: bool
    eight_bit: bool = False
    warnings: tuple[str, ...] = ()
    lowered: tuple[str, ...] = ()


def text_part(text: str, subtype: str, field: str) -> Part:
    """Write a part of text (RFC 2046 section 4.1).

    Args:
        text: Any text; CR, LF and CRLF each end a line. U+2028 and NUL are kept as characters.
        subtype: ``plain`` or ``html``.
        field: The variable to name in the error.

    Returns:
        The part; its last line ends as the text does.

    Raises:
        InputError: A lone surrogate, which has no UTF-8 form.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    try:
        data = text.replace("\n", "\r\n").encode()
    except UnicodeEncodeError as error:
        raise InputError(field, f"holds half a surrogate pair at character {error.start + 1}") from error
    encoding, blocks, size = _encode(data)
    header = f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n"
    return Part(header, blocks, size, encoded=encoding != "7bit")


def _encode(data: bytes) -> tuple[str, Iterable[bytes], int]:
    if _goes_plain(data):
        return "7bit", [data], len(data)
    # Each octet that is not ASCII takes three in quoted-printable; base64 takes four for every three.
    if len(data.translate(None, _ASCII)) * 6 <= len(data):
        encoded = quoted_printable(data)
        return "quoted-printable", [encoded], len(encoded)
    return "base64", base64(data), base64_size(data)


def _goes_plain(data: bytes) -> bool:
    """Whether no server or mailbox on the way has a reason to touch a line."""
    if data.translate(None, _PLAIN):
        return False
    if b" \r" in data or b"\t\r" in data or data.endswith((b" ", b"\t")):
        return False  # blanks at the end of a line get lost
    if data.startswith(b"From ") or b"\nFrom " in data:
        return False  # mailbox files put a ">" before it
    lines = data.split(b"\r\n")
    return max(map(len, lines)) <= _MAX_LINE and b"." not in lines


def attachment_part(attachment: LoadedAttachment, *, eight_bit: bool = False) -> Part:
    """Write one attachment (RFC 2045, RFC 2183).

    Args:
        attachment: Its octets, and what the task says about them.
        eight_bit: Let a message go with 8-bit octets.

    Returns:
        The part, in base64 but for a message, which goes as it is where it can.

    Raises:
        InputError: A name, media type or Content-ID that a header cannot hold.
    """
    media_type, parameters = _media_type(attachment)
    if media_type.startswith("message/"):
        return _message_part(attachment, media_type, parameters, eight_bit=eight_bit)
    return _file_part(attachment, media_type, parameters)


def _file_part(attachment: LoadedAttachment, media_type: str, parameters: list[str]) -> Part:
    header = _part_header(attachment, media_type, parameters, "base64")
    return Part(header, base64(attachment.data), base64_size(attachment.data), encoded=True)


def _message_part(
    attachment: LoadedAttachment, media_type: str, parameters: list[str], *, eight_bit: bool
) -> Part:
    """Write a message, which no encoding may touch (RFC 2046 section 5.2.1); else it goes as a plain file."""
    field, data = attachment.field, attachment.data.replace(b"\r\n", b"\n")
    as_file = f"{field} is attached as a file ({_DEFAULT}), not as {media_type}:"
    if reason := _no_message(data):
        return replace(_file_part(attachment, _DEFAULT, []), warnings=(f"{as_file} {reason}",))
    if not data.isascii() and not eight_bit:
        lowered = f"{as_file} it has 8-bit characters, which go as a mail only unsigned and with 8BITMIME"
        return replace(_file_part(attachment, _DEFAULT, []), lowered=(lowered,))
    octets, raw = data.replace(b"\n", b"\r\n"), not data.isascii()
    header = _part_header(attachment, media_type, parameters, "8bit" if raw else "7bit")
    warnings = _incomplete(field, media_type, data)
    return Part(header, [octets], len(octets), encoded=False, eight_bit=raw, warnings=warnings)


def _part_header(attachment: LoadedAttachment, media_type: str, parameters: list[str], encoding: str) -> str:
    field = f"{attachment.field}.name"
    name = check_name(check_length(attachment.name, field, MAX_NAME), field)
    disposition = "inline" if attachment.inline else "attachment"
    header = (
        f"{_field('Content-Type', media_type, [*parameters, *_named('name', name)])}"
        f"Content-Transfer-Encoding: {encoding}\r\n"
        f"{_field('Content-Disposition', disposition, _named('filename', name))}"
    )
    if attachment.content_id is not None:
        header += f"Content-ID: <{_content_id(attachment)}>\r\n"
    return header


def _media_type(attachment: LoadedAttachment) -> tuple[str, list[str]]:
    if attachment.content_type is None:
        media_type = _guess(PurePath(attachment.name).suffix.lower())
        parameters: list[str] = []
    else:
        media_type, parameters = _parse_type(attachment.content_type, f"{attachment.field}.contentType")
    if media_type.startswith("text/") and not any(one.startswith("charset") for one in parameters):
        parameters = [*parameters, *_charset(attachment.data)]
    return media_type, parameters


@lru_cache(maxsize=256)
def _guess(suffix: str) -> str:
    # Only the suffix is looked at: guess_type() reads a whole name as a URL, data: URLs included.
    media_type, compression = _TYPES.guess_type(f"file{suffix}")
    if compression:
        return _COMPRESSED.get(compression, _DEFAULT)
    return media_type or _DEFAULT


def _parse_type(text: str, field: str) -> tuple[str, list[str]]:
    """Take a media type apart and write its parameters anew (RFC 2045 section 5.1)."""
    check_text(check_length(text, field, _MAX_TYPE), field)
    found = _TYPE.match(text)
    if not found or max(map(len, found.groups())) > _MAX_WORD:
        raise InputError(field, "is not a media type; write one such as application/pdf, or leave it out")
    parameters: list[str] = []
    position = found.end()
    while parameter := _PARAMETER.match(text, position):
        position = parameter.end()
        name = check_length(parameter[1].lower(), field, _MAX_WORD)
        if name not in _WRITTEN_ANEW:
            value = parameter[2] if parameter[3] is None else re.sub(r"\\(.)", r"\1", parameter[3])
            parameters += encode_parameter(name, value)
    if text[position:].strip(" ;"):
        raise InputError(field, "has parameters that are not name=value; write text/csv; charset=utf-8")
    media_type = f"{found[1]}/{found[2]}".lower()
    if media_type.startswith("multipart/"):
        raise InputError(
            field, "multipart/… cannot be attached; attach its parts, or application/octet-stream"
        )
    return media_type, parameters


def _charset(data: bytes) -> list[str]:
    """Say that text is UTF-8 where it is and it matters; readers guess what is not ASCII."""
    if data.isascii():
        return []
    try:
        data.decode()
    except UnicodeDecodeError:
        return []
    return ["charset=utf-8"]


def _no_message(lines: bytes) -> str | None:
    """Say why octets cannot be a part without encoding, even where the server takes eight bits."""
    if not lines or b"\r" in lines or b"\0" in lines:
        return "it is empty, or not made of lines"
    if max(map(len, lines.split(b"\n"))) > _LONGEST_LINE:
        return f"it has a line of more than {_LONGEST_LINE} octets"
    return None


def _incomplete(field: str, media_type: str, lines: bytes) -> tuple[str, ...]:
    """Say what a mail lacks that RFC 5322 section 3.6 wants; mail programs show such a one oddly."""
    head = lines.partition(b"\n\n")[0] if media_type == "message/rfc822" else b""
    missing = [name for name, pattern in _WANTED.items() if head and not pattern.search(head)]
    lacks = " and no ".join(missing)
    return (
        (f"{field} is attached as {media_type} and is no whole mail: it has no {lacks}",) if missing else ()
    )


def _content_id(attachment: LoadedAttachment) -> str:
    content_id = attachment.content_id or ""
    if not _CONTENT_ID.fullmatch(content_id):
        raise InputError(
            f"{attachment.field}.contentId",
            "must consist of 1 to 200 visible ASCII characters without < and >, such as logo@example.com",
        )
    return content_id


def _named(parameter: str, name: str) -> list[str]:
    return encode_parameter(parameter, name) if name else []


def _field(name: str, value: str, parameters: list[str]) -> str:
    words = [value, *parameters]
    return tokens(name, [f"{word};" for word in words[:-1]] + words[-1:])
