"""The mail server of a task: ``authentication`` into a :class:`Server`.

No value below ``authentication`` but that of ``security`` is ever quoted in an error: secrets resolve here,
and a diagram may put one into the wrong field.
"""

from __future__ import annotations

import ipaddress
import re

import idna
from pydantic import SecretStr

from connector.message.text import check_text
from connector.task.definitions import SECURITY
from connector.task.inputs import Inputs
from connector.task.request import Security, Server
from connector.task.values import Value, choice, kind, text

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOSTNAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*")
# The system's resolver reads these as an address in one of its old forms: `127.1`, `0x7f000001`.
_NUMERIC_LABEL = re.compile(r"\d+|0[xX][0-9a-fA-F]*")
_MAX_HOSTNAME = 255  # RFC 1035 section 2.3.4; an IPv6 address with its zone fits as well
_TLS_PORT = 465


def read_server(inputs: Inputs, *, starttls_optional: bool = False) -> Server:
    """Read where to submit the mail and how to log in.

    Args:
        inputs: The keys of ``authentication``; those that their definitions require must be there.
        starttls_optional: What ``auto`` means where neither the port nor a loopback host decides.

    Returns:
        The server, ``auto`` settled; anonymous relay when there is no username.

    Raises:
        InputError: A key that is missing, unknown, or no valid value.
    """
    inputs.refuse_unknown()
    inputs.refuse_unavailable()
    hostname = _hostname(inputs.require("hostname", "fill in the mail server's name"))
    port = _port(inputs.require("port", "fill in the mail server's port, such as 587"))
    username, password = _credentials(inputs)
    security = inputs.get("security")
    return Server(
        hostname,
        port,
        (choice(security, SECURITY) if security else None)
        or _automatic(hostname, port, optional=starttls_optional),
        username,
        password,
    )


def _automatic(hostname: str, port: int, *, optional: bool) -> Security:
    if port == _TLS_PORT:
        return Security.TLS
    return Security.STARTTLS_OPTIONAL if optional or _is_loopback(hostname) else Security.STARTTLS


def _is_loopback(hostname: str) -> bool:
    try:
        return ipaddress.ip_address(hostname).is_loopback
    except ValueError:
        return hostname == "localhost"


def _hostname(value: Value) -> str:
    name = text(value).strip(" ")
    if len(name) > _MAX_HOSTNAME:
        raise value.error(f"is longer than {_MAX_HOSTNAME} characters, which no host name is")
    if "://" in name:
        raise value.error("must be the name alone, without smtp:// in front")
    if name.startswith("[") and name.endswith("]"):
        name = name[1:-1]
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return _dns_name(value, name)


def _dns_name(value: Value, name: str) -> str:
    if re.fullmatch(r"[^:]+:\d+", name):
        raise value.error("must be the name alone; the port belongs in authentication.port")
    try:
        # UTS #46 folds what people type; RFC 5891 then gives the ASCII form. A name that is ASCII already
        # may have an underscore, as container networks allow, which IDNA does not.
        ascii_name = name if name.isascii() else idna.encode(name, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        ascii_name = ""
    ascii_name = ascii_name.removesuffix(".").lower()
    if not _HOSTNAME.fullmatch(ascii_name) or _NUMERIC_LABEL.fullmatch(ascii_name.rpartition(".")[2]):
        raise value.error("is no host name or IP address; write it as mail.example.com, without blanks")
    return ascii_name


def _port(value: Value) -> int:
    data = value.data
    if isinstance(data, str) and re.fullmatch(r"\d{1,5}", data.strip(), re.ASCII):
        data = int(data)
    if isinstance(data, float) and data.is_integer():
        data = int(data)
    if isinstance(data, bool) or not isinstance(data, int):
        raise value.error(f"must be a number from 1 to 65535, not {kind(data)}")
    if not 1 <= data <= 65535:
        raise value.error("is outside 1 to 65535; mail servers use 587, 465 or 25")
    return data


def _credentials(inputs: Inputs) -> tuple[str | None, SecretStr | None]:
    if not inputs.given("username", "password") and not inputs.requires("username"):
        return None, None
    advice = "fill in both username and password, best as secrets.NAME"
    username, password = inputs.require("username", advice), inputs.require("password", advice)
    if "\x00" in text(password):
        raise password.error("holds a NUL, which AUTH cannot carry (RFC 4616)")
    return check_text(text(username), username.field).strip(), SecretStr(password.data)
