"""Named accounts at work: which one a job uses, and what it lends to the mail.

The settings of all accounts enter once; for each job its origin and the name that its task gives, if any,
enter, and an :class:`Account` leaves. Secrets are looked up last, for every mail, so that a rotated password
is used at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TypeVar, cast

from pydantic import SecretStr

from connector.accounts.credentials import credential_of
from connector.errors import AccountError
from connector.model.addresses import Mailbox
from connector.model.credential import Credential
from connector.model.incoming import Incoming, MailProtocol, ReadFrom
from connector.model.mail import WhenUncertain
from connector.model.server import GraphRoute, Quota, Route, Server, Switches, TimeLimits, TlsPolicy
from connector.model.signing import UNPROTECTED, DomainKeyFile, KeyFile, SigningPolicy
from connector.secrets.resolve import SecretResolver, Use
from connector.settings.accounts import DEFAULT_ACCOUNT, AccountSettings, AccountTimeouts, MessageDefaults
from connector.settings.advanced import AdvancedSettings
from connector.settings.graph import effective_base_url
from connector.settings.model import Settings, TimeoutSettings
from connector.settings.process_ids import any_matches, chosen
from connector.settings.signing import KeySettings, SigningSettings

_MOST_NAMES = 10
_LONGEST_NAME = 60


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a job comes from; the engine vouches for both.

    Attributes:
        process_id: BPMN process id.
        tenant: Tenant id; ``<default>`` on an engine without tenants.
    """

    process_id: str
    tenant: str


@dataclass(frozen=True, slots=True)
class Account:
    """What an account lends to a mail.

    Attributes:
        route: Where to submit; user name and passwords may still be references to secrets.
        sender: For tasks without a mailbox name.
        reply_to: For tasks that name no address to answer to.
        when_uncertain: For tasks that do not say; None leaves it to the ledger's settings.
        defaults: For tasks that say nothing about these.
        signing: How its mails are signed and encrypted; passwords may still be references to secrets.
        incoming: Its mailbox, for tasks that read; user name and passwords as with the route.
    """

    name: str
    route: Route
    sender: Mailbox | None
    reply_to: tuple[Mailbox, ...]
    when_uncertain: WhenUncertain | None
    defaults: MessageDefaults
    signing: SigningPolicy = UNPROTECTED
    incoming: ReadFrom | None = None


class Accounts:
    """The accounts of this worker.

    Args:
        settings: Those of the whole worker: an account's time limits complete the general ones.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings.accounts
        self._accounts = {
            name: _account(name, account, settings.smtp.timeouts, credential_of(name, settings))
            for name, account in settings.accounts.items()
        }

    @property
    def all(self) -> tuple[Account, ...]:
        """All accounts in the settings, in their order."""
        return tuple(self._accounts.values())

    def configured(self, name: str) -> Account:
        """The account of a name in the settings, regardless of who may use it: for operators.

        Raises:
            KeyError: There is none.
        """
        return self._accounts[name]

    def named(self, name: str, origin: Origin) -> Account:
        """The account that a task names.

        Raises:
            AccountError: There is none of that name, or the job may not use it. The error does not tell
                which: otherwise a diagram could find out the names of other people's accounts. Or it may,
                and the account is disabled.
        """
        allowed = self._allowed(origin)
        if name in allowed:
            return self._in_use(name)
        nearest = get_close_matches(name, allowed, n=1)
        names = ", ".join(sorted(allowed)[:_MOST_NAMES]) + (", …" if len(allowed) > _MOST_NAMES else "")
        hint = f"did you mean {nearest[0]}?" if nearest else f"it may use {names or 'none'}."
        message = (
            f"account: the process {origin.process_id} has no account named {name[:_LONGEST_NAME]!r}; {hint}"
        )
        raise AccountError(
            f"{message} An operator configures accounts and says which processes may use them."
        )

    def usual(self, origin: Origin) -> Account | None:
        """The account of a task that names none: by its process id, else by its tenant, else the default.

        Raises:
            AccountError: It is disabled; another account would send under another name.
        """
        allowed = self._allowed(origin)
        tagged = chosen({name: account.process_ids for name, account in allowed.items()}, origin.process_id)
        tenants = (name for name, account in allowed.items() if origin.tenant in account.tenants)
        name = tagged or next(tenants, DEFAULT_ACCOUNT)
        return self._in_use(name) if name in allowed else None

    def _in_use(self, name: str) -> Account:
        if self._settings[name].enabled:
            return self._accounts[name]
        raise AccountError(
            f"account: {name} is disabled; an operator enables it with accounts.{name}.enabled, or the task "
            "names another account."
        )

    def _allowed(self, origin: Origin) -> Mapping[str, AccountSettings]:
        return {name: account for name, account in self._settings.items() if _allows(account, origin)}


def _allows(account: AccountSettings, origin: Origin) -> bool:
    processes, tenants = account.allowed_process_ids, account.allowed_tenants
    return (not processes or any_matches(processes, origin.process_id)) and (
        not tenants or origin.tenant in tenants
    )


def _account(
    name: str, settings: AccountSettings, timeouts: TimeoutSettings, credential: Credential | None
) -> Account:
    sender = Mailbox(settings.address, settings.display_name or "") if settings.address else None
    reply_to = tuple(Mailbox(address) for address in settings.reply_to)
    signing = _signing(name, settings.signing)
    if settings.transport == "graph" and credential is not None:
        mailbox = _graph(name, settings, credential)
        read = mailbox if settings.incoming.protocol is MailProtocol.GRAPH else None
        return Account(name, mailbox, sender, reply_to, settings.uncertain, settings.defaults, signing, read)
    server = replace(_server(name, settings, timeouts), credential=credential)
    incoming = _incoming(server, settings)
    return Account(name, server, sender, reply_to, settings.uncertain, settings.defaults, signing, incoming)


def _incoming(server: Server, settings: AccountSettings) -> Incoming | None:
    """The account's other half; what it does not say comes from the preset or the outgoing one."""
    own = settings.incoming
    if own.protocol is None:
        return None
    return Incoming(
        own.protocol,
        replace(
            server,
            hostname=settings.incoming_host,
            port=own.effective_port,
            security=own.effective_security,
            username=own.username or server.username,
            password=own.password or server.password,
            credential=None if own.password else server.credential,
        ),
        settings.advanced.imap_auth_mechanisms,
        frozenset(settings.advanced.disable_extensions),
        settings.advanced.imap_namespace,
    )


def _signing(account: str, settings: SigningSettings) -> SigningPolicy:
    return SigningPolicy(
        account=account,
        sign=settings.sign,
        encrypt=settings.encrypt,
        keys=tuple(map(_key_file, settings.keys)),
        padding=settings.padding,
        digest=settings.digest,
        certificates=settings.certificates,
        encrypt_to_sender=settings.encrypt_to_sender,
        dkim=tuple(DomainKeyFile(key.selector, _key_file(key)) for key in settings.dkim.keys),
        dkim_domain=settings.dkim.domain,
    )


def _key_file(settings: KeySettings) -> KeyFile:
    return KeyFile(settings.file, settings.key, settings.password, settings.key_password, settings.alias)


def _graph(name: str, settings: AccountSettings, credential: Credential) -> GraphRoute:
    own = None if credential.grant.needs_consent else settings.address
    return GraphRoute(
        effective_base_url(settings),
        name,
        credential,
        settings.graph.user or own,
        settings.graph.mode == "exact",
        settings.graph.save_to_sent_items,
        tuple(settings.http_headers.items()),
        _trusted(settings),
        _quota(settings),
    )


def _server(name: str, settings: AccountSettings, timeouts: TimeoutSettings) -> Server:
    return Server(
        settings.effective_host,
        settings.effective_port,
        settings.effective_security,
        settings.effective_username,
        settings.password,
        account=name,
        tls=_trusted(settings),
        helo_name=settings.helo_name,
        timeouts=_completed(settings.timeouts, timeouts),
        quota=_quota(settings),
        switches=_switches(settings.advanced),
    )


def _trusted(settings: AccountSettings) -> TlsPolicy:
    return TlsPolicy(
        settings.min_tls,
        settings.ca_file,
        settings.trust_store,
        settings.trust_store_password,
        settings.client_cert,
        settings.client_key,
        settings.client_key_password,
    )


def _quota(settings: AccountSettings) -> Quota:
    return Quota(
        settings.rate,
        settings.max_wait.total_seconds(),
        settings.max_connections,
        settings.effective_max_recipients,
    )


def _switches(settings: AdvancedSettings) -> Switches:
    return Switches(
        settings.auth_mechanisms,
        frozenset(settings.disable_extensions),
        settings.source_address,
        round(settings.keepalive.total_seconds()) if settings.keepalive else None,
    )


def _completed(own: AccountTimeouts, general: TimeoutSettings) -> TimeLimits:
    return general.model_copy(update=own.model_dump(exclude_none=True)).limits


AnyRoute = TypeVar("AnyRoute", bound=Route)


async def with_secrets(
    server: AnyRoute, secrets: SecretResolver, section: str = ""
) -> tuple[AnyRoute, tuple[Use, ...]]:
    """Put the values of secrets in the place of their references.

    A server that a task gives is left as it is: its secrets are resolved before it is read, and what they
    hold is never taken for a reference again.

    Args:
        server: With references.
        secrets: Where they are looked up.
        section: Where in the account user name and password are, as ``incoming.``; in the account itself.

    Returns:
        The route, and the secrets that are in it now.

    Raises:
        SecretError: No provider has one of them, or it is bound to another server; the error names the
            account's setting.
    """
    if server.account is None:
        return server, ()
    lookup = _Lookup(server, secrets)
    complete: Route = server
    if isinstance(complete, Server):
        username = await lookup.value(
            f"{section}username", SecretStr(complete.username) if complete.username else None
        )
        complete = replace(
            complete,
            username=username.get_secret_value() if username else None,
            password=await lookup.value(f"{section}password", complete.password),
        )
    tls = replace(
        server.tls,
        trust_store_password=await lookup.value("trust_store_password", server.tls.trust_store_password),
        client_key_password=await lookup.value("client_key_password", server.tls.client_key_password),
    )
    return cast("AnyRoute", replace(complete, tls=tls)), tuple(lookup.uses)


async def with_key_passwords(policy: SigningPolicy, server: Route, secrets: SecretResolver) -> SigningPolicy:
    """Put the passwords of an account's keys in the place of their references.

    Args:
        policy: Of the account.
        server: The account's server, to which its secrets may be bound.
        secrets: Where they are looked up.

    Raises:
        SecretError: As :func:`with_secrets`.
    """
    lookup = _Lookup(server, secrets)

    async def opened(key: KeyFile, path: str) -> KeyFile:
        password = await lookup.value(f"{path}.password", key.password)
        key_password = await lookup.value(f"{path}.key_password", key.key_password)
        return replace(key, password=password, key_password=key_password)

    keys = [await opened(key, "signing.keys") for key in policy.keys]
    dkim = [replace(key, file=await opened(key.file, "signing.dkim.keys")) for key in policy.dkim]
    return replace(policy, keys=tuple(keys), dkim=tuple(dkim))


class _Lookup:
    """Looks up the secrets of one account, and keeps in mind which they were."""

    def __init__(self, server: Route, secrets: SecretResolver) -> None:
        self._server = server
        self._secrets = secrets
        self.uses: list[Use] = []

    async def value(self, key: str, text: SecretStr | None) -> SecretStr | None:
        if text is None:
            return None
        field = f"accounts.{self._server.account}.{key}"
        host, port = self._server.hostname, self._server.port
        found = await self._secrets.resolve_text(text.get_secret_value(), field, host, port)
        self.uses.extend(found.uses)
        return SecretStr(found.value)
