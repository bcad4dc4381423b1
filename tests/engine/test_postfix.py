"""The whole way to a real Postfix: STARTTLS, AUTH with a secret, a mailbox, and a refused recipient."""

from __future__ import annotations

from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pyzeebe import ZeebeClient

from tests.engine.service import running_worker, start
from tests.engine.watch import Watch
from tests.servers.postfix import PASSWORD, USERNAME, Postfix

SECRETS = {"SECRET_MAIL_PASSWORD": PASSWORD}


def inputs(postfix: Postfix, **changed: Any) -> dict[str, Any]:
    login = {"username": USERNAME, "password": "secrets.MAIL_PASSWORD", "security": "starttls"}
    return {
        "authentication": {"hostname": postfix.hostname, "port": postfix.port, **login},
        "smtpEmailMailBoxName": "Prozeß <workflow@example.test>",
        "smtpEmailToRecipients": ["ann@example.test"],
        "smtpEmailSubject": f"Größe {uuid4().hex}",
        "smtpEmailContent": "Grüße\n.\nFrom here",
        **changed,
    }


async def test_a_mail_arrives_over_starttls_with_a_login(
    engine_address: str, zeebe: ZeebeClient, watch: Watch, tmp_path: Path, postfix: Postfix
) -> None:
    async with running_worker(engine_address, SECRETS, smtp__ca_file=str(postfix.ca_file)):
        given = inputs(postfix)
        instance = await start(zeebe, tmp_path, given)
        await watch.completed(instance)
    result = (await watch.variables(instance))["mail"]
    raw = await postfix.mail("ann", result["messageId"].encode())
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert (message["From"], message["Subject"]) == (given["smtpEmailMailBoxName"], given["smtpEmailSubject"])
    assert message.get_content().splitlines() == ["Grüße", ".", "From here"]
    assert "with ESMTPSA" in message["Received"]
    assert result["reply"].startswith("250 2.0.0 Ok: queued as ")


async def test_a_recipient_that_postfix_refuses_is_listed_and_the_others_get_the_mail(
    engine_address: str, zeebe: ZeebeClient, watch: Watch, tmp_path: Path, postfix: Postfix
) -> None:
    everybody = ["ann@example.test", "unknown@example.test", "jürgen@example.test"]
    async with running_worker(engine_address, SECRETS, smtp__ca_file=str(postfix.ca_file)):
        instance = await start(zeebe, tmp_path, inputs(postfix, smtpEmailToRecipients=everybody))
        await watch.completed(instance)
    result = (await watch.variables(instance))["mail"]
    assert result["accepted"] == ["ann@example.test", "jürgen@example.test"]
    (refused,) = result["rejected"]
    assert (refused["address"], refused["code"], refused["enhancedCode"]) == (everybody[1], 550, "5.1.1")
    for user in ("ann", "jürgen"):
        assert await postfix.mail(user, result["messageId"].encode())


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "wrong password": ({"password": "wrong"}, "AUTH_FAILED"),
    "no certificate that we trust": ({}, "TLS_FAILED"),
    "STARTTLS taken for TLS": ({"security": "tls"}, "TLS_FAILED"),
    "nobody known": ({"to": ["unknown@example.test"]}, "RECIPIENT_REJECTED"),
    "too large": ({"content": "x" * 2_100_000}, "MESSAGE_TOO_LARGE"),
}


@pytest.mark.parametrize(("changed", "code"), FAULTS.values(), ids=FAULTS)
async def test_a_refusal_by_postfix_is_an_incident_with_its_code(  # noqa: PLR0917 - fixtures and a case
    engine_address: str,
    zeebe: ZeebeClient,
    watch: Watch,
    tmp_path: Path,
    postfix: Postfix,
    changed: dict[str, Any],
    code: str,
) -> None:
    given = inputs(postfix)
    given["authentication"] |= {k: v for k, v in changed.items() if k in {"password", "security"}}
    given["smtpEmailToRecipients"] = changed.get("to", given["smtpEmailToRecipients"])
    given["smtpEmailContent"] = changed.get("content", given["smtpEmailContent"])
    trust = {} if code == "TLS_FAILED" else {"smtp__ca_file": str(postfix.ca_file)}
    async with running_worker(engine_address, SECRETS, **trust):
        instance = await start(zeebe, tmp_path, given)
        incident = await watch.incident(instance)
    assert incident["errorMessage"].startswith(f"{code}: ")
    assert PASSWORD not in incident["errorMessage"]
