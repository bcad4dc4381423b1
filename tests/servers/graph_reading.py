"""The operations of our double of Microsoft Graph that read a mailbox and change what is in it.

Limits as documented: ten mails a page, ``$filter`` and ``$search`` not together, ``$search`` without
``$orderby``, a property of ``$orderby`` first in ``$filter``. The filters that are understood are those of
:mod:`tests.servers.graph_filter`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlencode

from tests.servers.graph_filter import matches, searched
from tests.servers.graph_operations import Call, Outgoing, RefusedError, Reply
from tests.servers.graph_state import WELL_KNOWN, Folder, Item

_PAGE, _LARGEST_PAGE = 10, 1_000


def get_folder(call: Call, _out: Outgoing) -> Reply:
    return Reply(200, _shown_folder(call, _folder(call, call.parts[0])))


def list_folders(call: Call, _out: Outgoing) -> Reply:
    return _folders(call, "root")


def child_folders(call: Call, _out: Outgoing) -> Reply:
    return _folders(call, _folder(call, call.parts[0]).id)


def create_folder(call: Call, _out: Outgoing) -> Reply:
    parent = _folder(call, call.parts[0]).id if call.parts else "root"
    name = call.body["displayName"]
    if any(one.name == name and one.parent == parent for one in call.mailbox.folders.values()):
        raise RefusedError(409, "ErrorFolderExists", "A folder with the specified name already exists.")
    return Reply(201, _shown_folder(call, call.mailbox.add_folder(name, parent)))


def list_messages(call: Call, _out: Outgoing) -> Reply:
    folder = _folder(call, call.parts[0]).id if call.parts else None
    query = call.query
    items = [item for item in call.mailbox.items.values() if folder in {None, item.folder}]
    if "$search" in query:
        if {"$filter", "$orderby"} & query.keys():
            raise RefusedError(400, "SearchWithFilter", "$search cannot be used with $filter or $orderby.")
        items = [item for item in items if searched(query["$search"], _members(item, call))]
        items.sort(key=lambda item: str(item.fields["receivedDateTime"]), reverse=True)
        items = items[:1_000]
    else:
        items = _ordered(_filtered(items, call), call)
    return _page(call, items)


def patch_message(call: Call, _out: Outgoing) -> Reply:
    item = call.item
    item.fields.update(call.body)
    return Reply(200, _shown(item, call))


def move_message(call: Call, _out: Outgoing) -> Reply:
    item, target = call.item, _destination(call)
    call.mailbox.move(item, target)
    return Reply(201, _shown(item, call))


def copy_message(call: Call, _out: Outgoing) -> Reply:
    item, target = call.item, _destination(call)
    files = [
        {name: one[name] for name in one if name not in {"id", "size"}} for one in item.attachments.values()
    ]
    return Reply(201, _shown(call.mailbox.add(item.fields, item.mime, target, files), call))


def message_mime(call: Call, _out: Outgoing) -> Reply:
    item = call.item
    if item.mime is None:
        raise RefusedError(500, "ErrorMimeContentConversionFailed")
    return Reply(200, item.mime, {"Content-Type": "text/plain"})


def _destination(call: Call) -> str:
    name = {key.lower(): value for key, value in call.body.items()}["destinationid"]
    return _folder(call, name).id


def _folder(call: Call, name: str) -> Folder:
    found = call.mailbox.folder(name)
    if found is None:
        if name.startswith("F") or name in WELL_KNOWN:
            raise RefusedError(404, "ErrorItemNotFound", "The specified folder could not be found.")
        raise RefusedError(400, "ErrorInvalidIdMalformed", "Id is malformed.")
    return found


def _folders(call: Call, parent: str) -> Reply:
    children = [one for one in call.mailbox.folders.values() if one.parent == parent]
    first, size = int(call.query.get("$skip", 0)), int(call.query.get("$top", _PAGE))
    shown = [_shown_folder(call, one) for one in children[first : first + size]]
    return Reply(200, {"value": shown, **_next(call, first + size, len(children))})


def _shown_folder(call: Call, folder: Folder) -> dict[str, Any]:
    inside = [item for item in call.mailbox.items.values() if item.folder == folder.id]
    whole = {
        "id": folder.id,
        "displayName": folder.name,
        "parentFolderId": folder.parent,
        "childFolderCount": sum(one.parent == folder.id for one in call.mailbox.folders.values()),
        "unreadItemCount": sum(not item.fields["isRead"] for item in inside),
        "totalItemCount": len(inside),
        "isHidden": False,
    }
    return _selected(whole, call)


def _members(item: Item, call: Call) -> dict[str, Any]:
    return item.shown(immutable=call.immutable)


def _shown(item: Item, call: Call) -> dict[str, Any]:
    members = _members(item, call)
    if "$select" not in call.query:
        members.pop("internetMessageHeaders", None)  # documented: only where it is asked for
    return _selected(members, call)


def _selected(members: dict[str, Any], call: Call) -> dict[str, Any]:
    select = call.query.get("$select")
    names = {"id", *select.split(",")} if select else members.keys()
    return {name: members[name] for name in members if name in names}


def _filtered(items: Iterable[Item], call: Call) -> list[Item]:
    condition = call.query.get("$filter")
    if condition is None:
        return list(items)
    return [item for item in items if matches(condition, _members(item, call))]


def _ordered(items: list[Item], call: Call) -> list[Item]:
    name, _, direction = call.query.get("$orderby", "receivedDateTime desc").partition(" ")
    condition = call.query.get("$filter")
    if condition and "$orderby" in call.query and not condition.startswith(name):
        raise RefusedError(400, "InefficientFilter", "The restriction or sort order is too complex.")
    return sorted(items, key=lambda item: str(item.fields[name]), reverse=direction == "desc")


def _page(call: Call, items: list[Item]) -> Reply:
    size = int(call.query.get("$top", _PAGE))
    if not 1 <= size <= _LARGEST_PAGE:
        raise RefusedError(400, "ErrorInvalidPageSize")
    first = int(call.query.get("$skip", 0))
    shown = [_shown(item, call) for item in items[first : first + size]]
    return Reply(200, {"value": shown, **_next(call, first + size, len(items))})


def _next(call: Call, following: int, total: int) -> dict[str, str]:
    """The address of the next page, which a client must take whole."""
    if following >= total:
        return {}
    query = urlencode({**call.query, "$skip": following}, safe="$")
    return {"@odata.nextLink": f"{call.url}?{query}"}
