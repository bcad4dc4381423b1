"""A name server of a few lines that knows the records of a test."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset


@dataclass
class Nameserver:
    """A running server.

    Attributes:
        port: On 127.0.0.1, over UDP.
        asked: The names whose TXT records were asked for.
        silent: Names that it does not answer for.
    """

    port: int
    texts: dict[str, Sequence[str]]
    asked: list[str] = field(default_factory=list)
    silent: set[str] = field(default_factory=set)
    failing: set[str] = field(default_factory=set)


@contextmanager
def serving(texts: Mapping[str, Sequence[str]]) -> Iterator[Nameserver]:
    """Answer for these TXT records until the block ends; every other name does not exist.

    Args:
        texts: The records of a name, each as one text; it goes out in strings of 255 octets.
    """

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            data, sock = self.request
            if (reply := _answer(data, known)) is not None:
                sock.sendto(reply, self.client_address)

    with socketserver.ThreadingUDPServer(("127.0.0.1", 0), Handler) as server:
        known = Nameserver(server.server_address[1], dict(texts))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield known
        finally:
            server.shutdown()
            thread.join()


def _answer(data: bytes, known: Nameserver) -> bytes | None:
    query = dns.message.from_wire(data)
    question = query.question[0]
    name = question.name.to_text(omit_final_dot=True).lower()
    if question.rdtype == dns.rdatatype.TXT:
        known.asked.append(name)
    if name in known.silent:
        return None
    reply = dns.message.make_response(query)
    reply.flags |= dns.flags.RA
    if name in known.failing:
        reply.set_rcode(dns.rcode.SERVFAIL)
    elif name not in known.texts:
        reply.set_rcode(dns.rcode.NXDOMAIN)
    elif question.rdtype == dns.rdatatype.TXT and known.texts[name]:
        rdata = [_quoted(text) for text in known.texts[name]]
        reply.answer.append(dns.rrset.from_text(question.name, 60, "IN", "TXT", *rdata))
    return reply.to_wire(max_size=65535)


def _quoted(text: str) -> str:
    pieces = [text[at : at + 255] for at in range(0, len(text), 255)] or [""]
    return " ".join('"' + piece.replace("\\", "\\\\").replace('"', '\\"') + '"' for piece in pieces)
