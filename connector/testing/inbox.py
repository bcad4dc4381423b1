"""The inbox of a process test: every mail that the process sends, parsed.

The parser is the standard library's. No code that wrote the mails takes part.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import overload

from connector.testing.behaviour import Behaviour, Say, Verb
from connector.testing.smtp import SmtpServer
from connector.testing.smtp_dialogue import ReceivedMail

_REPLY = re.compile(r"([45]\d\d)[ -]?(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of a mail.

    Attributes:
        name: Its file name; empty when it has none.
        content_type: Its media type, as ``text/csv``.
        content: Its decoded octets.
    """

    name: str
    content_type: str
    content: bytes


class Headers(Mapping[str, str]):
    """The header fields of a mail, decoded; names in any case, the first of several with one name."""

    def __init__(self, message: EmailMessage) -> None:
        self._message = message

    def __getitem__(self, name: str) -> str:
        value = self._message[name]
        if value is None:
            raise KeyError(name)
        return str(value)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(self._message.keys()))

    def __len__(self) -> int:
        return len(set(self._message.keys()))

    def __repr__(self) -> str:
        return repr(dict(self))


class Mail:
    """A mail that has arrived.

    Args:
        received: As the server took it.
    """

    def __init__(self, received: ReceivedMail) -> None:
        self._received = received
        self._message = message_from_bytes(received.data, EmailMessage, policy=policy.default)

    @property
    def to(self) -> list[str]:
        """Return the addresses in ``To``, including those that the server refused."""
        return self._addresses("To")

    @property
    def cc(self) -> list[str]:
        """Return the addresses in ``Cc``."""
        return self._addresses("Cc")

    @property
    def bcc(self) -> list[str]:
        """Return the recipients that are in neither ``To`` nor ``Cc``."""
        shown = {address.lower() for address in (*self.to, *self.cc)}
        return [address for address in self.recipients if address.lower() not in shown]

    @property
    def recipients(self) -> list[str]:
        """Return the recipients that the server accepted (RCPT), blind copies included."""
        return list(self._received.recipients)

    @property
    def sender(self) -> str:
        """Return the address in ``From``."""
        return next(iter(self._addresses("From")), "")

    @property
    def subject(self) -> str:
        """Return the subject; empty when there is none."""
        return self.headers.get("Subject", "")

    @property
    def text(self) -> str:
        """Return the plain text, with line feeds only; empty when there is none."""
        return self._body("plain")

    @property
    def html(self) -> str:
        """Return the HTML; empty when there is none."""
        return self._body("html")

    @property
    def attachments(self) -> list[Attachment]:
        """Return the attached files, including those shown within the HTML."""
        return [
            Attachment(part.get_filename(""), part.get_content_type(), bytes(part.get_payload(decode=True)))
            for part in self._message.walk()
            if not part.is_multipart() and (part.get_filename() or part.get_content_disposition())
        ]

    @property
    def headers(self) -> Mapping[str, str]:
        """Return the header fields by name, in any case."""
        return Headers(self._message)

    @property
    def raw(self) -> bytes:
        """Return the octets of the message as the server received them."""
        return self._received.data

    def __repr__(self) -> str:
        return f"<Mail to {', '.join(self.recipients)}: {self.subject!r}>"

    def _addresses(self, name: str) -> list[str]:
        fields = self._message.get_all(name, [])
        return [address.addr_spec for field in fields for address in field.addresses]

    def _body(self, subtype: str) -> str:
        body = self._message.get_body((subtype,))
        return str(body.get_content()).replace("\r\n", "\n") if body is not None else ""


class Inbox(Sequence[Mail]):
    """The mails of one test, in the order of their arrival: a sequence of :class:`Mail`.

    Attributes:
        server: The mail server itself.
    """

    def __init__(self) -> None:
        self._mails: list[Mail] = []
        self.server = SmtpServer(on_received=lambda received: self._mails.append(Mail(received)))

    @overload
    def __getitem__(self, index: int) -> Mail: ...

    @overload
    def __getitem__(self, index: slice) -> list[Mail]: ...

    def __getitem__(self, index: int | slice) -> Mail | list[Mail]:
        return self._mails[index]

    def __len__(self) -> int:
        return len(self._mails)

    def __repr__(self) -> str:
        return f"<Inbox of {self._mails}>"

    @property
    def behaviour(self) -> Behaviour:
        """Return the rules of the mail server, for faults other than :meth:`refuse`."""
        return self.server.behaviour

    def refuse(self, address: str, reply: str, *, times: int | None = None) -> None:
        """Refuse a recipient from now on.

        Args:
            address: The recipient, as the process writes it.
            reply: The server's reply, as ``550 5.1.1 no such user``, or ``450 4.2.0 greylisted`` for now.
            times: The number of refusals before the server accepts the recipient; None means always.

        Raises:
            ValueError: The reply is no refusal, which begins with 4 or 5.
        """
        found = _REPLY.fullmatch(reply.strip())
        if found is None:
            raise ValueError(f"{reply!r} is no refusal; give a reply such as '550 5.1.1 no such user'")
        self.accept(address)
        self.behaviour.on(Verb.RCPT, Say(int(found[1]), found[2]), containing=_path(address), times=times)

    def accept(self, address: str) -> None:
        """Accept a recipient again."""
        rules = self.behaviour.rules
        rules[:] = [rule for rule in rules if (rule.verb, rule.containing) != (Verb.RCPT, _path(address))]


def _path(address: str) -> str:
    return f"<{address}>"
