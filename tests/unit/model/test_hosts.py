"""One spelling for one mail server, and lists of them."""

from __future__ import annotations

import pytest

from connector.model.hosts import HostList, canonical_host


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("smtp.example.com", "smtp.example.com"),
        ("SMTP.Example.COM.", "smtp.example.com"),
        ("b\u00fccher.example", "xn--bcher-kva.example"),
        ("B\u00dcCHER\u3002example", "xn--bcher-kva.example"),
        ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ("192.0.2.1", "192.0.2.1"),
        ("[2001:DB8:0::1]", "2001:db8::1"),
        ("relay_1", "relay_1"),
    ],
)
def test_a_host_has_one_spelling(text: str, host: str) -> None:
    assert canonical_host(text) == host


@pytest.mark.parametrize(
    "text", ["", ".", "a..b", "127.1", "0x7f000001", "2130706433", "a b", "a@b", "smtp.example.com:25", "a/b"]
)
def test_what_is_no_host(text: str) -> None:
    assert canonical_host(text) is None


@pytest.mark.parametrize(
    ("entry", "host", "port", "listed"),
    [
        ("smtp.example.com", "smtp.example.com", 587, True),
        ("SMTP.example.com.", "smtp.example.com", 25, True),
        ("smtp.example.com", "smtp.example.com", 2525, False),
        ("smtp.example.com:2525", "smtp.example.com", 2525, True),
        ("smtp.example.com:2525", "smtp.example.com", 587, False),
        ("smtp.example.com", "evil.smtp.example.com", 587, False),
        ("smtp.example.com", "smtp.example.com.evil.test", 587, False),
        ("b\u00fccher.example", "xn--bcher-kva.example", 465, True),
        ("[2001:db8::1]:2525", "2001:db8::1", 2525, True),
        ("2001:db8::1", "2001:db8::1", 587, True),
        ("192.0.2.1", "::ffff:c000:201", 587, False),
    ],
)
def test_a_server_is_its_host_and_its_port(entry: str, host: str, port: int, listed: bool) -> None:
    assert HostList([entry]).lists(host, port) is listed


def test_a_listed_host_is_found_in_any_spelling() -> None:
    hosts = HostList(["\uff33\uff4d\uff54\uff50.example.com."])
    assert hosts.lists("smtp.EXAMPLE.com.", 587)


def test_an_empty_list_lists_nothing() -> None:
    assert not HostList([]).lists("smtp.example.com", 587)


@pytest.mark.parametrize(
    "entry", ["", "smtp://a", "a:b", "a:0", "a:65536", "*.example.com", "user@a", "127.1"]
)
def test_an_entry_that_is_no_server_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match=r"^entry 1 (is neither a host nor host:port|has a login)"):
        HostList([entry])
