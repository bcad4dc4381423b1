"""A client's commands to the mailbox for tests, read into words (RFC 3501 section 4).

Lines and literals enter, and lists of words leave; what a command means is not known here.
"""

from __future__ import annotations

import re
from asyncio import StreamReader, StreamWriter

from connector.testing.imap_mail import NotUnderstoodError, Words

_LARGEST_LITERAL = 64 * 1024 * 1024
_LITERAL = re.compile(rb"\{(\d+)(\+?)\}\r?\n\Z")
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[()]|(?:[^\s()"\[]|\[[^\]]*\])+')
_ESCAPED = re.compile(rb"\\(.)")


async def read_command(reader: StreamReader, writer: StreamWriter) -> Words | None:
    """Read a command with its literals; None at the end.

    Raises:
        ValueError: A literal is too large.
    """
    top: Words = []
    stack = [top]
    while line := await reader.readline():
        literal = _LITERAL.search(line)
        for token in _TOKEN.findall(line[: literal.start()] if literal else line):
            _take(token, stack)
        if literal is None:
            return top
        if int(literal[1]) > _LARGEST_LITERAL:
            raise ValueError("a literal that is too large")
        if not literal[2]:
            writer.write(b"+ go on\r\n")
            await writer.drain()
        stack[-1].append(await reader.readexactly(int(literal[1])))
    return None


def _take(token: bytes, stack: list[Words]) -> None:
    if token == b"(":
        inner: Words = []
        stack[-1].append(inner)
        stack.append(inner)
    elif token == b")":
        if len(stack) > 1:
            stack.pop()
    elif token[:1] == b'"':
        stack[-1].append(_ESCAPED.sub(rb"\1", token[1:-1]))
    else:
        stack[-1].append(token)


def word_of(value: bytes | Words) -> bytes:
    """Return a word of a command.

    Raises:
        NotUnderstoodError: It is a list.
    """
    if isinstance(value, list):
        raise NotUnderstoodError("a list in place of a word")
    return value


def inner_of(value: bytes | Words) -> Words:
    """Return a list of a command.

    Raises:
        NotUnderstoodError: It is a word.
    """
    if isinstance(value, bytes):
        raise NotUnderstoodError("a word in place of a list")
    return value
