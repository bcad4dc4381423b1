"""Somebody who looks on while a session is opened, such as ``smtp-connector check``.

It hears of each step after it was done, from the code that every mail passes: what is shown of a server is
what a mail would meet. Failures need no witness, since the error says where it happened.
"""

from __future__ import annotations

from connector.transport.smtp.capabilities import Capabilities
from connector.transport.smtp.link import Link


class Witness:
    """Hears of the steps in their order, and makes nothing of them; whoever wants to, overrides."""

    def connected(self, link: Link) -> None:
        """A TCP connection stands."""

    def encrypted(self, link: Link) -> None:
        """TLS stands, and the certificate was found right."""

    def announced(self, capabilities: Capabilities) -> None:
        """The server answered EHLO; a second time behind STARTTLS, and only that counts."""
