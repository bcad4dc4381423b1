"""Named accounts at work: which one a job uses, and what it lends to the mail.

The settings of all accounts enter once; for each job its origin and the name that its task gives, if any,
enter, and an :class:`Account` leaves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches

from connector.accounts.credentials import credential_of
from connector.errors import AccountError
from connector.model.addresses import Mailbox
from connector.model.credential import Credential
from connector.model.incoming import Incoming, MailProtocol, ReadFrom
from connector.model.mail import SentFolder, WhenUncertain
from connector.model.server import AcsRoute, GraphRoute, Quota, Route, Server, Switches, TimeLimits, TlsPolicy
from connector.model.signing import UNPROTECTED, DomainKeyFile, KeyFile, SigningPolicy
from connector.settings.accounts import DEFAULT_ACCOUNT, AccountSettings, AccountTimeouts, MessageDefaults
from connector.settings.advanced import AdvancedSettings
from connector.settings.copies import CopySettings
from connector.settings.graph import effective_base_url
from connector.settings.model import Settings, TimeoutSettings
from connector.settings.presets import PRESETS, Preset
from connector.settings.process_ids import any_matches, chosen
from connector.settings.signing import KeySettings, SigningSettings

_NO_COPIES = CopySettings()
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
        copies: Whether copies of its mails are made.
        preset: Its provider.
    """

    name: str
    route: Route
    sender: Mailbox | None
    reply_to: tuple[Mailbox, ...]
    when_uncertain: WhenUncertain | None
    defaults: MessageDefaults
    signing: SigningPolicy = UNPROTECTED
    incoming: ReadFrom | None = None
    copies: CopySettings = _NO_COPIES
    preset: Preset = "custom"

    @property
    def files_sent(self) -> bool:
        """Whether its provider puts what was sent into the folder of sent mails by itself."""
        return self.route.transport == "graph" or PRESETS[self.preset].files_sent

    @property
    def protection_fault(self) -> str | None:
        """Why none of its mails can be signed or encrypted, as a sentence; None where they can."""
        if not isinstance(self.route, AcsRoute):
            return None
        return (
            f"the account {self.name} sends through Azure Communication Services, which writes mails anew, "
            "so that a signed or encrypted one breaks; use an account with SMTP"
        )

    @property
    def sent_folder(self) -> SentFolder | None:
        """Where copies of its mails go, if they are wanted; None where its provider makes them."""
        incoming = self.incoming
        if (
            self.files_sent
            or not isinstance(incoming, Incoming)
            or incoming.protocol is not MailProtocol.IMAP
        ):
            return None
        return SentFolder(incoming, self.copies.required, self.copies.bcc)


class Accounts:
    """The accounts of this worker.

    Args:
        settings: Those of the whole worker: an account's time limits complete the general ones.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings.accounts
        self._accounts = {
            name: _account(name, account, settings, credential_of(name, settings))
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
    name: str, settings: AccountSettings, general: Settings, credential: Credential | None
) -> Account:
    route: Route
    incoming: ReadFrom | None
    if settings.transport == "acs":
        route, incoming = _acs(name, settings, credential), None
    elif settings.transport == "graph" and credential is not None:
        route = _graph(name, settings, credential)
        incoming = route if settings.incoming.protocol is MailProtocol.GRAPH else None
    else:
        route = replace(_server(name, settings, general.smtp.timeouts), credential=credential)
        incoming = _incoming(route, settings)
    return Account(
        name,
        route,
        Mailbox(settings.address, settings.display_name or "") if settings.address else None,
        tuple(Mailbox(address) for address in settings.reply_to),
        settings.uncertain,
        settings.defaults,
        _signing(name, settings.signing),
        incoming,
        settings.copies.completed(general.copies),
        settings.preset,
    )


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


def _acs(name: str, settings: AccountSettings, credential: Credential | None) -> AcsRoute:
    own = settings.acs
    return AcsRoute(
        own.endpoint or "",
        name,
        own.api_version,
        own.access_key,
        credential,
        own.poll_interval.total_seconds(),
        own.poll_limit.total_seconds() if own.sent_when == "succeeded" else 0.0,
        own.repeat_within.total_seconds(),
        own.max_size,
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
