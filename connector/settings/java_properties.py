"""Java's properties of mail sessions, and the setting that does the same, or why there is none.

Stands apart as data: a path that is no setting enters, and what to write instead leaves. The names are those
of the Jakarta Mail documentation (packages ``org.eclipse.angus.mail.smtp``, ``imap`` and ``pop3``).
"""

from __future__ import annotations

import re
from difflib import get_close_matches

_PROPERTY = re.compile(
    r"(?P<account>accounts\.[^.]+)\.(?:\w+\.)?mail\.(?P<protocol>smtps?|imaps?|pop3s?)\.(?P<name>.+)"
)
_OTHER = re.compile(r"accounts\.[^.]+\.(?:\w+\.)?mail\.(?P<name>[\w.-]+)")
_MECHANISM = re.compile(r"auth\.(?P<mechanism>[\w-]+)\.disable")

_VERIFIED = (
    "there is none: certificates are always verified; for an authority of your own set {account}.ca_file or "
    "trust_store"
)
_NO_SOCKS = "there is none: mail goes to its server directly"
_BUILT_IN = "there is none: the worker decides this itself"

# {account} is the account's path. A half of an account that has a setting of its own is named by _half().
_SETTINGS = {
    "host": "{half}host",
    "port": "{half}port",
    "user": "{half}username",
    "password": "{half}password",
    "auth": "{half}username and password",
    "connectiontimeout": "{account}.timeouts.connect",
    "timeout": "{account}.timeouts.command",
    "writetimeout": "{account}.timeouts.data",
    "from": "{account}.address",
    "localhost": "{account}.helo_name",
    "localaddress": "{account}.advanced.source_address",
    "auth.mechanisms": "{account}.advanced.{mechanisms}",
    "sasl.enable": "{account}.advanced.{mechanisms}",
    "sasl.mechanisms": "{account}.advanced.{mechanisms}",
    "starttls.enable": "{half}security (starttls, or starttls-optional)",
    "starttls.required": "{half}security (starttls)",
    "ssl.enable": "{half}security (tls)",
    "socketFactory.class": "{half}security (tls)",
    "socketFactory.port": "{half}port",
    "ssl.protocols": "{account}.min_tls",
    "dsn.notify": "{account}.defaults.delivery_receipt",
    "allow8bitmime": "{account}.advanced.disable_extensions (8BITMIME)",
    "chunksize": "{account}.advanced.disable_extensions (CHUNKING)",
    "allowutf8": "{account}.advanced.disable_extensions (SMTPUTF8)",
    "connectionpoolsize": "mailbox.max_connections",
    "connectionpooltimeout": "mailbox.idle",
    "ssl.socketFactory.class": "{account}.ca_file, trust_store and client_cert",
}
_REASONS = {
    "ssl.trust": _VERIFIED,
    "ssl.checkserveridentity": _VERIFIED,
    "socketFactory": _VERIFIED,
    "ssl.socketFactory": _VERIFIED,
    "socketFactory.fallback": "there is none: a link that should be encrypted is never used in clear",
    "ssl.ciphersuites": "there is none: OpenSSL's own selection holds; {account}.min_tls sets the version",
    "localport": _BUILT_IN,
    "ehlo": "there is none: EHLO comes first, and HELO where a server does not know it",
    "sendpartial": "there is none for an account: a task says smtpEmailRequireAllRecipients",
    "dsn.ret": "there is none: a report returns the header only",
    "quitwait": _BUILT_IN,
    "quitonsessionreject": _BUILT_IN,
    "reportsuccess": "there is none: the response has the server's reply",
    "userset": _BUILT_IN,
    "noop.strict": _BUILT_IN,
    "mailextension": "there is none: MAIL has the parameters that a server offers",
    "submitter": "there is none: servers ignore SUBMITTER (RFC 4405)",
    "peek": "there is none: a mail that is read stays unread; a task says mailboxMarkRead",
    "partialfetch": _BUILT_IN,
    "fetchsize": _BUILT_IN,
    "separatestoreconnection": _BUILT_IN,
    "usesocketchannels": _BUILT_IN,
    "compress.enable": "there is none: nothing is compressed",
    "disabletop": _BUILT_IN,
    "rsetbeforequit": _BUILT_IN,
    "proxyauth.user": "there is none: with oauth, {half}username names the mailbox",
    "proxy.host": _NO_SOCKS,
    "proxy.port": _NO_SOCKS,
    "socks.host": _NO_SOCKS,
    "socks.port": _NO_SOCKS,
}
_WITHOUT_PROTOCOL = {
    "debug": "the setting for it is log.level (debug)",
    "from": "the setting for it is the account's address",
    "host": "the setting for it is the account's host",
    "user": "the setting for it is the account's username",
    "transport.protocol": "the setting for it is the account's security",
    "store.protocol": "the setting for it is the account's incoming.protocol",
}


def java_property(path: str) -> str | None:
    """Say what to write in place of a Java property; None where the path names none.

    Args:
        path: A dotted path that is no setting, as ``accounts.sales.advanced.mail.smtp.localhost``.
    """
    if found := _PROPERTY.fullmatch(path):
        return f"a Java property; {_instead(found['account'], found['protocol'], found['name'])}"
    if found := _OTHER.fullmatch(path):
        return f"a Java property; {_WITHOUT_PROTOCOL.get(found['name'], 'there is no setting for it')}"
    return None


def _instead(account: str, protocol: str, name: str) -> str:
    sending = protocol.startswith("smtp")
    words = {
        "account": account,
        "half": f"{account}." if sending else f"{account}.incoming.",
        "mechanisms": "auth_mechanisms" if sending else "imap_auth_mechanisms",
    }
    if found := _MECHANISM.fullmatch(name):
        setting = f"{account}.advanced.{words['mechanisms']}"
        return (
            f"the setting for it is {setting}: list the ways to log in, without {found['mechanism'].upper()}"
        )
    near = get_close_matches(name, [*_SETTINGS, *_REASONS], n=1, cutoff=0.9)
    key = near[0] if near else name
    if key in _SETTINGS:
        return f"the setting for it is {_SETTINGS[key].format(**words)}"
    return _REASONS.get(key, "there is no setting for it").format(**words)
