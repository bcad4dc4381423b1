"""What is Vault's own: engines, logins, policies; on our double of it and on a real OpenBao, if any."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from connector.secrets.port import ProviderUnavailableError, UnusableSecretError
from connector.secrets.vault import VaultSecrets
from connector.settings.secrets import VaultSettings
from tests.servers import openbao, secret_stores
from tests.servers.secret_stores import secret_store

POLICY = 'path "secret/data/mail/*" { capabilities = ["read"] }\npath "kv/mail/*" { capabilities = ["read"] }'


@dataclass
class Vault:
    """One Vault, with the secret ``mail/relay`` in both of its engines and a worker that may read ``mail/*``.

    Attributes:
        token: The worker's.
        root: One that may do everything.
        approle: Role id and secret id of the worker.
        revoke: Ends every token that a login gave.
    """

    address: str
    token: str
    root: str
    approle: dict[str, str]
    delete: Callable[[], None]
    revoke: Callable[[], None]

    @asynccontextmanager
    async def secrets(
        self, remembered: list[str] | None = None, /, **changed: Any
    ) -> AsyncIterator[VaultSecrets]:
        settings = VaultSettings.model_validate({"address": self.address, **changed})
        secrets = VaultSecrets(settings, 10, (remembered if remembered is not None else []).append)
        try:
            yield secrets
        finally:
            await secrets.aclose()


@contextmanager
def double() -> Iterator[Vault]:
    with secret_store(secret_stores.vault) as store:
        store.values |= {"mail/relay/password": "pass-word", "mail/relay/port": 25, "bank/pin": "1234"}
        store.denied |= {"bank/pin"}
        store.tokens.add("hvs.worker")
        yield Vault(
            f"http://127.0.0.1:{store.port}",
            "hvs.worker",
            "hvs.worker",
            {"role_id": "worker", "secret_id": "vault-secret-id"},
            store.values.clear,
            store.tokens.clear,
        )


@contextmanager
def real() -> Iterator[Vault]:
    with openbao.running() as server:
        content = {"password": "pass-word", "port": 25}
        server.write("secret/data/mail/relay", {"data": content})
        server.write("secret/data/bank", {"data": {"pin": "1234"}})
        server.write("kv/mail/relay", content)
        server.write("kv/bank", {"pin": "1234"})
        server.write("sys/policies/acl/worker", {"policy": POLICY})
        server.write("sys/auth/approle", {"type": "approle"})
        server.write("auth/approle/role/worker", {"token_policies": ["worker"], "token_ttl": "1h"})
        role_id = server.read("auth/approle/role/worker/role-id")["data"]["role_id"]
        secret_id = server.write("auth/approle/role/worker/secret-id", {})["data"]["secret_id"]
        token = server.write("auth/token/create", {"policies": ["worker"]})["auth"]["client_token"]

        def delete() -> None:
            server.delete("secret/data/mail/relay")
            server.delete("kv/mail/relay")

        yield Vault(
            server.address,
            token,
            openbao.ROOT_TOKEN,
            {"role_id": role_id, "secret_id": secret_id},
            delete,
            lambda: (server.write("sys/leases/revoke-prefix/auth/approle", {}), None)[1],
        )


@pytest.fixture(params=[double, real] if openbao.binary() else [double])
def vault(request: pytest.FixtureRequest) -> Iterator[Vault]:
    with request.param() as vault:
        yield vault


ENGINES = [{"mount": "secret", "kv_version": 2}, {"mount": "kv", "kv_version": 1}]


@pytest.mark.parametrize("engine", ENGINES, ids=["kv2", "kv1"])
async def test_a_name_is_a_path_and_a_field(vault: Vault, engine: dict[str, Any]) -> None:
    async with vault.secrets(token=vault.token, **engine) as secrets:
        assert await secrets.get("mail/relay/password") == "pass-word"
        assert await secrets.get("mail/relay/nothing") is None
        assert await secrets.get("mail/nothing/password") is None
        assert await secrets.get("password") is None
        with pytest.raises(UnusableSecretError, match="the field port of mail/relay is no text"):
            await secrets.get("mail/relay/port")
    async with vault.secrets(token=vault.token, path="mail/relay", **engine) as secrets:
        assert await secrets.get("password") == "pass-word"


@pytest.mark.parametrize("engine", ENGINES, ids=["kv2", "kv1"])
async def test_a_deleted_secret_is_absent(vault: Vault, engine: dict[str, Any]) -> None:
    vault.delete()
    async with vault.secrets(token=vault.token, **engine) as secrets:
        assert await secrets.get("mail/relay/password") is None


@pytest.mark.parametrize("engine", ENGINES, ids=["kv2", "kv1"])
async def test_what_no_policy_grants_is_denied(vault: Vault, engine: dict[str, Any]) -> None:
    async with vault.secrets(token=vault.token, **engine) as secrets:
        with pytest.raises(UnusableSecretError, match=r"no policy grants read on (secret/data|kv)/bank"):
            await secrets.get("bank/pin")


async def test_a_token_that_vault_does_not_know_is_denied(vault: Vault) -> None:
    async with vault.secrets(token="hvs.unknown") as secrets:
        with pytest.raises(UnusableSecretError, match="its token may have expired"):
            await secrets.get("mail/relay/password")


async def test_no_login_at_all_is_denied(vault: Vault) -> None:
    async with vault.secrets() as secrets:
        with pytest.raises(UnusableSecretError, match="permission denied"):
            await secrets.get("mail/relay/password")


async def test_approle_logs_in_once_for_all(vault: Vault) -> None:
    remembered: list[str] = []
    async with vault.secrets(remembered, **vault.approle) as secrets:
        found = await asyncio.gather(*(secrets.get("mail/relay/password") for _ in range(8)))
    assert found == ["pass-word"] * 8
    assert remembered[0] == vault.approle["secret_id"]
    assert len(remembered) == 2  # the secret id and one token


async def test_a_wrong_login_is_no_answer_about_the_secret(vault: Vault) -> None:
    async with vault.secrets(**{**vault.approle, "secret_id": "wrong"}) as secrets:
        with pytest.raises(
            ProviderUnavailableError, match=r"the login at /v1/auth/approle/login was refused \(400\)"
        ):
            await secrets.get("mail/relay/password")


async def test_a_token_that_was_revoked_is_replaced(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("connector.secrets.vault.time.monotonic", lambda: now)
    async with vault.secrets(**vault.approle) as secrets:
        assert await secrets.get("mail/relay/password") == "pass-word"
        vault.revoke()
        with pytest.raises(UnusableSecretError):  # so soon after the login, it is taken for a policy
            await secrets.get("mail/relay/password")
        now += 11
        assert await secrets.get("mail/relay/password") == "pass-word"


async def test_a_token_is_replaced_before_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("connector.secrets.vault.time.monotonic", lambda: now)
    remembered: list[str] = []
    with double() as vault:
        async with vault.secrets(remembered, **vault.approle) as secrets:
            await secrets.get("mail/relay/password")
            now += 2399
            await secrets.get("mail/relay/password")
            assert len(remembered) == 2
            now += 1
            await secrets.get("mail/relay/password")
    assert remembered[1:] == ["hvs.token-1", "hvs.token-2"]


async def test_a_token_file_is_read_each_time(vault: Vault, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("hvs.ended\n")
    async with vault.secrets(agent_token_file=file) as secrets:
        with pytest.raises(UnusableSecretError):
            await secrets.get("mail/relay/password")
        file.write_text(f"{vault.token}\n")
        assert await secrets.get("mail/relay/password") == "pass-word"
        file.unlink()
        with pytest.raises(ProviderUnavailableError, match="agent_token_file cannot be read: No such file"):
            await secrets.get("mail/relay/password")
        file.write_text("")
        with pytest.raises(ProviderUnavailableError, match="agent_token_file is empty"):
            await secrets.get("mail/relay/password")


async def test_a_pod_logs_in_with_its_service_account(tmp_path: Path) -> None:
    (tmp_path / "jwt").write_text("service-account-jwt")
    with double() as vault:
        login = {"kubernetes_role": "worker", "kubernetes_token_file": tmp_path / "jwt"}
        async with vault.secrets(**login) as secrets:
            assert await secrets.get("mail/relay/password") == "pass-word"


@pytest.mark.parametrize(
    ("engine", "advice"),
    [
        ({"mount": "nothing"}, "permission denied|check secrets.vault.mount"),
        ({"mount": "secret", "kv_version": 1}, "permission denied|check secrets.vault.mount and kv_version"),
    ],
)
async def test_a_wrong_mount_or_version_says_what_to_check(
    vault: Vault, engine: dict[str, Any], advice: str
) -> None:
    async with vault.secrets(token=vault.token, **engine) as secrets:
        with pytest.raises(UnusableSecretError, match=advice):
            await secrets.get("mail/relay/password")


@pytest.mark.parametrize("engine", [{"mount": "nothing"}, {"mount": "secret", "kv_version": 1}])
async def test_whoever_may_do_anything_is_told_more_than_denied(vault: Vault, engine: dict[str, Any]) -> None:
    async with vault.secrets(token=vault.root, **engine) as secrets:
        with pytest.raises(UnusableSecretError, match=r"check secrets\.vault\.mount and kv_version"):
            await secrets.get("mail/relay/password")


async def test_the_namespace_goes_along() -> None:
    with secret_store(secret_stores.vault) as store:
        settings = VaultSettings(address=f"http://127.0.0.1:{store.port}", namespace="team-a")
        secrets = VaultSecrets(settings, 10, lambda _: None)
        with pytest.raises(UnusableSecretError):
            await secrets.get("mail/relay/password")
        await secrets.aclose()
        assert store.headers[0]["x-vault-namespace"] == "team-a"
        assert store.headers[0]["x-vault-request"] == "true"
        assert "x-vault-token" not in store.headers[0]
