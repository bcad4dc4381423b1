"""The finished message: bytes and envelope, exactly as they go to the server."""

from __future__ import annotations

from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who the server is told about (RFC 5321 section 2.3.1); the bytes need not name them.

    Attributes:
        sender: The reverse-path; bounces go there.
        recipients: Every forward-path once, in the order To, Cc, Bcc.
        smtputf8: A local part is not ASCII: MAIL needs the SMTPUTF8 parameter (RFC 6531).
        notify: The NOTIFY values for each recipient (RFC 3461); empty leaves DSN out.
        envelope_id: The ENVID that a delivery report quotes, xtext-encodable.
    """

    sender: str
    recipients: tuple[str, ...]
    smtputf8: bool = False
    notify: tuple[str, ...] = ()
    envelope_id: str = ""


@dataclass(frozen=True, slots=True)
class EightBit:
    """A message in the form for servers with 8BITMIME (RFC 6152): an attached mail goes as it is.

    Attributes:
        data: The octets.
        stands_for: The octets of the message that they may replace. A message whose octets were replaced
            meanwhile, as by a signature, has no such form any more.
        otherwise: What the modeler should know where the other form goes out.
    """

    data: bytes = field(repr=False)
    stands_for: bytes = field(repr=False)
    otherwise: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PrivateCopy:
    """The octets for one recipient alone, such as an encrypted mail has for a blind copy.

    Attributes:
        recipient: Also in the message's envelope.
        data: As those of the message.
    """

    recipient: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent: the envelope and the octets of the message.

    Attributes:
        data: 7-bit octets (8-bit only in headers under SMTPUTF8), every line ended by CRLF and at most
            998 octets long, not dot-stuffed.
        message_id: The Message-ID with its angle brackets.
        require_all_recipients: One refused recipient, and none gets it.
        warnings: What the modeler should know about its content.
        eight_bit: Its form for servers with 8BITMIME, where it has one.
        private: The recipients who get octets of their own, each by a delivery of its own.
        visible: The recipients whom To and Cc name, also where they are none of the envelope's any more.
        ended: Deliveries of this mail that a service took and then failed to make, each under a name of its
            own that is used up.
    """

    envelope: Envelope
    data: bytes = field(repr=False)
    message_id: str
    require_all_recipients: bool = False
    warnings: tuple[str, ...] = ()
    eight_bit: EightBit | None = None
    private: tuple[PrivateCopy, ...] = ()
    visible: tuple[str, ...] = ()
    ended: int = 0

    def to(self, recipients: tuple[str, ...]) -> Message:
        """The same octets for some of the recipients."""
        if recipients == self.envelope.recipients:
            return self
        return replace(self, envelope=replace(self.envelope, recipients=recipients))

    @property
    def parts(self) -> tuple[Message, ...]:
        """The messages that it consists of: one for all who get the same octets, then the private copies."""
        if not self.private:
            return (self,)
        apart = {copy.recipient for copy in self.private}
        shared = tuple(one for one in self.envelope.recipients if one not in apart)
        whole = replace(self, private=())
        copies = tuple(replace(whole.to((copy.recipient,)), data=copy.data) for copy in self.private)
        return (whole.to(shared), *copies) if shared else copies

    def form(self, *, eight_bit: bool) -> tuple[bytes, bool, tuple[str, ...]]:
        """Choose the octets for one server.

        Args:
            eight_bit: Whether it has 8BITMIME.

        Returns:
            The octets, whether they are 8-bit, and warnings about the choice.
        """
        other = self.eight_bit
        if other is None:
            return self.data, False, ()
        if eight_bit and other.stands_for is self.data:
            return other.data, True, ()
        return self.data, False, other.otherwise
