"""What is each cloud's own: how names are mapped, and what its errors mean."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ServiceRequestError
from botocore.exceptions import NoCredentialsError
from botocore.stub import Stubber

from connector.secrets.aws import AwsSecrets
from connector.secrets.azure import AzureSecrets
from connector.secrets.port import ProviderUnavailableError, UnusableSecretError
from connector.settings.secrets import AwsSettings, AzureSettings
from tests.contract.keepers import StaticCredential


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "key")


def aws(**settings: Any) -> tuple[AwsSecrets, Stubber]:
    secrets = AwsSecrets(AwsSettings(region="eu-central-1", **settings), 5)
    stubber = Stubber(secrets._client)
    stubber.activate()
    return secrets, stubber


async def test_a_name_on_aws_is_a_prefix_and_itself() -> None:
    secrets, stubber = aws(prefix="prod/")
    stubber.add_response(
        "get_secret_value", {"SecretString": "value"}, {"SecretId": "prod/mail/relay.password"}
    )
    assert await secrets.get("mail/relay.password") == "value"
    stubber.assert_no_pending_responses()


@pytest.mark.parametrize(
    ("prefix", "name", "secret_id"),
    [("", "mail/relay/password", "mail/relay"), ("prod/mail/", "password", "prod/mail")],
)
async def test_a_key_of_json_on_aws_is_the_last_part_of_a_name(
    prefix: str, name: str, secret_id: str
) -> None:
    secrets, stubber = aws(json_keys=True, prefix=prefix)
    stubber.add_response(
        "get_secret_value", {"SecretString": '{"password": "value"}'}, {"SecretId": secret_id}
    )
    assert await secrets.get(name) == "value"
    stubber.assert_no_pending_responses()


async def test_a_key_of_no_secret_on_aws_is_absent() -> None:
    secrets, _ = aws(json_keys=True)
    assert await secrets.get("password") is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("cAnArY", "not a JSON object"),
        ('["cAnArY"]', "not a JSON object"),
        ('{"password": 5}', "its key password is no text"),
        ('{"password": ""}', "its key password is empty"),
    ],
)
async def test_json_on_aws_that_cannot_be_used_says_why(content: str, reason: str) -> None:
    secrets, stubber = aws(json_keys=True)
    stubber.add_response("get_secret_value", {"SecretString": content})
    with pytest.raises(UnusableSecretError, match=reason) as caught:
        await secrets.get("mail/password")
    assert "cAnArY" not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_a_missing_key_on_aws_is_absent() -> None:
    secrets, stubber = aws(json_keys=True)
    stubber.add_response("get_secret_value", {"SecretString": "{}"})
    assert await secrets.get("mail/password") is None


async def test_octets_on_aws_are_text() -> None:
    secrets, stubber = aws()
    stubber.add_response("get_secret_value", {"SecretBinary": b"value\n"})
    assert await secrets.get("A") == "value"


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("AccessDeniedException", 400, UnusableSecretError),
        ("DecryptionFailure", 400, UnusableSecretError),
        ("InvalidRequestException", 400, UnusableSecretError),  # marked for deletion
        ("ThrottlingException", 400, ProviderUnavailableError),
        ("ExpiredTokenException", 400, ProviderUnavailableError),
        ("UnrecognizedClientException", 400, ProviderUnavailableError),
        ("InternalServiceError", 500, ProviderUnavailableError),
    ],
)
async def test_what_an_error_of_aws_means(code: str, status: int, error: type[Exception]) -> None:
    secrets, stubber = aws()
    for _ in range(2):  # the second for botocore's own retry
        stubber.add_client_error("get_secret_value", code, "arn:aws:iam::1:role/worker", status)
    with pytest.raises(error, match=code) as caught:
        await secrets.get("A")
    assert "arn:" not in str(caught.value)


async def test_a_worker_without_credentials_on_aws_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets, _ = aws()

    def nobody(**_: object) -> None:
        raise NoCredentialsError

    monkeypatch.setattr(secrets._client, "get_secret_value", nobody)
    with pytest.raises(
        ProviderUnavailableError, match="Unable to locate credentials; check network, region and credentials"
    ):
        await secrets.get("A")


def azure(
    monkeypatch: pytest.MonkeyPatch, answer: object, prefix: str = ""
) -> tuple[AzureSecrets, list[str]]:
    secrets = AzureSecrets(
        AzureSettings(vault_url="https://mail.vault.azure.net", prefix=prefix), 5, StaticCredential()
    )
    asked: list[str] = []

    def get_secret(name: str) -> object:
        asked.append(name)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(secrets._client, "get_secret", get_secret)
    return secrets, asked


class Secret:
    value = "value"


async def test_a_name_on_azure_has_hyphens_only(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets, asked = azure(monkeypatch, Secret(), prefix="prod.")
    assert await secrets.get("mail/relay.pass_word-1") == "value"
    assert asked == ["prod-mail-relay-pass-word-1"]


async def test_a_name_that_is_too_long_for_azure(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets, asked = azure(monkeypatch, Secret())
    with pytest.raises(UnusableSecretError, match="more than 127 characters"):
        await secrets.get("a" * 128)
    assert asked == []


def response_error(status: int) -> HttpResponseError:
    error = HttpResponseError("cAnArY")
    error.status_code = status
    return error


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (response_error(403), UnusableSecretError),
        (response_error(400), UnusableSecretError),
        (response_error(429), ProviderUnavailableError),
        (response_error(503), ProviderUnavailableError),
        (ClientAuthenticationError("cAnArY"), ProviderUnavailableError),
        (ServiceRequestError("cAnArY"), ProviderUnavailableError),
    ],
)
async def test_what_an_error_of_azure_means(
    answer: Exception, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets, _ = azure(monkeypatch, answer)
    with pytest.raises(error) as caught:
        await secrets.get("A")
    assert "cAnArY" not in str(caught.value)
