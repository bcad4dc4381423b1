"""The setting that a misspelt name, or another program's name, probably means."""

from __future__ import annotations

import difflib

# What other programs call a setting.
_OTHER_NAMES = {
    "from": ("address",),
    "sender": ("address",),
    "mail": ("address",),
    "tls": ("security",),
    "ssl": ("security",),
    "starttls": ("security",),
    "encryption": ("security",),
    "user": ("username",),
    "login": ("username",),
    "pass": ("password",),
    "hostname": ("host",),
    "server": ("host",),
    "gateway": ("address",),
    "url": ("address", "host"),
    "provider": ("preset",),
    "ca": ("ca_file",),
    "timezone": ("time_zone",),
    "tz": ("time_zone",),
}


def nearest(name: str, known: set[str], separator: str = ".") -> str:
    """Return a question for the end of an error; empty when no setting resembles the name.

    Args:
        name: What was written.
        known: The names that there are.
        separator: What stands between the parts of a name.
    """
    *above, last = name.split(separator)
    for other in _OTHER_NAMES.get(last.lower(), ()):
        meant = separator.join([*above, other.upper() if last.isupper() else other])
        if meant in known:
            return f"; did you mean {meant}?"
    matches = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {matches[0]}?" if matches else ""
