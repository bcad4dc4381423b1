"""Mail addresses: a checked value out of what a modeler typed.

Text enters, a :class:`Mailbox` leaves, or an :class:`~connector.errors.InputError` that names the variable.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One address with an optional display name (RFC 5322 section 3.4).

    Attributes:
        address: ``local@domain`` as it goes into the envelope: the domain in its ASCII form (RFC 5891),
            lower case; the local part as given.
        name: The display name, decoded, free of control characters; empty when there is none.
    """

    address: str
    name: str = ""

    @property
    def needs_smtputf8(self) -> bool:
        """Whether only a server with SMTPUTF8 (RFC 6531) can take it: the local part is not ASCII."""
        return not self.address.isascii()
