"""The types of the settings' values, and what is valid for each.

A fault is a :class:`ValueError`, which pydantic reports with the setting's name.
"""

from __future__ import annotations

import json
import os
import re
from datetime import time, timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

from connector.errors import EVERY_OTHER_CODE, ErrorCode, InputError, checked_mapping
from connector.model.addresses import ascii_domain, parse_mailbox
from connector.model.hosts import HostList, parse_host
from connector.model.text import check_header, header_text

_LOCALTIME = Path("/etc/localtime")
_LONGEST_DOMAIN = 255  # octets; RFC 5321 section 4.5.3.1.2
_HOST_AND_PORT = r"(\[[0-9a-fA-F:.]+\]|[^\s:/@]+):\d{1,5}"
_TIME_OF_DAY = r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?"
# For editors: the usual forms of a duration; the loader accepts some more.
_DURATION_TEXT = (
    r"\d{1,9}(\.\d{1,6})?|P\d{1,6}W|P(?=.)(\d{1,6}D)?(T(?=\d)(\d{1,6}H)?(\d{1,6}M)?(\d{1,6}(\.\d{1,6})?S)?)?"
)
_PORTS_OF_MAIL = frozenset({"25", "465", "587"})
_MOST_SECONDS = 1_000_000_000
_MOST_HEADERS = 200  # several times what any system adds
_MOST_SHOWN = 60  # characters of a name that an error quotes


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r} is not an IANA time zone, such as Europe/Berlin") from error
    return name


def local_zone() -> str:
    """Give the IANA name of this machine's time zone; UTC where it has none."""
    for name in (os.environ.get("TZ", "").removeprefix(":"), _linked_zone(_LOCALTIME)):
        try:
            return _known_zone(name)
        except ValueError:  # such as TZ=CET-1CEST, which has no name
            continue
    return "UTC"


def _linked_zone(link: Path) -> str:
    """Read the zone off the file that the machine's own is a link to."""
    _, found, name = str(link.resolve()).partition("/zoneinfo/")
    return name.removeprefix("posix/") if found else ""


def _duration(value: object) -> object:
    """Read a number in text as seconds; pydantic reads numbers and ISO 8601 itself."""
    if isinstance(value, str) and not re.fullmatch(r"P(?=.).*|\d+(\.\d+)?", value.strip().upper()):
        raise ValueError("expected seconds, as 30, or an ISO 8601 duration, as PT30S")
    return float(value) if isinstance(value, str) and value.strip()[0].isdigit() else value


def from_json(value: object) -> object:
    """Read text as JSON, the form of structured values in the environment and on the command line.

    Raises:
        ValueError: It is not JSON.
    """
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"is not JSON at {place}; check quotes, commas and brackets") from None


def _error_mapping(value: object) -> object:
    return checked_mapping(from_json(value))


def _host_and_port(address: str) -> str:
    if re.fullmatch(_HOST_AND_PORT, address):
        return address
    raise ValueError("expected host:port, as zeebe.example.com:26500 or 0.0.0.0:8090")


def _gateway(address: str) -> str:
    """Refuse what is certainly another server's address; gRPC's own errors would not name the mistake."""
    scheme, found, rest = address.partition("://")
    port = (rest or address).rstrip("/").rpartition(":")[2]
    if (found and scheme.lower() in {"smtp", "smtps"}) or port in _PORTS_OF_MAIL:
        raise ValueError(
            "this is a mail server's address; give host:port of the Zeebe gateway, as "
            "zeebe.example.com:26500, and the mail server as accounts.default.host"
        )
    if "/" in (rest or address).rstrip("/"):  # its http:// may have been read as "without TLS"
        raise ValueError(
            "this is the address of an HTTP interface; give host:port of the gateway's gRPC interface, as "
            "zeebe.example.com:26500"
        )
    return _host_and_port(address)


def _time_of_day(value: object) -> object:
    """Accept text only: YAML reads 17:00 without quotes as the number 1020, in base 60."""
    if isinstance(value, time) or (isinstance(value, str) and re.fullmatch(_TIME_OF_DAY, value)):
        return value
    raise ValueError('expected hours and minutes in quotes, as "17:00"')


def form(pattern: str, words: str) -> AfterValidator:
    """Refuse text that does not match a pattern as a whole; the operator reads the words in its place."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"expected {words}")
        return text

    return AfterValidator(check)


def text_schema(pattern: str) -> WithJsonSchema:
    """Return the JSON Schema of text that matches a pattern as a whole, for editors."""
    return WithJsonSchema({"type": "string", "pattern": f"^({pattern})$"})


def _not_negative(value: timedelta) -> timedelta:
    if value < timedelta(0):
        raise ValueError("expected a duration that is not negative")
    return value


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError("expected a duration longer than zero")
    return value


def _readable(file: Path) -> Path:
    try:
        file.open("rb").close()
    except OSError as error:
        raise ValueError(f"cannot read {file}: {error.strerror}") from None
    return file


def _directory(path: Path) -> Path:
    if not path.is_dir():
        raise ValueError(f"cannot read {path}: it is no directory; create or mount it, or correct the path")
    return path


def _domain(name: str | None) -> str | None:
    """Read a Domain or address literal for EHLO (RFC 5321 section 4.1.1.1), in the form for the wire."""
    if not name:
        return None
    try:
        domain = ascii_domain(name, "name")
    except InputError:
        domain = ""
    if not 0 < len(domain) <= _LONGEST_DOMAIN:
        raise ValueError(
            "expected a host name of letters, digits, hyphens and dots, as mail.example.com, "
            "or an address literal, as [192.0.2.1]"
        )
    return domain


def _without_login(url: str) -> str:
    if "@" in urlsplit(url).netloc:
        raise ValueError("must not contain a user name or password; use client_id and client_secret")
    return url


def _hosts(entries: tuple[str, ...]) -> tuple[str, ...]:
    HostList(entries)
    return entries


def _hostname(text: str) -> str:
    try:
        return parse_host(text, "host")
    except InputError as error:
        raise ValueError(_without_field(error)) from None


def _address(text: str) -> str:
    try:
        mailbox = parse_mailbox(text, "address")
    except InputError as error:
        raise ValueError(_without_field(error)) from None
    if mailbox.name:
        raise ValueError("expected the address alone; put its name in display_name")
    return mailbox.address


def _headers(given: object) -> dict[str, str]:
    """Read a map, or JSON from the environment; a blank value leaves the header out."""
    given = from_json(given)
    if not isinstance(given, dict):
        # ValueError, as pydantic reports only that one.
        raise ValueError("expected header names with values, as {X-Team: sales}")  # noqa: TRY004
    if len(given) > _MOST_HEADERS:
        raise ValueError(f"has more than {_MOST_HEADERS} headers; leave some out")
    return {str(name): _header(str(name), data) for name, data in given.items() if not _is_blank(data)}


def _is_blank(data: object) -> bool:
    return data in (None, [], {}) or (isinstance(data, str) and not data.strip())


def _header(name: str, data: object) -> str:
    try:
        check_header(name, "", "headers")
        if (text := header_text(data)) is None:
            raise ValueError(f"{name!r}: expected text, a number or a boolean")
        check_header(name, text, "headers")
    except InputError as error:
        raise ValueError(f"{name[:_MOST_SHOWN]!r}: {_without_field(error)}") from None
    return text


def _tls_version(given: object) -> object:
    # YAML reads 1.2 as a number.
    return str(given) if isinstance(given, float) else given


def _without_field(error: InputError) -> str:
    return error.message.removeprefix(f"{error.field}: ")


Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    AfterValidator(_not_negative),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": _MOST_SECONDS},
                {"type": "string", "pattern": f"^({_DURATION_TEXT})$"},
            ]
        }
    ),
]
Seconds = Annotated[
    timedelta,
    BeforeValidator(_duration),
    AfterValidator(_positive),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number", "minimum": 0.000001, "maximum": _MOST_SECONDS},
                {"type": "string", "pattern": f"^(?=.*[1-9])({_DURATION_TEXT})$"},
            ]
        }
    ),
]
TimeOfDay = Annotated[time, BeforeValidator(_time_of_day), text_schema(_TIME_OF_DAY)]
HostAndPort = Annotated[str, AfterValidator(_host_and_port), text_schema(_HOST_AND_PORT)]
GatewayAddress = Annotated[str, AfterValidator(_gateway), text_schema(_HOST_AND_PORT)]
ReadableFile = Annotated[Path, AfterValidator(_readable)]
Directory = Annotated[Path, AfterValidator(_directory)]
DomainName = Annotated[str | None, AfterValidator(_domain)]
TimeZone = Annotated[str, AfterValidator(_known_zone)]
UrlWithoutLogin = Annotated[str, AfterValidator(_without_login)]
Hosts = Annotated[tuple[str, ...], AfterValidator(_hosts)]
ErrorMapping = Annotated[
    dict[str, str],
    BeforeValidator(_error_mapping),
    WithJsonSchema(
        {
            "type": "object",
            "propertyNames": {"enum": [EVERY_OTHER_CODE, *ErrorCode]},
            "additionalProperties": {"type": "string", "pattern": r"\S"},
        }
    ),
]
HostName = Annotated[str, AfterValidator(_hostname)]
Address = Annotated[str, AfterValidator(_address)]
Headers = Annotated[
    dict[str, str],
    BeforeValidator(_headers),
    WithJsonSchema(
        {
            "type": "object",
            "maxProperties": _MOST_HEADERS,
            "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
        }
    ),
]
TlsVersion = Annotated[
    Literal["1.2", "1.3"], BeforeValidator(_tls_version), WithJsonSchema({"enum": ["1.2", "1.3", 1.2, 1.3]})
]


class Section(BaseModel):
    """A branch of the tree: unknown keys are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# A file that settings name. Its stamp changes when the file is written, replaced, created or deleted. Files
# are polled, not watched: an editor or Kubernetes replaces the watched file, and a network file system sends
# no events.
FileStamp = tuple[int, int, int]


def file_stamp(file: Path) -> FileStamp | None:
    """Return inode, time of last change and size; None without a file, whose reader will report that."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
