"""Encryption of what is kept: JSON values in, text out that says nothing without the key, and back.

Fernet (AES-128-CBC with HMAC-SHA256) of the ``cryptography`` library. Several keys may be given: the first
one encrypts, each of them decrypts, so that a key can be changed without losing what is kept.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

_OCTETS = 32


class UnusableKeyError(Exception):
    """The text holds no key; it is not quoted."""


class WrongKeyError(Exception):
    """What was kept cannot be decrypted with any of the keys, or is not what it should be."""


class Seal:
    """Encrypts and decrypts.

    Args:
        keys: One key or several, separated by commas or blanks: each 32 random bytes in base64, as
            ``openssl rand -base64 32`` makes them.

    Raises:
        UnusableKeyError: One of them is none.
    """

    def __init__(self, keys: str) -> None:
        given = [_fernet(text) for text in re.split(r"[\s,]+", keys.strip()) if text]
        if not given:
            raise UnusableKeyError("there is no key in it")
        self._first = given[0]
        self._all = MultiFernet(given)

    def seal(self, name: str, values: Mapping[str, Any]) -> str:
        """Encrypt values under the name that they are kept under."""
        return self._all.encrypt(json.dumps([name, dict(values)]).encode()).decode("ascii")

    def open(self, name: str, sealed: str) -> Mapping[str, Any]:
        """Decrypt.

        Raises:
            WrongKeyError: None of the keys fits, or these are the values of another name.
        """
        try:
            inside, values = json.loads(self._all.decrypt(sealed))
        except (InvalidToken, ValueError, TypeError):
            raise WrongKeyError from None
        if inside != name or not isinstance(values, dict):
            raise WrongKeyError
        return values

    def by_first_key(self, sealed: str) -> bool:
        """Whether the first key has encrypted this, so that the others are not needed for it."""
        try:
            self._first.decrypt(sealed)
        except InvalidToken:
            return False
        return True


def _fernet(text: str) -> Fernet:
    try:
        octets = base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        octets = b""
    if len(octets) != _OCTETS:
        raise UnusableKeyError("a key is 32 random bytes in base64; make one with: openssl rand -base64 32")
    return Fernet(base64.urlsafe_b64encode(octets))
