"""A private Dovecot: IMAP, POP3, LMTP and mail submission, of a user without privileges, gone with the block.

It knows two ways to log in: any user with :data:`PASSWORD`, and access tokens, which it verifies itself: JWTs
of :data:`ISSUER` for :data:`AUDIENCE` with a key that :meth:`Dovecot.trust` has told it. The user is the
token's claim ``email``. Another mail server may check logins with it as well, over ``sasl`` (Postfix does).
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme

ISSUER = "https://login.example.test"
AUDIENCE = "mail.example.test"
PASSWORD = "Gehäuse-{9}"  # of this private server only

_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
_DAEMON_USER = "nobody"  # where root runs the tests: Dovecot keeps no mail for root
_PROTOCOLS = ("imap", "pop3", "lmtp", "submission")
_LISTENERS = ("imap", "imaps", "pop3", "pop3s", "lmtp", "submission", "sasl")
_SECONDS = 30.0

_CONFIG = """\
base_dir = {directory}/run
state_dir = {directory}/state
log_path = {directory}/dovecot.log
protocols = {protocols}
listen = 127.0.0.1
hostname = mail.example.test
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
ssl = yes
ssl_cert = <{directory}/server.pem
ssl_key = <{directory}/server.pem
disable_plaintext_auth = no
mail_location = maildir:{directory}/mail/%u
first_valid_uid = 1
first_valid_gid = 1
mail_max_userip_connections = 0
auth_mechanisms = plain login xoauth2 oauthbearer
auth_failure_delay = 0
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {directory}/oauth2.conf.ext
}}
passdb {{
  driver = static
  mechanisms = plain login
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={directory}/mail/%u allow_all_users=yes
}}
namespace inbox {{
  inbox = yes
  mailbox Drafts {{
    auto = subscribe
    special_use = \\Drafts
  }}
  mailbox Junk {{
    auto = subscribe
    special_use = \\Junk
  }}
  mailbox Sent {{
    auto = subscribe
    special_use = \\Sent
  }}
  mailbox Trash {{
    auto = subscribe
    special_use = \\Trash
  }}
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
  }}
}}
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
  }}
}}
service submission-login {{
  chroot =
  inet_listener submission {{
    port = {submission}
  }}
  inet_listener submissions {{
    port = 0
  }}
}}
service lmtp {{
  chroot =
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
service auth {{
  inet_listener {{
    port = {sasl}
  }}
}}
# After failures from one address the next logins would wait up to 15 s, and Postfix would answer 454.
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
protocol imap {{
  mail_max_userip_connections = 0
}}
"""
_RELAY = """\
submission_relay_host = {host}
submission_relay_port = {port}
"""
_TOKENS = """\
introspection_mode = local
local_validation_key_dict = fs:posix:prefix={directory}/keys/
username_attribute = email
issuers = {issuer}
client_id = {audience}
"""


@dataclass(frozen=True, slots=True)
class Dovecot:
    """A running server.

    Attributes:
        directory: Holds its configuration, log, keys and mail.
        ports: By listener: ``imap``, ``imaps``, ``pop3``, ``pop3s``, ``lmtp``, ``submission`` (0 without a
            relay) and ``sasl``.
        ca_file: The authority of its certificate, which is for ``localhost`` and ``127.0.0.1``.
    """

    directory: Path
    ports: Mapping[str, int]
    ca_file: Path
    hostname: str = "localhost"

    def trust(self, key_id: str, public_key: bytes, algorithm: str = "RS256") -> None:
        """Accept tokens that are signed with this key.

        Args:
            key_id: The header ``kid``. Dovecot never forgets a key: take another name for another key.
            public_key: As PEM.
            algorithm: The header ``alg``.
        """
        file = self.directory / "keys/default" / algorithm / key_id
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(public_key)
        for path in (file, file.parent, file.parent.parent):
            path.chmod(0o755)

    def folder(self, user: str, name: str = "") -> Path:
        """The Maildir of a user, or of one of the user's folders."""
        return self.directory / "mail" / user / (f".{name}" if name else "")

    def mails(self, user: str, folder: str = "") -> list[bytes]:
        """Give the raw mails in a folder, read or not, oldest first."""
        where = self.folder(user, folder)
        found = [*(where / "new").glob("*"), *(where / "cur").glob("*")]
        return [path.read_bytes() for path in sorted(found, key=lambda path: path.stat().st_mtime_ns)]

    @property
    def log(self) -> str:
        """What the server has logged."""
        return (self.directory / "dovecot.log").read_text("utf-8", "replace")


def missing() -> str | None:
    """Say why Dovecot cannot be run here, or None when it can."""
    if shutil.which("dovecot", path=_PATH) is None:
        return "not installed: dovecot"
    libraries = Path("/usr/lib/dovecot")
    absent = [name for name in _PROTOCOLS if libraries.is_dir() and not (libraries / name).exists()]
    return f"not installed: dovecot's {', '.join(absent)}" if absent else None


@contextmanager
def running(authority: trustme.CA, relay: tuple[str, int] | None = None) -> Iterator[Dovecot]:
    """Run a Dovecot until the block ends.

    Args:
        authority: Issues its certificate.
        relay: Host and port that submitted mail is passed on to; without one nothing can be submitted.
    """
    # Not below pytest's own directory, where another user than ours could not come.
    with tempfile.TemporaryDirectory(prefix="dovecot-") as name:
        server = Dovecot(Path(name), _free_ports(submission=relay is not None), Path(name) / "ca.pem")
        _configure(server, authority, relay)
        with _started(server):
            _wait_for_greetings(server)
            yield server


def _configure(server: Dovecot, authority: trustme.CA, relay: tuple[str, int] | None) -> None:
    directory, user = server.directory, _user()
    values = {
        **server.ports,
        "directory": directory,
        "user": user.pw_name,
        "group": grp.getgrgid(user.pw_gid).gr_name,
        "password": PASSWORD,
        "protocols": " ".join(name for name in _PROTOCOLS if relay is not None or name != "submission"),
    }
    text = _CONFIG.format_map(values)
    if relay is not None:
        text += _RELAY.format(host=relay[0], port=relay[1])
    (directory / "dovecot.conf").write_text(text)
    tokens = _TOKENS.format(directory=directory, issuer=ISSUER, audience=AUDIENCE)
    (directory / "oauth2.conf.ext").write_text(tokens)
    authority.cert_pem.write_to_path(server.ca_file)
    leaf = authority.issue_cert("localhost", "127.0.0.1")
    leaf.private_key_and_cert_chain_pem.write_to_path(directory / "server.pem")
    for name in ("run", "state", "keys", "mail"):
        (directory / name).mkdir()
    directory.chmod(0o755)
    if os.geteuid() == 0:
        for path in (directory, *directory.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid)


def _user() -> pwd.struct_passwd:
    return pwd.getpwnam(_DAEMON_USER) if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


@contextmanager
def _started(server: Dovecot) -> Iterator[None]:
    user, root = _user(), os.geteuid() == 0
    process = subprocess.Popen(
        ["dovecot", "-F", "-c", str(server.directory / "dovecot.conf")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PATH": _PATH},
        user=user.pw_uid if root else None,
        group=user.pw_gid if root else None,
        extra_groups=[] if root else None,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(_SECONDS)  # it holds its ports until then


def _free_ports(*, submission: bool) -> dict[str, int]:
    """Find ports; Dovecot cannot listen on port 0 and say which it got."""
    with ExitStack() as probes:
        found = {}
        for name in _LISTENERS:
            probe = probes.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            found[name] = int(probe.getsockname()[1])
    return found if submission else {**found, "submission": 0}


def _wait_for_greetings(server: Dovecot) -> None:
    greetings = {"imap": b"* OK", "pop3": b"+OK", "lmtp": b"220 ", "submission": b"220 "}
    deadline = time.monotonic() + _SECONDS
    for name, expected in greetings.items():
        if port := server.ports[name]:
            greeting = _greeting(port, deadline)
            if not greeting.startswith(expected):
                raise AssertionError(f"Dovecot's {name} greeted with {greeting!r}; its log: {server.log}")


def _greeting(port: int, deadline: float) -> bytes:
    while True:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=_SECONDS) as connection:
                return connection.recv(100)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
