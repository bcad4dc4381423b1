"""Signatures over messages of any shape: what the connector signs, others accept."""

from __future__ import annotations

from base64 import b64encode

import dkim
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from connector.signing.dkim import DomainKey, sign
from tests.mail_certificates import key
from tests.mails import NOW

OWN = DomainKey("example.test", "s1", key("ed25519"))  # type: ignore[arg-type]  # it is Ed25519
_PUBLIC = OWN.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
RECORD = b"v=DKIM1; k=ed25519; p=" + b64encode(_PUBLIC)

_LINE = st.text(alphabet=st.sampled_from(" \t.aB-=:;\xe4"), max_size=12)
# As the connector writes them: the last line is ended.
BODIES = st.lists(_LINE.map("{}\r\n".format), max_size=12).map("".join)
_WORDS = st.lists(st.sampled_from(["a", "B", ":", "=?utf-8?q?=C3?=", '"', ";"]), min_size=1, max_size=5)
_FOLDS = st.sampled_from([" ", "  ", "\t", "\r\n ", "\r\n\t "])
NAMES = ["Subject", "To", "Cc", "Reply-To", "References", "X-Case", "received", "LIST-Unsubscribe"]


@st.composite
def fields(draw: st.DrawFn) -> str:
    name = draw(st.sampled_from(NAMES))
    words = draw(_WORDS)
    return f"{name}:{''.join(draw(_FOLDS) + word for word in words)}{draw(st.sampled_from(['', ' ']))}\r\n"


def accepted(message: bytes) -> bool:
    try:
        return bool(dkim.DKIM(message).verify(dnsfunc=lambda name, timeout: RECORD))
    except dkim.ValidationError:
        return False


@given(header=st.lists(fields(), max_size=6), body=BODIES)
def test_a_signature_is_accepted_whatever_the_message(header: list[str], body: str) -> None:
    message = f"From: a@example.test\r\n{''.join(header)}\r\n{body}".encode()
    assert accepted(sign(message, [OWN], NOW))


@pytest.mark.parametrize("size", [1, 2, 3, 60, 100])
@given(body=BODIES)
def test_blocks_do_not_change_the_digest(size: int, body: str) -> None:
    """A large body is hashed in blocks; here they are so small that every body has many."""
    message = f"From: a@example.test\r\n\r\n{body}".encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("connector.signing.dkim._BLOCK", size)
        assert accepted(sign(message, [OWN], NOW))
