"""An SMTP server that follows a script, for replaying how real servers behave.

A script is a JSON object:

=====================  ============================================================================
``greeting``           its lines; null for a server that never speaks
``greeting_delay``     seconds before it; a client that does not wait for it is refused
``ehlo``, ``helo``     the lines of the reply; a plain modern server's by default
``starttls``           ``{"reply": [...], "then": "close" | "stay"}``
``rules``              ``{on, match, reply, close, drop, times, keep, delay}``: the first one whose
                       verb (CONNECT, DOT and CRED among them) and pattern match decides
``rcpt_limit``         so many recipients in a transaction, then 452 4.5.3
``refuse_pipelining``  a second command in a packet is answered 500, and the connection closed
``first_line_only``    what follows the first line of a packet is lost
``users``              names and passwords: without a login MAIL is refused
=====================  ============================================================================
"""

from __future__ import annotations

import asyncio
import re
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

Script = Mapping[str, Any]

_EHLO = (
    *("250-mx.test.example", "250-PIPELINING", "250-SIZE 35882577", "250-8BITMIME"),
    *("250-ENHANCEDSTATUSCODES", "250-DSN", "250 SMTPUTF8"),
)
_BUFFER = 2**26
_PATH = re.compile(r"(?:MAIL FROM|RCPT TO):<(.*?)>(?: .*)?", re.IGNORECASE)


class OverError(Exception):
    """The connection has ended."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that the server has taken."""

    sender: str
    recipients: tuple[str, ...]
    data: bytes
    mail_line: str


class ScriptedServer:
    """Listens on a port of its own while the block runs."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.rules: list[dict[str, Any]] = [dict(rule) for rule in script.get("rules", ())]
        self.mails: list[Mail] = []
        self.talks: list[Talk] = []
        self._sessions: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._session, "127.0.0.1", 0, limit=_BUFFER)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for session in self._sessions:
            session.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._sessions.add(task)
        task.add_done_callback(self._sessions.discard)
        talk = Talk(self, reader, writer)
        self.talks.append(talk)
        with suppress(OverError, ConnectionError, asyncio.CancelledError):
            await talk.run()
        writer.close()

    def rule(self, verb: str, line: str) -> dict[str, Any] | None:
        """Give the rule for a command, and count it."""
        for rule in self.rules:
            if rule["on"] == verb and rule.get("times", 1) > 0 and re.search(rule.get("match", ""), line):
                if "times" in rule:
                    rule["times"] -= 1
                return rule
        return None


class Talk:
    """One connection, with every line that the client said."""

    def __init__(
        self, server: ScriptedServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.commands: list[str] = []
        self._server = server
        self._script = server.script
        self._reader = reader
        self._writer = writer
        self._buffer = b""
        self._user: str | None = None
        self._forget()

    async def run(self) -> None:
        await self._greet()
        while True:
            line = await self._line()
            self.commands.append(line)
            handler = self._handlers().get(line.split(" ")[0].upper())
            if handler is None:
                await self._say(["500 5.5.1 Command unrecognized"])
            else:
                await handler(line)

    def farewell(self, line: str) -> None:
        """Say one line that nobody asked for, and close."""
        self._writer.write(f"{line}\r\n".encode())
        self._writer.close()

    def _handlers(self) -> dict[str, Callable[[str], Awaitable[None]]]:
        return {
            "EHLO": self._ehlo,
            "HELO": self._helo,
            "STARTTLS": self._starttls,
            "AUTH": self._auth,
            "MAIL": self._mail,
            "RCPT": self._rcpt,
            "DATA": self._data,
            "RSET": self._rset,
            "NOOP": self._noop,
            "QUIT": self._quit,
        }

    def _forget(self) -> None:
        self._sender, self._mail_line = "", ""
        self._recipients: list[str] = []

    async def _say(self, lines: list[str], verb: str = "", line: str = "") -> int:
        """Reply with these lines, or as the rule for the verb says; gives the code."""
        rule = (self._server.rule(verb, line) if verb else None) or {}
        await asyncio.sleep(rule.get("delay", 0))
        if rule.get("drop"):
            raise OverError
        await self._write(reply := rule.get("reply", lines))
        if rule.get("close"):
            raise OverError
        return int(reply[-1][:3])

    async def _write(self, lines: list[str]) -> None:
        for text in lines:
            self._writer.write(text.encode("utf-8", "surrogateescape") + b"\r\n")
        await self._writer.drain()

    async def _read(self) -> None:
        data = await self._reader.read(65_536)
        if not data:
            raise OverError
        self._buffer += data

    async def _line(self) -> str:
        while b"\n" not in self._buffer:
            await self._read()
        first, _, rest = self._buffer.partition(b"\n")
        self._buffer = b"" if self._script.get("first_line_only") else rest
        if rest and self._script.get("refuse_pipelining"):
            self.commands.append("PIPELINED " + rest.decode("utf-8", "replace"))
            await self._say(["500 5.5.1 Pipelining not supported"])
            raise OverError
        return first.rstrip(b"\r").decode("utf-8", "replace")

    async def _greet(self) -> None:
        greeting = self._script.get("greeting", ["220 mx.test.example ESMTP"])
        if greeting is None:
            await asyncio.Event().wait()
        if delay := self._script.get("greeting_delay"):
            with suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._read()
        if self._buffer:
            self.commands.append("TOO SOON " + self._buffer.decode("utf-8", "replace"))
            await self._say(["554 SMTP synchronization error"])
            raise OverError
        await self._say(greeting, "CONNECT")

    async def _ehlo(self, line: str) -> None:
        self._forget()
        await self._say(list(self._script.get("ehlo", _EHLO)), "EHLO", line)

    async def _helo(self, line: str) -> None:
        self._forget()
        await self._say(self._script.get("helo", ["250 mx.test.example"]), "HELO", line)

    async def _starttls(self, line: str) -> None:
        plan = self._script.get("starttls", {})
        await self._say(plan.get("reply", ["502 5.5.1 not implemented"]), "STARTTLS", line)
        if plan.get("then") == "close":
            raise OverError

    async def _auth(self, line: str) -> None:
        rule = self._server.rule("AUTH", line)
        if rule:
            await self._write(rule["reply"])
            while rule and rule["reply"][-1].startswith("334"):
                answer = await self._answer()
                rule = self._server.rule("CRED", answer)
                await self._write(rule["reply"] if rule else ["235 2.7.0 ok"])
            self._user = "?"
            return
        name, password = await self._credentials(line.split(" "))
        users = self._script.get("users")
        good = not users or users.get(name) == password
        code = await self._say(["235 2.7.0 ok" if good else "535 5.7.8 bad credentials"], "CRED", name)
        self._user = name if code == 235 else None

    async def _credentials(self, words: list[str]) -> tuple[str, str]:
        if words[1].upper() == "PLAIN":
            answer = words[2] if len(words) > 2 else await self._ask("")
            _, name, password = b64decode(answer).decode().split("\0")
            return name, password
        name = b64decode(words[2] if len(words) > 2 else await self._ask("Username:")).decode()
        return name, b64decode(await self._ask("Password:")).decode()

    async def _ask(self, text: str) -> str:
        await self._write(["334 " + b64encode(text.encode()).decode()])
        return await self._answer()

    async def _answer(self) -> str:
        answer = await self._line()
        self.commands.append("CRED " + answer)
        return answer

    async def _mail(self, line: str) -> None:
        if self._script.get("users") and not self._user:
            await self._say(["530 5.7.0 Authentication required"], "MAIL", line)
        elif await self._say(["250 2.1.0 Ok"], "MAIL", line) == 250:
            self._sender, self._mail_line = _address(line), line

    async def _rcpt(self, line: str) -> None:
        limit = self._script.get("rcpt_limit")
        if limit is not None and len(self._recipients) >= limit:
            await self._say(["452 4.5.3 Error: too many recipients"])
        elif 200 <= await self._say(["250 2.1.5 Ok"], "RCPT", line) < 300:
            self._recipients.append(_address(line))

    async def _data(self, line: str) -> None:
        if not self._recipients:
            await self._say(["554 5.5.1 No valid recipients"], "DATA", line)
            return
        if await self._say(["354 go ahead"], "DATA", line) != 354:
            return
        data = await self._content()
        mail = Mail(self._sender, tuple(self._recipients), data, self._mail_line)
        if self._will_take():
            self._server.mails.append(mail)
        await self._say([f"250 2.0.0 Ok: queued as {len(data):X}"], "DOT")
        self._forget()

    def _will_take(self) -> bool:
        """Whether the mail counts as taken; by a rule that keeps it also where the reply is lost."""
        for rule in self._server.rules:
            if rule["on"] == "DOT" and rule.get("times", 1) > 0:
                refused = rule.get("reply", ["250"])[-1][0] != "2"
                return bool(rule.get("keep")) or not (refused or rule.get("drop"))
        return True

    async def _content(self) -> bytes:
        while b"\r\n.\r\n" not in b"\r\n" + self._buffer:
            await self._read()
        raw, _, self._buffer = (b"\r\n" + self._buffer).partition(b"\r\n.\r\n")
        return re.sub(rb"(?m)^\.", b"", raw[2:] + b"\r\n")

    async def _rset(self, line: str) -> None:
        self._forget()
        await self._say(["250 2.0.0 Ok"], "RSET", line)

    async def _noop(self, line: str) -> None:
        await self._say(["250 2.0.0 Ok"], "NOOP", line)

    async def _quit(self, line: str) -> None:
        await self._say(["221 2.0.0 Bye"], "QUIT", line)
        raise OverError


def _address(line: str) -> str:
    found = _PATH.fullmatch(line)
    return found[1] if found else line
