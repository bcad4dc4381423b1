"""A server of mailboxes that means harm, or is broken: an error of ours or a result, no more."""

from __future__ import annotations

import asyncio
import ssl
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

import pytest
from pydantic import SecretStr

from connector.errors import ConnectorError, InputError
from connector.mailbox.connection import Limits
from connector.mailbox.imap.client import quoted
from connector.mailbox.imap.mailbox import open_imap
from connector.mailbox.port import Change, Deletion, Listing, Mailbox, Mark, Reference, Transfer
from connector.mailbox.references import read_name
from connector.mailbox.threaded import ThreadedMailbox
from connector.model.incoming import Incoming, MailProtocol
from connector.model.server import Security, Server

LIMITS = Limits(connect=10, tls=10, command=20, operation=60)
FOLDER = b"* 1 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n* OK [UIDNEXT 2] x\r\n"
DATED = b'* 1 FETCH (UID 1 FLAGS () INTERNALDATE "20-Nov-2026 20:50:33 +0000" RFC822.SIZE 10 '
HEADER = b"BODY[HEADER.FIELDS (SUBJECT)] {15}\r\nSubject: hi\r\n\r\n)\r\n"
USUAL = {
    b"CAPABILITY": b"* CAPABILITY IMAP4rev1 AUTH=PLAIN UIDPLUS MOVE\r\n",
    b"LIST": b'* LIST () "/" INBOX\r\n* LIST () "/" Done\r\n',
    b"EXAMINE": FOLDER,
    b"SELECT": FOLDER,
    b"FETCH": DATED + HEADER,
    b"SEARCH": b"* SEARCH 1\r\n",
    b"STATUS": b"* STATUS INBOX (MESSAGES 1 UNSEEN 1)\r\n",
}
MANY = b"9" * 5000


def listed(name: bytes) -> Mapping[bytes, bytes]:
    return {b"LIST": b'* LIST () "/" ' + name + b"\r\n" + USUAL[b"LIST"]}


def opened(told: bytes) -> Mapping[bytes, bytes]:
    return {b"EXAMINE": told, b"SELECT": told}


def dated(written: bytes) -> Mapping[bytes, bytes]:
    return {b"FETCH": DATED.replace(b"20-Nov-2026 20:50:33 +0000", written) + HEADER}


CASES: dict[str, Mapping[bytes, bytes]] = {
    "many mails": opened(b"* " + b"9" * 20 + b" EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n"),
    "less than no mails": opened(b"* -1 EXISTS\r\n* OK [UIDVALIDITY 1] x\r\n"),
    "validity": opened(b"* 1 EXISTS\r\n* OK [UIDVALIDITY (a] x\r\n* OK [UIDNEXT -7] x\r\n"),
    "nothing of a folder": opened(b""),
    "size below zero": {b"FETCH": DATED.replace(b"SIZE 10", b"SIZE -5") + HEADER},
    "large size": {b"FETCH": DATED.replace(b"SIZE 10", b"SIZE " + MANY) + HEADER},
    "large uid": {b"FETCH": DATED.replace(b"UID 1", b"UID " + MANY) + HEADER},
    "large number": {b"FETCH": DATED.replace(b"* 1", b"* " + MANY) + HEADER},
    "large literal": {b"FETCH": DATED + b"BODY[] {999999999999}\r\nx)\r\n"},
    "literal below zero": {b"FETCH": DATED + b"BODY[] {-5}\r\nx)\r\n"},
    "first year": dated(b"01-Jan-0001 00:00:00 +1400"),
    "last year": dated(b"31-Dec-9999 23:59:59 -1200"),
    "no date": dated(b"31-Feb-2026 99:99:99 +9999"),
    "structure in Latin-1": {b"FETCH": DATED + b'BODYSTRUCTURE ("a" "\xff" ("name" "\xe4")) ' + HEADER},
    "deep structure": {b"FETCH": DATED + b"BODYSTRUCTURE " + b"(" * 20_000 + b")" * 20_000 + b" " + HEADER},
    "fetches of nothing": {b"FETCH": b"* 1 FETCH\r\n* 1 FETCH ()\r\n* 1 FETCH NIL\r\n* 1 FETCH (UID)\r\n"},
    "an expunge between": {b"FETCH": b"* 1 EXPUNGE\r\n* 0 EXISTS\r\n"},
    "searched words": {b"SEARCH": b"* SEARCH a -4 99999999999999999999 (MODSEQ 5)\r\n"},
    "a name that is a command": listed(b"{12}\r\nA\r\nX1 NOOP\r\n"),
    "a name of quotes": listed(b'"a\\"b\\\\c"'),
    "a name of no charset": listed(b'"\xff\xfe"'),
    "a name wrongly spelled": listed(b'"&AAAA&&&-&!-"'),
    "half a pair in a name": listed(b'"&2D0-"'),
    "no name": listed(b"NIL"),
    "a name that is a number": listed(b"2026"),
    "no folders": {b"LIST": b""},
    "places": {b"MOVE": b"* OK [COPYUID a b c] x\r\n", b"COPY": b"* OK [COPYUID] x\r\n"},
    "a status of words": {b"STATUS": b"* STATUS INBOX (MESSAGES x UNSEEN)\r\n"},
    "another's tag": {b"FETCH": b"ZZZ1 OK\r\n"},
    "octets": {b"FETCH": b"\0\xff\r\n"},
}
CHANGES: tuple[Change, ...] = (Mark.READ, Transfer("Done"), Transfer("Done", copy=True), Deletion())


@asynccontextmanager
async def server(told: Mapping[bytes, bytes], heard: list[bytes]) -> AsyncIterator[int]:
    """Say what a case has to say to each command, and then OK."""

    serving: set[asyncio.Task[None] | None] = set()

    async def serve(reader: StreamReader, writer: StreamWriter) -> None:
        serving.add(asyncio.current_task())
        writer.write(b"* OK ready\r\n")
        with suppress(ConnectionError):
            while words := (await reader.readline()).split():
                heard.append(b" ".join(words))
                verb = words[2] if words[1:2] == [b"UID"] else words[min(1, len(words) - 1)]
                if verb == b"AUTHENTICATE":
                    writer.write(b"+ \r\n")
                    await reader.readline()
                writer.write(told.get(verb, USUAL.get(verb, b"")) + words[0] + b" OK done\r\n")
                await writer.drain()
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    running = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with running:
        yield running.sockets[0].getsockname()[1]
        await asyncio.gather(*filter(None, serving))  # the clients have left


async def do(mailbox: Mailbox, change: Change | None, number: int) -> None:
    if change is not None:
        await mailbox.change(Reference("imap:1.1:10-1795207833:INBOX"), change)
    elif number == 0:
        for folder in await mailbox.folders():
            folder.path.encode()
    else:
        await mailbox.find(Listing(folders=("*",) if number == 1 else ("INBOX",)))


@pytest.mark.parametrize("told", CASES.values(), ids=CASES)
async def test_no_answer_is_more_than_an_error_of_the_task(told: Mapping[bytes, bytes]) -> None:
    heard: list[bytes] = []
    async with server(told, heard) as port:
        for number, change in enumerate((None, None, None, *CHANGES)):
            login = Server("127.0.0.1", port, Security.NONE, "ann", SecretStr("secret"))
            mailbox = ThreadedMailbox(Incoming(MailProtocol.IMAP, login), LIMITS, open_imap)
            try:
                await mailbox.open(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
                with suppress(ConnectorError):
                    await do(mailbox, change, number)
            finally:
                await mailbox.aclose()
    assert not [line for line in heard if line.startswith(b"X1")]


@pytest.mark.parametrize("name", ["&AAAA&&&-&!-", "&2D0-", "2026"])
async def test_a_folder_with_an_odd_name_does_not_hide_the_others(name: str) -> None:
    async with server(listed(name.encode()), []) as port:
        login = Server("127.0.0.1", port, Security.NONE, "ann", SecretStr("secret"))
        mailbox = ThreadedMailbox(Incoming(MailProtocol.IMAP, login), LIMITS, open_imap)
        try:
            await mailbox.open(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
            assert {folder.path for folder in await mailbox.folders()} == {name, "INBOX", "Done"}
        finally:
            await mailbox.aclose()


@pytest.mark.parametrize("known_by", ["x%0D%0AX1%20DELETE%20INBOX%0d%0a", "%0A", "%00", "a\nb"])
def test_an_id_that_was_made_up_brings_no_command_along(known_by: str) -> None:
    with pytest.raises(InputError):
        read_name(f"imap:1.1:{known_by}:INBOX")


def test_no_string_of_a_command_ends_its_line() -> None:
    for text in (b"a\r\nX1 NOOP", b"a\nb", b"a\0b", "ä\r\n".encode()):
        with pytest.raises(ValueError, match="end of a line"):
            quoted(text)
