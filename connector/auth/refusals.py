"""What a provider's refusal means: the contract's code, and what a person should change.

An answer with an ``error`` enters (RFC 6749 section 5.2), a :class:`~connector.errors.TokenError` leaves that
names the setting or the command. The code follows from ``error`` alone, which is what the protocol promises.
Microsoft's numbers and Google's words only choose a better sentence: both may change them at any time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from connector.auth.endpoint import Answer, EndpointError
from connector.errors import ErrorCode, TokenError
from connector.model.credential import Credential
from connector.secrets.masker import Masker

_LONGEST = 300
_NUMBER = re.compile(r"AADSTS(\d{5,8})\b")


def unanswered(credential: Credential, url: str, error: EndpointError) -> TokenError:
    """The error for an endpoint that gave no answer of an authorization server; later it may."""
    token_error = _failed(credential, url, f"failed ({error})")
    token_error.retry_after = error.retry_after
    return token_error


def unusable(credential: Credential, url: str, reason: str) -> TokenError:
    """The error for an answer that should hold a token and does not; later it may."""
    return _failed(credential, url, f"answered {reason}")


def _failed(credential: Credential, url: str, what: str) -> TokenError:
    message = (
        f"No access token for {credential.place}: {_place(url)} {what}. Check its addresses if that stays."
    )
    return TokenError(ErrorCode.TOKEN_FAILED, message, credential=credential.place, server=_host(url))


def refused(credential: Credential, url: str, answer: Answer, sent: Iterable[str] = ()) -> TokenError:
    """The error for an answer with an ``error``.

    Args:
        credential: What was asked for.
        url: Who was asked.
        answer: With an ``error``, of any status.
        sent: The secrets in the request, which an answer may repeat.
    """
    error, words = shown(answer.text("error"), sent)[:60], shown(answer.text("error_description"), sent)
    code, sentence = _meaning(credential, error, words)
    said = ": ".join(filter(None, (f"{answer.status} {error}".rstrip(), words)))
    why = f"{sentence} ({_place(url)} said: {said})"
    if code is ErrorCode.AUTHORIZATION_REQUIRED:
        return required(credential, why, server=_host(url), error=error)
    return TokenError(code, why, credential=credential.place, server=_host(url), error=error)


def required(
    credential: Credential, why: str, *, server: str | None = None, error: str | None = None
) -> TokenError:
    """The error for a grant that a person has to give first, or again."""
    return TokenError(
        ErrorCode.AUTHORIZATION_REQUIRED,
        why,
        credential=credential.place,
        command=f"smtp-connector authorize {credential.command}",
        server=server,
        error=error,
    )


def declined(credential: Credential, error: str, description: str) -> str:
    """What a person should do about a consent that came back with an error (RFC 6749 section 4.1.2.1)."""
    error, words = shown(error)[:60], shown(description)
    sentence = _special(words) or (_DECLINED if error == "access_denied" else _usual(credential, error))
    return f"{_told(sentence, credential)} (The provider said: {': '.join(filter(None, (error, words)))})"


def _meaning(credential: Credential, error: str, words: str) -> tuple[ErrorCode, str]:
    special = _special(words)
    if error in _LATER:
        return ErrorCode.TOKEN_FAILED, _told(special or _BUSY, credential)
    if error in _CONSENT and credential.grant.needs_consent:
        return ErrorCode.AUTHORIZATION_REQUIRED, _told(special or _CONSENT[error], credential)
    return ErrorCode.AUTH_FAILED, _told(special or _usual(credential, error), credential)


def _special(words: str) -> str | None:
    """The sentence for a provider's number or words, where they are known."""
    numbered = (_BY_NUMBER[number] for number in _NUMBER.findall(words) if number in _BY_NUMBER)
    worded = (sentence for text, sentence in _BY_WORDS.items() if text in words)
    return next(numbered, None) or next(worded, None)


def _usual(credential: Credential, error: str) -> str:
    if error == "invalid_client" and credential.certificate is not None:
        return _CERTIFICATE
    if error == "invalid_client" and credential.federated_token_file is not None:
        return _FEDERATED
    return _BY_ERROR.get(error, _UNKNOWN)


def _told(sentence: str, credential: Credential) -> str:
    """Fill in a sentence: the full names of its settings, and facts about the credential."""
    facts = {
        "place": credential.place,
        "sent_scopes": " ".join(credential.scopes) or "none",
        "named_grant": credential.grant.value,
        "admin_consent_url": credential.endpoints.admin_consent or "see the provider's documentation",
        "after_days": f" ({credential.unused_days} days)" if credential.unused_days else "",
    }
    settings = {key: credential.setting(key) for key in re.findall(r"{(\w+)}", sentence) if key not in facts}
    return sentence.format_map({**settings, **facts})


def shown(text: str, secrets: Iterable[str] = ()) -> str:
    """Text of a provider fit for an incident: one line, short, without what was sent to it."""
    masker = Masker()
    for secret in secrets:
        masker.remember(secret)
    text = masker.mask(text)  # before it is cut: half a secret is found no more
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2] or "the provider"


def _place(url: str) -> str:
    """An address without what may be secret in it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{_host(url)}{parts.path}"


# --- sentences; a word in braces is a setting of the credential, or a fact of _told -----------------

_BUSY = "No access token for {place} now; later there may be one."
_UNKNOWN = "The provider gives no access token: check {place}."
_REFUSED = "The provider refuses the application: check {client_id} and {client_secret}."
_ID_FOR_VALUE = (
    "{client_secret} is no valid secret: enter the secret's value, which the portal shows once, not its id."
)
_EXPIRED = (
    "The client secret has expired: make a new one at the provider, put it into {client_secret}, and set "
    "{client_secret_expires}."
)
_PUBLIC_CLIENT = (
    "The application is a public client, which has no secret: remove {client_secret}, or register the "
    "redirect address under Web."
)
_UNPROVEN = (
    "The application needs {client_secret} or {certificate}; or allow public client flows at the provider, "
    "and register the redirect address under Mobile and desktop applications."
)
_APPLICATION = "The application is not known there: check {client_id} and {tenant}."
_TENANT = "The tenant is not known there: check {tenant}, and {cloud} where it is a national cloud."
_SCOPE = "The provider refuses the scope: check {scopes} (sent: {sent_scopes})."
_PERMISSION = (
    "The service is not there for the application: add its permission at the provider, and check the "
    "organization's subscription."
)
_CERTIFICATE = (
    "The provider does not know the certificate: upload the one in {certificate} to the application, and "
    "check {client_id}."
)
_FEDERATED = (
    "The provider does not take the federated token: check {federated_token_file}, {client_id} and the "
    "application's federated credential."
)
_CLOCK = "The assertion for {place} is out of its time: set this machine's clock."
_ADMIN = "An administrator has to consent to the application first: {admin_consent_url}."
_ENDED = "The provider takes the refresh token no more: it was revoked, expired, or the password was changed."
_UNUSED = "The grant was not used for too long{after_days} and has ended."
_INTERACTION = "The provider wants the person to log in again, as for multi-factor authentication."
_BLOCKED = "A Conditional Access policy blocks the login: ask the tenant's administrator for an exception."
_DELEGATION = (
    "The service account may not act for the user: in Google's Admin console, under Domain-wide delegation, "
    "add its client id with the scope {sent_scopes}."
)
_SUBJECT = "The provider does not know the user, or the key's service account: check {subject}."
_SIGNATURE = "The provider does not take the signature: the key in {certificate} was deleted there."
_ASSERTION = "The provider refuses the assertion: check {subject}, {certificate} and {scopes}."
_CLIENT = (
    "The provider does not allow this application the grant {named_grant}: allow it there, or check "
    "{client_id} and {grant}."
)

_DECLINED = "The consent was refused: start again, and accept what is asked for."
_UNASSIGNED = "The person is not assigned to the application: assign them under Users and groups there."
_OTHER_TENANT = "The login belongs to another tenant: log in as a user of the tenant in {tenant}."

_LATER = frozenset({"temporarily_unavailable", "server_error", "slow_down"})
_CONSENT = {
    "invalid_grant": _ENDED,
    "interaction_required": _INTERACTION,
    "login_required": _INTERACTION,
    "consent_required": _INTERACTION,
}
_BY_ERROR = {
    "invalid_client": _REFUSED,
    "invalid_scope": _SCOPE,
    "invalid_resource": _SCOPE,
    "unauthorized_client": _CLIENT,
    "unsupported_grant_type": _CLIENT,
    "invalid_grant": _ASSERTION,
}
# https://learn.microsoft.com/entra/identity-platform/reference-error-codes
_BY_NUMBER = {
    "7000215": _ID_FOR_VALUE,
    "7000222": _EXPIRED,
    "700025": _PUBLIC_CLIENT,
    "7000218": _UNPROVEN,
    **dict.fromkeys(("700016", "700011"), _APPLICATION),
    **dict.fromkeys(("90002", "90038"), _TENANT),
    **dict.fromkeys(("70011", "28002", "28003", "700022", "500011", "650057"), _SCOPE),
    "650052": _PERMISSION,
    **dict.fromkeys(("700027", "700030"), _CERTIFICATE),
    **dict.fromkeys(("700024", "500133"), _CLOCK),
    **dict.fromkeys(("65001", "90094", "90095", "90008", "650056"), _ADMIN),
    **dict.fromkeys(("700082", "70008"), _UNUSED),
    **dict.fromkeys(("50173", "50132", "50133"), _ENDED),
    **dict.fromkeys(("50076", "50078", "50079", "50158", "70043"), _INTERACTION),
    **dict.fromkeys(("53000", "53003", "530032", "530035"), _BLOCKED),
    "65004": _DECLINED,
    "50105": _UNASSIGNED,
    **dict.fromkeys(("50020", "50034", "51004"), _OTHER_TENANT),
}
# Google and Keycloak.
_BY_WORDS = {
    "unauthorized to retrieve access tokens using this method": _DELEGATION,
    "Invalid email or User ID": _SUBJECT,
    "Invalid JWT Signature": _SIGNATURE,
    "Token must be a short-lived token": _CLOCK,
    "Invalid client or Invalid client credentials": _REFUSED,
}
