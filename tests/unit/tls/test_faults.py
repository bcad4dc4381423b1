import ssl

import pytest

from connector.errors import Phase
from connector.model.server import Server, TlsPolicy
from connector.tls.faults import ClearTextBeforeTlsError, explain
from connector.tls.trust import build_context
from tests.wire import smtp_submission as given

SERVER = Server("localhost", 587)


def handshake_error(server_context: ssl.SSLContext, hostname: str = "localhost") -> ssl.SSLError:
    """Let the real client context shake hands with a server in memory, alerts included."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = build_context(TlsPolicy(ca_file=given.ca_file()))
    client = context.wrap_bio(to_client, to_server, server_hostname=hostname)
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(10):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError as error:
                if side is client:
                    return error
    raise AssertionError("the handshake succeeded")


@pytest.mark.parametrize(
    ("server", "words"),
    [
        (given.self_signed_context, "self-signed. Put its authority's certificate into smtp.ca_file."),
        (given.unknown_authority_context, "not trusted here. Put its authority's certificate"),
        (given.expired_context, "has expired"),
        (given.other_host_context, "another host name"),
        (given.old_protocol_context, "not speak TLS 1.2 or later"),
    ],
)
def test_openssls_own_errors_are_explained(server: object, words: str) -> None:
    assert callable(server)
    assert words in explain(handshake_error(server()), Phase.STARTTLS, SERVER)


def test_an_ip_address_is_verified_as_such() -> None:
    assert "not for this IP address" in explain(
        handshake_error(given.good_context(), "192.0.2.1"), Phase.TLS, SERVER
    )


@pytest.mark.parametrize("phase", [Phase.TLS, Phase.STARTTLS])
def test_clear_text_means_another_thing_before_and_after_starttls(phase: Phase) -> None:
    words = explain(ClearTextBeforeTlsError(), phase, SERVER)
    assert ("port 465" in words) == (phase is Phase.TLS)
    assert ("attacker" in words) == (phase is Phase.STARTTLS)


def test_a_server_of_mailboxes_is_told_by_its_own_settings() -> None:
    server = Server("localhost", 143, account="sales")
    told = explain(ClearTextBeforeTlsError(), Phase.TLS, server, incoming=True)
    assert "set accounts.sales.incoming.security to starttls, or use the port for TLS, usually 993" in told
    error = handshake_error(given.other_host_context())
    assert "in accounts.sales.incoming.host" in explain(error, Phase.TLS, server, incoming=True)


def test_a_silent_end_of_the_handshake_has_its_likely_cause() -> None:
    assert "most likely it does not speak TLS 1.2" in explain(ConnectionResetError(), Phase.STARTTLS, SERVER)
