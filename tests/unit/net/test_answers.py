"""What is said of a redirect: where it leads, and nothing that could be secret or long."""

from __future__ import annotations

import httpx2
import pytest

from connector.net.answers import redirect_of

ASKED = httpx2.Request("POST", "https://graph.example.com/v1.0/me")


@pytest.mark.parametrize(
    ("location", "leads"),
    [
        ("https://elsewhere.example/login?key=s3cret#top", " to https://elsewhere.example/login"),
        ("https://user:s3cret@elsewhere.example:444/", " to https://elsewhere.example:444/"),
        ("/v2.0/me", " to https://graph.example.com/v2.0/me"),
        ("", ""),
        ("https://[", ""),
        ("mailto:ada@example.com", ""),
        (f"https://elsewhere.example/{'x' * 500}", ""),
    ],
)
def test_a_redirect_is_told_with_the_place_that_it_leads_to(location: str, leads: str) -> None:
    answer = httpx2.Response(302, request=ASKED, headers={"Location": location} if location else {})
    assert redirect_of(answer) == f"it answered 302, a redirect{leads}, which is not followed"


@pytest.mark.parametrize("status", [200, 400, 500])
def test_another_answer_is_no_redirect(status: int) -> None:
    assert redirect_of(httpx2.Response(status, request=ASKED, headers={"Location": "https://a/"})) is None
