"""The tables of the pages about providers say what the connector says to each provider's error."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from connector.accounts.credentials import configured_credentials
from connector.auth import refusals
from connector.auth.endpoint import Answer
from connector.model.credential import Credential
from connector.settings.model import Settings

PAGES = Path(__file__).parents[3] / "docs/how-to"
NAMES = ("microsoft-365-person", "microsoft-365-application", "google-workspace", "gmail", "keycloak")
# The words of the protocol: RFC 6749 sections 4.1.2.1 and 5.2, and OpenID Connect Core section 3.1.2.6.
_ERROR = re.compile(
    r"`(invalid_\w+|unauthorized_client|access_denied|interaction_required)(?:: (.*?))?`", re.DOTALL
)


def rows() -> Iterator[tuple[str, str, str, str]]:
    """Page, our sentence, and the provider's error and description, of each row that has an error."""
    for name in NAMES:
        for line in (PAGES / f"{name}.md").read_text("utf-8").splitlines():
            cells = [cell.strip() for cell in line.split(" | ")]
            if len(cells) == 3 and (found := _ERROR.match(cells[2])):
                yield name, cells[1].replace("`", ""), found[1], found[2] or ""


def credentials(name: str, directory: Path) -> Iterator[Credential]:
    """The credentials of the settings on a page."""
    key = directory / "key.json"
    key.write_text("{}")
    for block in re.findall(r"^```yaml\n(.*?)^```$", (PAGES / f"{name}.md").read_text("utf-8"), re.M | re.S):
        tree = yaml.safe_load(block.replace("/etc/connector/service-account.json", str(key)))
        for one in configured_credentials(Settings.model_validate(tree)):
            yield one.credential


ROWS = list(rows())


def test_every_page_has_such_rows() -> None:
    assert {name for name, *_ in ROWS} == set(NAMES)
    assert len(ROWS) >= 30


@pytest.mark.parametrize(("name", "sentence", "error", "description"), ROWS)
def test_the_sentence_is_ours(name: str, sentence: str, error: str, description: str, tmp_path: Path) -> None:
    answer = Answer(400, {"error": error, "error_description": description})
    told = [
        text
        for credential in credentials(name, tmp_path)
        for text in (
            refusals.refused(credential, credential.endpoints.token, answer).message,
            refusals.declined(credential, error, description),
        )
    ]
    pieces = [piece.strip().rstrip(".") for piece in sentence.split("…")]
    assert any(all(piece in text for piece in pieces) for text in told), told
