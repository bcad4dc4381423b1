"""What may be shown of a server's reply: its text without the credentials of the session, and short.

A reply enters as it came, one fit for logs, incidents and process variables leaves. It stands apart from
parsing, because what a reply means is decided on the original: a password such as ``1`` must not turn
``5.1.1`` into something else.
"""

from __future__ import annotations

import re
from base64 import b64encode

from connector.errors import Reply
from connector.transport.smtp.replies import printable

SHOWN_TEXT_LENGTH = 500

_MARK = "[concealed]"
_ENHANCED = r"[245]\.\d{1,3}\.\d{1,3}(?!\S)"  # RFC 3463; says nothing of a credential that looks like it
# Shorter ones are found by chance in half of all replies, and a hole where they stood would give them away.
_SHORTEST_INSIDE = 4


def shortened(text: str) -> str:
    """The text, cut to what an incident can show, 500 characters; conceal first, or half a secret is left."""
    return text if len(text) <= SHOWN_TEXT_LENGTH else text[: SHOWN_TEXT_LENGTH - 1] + "…"


class Concealment:
    """Takes the credentials of a session out of what its server says; some repeat what they refuse.

    The user name too: it may come from a secret as well. Values of less than four characters are concealed
    only where they are a whole line.

    Args:
        username: As it is sent; empty where nobody logs in.
        password: Likewise.
    """

    def __init__(self, username: str = "", password: str = "") -> None:
        forms = sorted(_forms(username, password), key=len, reverse=True)  # a name may be part of a pair
        self._needed = bool(forms)
        inside = "|".join(re.escape(form) for form in forms if len(form) >= _SHORTEST_INSIDE) or "(?!)"
        alone = "|".join(map(re.escape, forms)) or "(?!)"
        # What a group has matched stays.
        self._pattern = re.compile(
            rf"^({_ENHANCED} *)(?:{alone})$|^({_ENHANCED})|^(?:{alone})$|{inside}",
            re.IGNORECASE | re.MULTILINE,
        )

    def shown(self, reply: Reply) -> Reply:
        """The reply as anybody may see it."""
        return Reply(reply.code, self.shown_text(reply.text))

    def shown_text(self, text: str) -> str:
        """Text of the server as anybody may see it, 500 characters at most."""
        return shortened(self._pattern.sub(_without, text) if self._needed else text)


def _without(match: re.Match[str]) -> str:
    return match[2] or f"{match[1] or ''}{_MARK}"


def _forms(username: str, password: str) -> set[str]:
    """The credentials in every form in which they go out, spelt as a reply that repeats them is read."""
    raw = [*username.splitlines(), *password.splitlines()]  # a reply cannot hold a line end
    encoded = [_base64(username), _base64(password), _base64(f"\0{username}\0{password}")]
    spelt = (printable(text.encode("utf-8", "surrogatepass")) for text in raw)
    return {form for form in (*spelt, *(encoded if username or password else ())) if form}


def _base64(text: str) -> str:
    return b64encode(text.encode("utf-8", "surrogatepass")).decode("ascii").rstrip("=")
