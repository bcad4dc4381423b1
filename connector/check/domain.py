"""Check what the DNS says about the domain of an account's address: DKIM, SPF and DMARC.

Receivers ask the same: whether a mail's signature verifies, whether the server that hands it over may do so,
and whether one of both is for the domain in the From field.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.resolver

from connector.check.findings import CheckStep, Finding, Status
from connector.model.signing import SigningPolicy
from connector.signing.dkim import DomainKey
from connector.signing.keys import Keys, UnusableKeyError, domain_key
from connector.signing.record import name_of, record_fault, text_of
from connector.tls.own_keys import UnreadableKeyError

_MOST_LOOKUPS = 10  # RFC 7208 section 4.6.4
_ASKING = frozenset({"include", "a", "mx", "ptr", "exists", "redirect"})
_UNKNOWN = "Ask another name server with --nameserver, or try again."


class NoAnswerError(Exception):
    """The DNS says neither that there is a record nor that there is none."""


class TextRecords:
    """Looks up TXT records.

    Args:
        nameserver: Address and port of the server to ask; None for the name servers of this machine.
        seconds: The longest duration of a lookup.
    """

    def __init__(self, nameserver: tuple[str, int] | None, seconds: float) -> None:
        self._resolver = dns.asyncresolver.Resolver(configure=nameserver is None)
        if nameserver is not None:
            self._resolver.nameservers = [nameserver[0]]
            self._resolver.port = nameserver[1]
        self._resolver.lifetime = seconds

    async def at(self, name: str) -> list[str]:
        """Return the records at a name, the strings of each joined; empty when there are none.

        Raises:
            NoAnswerError: A name server failed, or none answered in time.
        """
        try:
            answer = await self._resolver.resolve(name, "TXT", raise_on_no_answer=False)
        except dns.resolver.NXDOMAIN:
            return []
        except (dns.exception.DNSException, OSError) as error:
            raise NoAnswerError(f"the DNS does not answer for {name} ({type(error).__name__})") from error
        return [b"".join(record.strings).decode("utf-8", "replace") for record in answer.rrset or ()]


async def check_domain(domain: str, policy: SigningPolicy, records: TextRecords) -> list[Finding]:
    """Check the records of a domain.

    Args:
        domain: The domain of the account's address.
        policy: The account's, with the passwords of its keys.
        records: Where they are looked up.
    """
    spf, dmarc = await asyncio.gather(_spf(domain, records), _dmarc(domain, policy, records))
    dkim = [await _dkim(domain, policy, records)] if policy.dkim else []
    return [*dkim, spf, dmarc]


# DKIM


async def _dkim(domain: str, policy: SigningPolicy, records: TextRecords) -> Finding:
    keys, faults, found = Keys(), [], []
    fixes: list[str] = []
    for source in policy.dkim:
        try:
            key = await asyncio.to_thread(domain_key, keys, source, policy.dkim_domain or domain)
            fault = record_fault(await records.at(name_of(key)), key)
        except (UnreadableKeyError, UnusableKeyError):
            continue  # the step `keys` reports it
        except NoAnswerError as error:
            return Finding(CheckStep.DKIM, Status.WARNING, str(error), _UNKNOWN)
        found.append({"selector": key.selector, "name": name_of(key), "fault": fault})
        if fault is not None:
            faults.append(f"{key.selector}: {fault}")
            fixes.append(_publish(key))
    facts = {"records": found}
    if faults:
        return Finding(CheckStep.DKIM, Status.FAILED, "; ".join(faults), " ".join(fixes), facts=facts)
    names = ", ".join(str(record["selector"]) for record in found)
    return Finding(CheckStep.DKIM, Status.OK, f"the DNS publishes the keys {names}", facts=facts)


def _publish(key: DomainKey) -> str:
    return f"Publish this TXT record at {name_of(key)}: {text_of(key)}"


# SPF


async def _spf(domain: str, records: TextRecords) -> Finding:
    facts: dict[str, Any] = {"domain": domain}
    try:
        found = await _spf_records(domain, records)
        facts["record"] = found[0] if len(found) == 1 else None
        status, message, fix = await _spf_verdict(domain, found, records)
    except NoAnswerError as error:
        return Finding(CheckStep.SPF, Status.WARNING, str(error), _UNKNOWN, facts=facts)
    return Finding(CheckStep.SPF, status, message, fix, facts=facts)


async def _spf_verdict(domain: str, found: list[str], records: TextRecords) -> tuple[Status, str, str | None]:
    if not found:
        fix = f"Publish a TXT record at {domain}: v=spf1, what your mail server's operator names, and -all."
        return Status.WARNING, f"{domain} has no SPF record", fix
    if len(found) > 1:
        reason = f"{domain} has {len(found)} SPF records, which counts as an error (RFC 7208 section 4.5)"
        return Status.FAILED, reason, "Join them into one."
    if any(term.lower() in {"+all", "all"} for term in found[0].split()):
        return Status.WARNING, f"{found[0]}: every server may send for {domain}", "End it with -all."
    if await _too_many_lookups(found[0], records):
        reason = f"{found[0]}: it takes more than {_MOST_LOOKUPS} lookups (RFC 7208 section 4.6.4)"
        return Status.FAILED, reason, "Use fewer include, a, mx, ptr and exists."
    return Status.OK, f"{found[0]} (whether your mail server is in it, its operator knows)", None


async def _spf_records(domain: str, records: TextRecords) -> list[str]:
    return [text for text in await records.at(domain) if text.lower().split(" ")[0] == "v=spf1"]


async def _too_many_lookups(record: str, records: TextRecords) -> bool:
    """Count the lookups that a record takes, those of included records too, up to one too many."""
    count, waiting = 0, [record]
    while waiting and count <= _MOST_LOOKUPS:
        for mechanism, domain in _terms(waiting.pop()):
            count += 1
            if mechanism in {"include", "redirect"} and "%" not in domain and count <= _MOST_LOOKUPS:
                waiting += (await _spf_records(domain, records))[:1]
    return count > _MOST_LOOKUPS


def _terms(record: str) -> Iterator[tuple[str, str]]:
    """Give the terms of a record that ask the DNS, each with its domain (RFC 7208 section 4.6.1)."""
    for term in record.split()[1:]:
        name = term.lstrip("+-~?")
        at = min((place for sign in ":=/" if (place := name.find(sign)) >= 0), default=len(name))
        if name[:at].lower() in _ASKING:
            yield name[:at].lower(), name[at + 1 :]


# DMARC


async def _dmarc(domain: str, policy: SigningPolicy, records: TextRecords) -> Finding:
    facts: dict[str, Any] = {}
    try:
        found, place = await _dmarc_record(domain, records)
    except NoAnswerError as error:
        return Finding(CheckStep.DMARC, Status.WARNING, str(error), _UNKNOWN)
    if not found:
        fix = f"Publish a TXT record at _dmarc.{domain}; v=DMARC1; p=none only asks for reports (rua=)."
        return Finding(CheckStep.DMARC, Status.WARNING, f"{domain} has no DMARC record", fix)
    if len(found) > 1:
        reason = f"_dmarc.{place} has {len(found)} DMARC records, so none counts"
        return Finding(CheckStep.DMARC, Status.FAILED, reason, "Keep one of them.")
    tags = dict(_tags(found[0]))
    aligned = _aligned(domain, policy, place, tags)
    facts |= {"domain": place, "policy": tags.get("p"), "aligned": aligned}
    return _dmarc_verdict(domain, policy, facts)


def _dmarc_verdict(domain: str, policy: SigningPolicy, facts: dict[str, Any]) -> Finding:
    if facts["policy"] not in {"none", "quarantine", "reject"}:
        message = f"the record at _dmarc.{facts['domain']} has no p=none, p=quarantine or p=reject"
        return Finding(CheckStep.DMARC, Status.FAILED, message, "Add the policy as p=.", facts=facts)
    told = f"p={facts['policy']} at _dmarc.{facts['domain']}; SPF is aligned: the envelope sender is the same"
    if facts["aligned"] is None:
        return Finding(CheckStep.DMARC, Status.OK, f"{told}; DKIM is your mail server's", facts=facts)
    if facts["aligned"]:
        return Finding(CheckStep.DMARC, Status.OK, f"{told}; DKIM is aligned, too", facts=facts)
    signing = policy.dkim_domain
    message = f"{told}; DKIM is not: the mails are from {domain} and are signed for {signing}"
    fix = f"Set signing.dkim.domain to {domain}, or remove it."
    return Finding(CheckStep.DMARC, Status.FAILED, message, fix, facts=facts)


def _aligned(domain: str, policy: SigningPolicy, place: str, tags: dict[str, str]) -> bool | None:
    """Whether the signatures count for the From field; None where the connector makes none.

    Relaxed alignment takes two domains for one if their organisation is the same. That is the domain at which
    the policy was found: the DNS itself says so, without a list of public suffixes.
    """
    if not policy.dkim:
        return None
    signing = policy.dkim_domain or domain
    if signing == domain:
        return True
    return tags.get("adkim", "r").lower() != "s" and (signing == place or signing.endswith(f".{place}"))


async def _dmarc_record(domain: str, records: TextRecords) -> tuple[list[str], str]:
    """Find the policy of a domain, or of the next domain above that has one."""
    labels = domain.split(".")
    for at in range(max(len(labels) - 1, 1)):
        place = ".".join(labels[at:])
        found = [text for text in await records.at(f"_dmarc.{place}") if _is_dmarc(text)]
        if found:
            return found, place
    return [], domain


def _is_dmarc(text: str) -> bool:
    return text.replace(" ", "").lower().startswith("v=dmarc1")


def _tags(text: str) -> Iterator[tuple[str, str]]:
    for tag in text.split(";"):
        name, _, value = tag.partition("=")
        yield name.strip().lower(), value.strip()
