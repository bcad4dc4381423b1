"""Where OAuth providers are asked, and what their scopes are called, as their documentation says.

A provider's name, with Microsoft's tenant and cloud, enters; addresses and complete scopes leave.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Literal

from connector.model.credential import Endpoints, Grant

ProviderName = Literal["microsoft", "google", "custom"]
CloudName = Literal["global", "us-gov", "us-dod", "china"]

# Microsoft ends a refresh token that was not used for 90 days, Google one of six months.
UNUSED_DAYS = MappingProxyType({"microsoft": 90, "google": 180})
ANY_TENANT = frozenset({"common", "organizations", "consumers"})
_OPENID = frozenset({"openid", "profile", "email", "offline_access"})
_GOOGLE_MAIL = "https://mail.google.com/"


class Service(StrEnum):
    """What a token is good for; Microsoft gives one for each."""

    MAIL = "SMTP, IMAP and POP3"
    GRAPH = "Microsoft Graph"
    ACS = "Azure Communication Services"


@dataclass(frozen=True, slots=True)
class Cloud:
    """One of Microsoft's clouds.

    Attributes:
        login: Where tokens are asked for.
        mail: What the scopes for SMTP, IMAP and POP3 begin with.
        mail_application: The same for an application's own access.
        graph: What the scopes for Graph begin with.
        communication: The same for Azure Communication Services; empty where the cloud has none.
    """

    login: str
    mail: str
    mail_application: str
    graph: str
    communication: str = ""

    def tenant(self, tenant: str) -> Endpoints:
        """The addresses of a tenant."""
        base = f"{self.login}/{tenant}"
        return Endpoints(
            f"{base}/oauth2/v2.0/token",
            f"{base}/oauth2/v2.0/authorize",
            f"{base}/oauth2/v2.0/devicecode",
            admin_consent=f"{base}/adminconsent",
        )


CLOUDS: MappingProxyType[CloudName, Cloud] = MappingProxyType(
    {
        "global": Cloud(
            "https://login.microsoftonline.com",
            "https://outlook.office.com",
            "https://outlook.office365.com",
            "https://graph.microsoft.com",
            "https://communication.azure.com",
        ),
        "us-gov": Cloud(
            "https://login.microsoftonline.us",
            "https://outlook.office365.us",
            "https://outlook.office365.us",
            "https://graph.microsoft.us",
            "https://communication.azure.us",
        ),
        "us-dod": Cloud(
            "https://login.microsoftonline.us",
            "https://outlook-dod.office365.us",
            "https://outlook-dod.office365.us",
            "https://dod-graph.microsoft.us",
        ),
        "china": Cloud(
            "https://login.partner.microsoftonline.cn",
            "https://partner.outlook.cn",
            "https://partner.outlook.cn",
            "https://microsoftgraph.chinacloudapi.cn",
        ),
    }
)
GOOGLE = Endpoints(
    "https://oauth2.googleapis.com/token",
    "https://accounts.google.com/o/oauth2/v2/auth",
    revocation="https://oauth2.googleapis.com/revoke",
)
# Google gives a refresh token only to those who ask for it so, and again only after another consent.
GOOGLE_PARAMETERS = (("access_type", "offline"), ("prompt", "consent"))

_MAIL_SCOPES = frozenset({"SMTP.Send", "IMAP.AccessAsUser.All", "POP.AccessAsUser.All"})
_GRAPH_SCOPES = frozenset(
    {
        *("Mail.Send", "Mail.Read", "Mail.ReadWrite", "Mail.Send.Shared", "Mail.Read.Shared"),
        *("Mail.ReadWrite.Shared", "MailboxSettings.Read", "User.Read"),
    }
)
# What a consent is asked for where no scopes are given: for Graph, what exact mode needs.
_USUAL = MappingProxyType({Service.MAIL: ("SMTP.Send",), Service.GRAPH: ("Mail.ReadWrite", "Mail.Send")})
# Permissions of an application, which are no scopes: asking for them is refused as invalid_scope.
_PERMISSIONS = frozenset({"SMTP.SendAsApp", "IMAP.AccessAsApp", "POP.AccessAsApp"})


def microsoft_scopes(
    scopes: tuple[str, ...], cloud: Cloud, grant: Grant, service: Service = Service.MAIL
) -> tuple[str, ...]:
    """Complete Microsoft's scopes: their prefix, and what a consent needs beside them."""
    usual = _USUAL.get(service, (".default",)) if grant.needs_consent else (".default",)
    given = tuple(_completed(scope, cloud, service) for scope in scopes or usual)
    if not grant.needs_consent:
        return given
    return tuple(dict.fromkeys((*given, "offline_access", "openid", "profile")))


def google_scopes(scopes: tuple[str, ...], grant: Grant) -> tuple[str, ...]:
    """Complete Google's scopes: that for mail where none is given, and who consents."""
    given = scopes or (_GOOGLE_MAIL,)
    return tuple(dict.fromkeys((*given, "openid", "email"))) if grant.needs_consent else given


def _completed(scope: str, cloud: Cloud, service: Service) -> str:
    if scope == ".default":
        return f"{_application(cloud, service)}/.default"
    if scope in _MAIL_SCOPES:
        return f"{cloud.mail}/{scope}"
    return f"{cloud.graph}/{scope}" if scope in _GRAPH_SCOPES else scope


def _application(cloud: Cloud, service: Service) -> str:
    of = {Service.GRAPH: cloud.graph, Service.ACS: cloud.communication}
    return of.get(service, cloud.mail_application)


@dataclass(frozen=True, slots=True)
class ScopeFault:
    """What is wrong with scopes.

    Attributes:
        scope: The one that it is about, as it was written; empty where it is about all of them.
        says: The rest of the sentence.
    """

    scope: str
    says: str

    def __str__(self) -> str:
        return f"{self.scope} {self.says}".lstrip()


def microsoft_scope_faults(scopes: tuple[str, ...], cloud: Cloud, grant: Grant) -> Iterator[ScopeFault]:
    """Say what is wrong with Microsoft's scopes, for each use of their tokens."""
    for scope in scopes:
        if scope.rpartition("/")[2] in _PERMISSIONS:
            says = "is a permission of the application, not a scope: leave scopes out, and grant it there"
            yield ScopeFault(scope, says)
        elif "://" not in scope and scope not in {".default", *_MAIL_SCOPES, *_GRAPH_SCOPES, *_OPENID}:
            says = "is none that is known without its prefix: leave scopes out, or write it as https://…"
            yield ScopeFault(scope, says)
    complete = microsoft_scopes(scopes, cloud, grant)
    if len(_services(complete, cloud)) > 1:
        yield ScopeFault(
            "", "a token is good for one service: make two credentials, one of them for Microsoft Graph"
        )
    if not grant.needs_consent and not all(scope.endswith("/.default") for scope in complete):
        yield ScopeFault(
            "", "an application's own access is asked for as …/.default, whatever it may do: leave scopes out"
        )


def microsoft_service_fault(
    scopes: tuple[str, ...], cloud: Cloud, grant: Grant, wanted: Service
) -> ScopeFault | None:
    """Say why tokens with these scopes are not good for a service, or None."""
    others = _services(microsoft_scopes(scopes, cloud, grant, wanted), cloud) - {wanted}
    if not others:
        return None
    if not grant.needs_consent:
        instead = "leave scopes out"
    else:
        instead = "ask for Mail.Send" if wanted is Service.GRAPH else "ask for SMTP.Send"
    use = "speaks SMTP" if wanted is Service.MAIL else f"uses {wanted}"
    return ScopeFault("", f"scopes are for {min(others)}, and the transport here {use}: {instead}")


def _services(complete: tuple[str, ...], cloud: Cloud) -> frozenset[Service]:
    """What complete scopes are for; none where they are for neither."""
    return frozenset(filter(None, (_service_of(scope, cloud) for scope in complete)))


def _service_of(scope: str, cloud: Cloud) -> Service | None:
    if scope.startswith(f"{cloud.graph}/"):
        return Service.GRAPH
    if cloud.communication and scope.startswith(f"{cloud.communication}/"):
        return Service.ACS
    return Service.MAIL if scope.startswith((f"{cloud.mail}/", f"{cloud.mail_application}/")) else None
