"""What a message is made of, once everything that the task only named has been read."""

from __future__ import annotations

from dataclasses import dataclass

# The variable that a body comes from, for error messages.
BODY_FIELD = "smtpEmailContent"


@dataclass(frozen=True, slots=True)
class LoadedAttachment:
    """One attachment with its octets.

    Attributes:
        field: The variable it came from, for error messages.
        content_type: Media type; None leaves it to be guessed from the name.
        inline: Shown in the HTML body through ``cid:`` (RFC 2392).
        content_id: The Content-ID without angle brackets; never None for an inline one.
    """

    field: str
    name: str
    content_type: str | None
    data: bytes
    inline: bool = False
    content_id: str | None = None


@dataclass(frozen=True, slots=True)
class LoadedContent:
    """The body as text or HTML source, and the attachments in the task's order."""

    body: str
    attachments: tuple[LoadedAttachment, ...] = ()

    @property
    def size(self) -> int:
        """About how many octets there are to encode."""
        return len(self.body) + sum(len(attachment.data) for attachment in self.attachments)
