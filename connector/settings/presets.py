"""Presets: where well-known providers take mail and keep mailboxes, as their documentation says.

Every preset but `custom` uses the port for submission (RFC 6409) or for implicit TLS (RFC 8314), never 25,
which clouds block.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from connector.model.server import Security

Preset = Literal["office365", "outlook", "gmail", "ses", "sendgrid", "mailgun", "postmark", "azure", "custom"]

_AWS_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")


@dataclass(frozen=True, slots=True)
class Provider:
    """The values of a preset.

    Attributes:
        host: The mail server; ``{region}`` stands for the region.
        regions: The host of each region, if there are few; the first is the default.
        max_recipients: The documented limit of recipients in one message.
        imap: Where it keeps mailboxes, over IMAP.
        pop3: The same over POP3.
        files_sent: It puts what was submitted into the folder of sent mails by itself.
    """

    host: str | None = None
    port: int | None = None
    security: Security | None = None
    regions: tuple[tuple[str, str], ...] = ()
    max_recipients: int | None = None
    imap: str | None = None
    pop3: str | None = None
    files_sent: bool = False

    def host_in(self, region: str | None) -> str:
        """Return the mail server of a valid region; empty if the preset has none."""
        if self.regions:
            return dict(self.regions)[region or self.regions[0][0]]
        return (self.host or "").format(region=region)

    def region_fault(self, region: str | None) -> str | None:
        """Return what is wrong with the region, or None."""
        if self.regions:
            names = [name for name, _ in self.regions]
            return None if region in {None, *names} else f"region must be {' or '.join(names)}"
        if "{region}" not in (self.host or ""):
            return "region is for the presets ses and mailgun" if region else None
        return None if region and _AWS_REGION.fullmatch(region) else "needs region, as eu-central-1"


PRESETS: MappingProxyType[Preset, Provider] = MappingProxyType(
    {
        "office365": Provider(
            "smtp.office365.com",
            587,
            Security.STARTTLS,
            max_recipients=500,
            imap="outlook.office365.com",
            pop3="outlook.office365.com",
            files_sent=True,
        ),
        "outlook": Provider(
            "smtp-mail.outlook.com",
            587,
            Security.STARTTLS,
            imap="outlook.office365.com",
            pop3="outlook.office365.com",
        ),
        "gmail": Provider(
            "smtp.gmail.com",
            465,
            Security.TLS,
            max_recipients=100,
            imap="imap.gmail.com",
            pop3="pop.gmail.com",
            files_sent=True,
        ),
        "ses": Provider("email-smtp.{region}.amazonaws.com", 587, Security.STARTTLS, max_recipients=50),
        "sendgrid": Provider("smtp.sendgrid.net", 587, Security.STARTTLS, max_recipients=1000),
        "mailgun": Provider(
            "smtp.mailgun.org",
            587,
            Security.STARTTLS,
            regions=(("us", "smtp.mailgun.org"), ("eu", "smtp.eu.mailgun.org")),
            max_recipients=1000,
        ),
        "postmark": Provider("smtp.postmarkapp.com", 587, Security.STARTTLS, max_recipients=50),
        "azure": Provider("smtp.azurecomm.net", 587, Security.STARTTLS, max_recipients=50),
        "custom": Provider(),
    }
)
