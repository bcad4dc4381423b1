"""Build and send mails as the connector does, sixteen at a time on kept connections, without a job.

``python -m benchmarks.peers.submitting PORT MAILS text|html < BODY`` prints one line of JSON: rate and CPU
for each mail. In a process of its own, as its peers are.
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from time import perf_counter, process_time

from connector.message.build import build
from connector.model.addresses import parse_mailbox
from connector.model.mail import ContentType, InlineContent, LoadedContent, SendRequest
from connector.model.server import Security, Server
from connector.settings.model import MessageSettings, PoolSettings, SmtpSettings
from connector.transport.smtp.transport import SmtpTransport

_AT_A_TIME = 16
_SETTINGS = MessageSettings()


async def _main(port: int, mails: int, kind: str, body: str) -> None:
    transport = SmtpTransport(
        SmtpSettings(pool=PoolSettings(max_connections=_AT_A_TIME), helo_name="client.test")
    )
    server, waiting = Server("127.0.0.1", port, Security.NONE), iter(range(mails))

    async def work() -> None:
        for number in waiting:
            request = _request(server, body, html=kind == "html")
            loaded = LoadedContent(request.content.text, (), request.text)  # type: ignore[union-attr]
            message = build(request, loaded, str(number), _SETTINGS, datetime.now(UTC))
            await transport.submit(message, request.route)

    begun, spent = perf_counter(), process_time()
    await asyncio.gather(*(work() for _ in range(_AT_A_TIME)))
    seconds, spent = perf_counter() - begun, process_time() - spent
    await transport.aclose()
    print(json.dumps({"jobs_per_second": mails / seconds, "cpu_ms": spent / mails * 1000}))


def _request(server: Server, body: str, *, html: bool) -> SendRequest:
    return SendRequest(
        route=server,
        sender=parse_mailbox("Shop <shop@example.com>", "smtpEmailMailBoxName"),
        to=(parse_mailbox("Jane Doe <jane@example.org>", "smtpEmailToRecipients"),),
        cc=(),
        bcc=(),
        subject="Your order 4711 has been shipped",
        content_type=ContentType.MULTIPART if html else ContentType.TEXT,
        content=InlineContent(f"<html><body><p>{body}</p></body></html>" if html else body),
        text=body if html else None,
    )


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.stdin.read()))
