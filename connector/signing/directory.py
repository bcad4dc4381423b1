"""The certificates of recipients: a directory of files, looked through anew when one has changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import monotonic

import structlog
from cryptography import x509

from connector.settings.values import FileStamp, file_stamp
from connector.signing.usage import addresses, comparable, encryption_fault

_log = structlog.get_logger(__name__)

_PEM = b"-----BEGIN "
_LARGEST = 10_000_000  # octets of a file; some put all certificates into one


class NoCertificateError(Exception):
    """Nothing can be encrypted for an address.

    Args:
        address: Whose.
        reason: Why, without a full stop.
    """

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"{address}: {reason}")


@dataclass(frozen=True, slots=True)
class _File:
    """What is known of one file: its certificates, or what is wrong with it."""

    stamp: FileStamp | None
    certificates: tuple[x509.Certificate, ...] = ()
    fault: str | None = None


class CertificateDirectory:
    """The certificates in the files of a directory, PEM or DER, found by the addresses in them.

    A certificate in there is trusted as it is: neither its issuer nor its revocation is checked. Files whose
    name begins with a dot are skipped, and so are directories below.

    Args:
        path: The directory.
        interval: Seconds for which it is not looked at again.
    """

    def __init__(self, path: Path, interval: float = 1.0) -> None:
        self._path = path
        self._interval = interval
        self._looked = float("-inf")
        self._files: dict[Path, _File] = {}
        self._by_address: Mapping[str, tuple[x509.Certificate, ...]] = {}

    @property
    def faults(self) -> dict[Path, str]:
        """What is wrong with the files that hold no certificate."""
        return {path: file.fault for path, file in self._files.items() if file.fault is not None}

    @property
    def certificates(self) -> list[x509.Certificate]:
        """All of them, those for no address included."""
        return [one for file in self._files.values() for one in file.certificates]

    def refresh(self) -> None:
        """Read what has changed since the last look; reads files.

        Raises:
            OSError: The directory cannot be read; what was read before stays.
        """
        now = monotonic()
        if now - self._looked < self._interval:
            return
        paths = [path for path in self._path.iterdir() if not path.name.startswith(".") and path.is_file()]
        former, self._files = self._files, {path: self._file(path) for path in sorted(paths)}
        self._looked = now
        if self._files != former:
            self._by_address = _by_address(self.certificates)

    def _file(self, path: Path) -> _File:
        stamp = file_stamp(path)
        known = self._files.get(path)
        if known is not None and known.stamp == stamp:
            return known
        try:
            return _File(stamp, tuple(_read(path)))
        except (OSError, ValueError) as error:
            fault = (isinstance(error, OSError) and error.strerror) or "it holds no certificate in PEM or DER"
            _log.warning("recipient certificate skipped", file=str(path), reason=fault)
            return _File(stamp, fault=fault)

    def find(self, address: str, now: datetime) -> x509.Certificate:
        """Choose the certificate to encrypt with for an address: of the usable ones, the one issued last.

        Args:
            address: The recipient's.
            now: The present, with its zone.

        Raises:
            NoCertificateError: There is none that can be used; the error says why.
        """
        reason = f"there is no certificate for it in {self._path}"
        for certificate in self._by_address.get(comparable(address), ()):
            fault = encryption_fault(certificate, now)
            if fault is None:
                return certificate
            reason = fault
        raise NoCertificateError(address, reason)


def _read(path: Path) -> list[x509.Certificate]:
    with path.open("rb") as file:
        data = file.read(_LARGEST)
    found = x509.load_pem_x509_certificates(data) if _PEM in data else [x509.load_der_x509_certificate(data)]
    for certificate in found:
        addresses(certificate)  # a damaged extension raises here, not with a mail in hand
    return found


def _by_address(certificates: Iterable[x509.Certificate]) -> dict[str, tuple[x509.Certificate, ...]]:
    found: dict[str, list[x509.Certificate]] = defaultdict(list)
    for certificate in certificates:
        for address in addresses(certificate):
            found[address].append(certificate)
    return {
        address: tuple(sorted(own, key=lambda one: one.not_valid_before_utc, reverse=True))
        for address, own in found.items()
    }
