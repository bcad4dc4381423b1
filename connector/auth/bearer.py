"""The SASL mechanisms that carry an access token: XOAUTH2 and OAUTHBEARER (RFC 7628).

A user name and a token enter, the octets for the server leave; then its error challenge enters, and what it
says about the token leaves. Pure, so that SMTP, IMAP and POP3 share it. A refusal is not final until the
client has answered the challenge: with an empty response in XOAUTH2, with one ``^A`` in OAUTHBEARER.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from pydantic import SecretStr

BEARER_MECHANISMS = ("XOAUTH2", "OAUTHBEARER")

_SEPARATOR = "\x01"
# RFC 6750 section 2.1; what else is in a token would end the message early, or begin another line.
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_LONGEST_WORD = 200


@dataclass(frozen=True, slots=True)
class BearerLogin:
    """One attempt to log in with an access token.

    Attributes:
        mechanism: One of :data:`BEARER_MECHANISMS`.
        username: The mailbox, as ``workflow@example.com``.
        host: The server as it was dialled.
        port: Its port.
    """

    mechanism: str
    username: str
    token: SecretStr = field(repr=False)
    host: str
    port: int

    def message(self) -> bytes:
        """The client's first message, not yet in base64.

        Raises:
            ValueError: The user name or the token holds what no mechanism can carry.
        """
        token = self.token.get_secret_value()
        if not _TOKEN.fullmatch(token):
            raise ValueError("the access token is no bearer token (RFC 6750 section 2.1)")
        if _SEPARATOR in self.username or "\0" in self.username:
            raise ValueError("the user name holds a control character")
        if self.mechanism == "XOAUTH2":
            fields = [f"user={self.username}", f"auth=Bearer {token}"]
        else:
            # RFC 5801 section 4: a comma would end the name.
            name = self.username.replace("=", "=3D").replace(",", "=2C")
            fields = [f"n,a={name},", f"host={self.host}", f"port={self.port}", f"auth=Bearer {token}"]
        return (_SEPARATOR.join(fields) + _SEPARATOR * 2).encode()

    @property
    def acknowledgement(self) -> bytes:
        """What to answer an error challenge with, so that the server's reply follows."""
        return b"" if self.mechanism == "XOAUTH2" else _SEPARATOR.encode()


@dataclass(frozen=True, slots=True)
class TokenRefusal:
    """What a server says about a token that it does not take.

    Attributes:
        status: ``401`` or ``400`` in XOAUTH2, ``invalid_token`` and the like in OAUTHBEARER; empty where the
            challenge cannot be read.
        scope: What a token would need, where the server says so.
    """

    status: str = ""
    scope: str = ""

    @classmethod
    def read(cls, challenge: bytes) -> TokenRefusal:
        """Read the error challenge: JSON, perhaps malformed."""
        try:
            content = json.loads(challenge)
        except (ValueError, RecursionError):
            return cls()
        if not isinstance(content, dict):
            return cls()
        return cls(_word(content.get("status")), _word(content.get("scope")))

    def __str__(self) -> str:
        said = {"status": self.status, "scope": self.scope}
        return ", ".join(f"{name} {value}" for name, value in said.items() if value)


def _word(value: object) -> str:
    if not isinstance(value, str | int) or isinstance(value, bool):
        return ""
    text = str(value)[:_LONGEST_WORD]
    return text if text.isprintable() else ""
