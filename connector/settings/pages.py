"""What an operator may say about the worker's web pages."""

from __future__ import annotations

from pydantic import Field, SecretStr, model_validator

from connector.model.hosts import THIS_MACHINE
from connector.settings.oauth import ProviderUrl
from connector.settings.values import HostAndPort, Section

_SHORTEST_TOKEN = 16


class PageSettings(Section):
    """The worker's web pages: its accounts, the consent of persons, a test of each account."""

    listen: HostAndPort | None = Field(
        None, description="host:port for the pages, as 127.0.0.1:8091. Default: none."
    )
    url: ProviderUrl | None = Field(
        None,
        description="Address by which browsers reach them, as https://mail.example.com. Default: "
        "http://localhost with the port of listen. Register its /oauth2 at the providers.",
    )
    token: SecretStr | None = Field(
        None, description="Opens the pages: at least 16 characters (openssl rand -hex 16), or secrets.NAME."
    )

    @model_validator(mode="after")
    def _complete(self) -> PageSettings:
        if self.listen is None:
            if self.url is not None or self.token is not None:
                raise ValueError("needs listen, as 127.0.0.1:8091")
            return self
        if self.token is None:
            raise ValueError("needs token: everyone who opens the pages can use the accounts")
        token = self.token.get_secret_value()
        if "secrets." not in token and len(token) < _SHORTEST_TOKEN:
            raise ValueError(f"token is shorter than {_SHORTEST_TOKEN} characters: openssl rand -hex 16")
        if self.url is None and self.host not in THIS_MACHINE:
            raise ValueError("needs url, by which browsers reach the pages")
        return self

    @property
    def host(self) -> str:
        """The name or address to listen on."""
        return (self.listen or "").rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port to listen on; 0 for any that is free."""
        return int((self.listen or ":0").rpartition(":")[2])

    def address(self, port: int) -> str:
        """How browsers reach the pages, without a slash at the end.

        Args:
            port: The port that is listened on.
        """
        return (self.url or f"http://localhost:{port}").rstrip("/")
