"""Check the keys of an account and the certificates of its recipients."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from connector.accounts.accounts import Account
from connector.check.findings import CheckStep, Finding, Status
from connector.model.signing import SigningPolicy
from connector.signing.directory import CertificateDirectory
from connector.signing.keys import Keys
from connector.signing.state import WARN_BELOW_DAYS, KeyState, account_states, expiring


async def check_keys(account: Account, policy: SigningPolicy) -> Finding:
    """Look at every key of an account: whether it can be used, for its address, and how long.

    Args:
        account: With a key, or a directory of certificates.
        policy: The account's, with the passwords of its keys.
    """
    return await asyncio.to_thread(_checked, account, policy, datetime.now(UTC))


def _checked(account: Account, policy: SigningPolicy, now: datetime) -> Finding:
    address = account.sender.address if account.sender is not None else None
    states = account_states(Keys(), policy, address, now)
    facts: dict[str, Any] = {"keys": [state.as_json(now) for state in states]}
    notes = [*_faults(states, now), *_endings(states, now)]
    told = [f"{state.use}: {state.kind}, {_left(state, now)}" for state in states if state.fault is None]
    if policy.certificates is not None:
        directory = CertificateDirectory(policy.certificates)
        try:
            directory.refresh()
        except OSError as error:
            notes.append(f"{policy.certificates}: {error.strerror}")
        facts["certificates"] = len(directory.certificates)
        told.append(f"{len(directory.certificates)} certificates of recipients")
        notes += [f"{path}: {reason}" for path, reason in directory.faults.items()]
    return _finding(account, policy, states, (told, notes), facts)


def _finding(
    account: Account,
    policy: SigningPolicy,
    states: Sequence[KeyState],
    texts: tuple[list[str], list[str]],
    facts: dict[str, Any],
) -> Finding:
    told, notes = texts
    fix = f"See accounts.{account.name}.signing, and smtp-connector keys show {account.name}."
    message = "; ".join([*notes, *told])
    if _nothing_signs(policy, states):
        return Finding(CheckStep.KEYS, Status.FAILED, message, fix, facts=facts)
    if notes:
        return Finding(CheckStep.KEYS, Status.WARNING, message, fix, facts=facts)
    return Finding(CheckStep.KEYS, Status.OK, message, facts=facts)


def _nothing_signs(policy: SigningPolicy, states: Sequence[KeyState]) -> bool:
    """Whether mails fail: no key for S/MIME is usable although there are some, or one for DKIM is not."""
    smime = [state for state in states if state.selector is None]
    dkim = [state for state in states if state.selector is not None]
    return bool(policy.keys and all(state.fault for state in smime)) or any(state.fault for state in dkim)


def _faults(states: Sequence[KeyState], now: datetime) -> list[str]:
    """Say what is wrong, but for former and coming generations, if there is one that is valid now."""
    current = any(state.fault is None for state in states)
    return [
        f"{state.file}: {state.fault}"
        for state in states
        if state.fault is not None and (state.timely(now) or not current)
    ]


def _endings(states: Sequence[KeyState], now: datetime) -> list[str]:
    return [
        f"{state.file}: its certificate ends in {state.days_left(now)} days, fewer than {WARN_BELOW_DAYS}"
        for state in expiring(states, now)
        if state.fault is None
    ]


def _left(state: KeyState, now: datetime) -> str:
    days = state.days_left(now)
    return f"{days} days left" if days is not None else f"selector {state.selector}"
