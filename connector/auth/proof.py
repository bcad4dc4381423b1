"""How an application proves who it is: a form in, the same form with the proof out (RFC 6749 section 2.3).

By a secret, by an assertion that its own key or a platform has signed (RFC 7523 section 2.2), or not at all,
as a public client. Everything is looked up for each request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from time import monotonic, time
from urllib.parse import urlsplit

import structlog
from pydantic import SecretStr

from connector.auth.assertion import (
    CLIENT_ASSERTION_TYPE,
    JWT_BEARER_GRANT,
    SigningKey,
    UnusableKeyFileError,
    assertion_claims,
    load_key,
)
from connector.auth.endpoint import Answer, Form
from connector.errors import ErrorCode, TokenError
from connector.model.credential import ClientAuthentication, Credential
from connector.secrets.resolve import SecretResolver, Use

_log = structlog.get_logger(__name__)

# A clock that differs by more than this makes assertions that are refused; in seconds.
_CLOCKS_DIFFER = 30.0


class Proof:
    """Proves who asks, on behalf of one credential.

    Args:
        credential: Its secrets may be references.
        secrets: Resolves them; without it, secrets are taken as they are.
    """

    def __init__(self, credential: Credential, secrets: SecretResolver | None) -> None:
        self.credential = credential
        self._secrets = secrets
        self._ahead = 0.0
        self._used: tuple[tuple[Use, ...], float] = ((), 0.0)

    async def form(
        self, url: str, fields: Mapping[str, str], hidden: Mapping[str, str]
    ) -> tuple[Form, list[str]]:
        """Give the form with what proves who asks, and the secrets that are in it beside the hidden ones."""
        credential = self.credential
        everything = {**dict(credential.extra), **fields, **hidden}
        if fields.get("grant_type") == JWT_BEARER_GRANT:
            assertion = await self._assertion(url, fields.get("scope", ""))
            return Form({**everything, "assertion": assertion}), [assertion]
        everything["client_id"] = credential.client_id
        if credential.certificate is not None or credential.federated_token_file is not None:
            assertion = await self._client_assertion()
            proof = {"client_assertion_type": CLIENT_ASSERTION_TYPE, "client_assertion": assertion}
            return Form({**everything, **proof}), [assertion]
        if credential.client_secret is None:
            return Form(everything), []
        secret = await self._resolved(credential.client_secret, "client_secret", url)
        if credential.client_authentication is ClientAuthentication.BASIC:
            return Form(everything, (credential.client_id, secret)), [secret]
        return Form({**everything, "client_secret": secret}), [secret]

    async def certificate_ends(self) -> datetime | None:
        """When the certificate ends; None where there is none.

        Raises:
            ConnectorError: It cannot be read.
        """
        return None if self.credential.certificate is None else (await self._key()).expires

    async def mended(self, answer: Answer) -> bool:
        """Whether another form may do better than the one that got this refusal.

        Its assertion is signed by the provider's clock, or its secret, which may have been rotated just now,
        was looked up anew.
        """
        return self._clock_mended(answer) or await self._secret_mended(answer)

    async def _client_assertion(self) -> str:
        credential = self.credential
        if credential.federated_token_file is not None:
            return await asyncio.to_thread(self._federated_token)
        key = await self._key()
        # The token endpoint's, also for other endpoints: a server knows itself by that one.
        claims = assertion_claims(
            credential.client_id, credential.client_id, credential.endpoints.token, time() + self._ahead
        )
        return key.sign(claims, pss=credential.provider == "microsoft")

    async def _assertion(self, url: str, scope: str) -> str:
        """An assertion that is itself the grant; Google wants the scope in it (RFC 7523 section 2.1)."""
        key, credential = await self._key(), self.credential
        issuer = key.issuer or credential.client_id
        claims = assertion_claims(issuer, credential.subject or issuer, url, time() + self._ahead)
        return key.sign({**claims, "scope": scope} if scope else claims)

    async def _key(self) -> SigningKey:
        credential = self.credential
        file, secret = credential.certificate, credential.certificate_password
        password = (
            await self._resolved(secret, "certificate_password", credential.endpoints.token)
            if secret
            else None
        )
        try:
            assert file is not None  # noqa: S101 - the settings validate that there is one
            return await asyncio.to_thread(load_key, file, password)
        except UnusableKeyFileError as error:
            raise self._misconfigured(
                f"{credential.setting('certificate')} {file} cannot be used: {error}."
            ) from None

    def _federated_token(self) -> str:
        file = self.credential.federated_token_file
        setting = self.credential.setting("federated_token_file")
        try:
            assert file is not None  # noqa: S101 - asked for only where there is one
            token = file.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no text"
            raise self._misconfigured(f"{setting} {file} cannot be read: {reason}.") from None
        if not token:
            raise self._misconfigured(f"{setting} {file} is empty.")
        return token

    def _misconfigured(self, message: str) -> TokenError:
        return TokenError(ErrorCode.AUTH_FAILED, message, credential=self.credential.place)

    async def _resolved(self, secret: SecretStr, key: str, url: str) -> str:
        text = secret.get_secret_value()
        if self._secrets is None:
            return text
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        since = monotonic()
        found = await self._secrets.resolve_text(
            text, self.credential.setting(key), parts.hostname or "", port
        )
        self._used = (found.uses, since)
        return found.value

    def _clock_mended(self, answer: Answer) -> bool:
        signs = self.credential.certificate is not None
        ahead = answer.ahead
        if not signs or ahead is None or abs(ahead - self._ahead) < _CLOCKS_DIFFER:
            return False
        self._ahead = ahead
        _log.warning(
            "clock differs from the provider's, assertions are signed by its clock",
            credential=self.credential.place,
            seconds=round(ahead),
        )
        return True

    async def _secret_mended(self, answer: Answer) -> bool:
        uses, since = self._used
        secret, secrets = self.credential.client_secret, self._secrets
        if answer.text("error") != "invalid_client" or not uses or secret is None or secrets is None:
            return False
        url = self.credential.endpoints.token
        before = await self._resolved(secret, "client_secret", url)
        secrets.forget(uses, since)
        return await self._resolved(secret, "client_secret", url) != before
