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

    Where the section exists, its own settings are compared, then the only one elsewhere with this name.

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
    section = separator.join(above)
    if section not in known:
        return _question(difflib.get_close_matches(name, known, n=1))
    below = f"{section}{separator}"
    siblings = {one.removeprefix(below): one for one in known if one.startswith(below)}
    if matches := difflib.get_close_matches(last, siblings, n=1):
        return _question([siblings[matches[0]]])
    namesakes = [one for one in known if one.endswith(f"{separator}{last}") and not name.startswith(one)]
    return _question(namesakes if len(namesakes) == 1 else [])


def _question(names: list[str]) -> str:
    return f"; did you mean {names[0]}?" if names else ""
