"""How much the attachments of one mail may weigh.

The sizes of contents enter, as they become known: from the file system, from a Content-Length, from the
bytes that have arrived. Nothing leaves, or an error that names the limit, before the content is in memory.
Apart, because files are read in threads and URLs on the event loop, and both draw on one total.
"""

from __future__ import annotations

import threading

from connector.errors import AttachmentError, ErrorCode
from connector.settings.model import AttachmentSettings


class Allowance:
    """What all attachments of a mail together may still take; safe to use from several threads."""

    def __init__(self, settings: AttachmentSettings) -> None:
        self._settings = settings
        self._taken = 0
        self._lock = threading.Lock()

    def portion(self, field: str) -> Portion:
        """Return the share of one attachment.

        Args:
            field: The variable it came from.
        """
        return Portion(self, field)

    def check_size(self, field: str, size: int) -> None:
        """Refuse an attachment of ``size`` bytes that is too large by itself."""
        if size > self._settings.max_size:
            message = (
                f"{field}: the content has more than {self._settings.max_size} bytes (attachments.max_size)"
            )
            raise AttachmentError(ErrorCode.MESSAGE_TOO_LARGE, message, field=field)

    def take(self, field: str, size: int) -> None:
        """Take ``size`` more bytes of the total, or refuse."""
        with self._lock:
            self._taken += size
            taken = self._taken
        if taken > self._settings.max_total:
            message = (
                f"{field}: with it, the attachments of this mail have more than"
                f" {self._settings.max_total} bytes (attachments.max_total)"
            )
            raise AttachmentError(ErrorCode.MESSAGE_TOO_LARGE, message, field=field)


class Portion:
    """The share of one attachment in an :class:`Allowance`."""

    def __init__(self, allowance: Allowance, field: str) -> None:
        self._allowance = allowance
        self.field = field
        self._size = 0

    def reach(self, size: int) -> None:
        """State that the content has, or will have, at least ``size`` bytes.

        May be called again and again while a stream grows; what was stated before is not counted twice.

        Raises:
            AttachmentError: ``MESSAGE_TOO_LARGE``, with the name of the setting that says so.
        """
        if size <= self._size:
            return
        self._allowance.check_size(self.field, size)
        self._allowance.take(self.field, size - self._size)
        self._size = size
