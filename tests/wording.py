"""Rules that every sentence of the product keeps, whatever went wrong: what a reader would stumble over."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

_LONGEST_NAME = 3  # words of a clause that may come twice, such as a setting's name or a server's
_RULES = {
    "stray punctuation": r": *:(?!\d|[0-9a-f]*\])|\.:|;;|,,|\.\.(?![./])|[:;,.]\.(?!\w)| [,;](?: |$)|\( | \)",
    "a double blank": r"\S {2,}\S",
    "a value of Python": r"\bNone\b|\bTrue\b|\bFalse\b|\b(?:str|int|dict|tuple|NoneType|PosixPath)\b",
    "an object of Python": r"<class|<[\w.]+ object|object at 0x|\(char \d+\)|\w'\]|\['\w|\{'\w|\('\w",
    "an exception's name": r"\b(?:[a-z_]+\.)*[A-Z][A-Za-z0-9]*(?:Error|Exception|Timeout|Warning)\b",
    "a library's words": r"(?i)pydantic|input should|aiosmtplib|errno|traceback|_ssl\.c|httpx|asyncpg",
    "gRPC's layers": r"last error|UNAVAILABLE|ipv4:|C-ares|status code",
    "a pattern": r"\^\[|\]\*\$|\\[wds]\b",
    "a key of the parser": r"\[key\]|__root__|\bloc\b",
    "a negative count": r"(?<![\w.:/'\"=-])-\d+ (?:mails?|recipients?|seconds?|s|bytes|octets|times)\b",
}
_CLAUSES = re.compile(r"[:;.?!()\n]+(?:\s|$)|, ")


def stumbles(text: str) -> Iterator[str]:
    """Yield what is wrong with a text, each as ``rule: place``."""
    plain = re.sub(r"'[^' ]{1,5}'", "x", text)  # what a modeler wrote, such as '..'
    for rule, pattern in _RULES.items():
        if found := re.search(pattern, plain):
            yield f"{rule}: {found[0]!r} in {text!r}"
    for line in text.splitlines():
        clauses = Counter(clause.strip().lower() for clause in _CLAUSES.split(line) if clause)
        for clause, number in clauses.items():
            if number > 1 and len(clause.split()) > _LONGEST_NAME:
                yield f"told {number} times: {clause!r} in {line!r}"
