"""A private Postfix: its own queue, port, users and mailboxes, gone with the test session.

Postfix's master insists on root. It offers STARTTLS with a certificate of the session's own authority, AUTH
PLAIN and LOGIN against a SASL database, or whatever a Dovecot verifies for it, and delivers the mail of
``USERS`` at ``example.test`` into Maildirs of which a test reads the raw bytes.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme

DOMAIN = "example.test"
_INTERVAL = 0.05  # seconds between looks into a mailbox
USERS = ("dev", "demo", "test", "ann", "bob", "carol", "jürgen")
USERNAME = "connector"
PASSWORD = "geheim-Pässword-{7}"  # of this private server only

_MASTER = """\
{port}  inet  n  -  n  -  -  smtpd
  -o message_size_limit=2000000
{relay}  inet  n  -  n  -  -  smtpd
  -o content_filter=smtp:[127.0.0.1]:{seven_bit}
127.0.0.1:{seven_bit}  inet  n  -  n  -  -  smtpd
  -o smtpd_discard_ehlo_keywords=8bitmime,smtputf8
smtp      unix  -  -  n  -  -  smtp
cleanup   unix  n  -  n  -  0  cleanup
qmgr      unix  n  -  n  300  1  qmgr
tlsmgr    unix  -  -  n  1000?  1  tlsmgr
rewrite   unix  -  -  n  -  -  trivial-rewrite
bounce    unix  -  -  n  -  0  bounce
defer     unix  -  -  n  -  0  bounce
trace     unix  -  -  n  -  0  bounce
proxymap  unix  -  -  n  -  -  proxymap
error     unix  -  -  n  -  -  error
retry     unix  -  -  n  -  -  error
virtual   unix  -  n  n  -  -  virtual
anvil     unix  -  -  n  -  1  anvil
postlog   unix-dgram  n  -  n  -  1  postlogd
"""

_SASL = """\
pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: {database}
mech_list: PLAIN LOGIN
"""


@dataclass(frozen=True, slots=True)
class Postfix:
    """A running server.

    Attributes:
        relay: A port that passes mails on to a server without 8BITMIME, and so encodes 8-bit content anew.
    """

    port: int
    relay: int
    ca_file: Path
    mailboxes: Path
    hostname: str = "localhost"

    async def mail(self, user: str, mark: bytes, deadline: float = 15) -> bytes:
        """Wait for the mail to ``user@example.test`` that contains ``mark``; its raw bytes.

        Raises:
            TimeoutError: It had not arrived after ``deadline`` seconds.
        """
        async with asyncio.timeout(deadline):
            while True:
                for mail in self.mails(user):
                    if mark in mail:
                        return mail
                await asyncio.sleep(_INTERVAL)

    def mails(self, user: str) -> list[bytes]:
        """Give the raw mails that have arrived for ``user@example.test``, oldest first."""
        arrived = sorted((self.mailboxes / user / "new").glob("*"), key=lambda path: path.stat().st_mtime_ns)
        return [path.read_bytes() for path in arrived]


def missing() -> str | None:
    """Say why Postfix cannot be run here, or None when it can."""
    if os.geteuid() != 0:
        return "Postfix's master process needs root"
    absent = [tool for tool in ("postfix", "saslpasswd2") if shutil.which(tool, path=_PATH) is None]
    return f"not installed: {', '.join(absent)}" if absent else None


_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


@contextmanager
def running(authority: trustme.CA, sasl: int | None = None) -> Iterator[Postfix]:
    """Run a Postfix until the block ends.

    Args:
        authority: Issues its certificate.
        sasl: Port on loopback of a Dovecot that verifies logins; without one, a SASL database does.
    """
    with tempfile.TemporaryDirectory(prefix="postfix-") as name:
        directory = Path(name)
        config = directory / "etc"
        port, relay, seven_bit = _free_ports(3)
        _configure(directory, config, authority)
        master = _MASTER.format(port=f"127.0.0.1:{port}", relay=f"127.0.0.1:{relay}", seven_bit=seven_bit)
        (config / "master.cf").write_text(master)
        if sasl is not None:
            _verify_with_dovecot(config, sasl)
        _postfix(config, "start")
        try:
            _wait_for_greeting(port)
            yield Postfix(port, relay, directory / "ca.pem", directory / "mail")
        finally:
            _postfix(config, "stop")


def _configure(directory: Path, config: Path, authority: trustme.CA) -> None:
    directory.chmod(0o755)
    for name in ("etc", "etc/sasl", "queue", "data", "mail"):
        (directory / name).mkdir()
    shutil.chown(directory / "data", "postfix")
    nobody, nogroup = 65534, 65534
    os.chown(directory / "mail", nobody, nogroup)
    _certificates(directory, authority)
    (config / "mailboxes").write_text("".join(f"{user}@{DOMAIN} {user}/\n" for user in USERS))
    (config / "main.cf").write_text(_main(directory))
    database = directory / "sasldb2"
    (config / "sasl/smtpd.conf").write_text(_SASL.format(database=database))
    subprocess.run(
        ["saslpasswd2", "-p", "-c", "-f", str(database), "-u", "localhost", USERNAME],
        input=PASSWORD.encode(),
        check=True,
        env={**os.environ, "PATH": _PATH},
    )
    shutil.chown(database, "postfix")


def _verify_with_dovecot(config: Path, port: int) -> None:
    with (config / "main.cf").open("a") as main:
        main.write(f"smtpd_sasl_type = dovecot\nsmtpd_sasl_path = inet:127.0.0.1:{port}\n")


def _certificates(directory: Path, authority: trustme.CA) -> None:
    authority.cert_pem.write_to_path(directory / "ca.pem")
    leaf = authority.issue_cert("localhost", "127.0.0.1")
    leaf.private_key_and_cert_chain_pem.write_to_path(directory / "server.pem")


def _main(directory: Path) -> str:
    settings = {
        "compatibility_level": "3.6",
        "queue_directory": directory / "queue",
        "data_directory": directory / "data",
        "maillog_file": directory / "mail.log",
        "maillog_file_prefixes": directory,
        "inet_interfaces": "127.0.0.1",
        "inet_protocols": "ipv4",
        "myhostname": "localhost",
        "mydestination": "",
        "mynetworks": "",
        "smtpd_relay_restrictions": "permit_sasl_authenticated, reject_unauth_destination",
        "smtpd_recipient_restrictions": "reject_unlisted_recipient, permit",
        "virtual_mailbox_domains": DOMAIN,
        "virtual_mailbox_base": directory / "mail",
        "virtual_mailbox_maps": f"texthash:{directory / 'etc/mailboxes'}",
        "virtual_uid_maps": "static:65534",
        "virtual_gid_maps": "static:65534",
        "smtpd_tls_chain_files": directory / "server.pem",
        "smtpd_tls_security_level": "may",
        "smtpd_tls_auth_only": "yes",
        "smtpd_sasl_auth_enable": "yes",
        "smtpd_sasl_local_domain": "localhost",
        "cyrus_sasl_config_path": directory / "etc/sasl",
        "message_size_limit": 20_000_000,
        "smtputf8_enable": "yes",
        "smtpd_client_connection_count_limit": 0,
    }
    return "".join(f"{name} = {value}\n" for name, value in settings.items())


def _postfix(config: Path, command: str) -> None:
    subprocess.run(
        ["postfix", "-c", str(config), command],
        check=True,
        capture_output=True,
        env={**os.environ, "PATH": _PATH},
    )


def _free_ports(count: int) -> list[int]:
    # Postfix cannot listen on port 0 and say which it got.
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def _wait_for_greeting(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        greeting = connection.recv(100)
    if not greeting.startswith(b"220 "):
        raise AssertionError(f"Postfix greeted with {greeting!r}")
