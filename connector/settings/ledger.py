"""What an operator may say about the ledger."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import Field, SecretStr, model_validator

from connector.model.mail import WhenUncertain
from connector.settings.values import Duration, Section


class LedgerSettings(Section):
    """Where the worker remembers which mails it has sent."""

    kind: Literal["sqlite", "postgres", "memory"] = Field(
        "sqlite",
        description=(
            "`sqlite`: a file, for the workers of one machine; `postgres`: for workers of several machines; "
            "`memory`: forgotten at every restart, for trying things out."
        ),
    )
    path: Path = Field(
        Path("~/.local/state/smtp-connector/ledger.db"),
        description="SQLite file, on a local disk that outlives the worker. Made if it is not there.",
    )
    url: SecretStr | None = Field(
        None, description="postgresql://user:password@host:port/database, with libpq's parameters."
    )
    retention: Duration = Field(
        timedelta(days=30),
        ge=timedelta(days=1),
        description=(
            "How long a mail is remembered, a day at least: longer than any job or incident may wait for its "
            "retry, which sends the mail again once it is forgotten."
        ),
    )
    uncertain: WhenUncertain = Field(
        WhenUncertain.INCIDENT,
        description=(
            "When the link broke between a mail's final dot and the reply: raise an incident, whose retry "
            "sends again; send again with the same Message-ID; or take it for sent."
        ),
    )
    max_crashes: int = Field(
        5,
        ge=1,
        description="Attempts in a row that may end with the worker's death before an incident is raised.",
    )

    @property
    def passwords(self) -> tuple[str, ...]:
        """What of ``url`` must not be seen."""
        parts = urlsplit(self.url.get_secret_value() if self.url is not None else "")
        given = (unquote(parts.password or ""), *parse_qs(parts.query).get("password", ()))
        return tuple(filter(None, given))

    @model_validator(mode="after")
    def _complete(self) -> LedgerSettings:
        url = self.url.get_secret_value() if self.url is not None else None
        if self.kind == "postgres" and url is None:
            raise ValueError("kind postgres needs url")
        if url is not None and not url.startswith(("postgresql://", "postgres://")):
            raise ValueError("url: expected postgresql://user:password@host:port/database")
        return self
