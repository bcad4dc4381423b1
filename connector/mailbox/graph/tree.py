"""The folders of a mailbox behind Microsoft Graph, with their paths and roles.

Display names are in the language of the mailbox; a folder's role comes from its well-known name, which the
service keeps apart from the display name. Ids do not change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from connector.graph.api import GraphApi, GraphFaultError
from connector.mailbox.folders import find_folder, not_found
from connector.mailbox.graph.faults import mailbox_error
from connector.mailbox.port import WHOLE, Folder, Listing, Role

# Deepest nesting that is followed, so that a service that answers in a circle ends.
_DEEPEST = 20
# A search may leave pages empty; more of them in a row have no end.
_MOST_EMPTY = 100
_KNOWN = {
    Role.INBOX: "inbox",
    Role.SENT: "sentitems",
    Role.DRAFTS: "drafts",
    Role.TRASH: "deleteditems",
    Role.JUNK: "junkemail",
    Role.ARCHIVE: "archive",
}
_SELECTED = "$select=id,displayName,childFolderCount,unreadItemCount,totalItemCount&$top=200"
_SEPARATOR = "/"


@dataclass(frozen=True, slots=True)
class Tree:
    """Every folder, by its id."""

    folders: Mapping[str, Folder]
    server: str

    def path(self, identifier: str) -> str:
        """The path of a folder; empty for one that is not listed, as those that are hidden."""
        folder = self.folders.get(identifier)
        return folder.path if folder is not None else ""

    def wanted(self, name: str) -> str | None:
        """The id of the folder that a task names, or None."""
        found = find_folder(self.folders.values(), name)
        return next((key for key, folder in self.folders.items() if folder is found), None)

    def named(self, name: str) -> str:
        """The id of the folder that a task names.

        Raises:
            MailboxError: ``FOLDER_NOT_FOUND``.
        """
        identifier = self.wanted(name)
        if identifier is None:
            raise not_found(self.folders.values(), name, self.server)
        return identifier

    def sources(self, listing: Listing) -> tuple[str, ...]:
        """The ids of the folders to list; :data:`WHOLE` for all at once."""
        if WHOLE in listing.folders:
            return (WHOLE,)
        return tuple(dict.fromkeys(map(self.named, listing.folders)))

    def left_out(self, listing: Listing) -> frozenset[str]:
        """The folders that do not belong to the whole mailbox: junk and trash, with what is in them."""
        roles = {Role.JUNK, Role.TRASH} - listing.included
        roots = tuple(folder.parts for folder in self.folders.values() if folder.role in roles)
        return frozenset(
            key
            for key, folder in self.folders.items()
            if any(folder.parts[: len(root)] == root for root in roots)
        )


async def read_tree(api: GraphApi) -> Tree:
    """Read every folder.

    Raises:
        MailboxError: It is not possible.
    """
    try:
        roles = await _roles(api)
        found: dict[str, Folder] = {}
        await _collect(api, "/mailFolders", (), roles, found)
    except GraphFaultError as fault:
        raise mailbox_error(fault, api.route, "list the folders") from fault
    return Tree(found, str(api.route))


async def create_folder(api: GraphApi, tree: Tree, name: str) -> str:
    """Make a folder, and those above it that are missing; the id.

    Raises:
        MailboxError: It is not possible.
    """
    parts = tuple(part.strip() for part in name.strip().strip(_SEPARATOR).split(_SEPARATOR))
    parent = ""
    for depth in range(1, len(parts) + 1):
        found = tree.wanted(_SEPARATOR.join(parts[:depth]))
        parent = found or await _made(api, parent, parts[depth - 1])
    return parent


async def _made(api: GraphApi, parent: str, name: str) -> str:
    path = f"/mailFolders/{parent}/childFolders" if parent else "/mailFolders"
    try:
        return str((await api.ask("POST", path, body={"displayName": name})).body.get("id", ""))
    except GraphFaultError as fault:
        if fault.status == 409 and (there := await _child(api, path, name)):  # made by another task just now
            return there
        raise mailbox_error(fault, api.route, "create the folder") from fault


async def _child(api: GraphApi, path: str, name: str) -> str | None:
    async for folder in pages(api, f"{path}?{_SELECTED}"):
        if folder.get("displayName") == name:
            return str(folder.get("id", ""))
    return None


async def _roles(api: GraphApi) -> dict[str, Role]:
    roles: dict[str, Role] = {}
    for role, name in _KNOWN.items():
        if (identifier := api.known.get(name) or await _well_known(api, name)) is not None:
            api.known[name] = identifier
            roles[identifier] = role
    return roles


async def _well_known(api: GraphApi, name: str) -> str | None:
    """The id of a folder by its well-known name; None where there is none, as an archive never used."""
    try:
        return str((await api.ask("GET", f"/mailFolders/{name}?$select=id")).body.get("id", ""))
    except GraphFaultError as fault:
        if fault.status == 404:
            return None
        raise


async def _collect(
    api: GraphApi, path: str, above: tuple[str, ...], roles: Mapping[str, Role], found: dict[str, Folder]
) -> None:
    if len(above) > _DEEPEST:
        return
    children = [folder async for folder in pages(api, f"{path}?{_SELECTED}")]
    for member in children:
        identifier, name = str(member.get("id", "")), str(member.get("displayName", ""))
        parts = (*above, name)
        unread, total = (_number(member.get(key)) for key in ("unreadItemCount", "totalItemCount"))
        path, role = _SEPARATOR.join(parts), roles.get(identifier)
        found[identifier] = Folder(path, name, role, unread, total, parts)
        if member.get("childFolderCount"):
            await _collect(api, f"/mailFolders/{identifier}/childFolders", parts, roles, found)


async def pages(api: GraphApi, path: str, prefer: str = "") -> Any:
    """Yield the members of a list, page by page; the address of the next page is taken whole.

    Raises:
        GraphFaultError: A page could not be had, or a long row of them is empty.
    """
    following: str | None = path
    empty = 0
    while following:
        body = (await api.ask("GET", following, prefer=prefer)).body
        empty += 1
        for member in _members(body.get("value")):
            empty = 0
            yield member
        if empty > _MOST_EMPTY:
            raise GraphFaultError(f"it gave {_MOST_EMPTY} pages without anything on them")
        told = body.get("@odata.nextLink")
        following = told if isinstance(told, str) and told != following else None


def _members(value: object) -> Iterator[Mapping[str, Any]]:
    return (one for one in value if isinstance(one, dict)) if isinstance(value, list) else iter(())


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None
