"""Mails as the demo's inbox receives them."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from connector.testing.smtp import ReceivedMail

MIXED = b"""\
From: =?utf-8?q?Order_d=C3=A9sk?= <orders@example.com>\r
To: Ada <ada@example.com>\r
Subject: A long\r
 subject, =?utf-8?b?Z3LDvMOfZQ==?=\r
Importance: High\r
Message-ID: <4711@example.com>\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary=outer\r
\r
--outer\r
Content-Type: multipart/alternative; boundary=inner\r
\r
--inner\r
Content-Type: text/plain; charset=utf-8\r
Content-Transfer-Encoding: quoted-printable\r
\r
Gr=C3=BC=C3=9Fe\r
--inner\r
Content-Type: multipart/related; boundary=related\r
\r
--related\r
Content-Type: text/html; charset=utf-8\r
\r
<p>Hello</p><img src="cid:logo"><img src="https://tracker.example/x.png"><script>steal()</script>\r
--related\r
Content-Type: image/png\r
Content-ID: <logo>\r
Content-Disposition: inline; filename=logo.png\r
Content-Transfer-Encoding: base64\r
\r
iVBORw==\r
--related--\r
--inner--\r
--outer\r
Content-Type: text/html; charset=utf-8\r
Content-Disposition: attachment; filename*=UTF-8''b%C3%B6se%0D%0AX%3A%20y.html\r
\r
<script>alert(1)</script>\r
--outer--\r
"""


@pytest.fixture
def received() -> Callable[[bytes], ReceivedMail]:
    """Wrap octets as the mail server does."""

    def wrap(data: bytes = MIXED) -> ReceivedMail:
        return ReceivedMail(
            sender="orders@example.com",
            recipients=("ada@example.com", "audit@example.com"),
            data=data,
            mail_parameters={},
            rcpt_parameters={},
            at=datetime(2026, 11, 20, 12, 0, tzinfo=UTC),
            tls=False,
            username=None,
        )

    return wrap
