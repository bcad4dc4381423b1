"""A person's consent on another device: a code to type in there, and the wait for it (RFC 8628)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from connector.auth import refusals
from connector.auth.client import Granted, OAuthClient
from connector.auth.consent import ConsentError
from connector.errors import ErrorCode, TokenError

_INTERVAL = 5.0  # RFC 8628 section 3.2, where the provider says none
_SLOWER = 5.0  # section 3.5
_LONGEST = 1800.0
_REFUSED = {
    "access_denied": "The consent was refused. Start again, and accept what is asked for.",
    "authorization_declined": "The consent was refused. Start again, and accept what is asked for.",
    "expired_token": "The code has ended before anyone consented. Start again.",
    "code_expired": "The code has ended before anyone consented. Start again.",
}


@dataclass(frozen=True, slots=True)
class DeviceRequest:
    """A code that waits for a person.

    Attributes:
        address: Where to type in the user code.
        complete: The same with the code in it, where the provider has that.
        seconds: How long it is good.
        interval: Seconds between two questions.
    """

    user_code: str
    address: str
    complete: str | None
    seconds: float
    interval: float
    device_code: str = field(repr=False)


async def request_device(client: OAuthClient) -> DeviceRequest:
    """Ask for a code.

    Raises:
        TokenError: There is none.
    """
    answer = await client.start_device()
    device_code, user_code = answer.text("device_code"), answer.text("user_code")
    address = answer.text("verification_uri") or answer.text("verification_url")
    if not (device_code and user_code and address):
        url = client.credential.endpoints.device or ""
        raise refusals.unusable(client.credential, url, "without a device code")
    client.remember(device_code)
    return DeviceRequest(
        user_code,
        address,
        answer.text("verification_uri_complete") or None,
        min(_seconds(answer.body.get("expires_in"), _LONGEST), _LONGEST),
        _seconds(answer.body.get("interval"), _INTERVAL),
        device_code,
    )


async def await_device(
    client: OAuthClient, request: DeviceRequest, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> Granted:
    """Wait until the person has consented.

    Raises:
        ConsentError: The person has refused, or the code has ended.
        TokenError: The provider refuses the application.
    """
    waited, interval = 0.0, request.interval
    while waited < request.seconds:
        await sleep(interval)
        waited += interval
        try:
            return await client.poll_device(request.device_code)
        except TokenError as error:
            if error.error in _REFUSED:
                raise ConsentError(_REFUSED[error.error]) from None
            if error.error == "slow_down":
                interval += _SLOWER
            elif error.error != "authorization_pending" and error.code is not ErrorCode.TOKEN_FAILED:
                raise
    raise ConsentError(_REFUSED["expired_token"])


def _seconds(value: object, usual: float) -> float:
    return float(value) if isinstance(value, int | float) and value > 0 else usual
