"""Mail addresses: a checked value out of what a modeler typed.

Text enters, a :class:`Mailbox` leaves, or an :class:`~connector.errors.InputError` that names the variable.
Errors never quote the address, since an operator may let secrets resolve in it; :func:`concealed` gives what
may be shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import idna
from email_validator import EmailNotValidError, validate_email

from connector.errors import InputError
from connector.model.text import MAX_NAME, check_length, check_name, invisible

# RFC 5321 section 4.5.3.1, in octets; a path has 256 with its angle brackets.
_MAX_LOCAL = 64
_MAX_DOMAIN = 255
_MAX_ADDRESS = 254
_MOST_SHOWN = 60  # characters of a domain, in an error
_MAX_TEXT = 2_500  # a mailbox as typed: the longest address, and the longest name with all of it escaped

_DOT_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_LOCAL = re.compile(_DOT_ATOM)
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
# What nearly everybody writes, jane@example.com or Jane Doe <jane@example.com>, is read in one step; so short
# that no limit but the local part's is in reach. Every other form goes the long way.
_USUAL_LENGTH = 128
_USUAL_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9 .'-]*[A-Za-z0-9.])?"
_USUAL = re.compile(rf"(?:({_USUAL_NAME}) *(<))?({_DOT_ATOM})@({_DOMAIN.pattern})(?(2)>)")
# Possessive, and what is left open reaches to the end: nothing is ever read twice, so that the time grows
# with the length alone, even for what an attacker typed into a form.
_QUOTED = r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)'
_ANGLE = rf'<(?:[^">]++|{_QUOTED})*+(?:>|\Z)'
_COMMENT = r"\((?:[^()\\]++|\\.)*+\)"
for _ in range(2):  # comments nest (RFC 5322 section 3.2.2), three deep at most here
    _COMMENT = rf"\((?:[^()\\]++|\\.|{_COMMENT})*+\)"
_QUOTED_STRING = re.compile(_QUOTED, re.DOTALL)
_ITEM = re.compile(rf'(?:[^"<(,;]++|{_QUOTED}|{_ANGLE}|{_COMMENT}|\(.*+)++', re.DOTALL)
_AROUND_ANGLE = re.compile(rf'(?:[^"<]++|{_QUOTED})++|<', re.DOTALL)
# What an unquoted display name may not hold: with one of these it is more likely two addresses than a name.
_NEEDS_QUOTES = re.compile(r'[,;:<>"\\\[\]]')


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One address with an optional display name (RFC 5322 section 3.4).

    Attributes:
        address: ``local@domain`` as it goes into the envelope: the domain in its ASCII form (RFC 5891),
            lower case; the local part as given. Without a domain where a bare local part is allowed.
        name: The display name, decoded, free of control characters; empty when there is none.
    """

    address: str
    name: str = ""

    @property
    def local_part(self) -> str:
        """What stands before the last ``@``, with its quotes if it has them."""
        return self.address.rpartition("@")[0] or self.address

    @property
    def domain(self) -> str:
        """What stands after the last ``@``; empty for a bare local part."""
        return self.address.rpartition("@")[2] if "@" in self.address else ""

    @property
    def needs_smtputf8(self) -> bool:
        """Whether only a server with SMTPUTF8 (RFC 6531) can take it: the local part is not ASCII."""
        return not self.address.isascii()


def parse_mailbox(text: str, field: str, *, allow_local: bool = False) -> Mailbox:
    """Read one mailbox: ``jane@x``, ``Jane <jane@x>``, ``"Doe, Jane" <jane@x>`` or ``jane@x (Jane)``.

    Single-label domains, address literals such as ``[127.0.0.1]`` and quoted local parts are accepted;
    whether they exist is for the server to say. An encoded-word (RFC 2047) in a name is text
    like any other and arrives as it was typed.

    Args:
        text: What the modeler wrote, for one mailbox.
        field: The variable to name in the error.
        allow_local: Accept a bare local part, as ``mailBoxName``, which the server completes.

    Returns:
        The mailbox, its domain in ASCII and lower case.

    Raises:
        InputError: Not a mailbox, longer than RFC 5321 section 4.5.3.1 allows, or with a control character.
    """
    usual = _USUAL.fullmatch(text) if len(text) <= _USUAL_LENGTH else None
    if usual and len(usual[3]) <= _MAX_LOCAL and "xn--" not in (domain := usual[4].lower()):
        return Mailbox(f"{usual[3]}@{domain}", usual[1] or "")
    text = check_name(check_length(text, field, _MAX_TEXT), field).strip()
    if text.count("@") > 1 and sum("@" in item for item in split_list(text)) > 1:
        raise InputError(field, "has several addresses in one place; give one of them here")
    if text.endswith(">"):
        name, address = _split_angle(text, field)
    elif text.endswith(")") and " (" in text:
        address, _, comment = text[:-1].partition(
            " ("
        )  # the older form, RFC 5322 section 3.4, last paragraph
        name = comment.strip()
    else:
        name, address = "", text
    if len(name) > MAX_NAME:
        raise InputError(field, f"has a name of more than {MAX_NAME:,} characters")
    return Mailbox(_parse_address(address.strip(), field, allow_local=allow_local), name)


def split_list(text: str) -> Iterator[str]:
    """Split a comma- or semicolon-separated list of mailboxes.

    Separators inside quotes, angle brackets and comments do not count. What is left open, such as a quote,
    reaches to the end, so that :func:`parse_mailbox` reports it.

    Args:
        text: The list as the modeler wrote it.

    Yields:
        The items without surrounding blanks; empty ones are left out.
    """
    for found in _ITEM.finditer(text):
        if item := found[0].strip():
            yield item


def ascii_domain(domain: str, field: str) -> str:
    """Give a domain in the form that goes over the wire.

    Args:
        domain: A host name in any script and case, of one label or more, or an address literal.
        field: The variable or setting to name in the error.

    Returns:
        A-labels (IDNA 2008, RFC 5891) in lower case, or the literal.

    Raises:
        InputError: Not a host name by RFC 1123, or no valid literal.
    """
    if len(domain) > _MAX_DOMAIN:
        raise InputError(field, f"has a domain of more than {_MAX_DOMAIN} octets")
    if _DOMAIN.fullmatch(domain) and "xn--" not in domain.lower():
        return domain.lower()
    try:
        if domain.startswith("["):
            return validate_email(
                f"x@{domain}", allow_domain_literal=True, check_deliverability=False
            ).ascii_domain
        # UTS #46 maps what people type (capitals, full width) to what IDNA 2008 (RFC 5891) encodes.
        ascii_domain = idna.encode(domain, uts46=True).decode("ascii")
    except (EmailNotValidError, idna.IDNAError, UnicodeError) as error:
        raise _invalid(domain, field, "has no valid domain after its @") from error
    if not _DOMAIN.fullmatch(ascii_domain):
        raise _invalid(domain, field, "has no valid domain after its @")
    return ascii_domain.lower()


def _split_angle(text: str, field: str) -> tuple[str, str]:
    """Take ``name <address>`` apart; a ``<`` inside the quotes of a local part is not the one."""
    *before, address = _AROUND_ANGLE.findall(text)
    if not before:
        raise InputError(field, "has a `>` without `<`; write Name <name@example.com>")
    return _parse_name("".join(before[:-1]).strip(), field), address[:-1]


def _parse_name(text: str, field: str) -> str:
    if _NEEDS_QUOTES.search(_QUOTED_STRING.sub("", text)):
        raise InputError(
            field,
            'needs double quotes around a name that holds , ; : < > [ ] \\ or ", as '
            '"Doe, Jane" <jane@example.com>',
        )
    # Control characters are refused by now, so two of them can keep the places of what was escaped.
    marked = text.replace("\\\\", "\x01").replace('\\"', "\x02")
    plain = marked.replace('"', "").replace("\\", "")
    return plain.replace("\x01", "\\").replace("\x02", '"').strip()


def _parse_address(text: str, field: str, *, allow_local: bool) -> str:
    local, at, domain = text.rpartition("@")
    if not at and allow_local:
        return _check_length(_parse_local(text, field), field)
    if not (local and domain):
        raise _invalid(text, field, "is not a mail address; write name@example.com")
    return _check_length(f"{_parse_local(local, field)}@{ascii_domain(domain, field)}", field)


def _parse_local(local: str, field: str) -> str:
    if not _LOCAL.fullmatch(local):
        # The quotes and backslashes that the library takes away are all that may come on top of the limit.
        check_length(local, field, 2 * _MAX_LOCAL + 2)
        try:
            # The library's rules for non-ASCII and quoted local parts; it refuses localhost and other domains
            # that are not public, which are ours to accept, so it gets a literal in the domain's place.
            checked = validate_email(
                f"{local}@[127.0.0.1]",
                allow_quoted_local=True,
                allow_domain_literal=True,
                check_deliverability=False,
            )
        except EmailNotValidError as error:
            raise _invalid(
                local, field, "is not a mail address: the part before its @ is not valid"
            ) from error
        local = checked.local_part
    if len(local.encode()) > _MAX_LOCAL:
        raise InputError(field, f"has more than {_MAX_LOCAL} octets before its @")
    return local


def _invalid(part: str, field: str, message: str) -> InputError:
    """The error for part of an address; an invisible character is the likely reason."""
    hidden = invisible(part)
    return InputError(field, f"holds {hidden}; remove it" if hidden else message)


def concealed(text: str) -> str:
    """Show enough of an address to find it in a list: its first letter and its domain, as j…@example.org."""
    address = text.rpartition("<")[2].strip("> ")
    local, at, domain = address.rpartition("@")
    shown = f"{local[:1]}…{at}{domain[:_MOST_SHOWN]}" if at else f"{address[:1]}…"
    return "".join(character for character in shown if character.isprintable())


def _check_length(address: str, field: str) -> str:
    if len(address.encode()) > _MAX_ADDRESS or len(address.rpartition("@")[2]) > _MAX_DOMAIN:
        raise InputError(field, f"is longer than {_MAX_ADDRESS} octets")
    return address
