"""What signing and encryption cost a mail: processor time, memory, and how long they block the loop.

``python -m benchmarks.signing`` prints milliseconds of the processor for one mail of 2 KB, 1 MB and 10 MB,
the best of several rounds, beside dkimpy. Memory is the most that the process took on top for one mail, by
the mail's size; a pause is the longest time in which a ticker did not get the loop, the median of several
mails.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from random import Random
from statistics import median

import dkim as dkimpy
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from benchmarks.figures import Row, report
from benchmarks.large_attachment import TICK, tick
from connector.model.addresses import Mailbox
from connector.model.envelope import Envelope, Message
from connector.model.mail import ContentType, InlineContent, LoadedAttachment, SendRequest
from connector.model.server import Server
from connector.model.signing import KeyFile, Padding, Protection, SigningPolicy
from connector.signing import dkim, smime
from connector.signing.protection import Protector
from tests.mail_certificates import Leaf, MailAuthority, key
from tests.mails import NOW, RECEIVER, SENDER, mail

_TEXT = "Dear Jane, your order has been shipped and arrives on Monday.\n" * 33
_MAILS = 9
_AUTHORITY = MailAuthority()


def main() -> None:
    """Measure and print."""
    report(asyncio.run(measured()))


async def measured() -> dict[str, Sequence[Row]]:
    """Sign and encrypt mails of each size."""
    mails = {"2 KB": mail(_TEXT), "1 MB": _large(730_000), "10 MB": _large(7_300_000)}
    operations = _operations()
    costs: list[Row] = [
        {"mail, ms": name, **{size: _milliseconds(operation, data) for size, data in mails.items()}}
        for name, operation in operations.items()
    ]
    return {"Signing a mail": costs, "Signing beside the loop": [await _beside(mails["10 MB"], "10 MB")]}


def _large(octets: int) -> bytes:
    data = Random(1).randbytes(octets)
    return mail(_TEXT, LoadedAttachment("smtpEmailAttachments", "a.pdf", None, data))


def _signer(leaf: Leaf, padding: Padding = Padding.PKCS1) -> smime.Signer:
    return smime.Signer(leaf.key, leaf.certificate, leaf.chain, padding)  # type: ignore[arg-type]  # RSA or EC


def _operations() -> dict[str, Callable[[bytes], object]]:
    rsa, ec = _AUTHORITY.leaf(), _AUTHORITY.leaf(kind="p256")
    bob = _AUTHORITY.leaf(RECEIVER, number=1)
    readers = [rsa.certificate, bob.certificate]
    keys = [dkim.DomainKey("example.test", kind, key(kind)) for kind in ("rsa", "ed25519")]  # type: ignore[arg-type]  # of a kind that fits
    pem = rsa.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    raw = key("ed25519").private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    ed25519 = {"signature_algorithm": b"ed25519-sha256"}
    return {
        "S/MIME, RSA 2048": lambda data: smime.sign(data, _signer(rsa)),
        "S/MIME, RSA 2048 with PSS": lambda data: smime.sign(data, _signer(rsa, Padding.PSS)),
        "S/MIME, EC P-256": lambda data: smime.sign(data, _signer(ec)),
        "encryption for two": lambda data: smime.encrypt(data, readers),
        "signature and encryption": lambda data: smime.encrypt(smime.sign(data, _signer(rsa)), readers),
        "DKIM, RSA 2048": lambda data: dkim.sign(data, keys[:1], NOW),
        "DKIM, Ed25519": lambda data: dkim.sign(data, keys[1:], NOW),
        "DKIM, both": lambda data: dkim.sign(data, keys, NOW),
        "dkimpy, RSA 2048": lambda data: dkimpy.sign(data, b"s", b"example.test", pem),
        "dkimpy, Ed25519": lambda data: dkimpy.sign(data, b"s", b"example.test", b64encode(raw), **ed25519),
    }


def _milliseconds(operation: Callable[[bytes], object], data: bytes) -> float:
    """Processor time of one call: the best of rounds that take long enough to be measured."""
    operation(data)
    number = 100 if len(data) < 10_000 else 3
    rounds = []
    for _ in range(5):
        begun = time.process_time()
        for _ in range(number):
            operation(data)
        rounds.append((time.process_time() - begun) / number)
    return min(rounds) * 1000


async def _beside(data: bytes, size: str) -> Row:
    """Sign and encrypt as an account does, while a ticker asks for the loop."""
    with tempfile.TemporaryDirectory() as directory:
        request, protector = _request(Path(directory)), Protector(lambda: datetime.now(UTC))
        message = _message(data)
        await protector.protect(message, request)  # reads the keys
        pauses = [await _watched(protector, message, request) for _ in range(_MAILS)]
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as processes:
        peaks = [processes.submit(_peak, encrypt).result() for encrypt in (False, True)]
    return {
        "mail": size,
        "longest pause of the loop, ms": median(pauses) * 1000,
        "memory to sign, times its size": peaks[0],
        "… and to encrypt": peaks[1],
    }


def _message(data: bytes) -> Message:
    return Message(Envelope(SENDER, (RECEIVER,)), data, "<1@example.test>")


def _peak(encrypt: bool) -> float:
    """The most memory that a new process takes on top for one mail of 10 MB, by the mail's size."""
    with tempfile.TemporaryDirectory() as directory:
        request, protector = _request(Path(directory)), Protector(lambda: datetime.now(UTC))
        if not encrypt:
            request = replace(request, signing=replace(request.signing, encrypt=Protection.ON_REQUEST))
        asyncio.run(protector.protect(_message(mail(_TEXT)), request))
        # In one step: joining would leave a peak behind that hides the one to be measured.
        large = _message(b"".join((mail(_TEXT), *repeat(b"A" * 76 + b"\r\n", 130_000))))
        before = _resident("VmRSS")
        asyncio.run(protector.protect(large, request))
    return (_resident("VmHWM") - before) / len(large.data)


def _resident(field: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def _request(directory: Path) -> SendRequest:
    ann, bob = _AUTHORITY.leaf(), _AUTHORITY.leaf(RECEIVER, number=1)
    own = directory / "ann.pem"
    own.write_bytes(ann.key_pem + ann.certificates_pem)
    certificates = directory / "certificates"
    certificates.mkdir()
    (certificates / "bob.pem").write_bytes(bob.certificates_pem)
    policy = SigningPolicy(
        sign=Protection.REQUIRE,
        encrypt=Protection.REQUIRE,
        keys=(KeyFile(own),),
        certificates=certificates,
    )
    return SendRequest(
        route=Server("localhost", 25),
        sender=Mailbox(SENDER),
        to=(Mailbox(RECEIVER),),
        cc=(),
        bcc=(),
        subject="",
        content_type=ContentType.TEXT,
        content=InlineContent(""),
        signing=policy,
    )


async def _watched(protector: Protector, message: Message, request: SendRequest) -> float:
    pauses: list[float] = []
    ticking = asyncio.create_task(tick(pauses))
    await protector.protect(message, request)
    ticking.cancel()
    return max(pauses) - TICK


if __name__ == "__main__":
    main()
