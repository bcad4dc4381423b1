"""What a server's reply may mean: each with the contract's code and what a person should do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from connector.errors import ErrorCode


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a reply means.

    Attributes:
        code: The contract's code.
        advice: What is wrong, and what to change.
        pause: The shortest pause before the next attempt; None leaves it to the settings.
    """

    code: ErrorCode
    advice: str
    pause: timedelta | None = None


RECIPIENT = Verdict(ErrorCode.RECIPIENT_REJECTED, "The server refuses the recipient: check the address.")
LOGIN = Verdict(
    ErrorCode.AUTH_FAILED,
    "The server wants a login here: give user name and password, or use another server.",
)
ENCRYPTION = Verdict(
    ErrorCode.AUTH_FAILED,
    "The server wants encryption before it goes on: set security to starttls, or to tls with port 465.",
)
PASSWORD = Verdict(ErrorCode.AUTH_FAILED, "The server refuses the login: check user name and password.")
APP_PASSWORD = Verdict(
    ErrorCode.AUTH_FAILED,
    "The server does not accept the ordinary password: create an app password in the mailbox's account and "
    "use it.",
)
AUTH_OFF = Verdict(
    ErrorCode.AUTH_FAILED,
    "SMTP AUTH is turned off for this mailbox or its organisation: turn it on there, or use OAuth.",
)
SENDER = Verdict(
    ErrorCode.SENDER_REJECTED,
    "The server refuses the sender: check that this login may send from that address.",
)
RELAY = Verdict(
    ErrorCode.CLIENT_REJECTED,
    "The server does not pass on mail of this worker to that domain: log in (user name and password), check "
    "that it is the right server, or let its operator allow this host to relay.",
)
HELO = Verdict(
    ErrorCode.CLIENT_REJECTED,
    "The server refuses the name that this worker gives at EHLO: set helo_name (account or smtp) to its name "
    "in DNS.",
)
ADDRESS = Verdict(
    ErrorCode.CLIENT_REJECTED,
    "The server refuses the IP address of this worker: have it taken off the block list, give it a name in "
    "DNS (PTR), ask the server's operator to let it in, or send through a provider.",
)
SPF = Verdict(
    ErrorCode.CLIENT_REJECTED,
    "The sender's domain does not allow this host to send for it: add it to the domain's SPF record, or send "
    "through the domain's own server.",
)
CLIENT = Verdict(
    ErrorCode.CLIENT_REJECTED,
    "The server refuses mail from this worker: log in if it wants that, check host and port, or ask its "
    "operator.",
)
NO_EHLO = Verdict(
    ErrorCode.MESSAGE_REJECTED,
    "The server does not know EHLO, so it has no STARTTLS: use another server or port.",
)
QUOTA = Verdict(
    ErrorCode.RATE_LIMITED,
    "A sending quota is used up; the mail itself is not the cause. The provider takes mail again when the "
    "quota is renewed: wait, raise it, or set the account's rate.",
    timedelta(hours=1),
)
RATE = Verdict(
    ErrorCode.RATE_LIMITED,
    "The server limits how much may be sent at a time: set the account's rate and max_connections to what it "
    "allows.",
)
SIZE = Verdict(
    ErrorCode.MESSAGE_TOO_LARGE,
    "The message is larger than the server takes: send fewer or smaller attachments.",
)
TOO_MANY = Verdict(
    ErrorCode.MESSAGE_REJECTED,
    "The server limits the recipients of one mail: set the account's max_recipients to that limit, and a "
    "mail with more goes out in several deliveries; or name fewer.",
)
UNAUTHENTIC = Verdict(
    ErrorCode.MESSAGE_REJECTED,
    "The server does not believe that the mail is the sender's: the sender's domain needs SPF, DKIM and "
    "DMARC that match the server which sends.",
)
GREYLISTED = Verdict(
    ErrorCode.TEMPORARILY_REJECTED,
    "The server greylists: it takes the mail at a later attempt, usually after five minutes.",
)
REJECTED = Verdict(ErrorCode.MESSAGE_REJECTED, "The server refuses the message for good.")
LATER = Verdict(ErrorCode.TEMPORARILY_REJECTED, "The server does not take the mail now, but may later.")
NO_AUTH = Verdict(ErrorCode.AUTH_UNAVAILABLE, "The server cannot check the login now, but may later.")
SENSELESS = Verdict(ErrorCode.CONNECTION_FAILED, "The server's reply makes no sense here.")
TLS = Verdict(ErrorCode.TLS_FAILED, "The server offers STARTTLS and then refuses it.")
