"""Mailbox tasks on an account with ``incoming.protocol: graph``, and what is special about Graph's lists."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connector.errors import ConnectorError, ErrorCode, PostponedError
from connector.graph.api import GraphFaultError
from connector.mailbox.criteria import All, Contains, Has, Since, State, Word
from connector.mailbox.graph.graph_mailbox import GraphMailbox, use_graph
from connector.mailbox.graph.tree import pages
from connector.mailbox.port import WHOLE, Change, Deletion, Listing, Mailbox, Mark, Reference, Transfer
from connector.send.direct import use_mailbox
from connector.webapi.api import Answer
from tests.contract.mailboxes import GraphPost, day, graph_post, mail
from tests.servers.graph import graph_server
from tests.servers.graph_world import Graph
from tests.wire.graph_submission import USER, FixedTokens, graph_mailboxes, route, settings

CHANGES: dict[str, Change] = {
    "moveMessage": Transfer("Sent"),
    "copyMessage": Transfer("Sent", copy=True),
    "permanentDelete": Deletion(),
    "patchMessage": Mark.READ,
}


@pytest.fixture
def post() -> Iterator[GraphPost]:
    with graph_post() as found:
        yield found


@pytest.fixture
def graph(post: GraphPost) -> Graph:
    return post.graph


async def test_a_task_lists_reads_and_moves(post: GraphPost, graph: Graph, tmp_path: Path) -> None:
    graph.token(None, "Mail.ReadWrite")
    post.deliver(mail(1))
    configured = settings(graph, tmp_path, "default", incoming={"protocol": "graph"})

    async def task(**inputs: Any) -> Any:
        return await use_mailbox(inputs, configured, environ={})

    listed = await task(mailboxOperation="list", mailboxUnreadOnly=True)
    (summary,) = listed["messages"]
    assert (summary["subject"], summary["folder"], summary["unread"]) == ("Number 1", "INBOX", True)
    read = await task(mailboxOperation="read", mailboxMessage=summary["id"], mailboxMarkRead=True)
    assert "This is number 1." in read["mail"]["text"]
    moved = await task(
        mailboxOperation="move",
        mailboxMessage=summary["id"],
        mailboxTargetFolder="Done",
        mailboxCreateFolder=True,
    )
    assert moved["id"] == summary["id"], "the id is immutable"
    folders = {one["path"]: one for one in (await task(mailboxOperation="listFolders"))["folders"]}
    assert folders["Done"]["total"] == 1
    assert (await task(mailboxOperation="list"))["messages"] == []


async def test_a_mailbox_that_the_token_does_not_open(post: GraphPost, graph: Graph, tmp_path: Path) -> None:
    graph.token(None, "Mail.Send")
    with pytest.raises(ConnectorError) as caught:
        await use_mailbox(
            {"mailboxOperation": "list"},
            settings(graph, tmp_path, "default", incoming={"protocol": "graph"}),
            environ={},
        )
    assert caught.value.code is ErrorCode.AUTH_FAILED
    assert "Mail.Read" in caught.value.message


async def test_many_mails_are_paged_without_reading_them_all(post: GraphPost, graph: Graph) -> None:
    for number in range(1, 31):
        post.deliver(mail(number), received=day(number))
    async with post.opened() as mailbox:
        page = await mailbox.find(Listing(limit=5))
        requests = graph.asked.count("listMessages")
        rest = await mailbox.find(Listing(limit=5, page=page.next_page))
    assert requests == 1
    assert [one.subject for one in rest.messages] == [f"Number {number}" for number in range(25, 20, -1)]


async def test_mails_of_one_moment_are_paged_without_loss(post: GraphPost) -> None:
    for number in range(1, 8):
        post.deliver(mail(number), received=day(1))
    found: list[str] = []
    page: str | None = None
    async with post.opened() as mailbox:
        for _ in range(4):
            answer = await mailbox.find(Listing(limit=2, page=page))
            found += [one.subject for one in answer.messages]
            page = answer.next_page
    assert sorted(found) == [f"Number {number}" for number in range(1, 8)]
    assert page is None


async def test_flags_and_dates_are_the_business_of_the_service(post: GraphPost, graph: Graph) -> None:
    post.deliver(mail(1), received=day(1))
    post.deliver(mail(2), received=day(2))
    criterion = All((Since(day(2)), Has(State.UNREAD, wanted=True), Contains(Word.SUBJECT, "o'number 2")))
    async with post.opened() as mailbox:
        assert (await mailbox.find(Listing(criterion=criterion))).messages == ()


async def test_the_whole_mailbox_leaves_out_junk_and_trash_with_what_is_in_them(post: GraphPost) -> None:
    for number, folder in enumerate(("INBOX", "Junk", "Trash/Old", "Projects"), 1):
        post.deliver(mail(number), folder=folder, received=day(number))
    async with post.opened() as mailbox:
        page = await mailbox.find(Listing((WHOLE,)))
    assert [(one.subject, one.folder) for one in page.messages] == [
        ("Number 4", "Projects"),
        ("Number 1", "INBOX"),
    ]


@pytest.mark.parametrize("operation", CHANGES)
async def test_a_change_whose_answer_is_lost_is_done_once(
    post: GraphPost, graph: Graph, operation: str
) -> None:
    post.deliver(mail(1))
    async with post.opened() as mailbox:
        reference = Reference((await mailbox.find(Listing())).messages[0].id)
        graph.fail(operation, after=True)
        with pytest.raises(ConnectorError) as caught:
            await mailbox.change(reference, CHANGES[operation])
        await mailbox.change(reference, CHANGES[operation])
    assert caught.value.retryable
    counts = len(post.found()), len(post.found("Sent"))
    assert counts == {"moveMessage": (0, 1), "copyMessage": (1, 1), "permanentDelete": (0, 0)}.get(
        operation, (1, 0)
    )


async def test_a_page_on_another_host_gets_no_token(post: GraphPost, graph: Graph) -> None:
    async with graph_mailboxes(graph) as mailboxes:
        api = await mailboxes.api(route(graph))
        with pytest.raises(GraphFaultError, match="another host"):
            await api.ask("GET", "http://localhost:1/v1.0/me/messages")
    assert graph.asked == []


async def test_a_service_that_wants_a_pause_gets_it(post: GraphPost, graph: Graph) -> None:
    graph.fail("listFolders", 429, retry_after="60")
    async with graph_mailboxes(graph) as mailboxes:

        async def listed(mailbox: Mailbox) -> Any:
            return await mailbox.folders()

        with pytest.raises(ConnectorError) as caught:
            await use_graph(mailboxes, route(graph), listed, 60)
        assert caught.value.code is ErrorCode.RATE_LIMITED
        assert caught.value.retry_after is not None
        with pytest.raises(PostponedError):
            await use_graph(mailboxes, route(graph), listed, 60)


async def test_a_person_reads_the_own_mailbox() -> None:
    with graph_server(USER) as graph:
        graph.mailbox(USER).receive(mail(1))
        tokens = FixedTokens(graph.token(USER, "Mail.Read"))
        async with graph_mailboxes(graph, tokens) as mailboxes:
            mailbox = GraphMailbox(await mailboxes.api(route(graph, user=None)))
            (found,) = (await mailbox.find(Listing())).messages
    assert found.subject == "Number 1"


async def test_conditions_that_the_service_calls_inefficient_are_looked_at_here(
    post: GraphPost, graph: Graph
) -> None:
    for number in range(3):
        post.deliver(mail(number), received=day(number + 1))
    unread = Has(State.UNREAD, True)
    async with post.opened() as mailbox:
        newest = (await mailbox.find(Listing())).messages[0]
        await mailbox.change(Reference(newest.id), Mark.READ)
        graph.asked.clear()
        graph.fail("listMessages", 400, code="InefficientFilter")
        found = await mailbox.find(Listing(criterion=unread))
    assert [one.subject for one in found.messages] == ["Number 1", "Number 0"]
    assert graph.asked.count("listMessages") == 2


async def test_an_order_that_the_service_calls_inefficient_is_an_error(post: GraphPost, graph: Graph) -> None:
    graph.fail("listMessages", 400, code="InefficientFilter")
    async with post.opened() as mailbox:
        with pytest.raises(ConnectorError, match="InefficientFilter"):
            await mailbox.find(Listing())


async def test_pages_that_have_no_end_are_an_error(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    async with graph_mailboxes(graph) as mailboxes:
        api = await mailboxes.api(route(graph))
        asked: list[str] = []

        async def endless(_method: str, path: str, **_: Any) -> Answer:
            asked.append(path)
            return Answer(200, {"value": [], "@odata.nextLink": f"{path}&more=1"}, {}, b"")

        monkeypatch.setattr(api, "ask", endless)
        with pytest.raises(GraphFaultError, match="pages without anything"):
            _ = [found async for found in pages(api, "/messages?a=b")]
    assert len(asked) < 200


async def test_half_a_surrogate_pair_reaches_no_result(post: GraphPost, graph: Graph) -> None:
    item = graph.mailbox(USER).receive(mail(1))
    item.fields["subject"] = "Half \ud800, whole \U0001f600"
    async with post.opened() as mailbox:
        (found,) = (await mailbox.find(Listing())).messages
    assert found.subject == "Half ?, whole \U0001f600"
