"""The schemas of our double of Graph against Microsoft's own, where that is there.

The service and its schema differ in places that its documentation shows; those are listed here, so that a
further difference is a failure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.servers import graph_schemas as ours
from tests.servers.graph_schemas import answer_fault, request_fault
from tests.shared import data_file

_NAMESPACE = "{http://docs.oasis-open.org/odata/ns/edm}"
_KINDS = {
    "Edm.String": "string",
    "Edm.Boolean": "boolean",
    "Edm.Int32": "integer",
    "Edm.Int64": "integer",
    "Edm.DateTimeOffset": "string",
    "Edm.Binary": "string",
}
_TYPES: Mapping[str, Any] = {
    "message": ours.MESSAGE_READ,
    "mailFolder": ours.FOLDER,
    "fileAttachment": ours.ANSWERS["addAttachment"],
    "emailAddress": ours.ADDRESS,
    "recipient": ours.RECIPIENT,
    "itemBody": ours.BODY,
    "internetMessageHeader": ours.HEADER,
    "followupFlag": ours.FLAG,
    "uploadSession": ours.SESSION,
    "attachmentItem": ours.ITEM,
    "user": ours.USER,
}
# Operations of ours that are bound actions, with the names of their parameters in small letters.
_ACTIONS = {
    "sendMail": {"message", "savetosentitems"},
    "move": {"destinationid"},
    "copy": {"destinationid"},
    "createUploadSession": {"attachmentitem"},
    "send": set[str](),
    "permanentDelete": set[str](),
}


class Csdl:
    """Microsoft's schema of mail."""

    def __init__(self, text: str) -> None:
        self._root = ET.fromstring(text)
        self.enums = {
            one.attrib["Name"]: {member.attrib["Name"] for member in one.iter(f"{_NAMESPACE}Member")}
            for one in self._root.iter(f"{_NAMESPACE}EnumType")
        }
        self._types = {
            one.attrib["Name"]: one
            for kind in ("ComplexType", "EntityType")
            for one in self._root.iter(f"{_NAMESPACE}{kind}")
        }

    def members(self, name: str) -> dict[str, str]:
        """The members of a type with their types, those of its base types included."""
        found = self._types[name]
        base = found.attrib.get("BaseType", "").removeprefix("graph.")
        members = self.members(base) if base else {}
        for kind in ("Property", "NavigationProperty"):
            for one in found.iter(f"{_NAMESPACE}{kind}"):
                members[one.attrib["Name"]] = one.attrib["Type"]
        return members

    def parameters(self, action: str) -> list[set[str]]:
        """The parameters of each form of an action, in small letters and without the one it is bound to."""
        forms = [one for one in self._root.iter(f"{_NAMESPACE}Action") if one.attrib["Name"] == action]
        return [
            {one.attrib["Name"].lower() for one in form.iter(f"{_NAMESPACE}Parameter")} - {"bindingparameter"}
            for form in forms
        ]


@pytest.fixture(scope="module")
def csdl() -> Csdl:
    return Csdl(data_file("graph-mail.csdl").read_text("utf-8"))


@pytest.mark.parametrize("name", _TYPES)
def test_every_member_is_one_of_microsofts_with_its_type(csdl: Csdl, name: str) -> None:
    known = csdl.members(name)
    for member, schema in _TYPES[name]["properties"].items():
        if member.startswith("@odata."):
            continue
        assert member in known, f"{name} has no {member}"
        assert _fits(schema, known[member], csdl), f"{name}.{member}: {schema} for {known[member]}"


@pytest.mark.parametrize("action", _ACTIONS)
def test_every_action_is_one_of_microsofts_with_its_parameters(csdl: Csdl, action: str) -> None:
    assert _ACTIONS[action] in csdl.parameters(action)


def _fits(schema: Mapping[str, Any], declared: str, csdl: Csdl) -> bool:
    if collection := re.fullmatch(r"Collection\((.+)\)", declared):
        return schema.get("type") == "array" and _fits(schema["items"], collection[1], csdl)
    if "anyOf" in schema:
        return any(_fits(one, declared, csdl) for one in schema["anyOf"])
    name = declared.removeprefix("graph.")
    if name in csdl.enums:
        values = {schema["const"]} if "const" in schema else set(schema["enum"])
        return values <= csdl.enums[name]
    if declared in _KINDS:
        kinds = schema.get("type")
        return _KINDS[declared] in (kinds if isinstance(kinds, list) else [kinds])
    return schema.get("type") == "object"


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("createDraft", {"subjekt": "x"}),
        ("patchMessage", {"isRead": "yes"}),
        ("createDraft", {"importance": "urgent"}),
        ("createDraft", {"body": {"contentType": "markdown", "content": "x"}}),
        ("createDraft", {"toRecipients": [{"emailAddress": "a@example.com"}]}),
        ("createDraft", {"internetMessageHeaders": [{"name": "List-Id", "value": "x"}]}),
        ("moveMessage", {}),
        ("send", {}),
    ],
)
def test_a_mistake_in_a_request_is_found(operation: str, body: Any) -> None:
    assert request_fault(operation, body) is not None


def test_parameters_of_actions_count_without_regard_to_case() -> None:
    assert request_fault("moveMessage", {"DestinationId": "archive"}) is None
    assert request_fault("sendMail", {"Message": {"subject": "x"}, "SaveToSentItems": False}) is None


def test_a_mistake_in_an_answer_is_found() -> None:
    assert answer_fault("getMessage", 200, {"id": "x", "isRead": 1}) is not None
    assert answer_fault("send", 202, {}) is not None
    assert answer_fault("send", 403, {"code": "ErrorAccessDenied"}) is not None
    assert answer_fault("send", 202, None) is None
