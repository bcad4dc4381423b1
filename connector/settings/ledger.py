"""The settings of the ledger."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from connector.model.mail import WhenUncertain
from connector.settings.values import Duration, Section


class LedgerSettings(Section):
    """The worker's record of the mails it has sent."""

    kind: Literal["sqlite", "postgres", "memory"] = Field(
        "sqlite",
        description=(
            "`sqlite`: a file, for the workers of one machine; `postgres`: for workers of several machines; "
            "`memory`: lost at every restart, for trials."
        ),
    )
    path: Path = Field(
        Path("~/.local/state/smtp-connector/ledger.db"),
        description="SQLite file, on a local disk that outlives the worker. Created if it does not exist.",
    )
    url: SecretStr | None = Field(
        None, description="postgresql://user:password@host:port/database, with libpq's parameters."
    )
    retention: Duration = Field(
        timedelta(days=30),
        ge=timedelta(days=1),
        description=(
            "How long an entry is kept, a day at least. It must be longer than any job or incident may wait "
            "for its retry: a retry after that sends the mail again."
        ),
    )
    must_exist: bool = Field(
        False,
        description=(
            "Refuse to start where there is no ledger: every mail sent before would be unknown. Set it "
            "once the first start has made the ledger."
        ),
    )
    uncertain: WhenUncertain = Field(
        WhenUncertain.INCIDENT,
        description=(
            "What to do when the connection broke between a mail's final dot and the reply. `incident`: "
            "raise one, whose retry sends the mail again; `resend`: send it again with the same Message-ID; "
            "`assume-sent`: complete the job."
        ),
    )
    max_crashes: int = Field(
        5,
        ge=1,
        description="Attempts in a row that may end in a crash of the worker before an incident is raised.",
    )

    @property
    def place(self) -> str:
        """Where it is kept, without a login, as ``postgres db.example.com/mails``."""
        if self.kind == "sqlite":
            return f"sqlite {self.path.expanduser()}"
        parts = urlsplit(self.url.get_secret_value() if self.url is not None else "")
        return f"{self.kind} {parts.netloc.rpartition('@')[2]}{parts.path}".rstrip()

    @property
    def passwords(self) -> tuple[str, ...]:
        """The passwords in ``url``."""
        parts = urlsplit(self.url.get_secret_value() if self.url is not None else "")
        given = (unquote(parts.password or ""), *parse_qs(parts.query).get("password", ()))
        return tuple(filter(None, given))

    @field_validator("path")
    @classmethod
    def _no_directory(cls, path: Path) -> Path:
        if path.expanduser().is_dir():
            raise ValueError(f"{path} is a directory; name a file in it, as {path / 'ledger.db'}")
        return path

    @model_validator(mode="after")
    def _complete(self) -> LedgerSettings:
        url = self.url.get_secret_value() if self.url is not None else None
        if self.kind == "postgres" and url is None:
            raise ValueError("kind postgres needs url")
        if url is not None and not url.startswith(("postgresql://", "postgres://")):
            raise ValueError("url must have the form postgresql://user:password@host:port/database")
        return self
