"""Microsoft Graph through the proxy of ``http.proxy``: mails, files in pieces, and lists of a mailbox."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from connector.errors import ErrorCode, TransportError
from connector.mailbox.graph.graph_mailbox import GraphMailbox
from connector.mailbox.port import Listing
from connector.model.mail import LoadedAttachment
from connector.model.server import GraphRoute, TlsPolicy
from connector.net.outbound import Outbound, outbound
from connector.settings.http import HttpSettings
from tests.contract.mailboxes import mail
from tests.servers import http_proxy
from tests.servers.graph import graph_server
from tests.servers.graph_world import Graph
from tests.servers.http_proxy import ForwardProxy
from tests.wire.graph_submission import USER, Recorded, graph_mailboxes, message, route, transport

SERVICE, UPLOADS = "graph.example.test", "uploads.example.test"  # RFC 6761: no DNS knows them
LARGE = LoadedAttachment(
    "smtpEmailAttachments[0]", "a.bin", "application/octet-stream", os.urandom(3_200_000)
)


@pytest.fixture
def graph(authority: trustme.CA) -> Iterator[Graph]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(SERVICE, UPLOADS).configure_cert(context)
    with graph_server(USER, tls=context) as running:
        running.origin = f"https://{SERVICE}"
        running.out.upload_base = f"https://{UPLOADS}:{running.port}"
        yield running


@pytest.fixture
def proxy(graph: Graph) -> Iterator[ForwardProxy]:
    with http_proxy.running({SERVICE: graph.port, UPLOADS: graph.port}) as running:
        yield running


@pytest.fixture
def there(graph: Graph, authority: trustme.CA, tmp_path: Path) -> GraphRoute:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return route(graph, tls=TlsPolicy(ca_file=tmp_path / "ca.pem"))


def way(proxy: ForwardProxy, *exceptions: str) -> Outbound:
    return outbound(HttpSettings.model_validate({"proxy": proxy.url, "no_proxy": exceptions}))


def hosts(proxy: ForwardProxy) -> set[str]:
    return {one.removeprefix("CONNECT ").partition(":")[0] for one in proxy.asked}


async def test_a_mail_goes_through_the_proxy(graph: Graph, proxy: ForwardProxy, there: GraphRoute) -> None:
    async with transport(graph, way=way(proxy)) as sending:
        await sending.submit(message(), there, Recorded())
    assert len(graph.delivered) == 1
    assert hosts(proxy) == {SERVICE}


async def test_the_pieces_of_a_file_go_through_it_too(
    graph: Graph, proxy: ForwardProxy, there: GraphRoute
) -> None:
    async with transport(graph, way=way(proxy)) as sending:
        await sending.submit(message(files=[LARGE]), there, Recorded())
    assert len(graph.delivered) == 1
    assert hosts(proxy) == {SERVICE, UPLOADS}


async def test_a_host_of_no_proxy_is_asked_itself(
    graph: Graph, proxy: ForwardProxy, there: GraphRoute, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_up = socket.getaddrinfo

    def here(host: Any, *rest: Any, **more: Any) -> Any:
        known = UPLOADS in {host, host.decode() if isinstance(host, bytes) else host}
        return look_up("127.0.0.1" if known else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", here)
    async with transport(graph, way=way(proxy, UPLOADS)) as sending:
        await sending.submit(message(files=[LARGE]), there, Recorded())
    assert len(graph.delivered) == 1
    assert hosts(proxy) == {SERVICE}


async def test_a_mailbox_is_read_through_it(graph: Graph, proxy: ForwardProxy, there: GraphRoute) -> None:
    for number in range(130):  # more than one page of the service
        graph.mailbox(USER).receive(mail(number))
    async with graph_mailboxes(graph, way=way(proxy)) as mailboxes:
        page = await GraphMailbox(await mailboxes.api(there)).find(Listing(limit=1000))
    assert len(page.messages) == 130
    assert hosts(proxy) == {SERVICE}


async def test_a_proxy_that_knows_no_such_host_leaves_nothing_sent(graph: Graph, there: GraphRoute) -> None:
    with http_proxy.running({}) as proxy:
        async with transport(graph, way=way(proxy)) as sending:
            with pytest.raises(TransportError) as caught:
                await sending.submit(message(), there, Recorded())
    assert caught.value.code is ErrorCode.CONNECTION_FAILED
    assert graph.asked == []
