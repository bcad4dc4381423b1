"""Which hosts and addresses may be fetched from."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from connector.model.hosts import HostList, is_public


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "198.41.0.4", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::1"]
)
def test_public_addresses(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "127.255.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "198.18.0.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "2002:a00:1::1",
        "3fff::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%1",
        "fec0::1",
        "ff02::1",
    ],
)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    ("host", "port", "default_port", "listed"),
    [
        ("files.example.com", 443, 443, True),
        ("FILES.example.com", 443, 443, True),
        ("files.example.com.", 443, 443, True),
        ("\uff46\uff49\uff4c\uff45\uff53.example.com", 443, 443, True),
        ("127.1", 443, 443, False),
        ("files.example.com", 80, 80, True),
        ("files.example.com", 8443, 443, False),
        ("files.example.com", 443, 80, False),
        ("evil-files.example.com", 443, 443, False),
        ("files.example.com.evil.test", 443, 443, False),
        ("example.com", 443, 443, False),
        ("other.example.com", 8443, 443, True),
        ("other.example.com", 443, 443, False),
        ("xn--bcher-kva.example", 443, 443, True),
        ("10.1.2.3", 80, 80, True),
        ("::1", 8080, 80, True),
        ("0:0:0:0:0:0:0:1", 8080, 80, True),
        ("fd00::2", 80, 80, True),
    ],
)
def test_a_host_is_listed_with_its_port(host: str, port: int, default_port: int, listed: bool) -> None:
    hosts = HostList(
        [
            "files.example.com",
            "Other.example.com:8443",
            "b\u00fccher.example",
            "10.1.2.3",
            "[::1]:8080",
            "FD00::2",
        ]
    )
    assert hosts.lists(host, port, (default_port,)) is listed


@pytest.mark.parametrize(
    ("entries", "address", "admitted"),
    [
        (["files.example.com"], "8.8.8.8", True),
        (["files.example.com"], "127.0.0.1", False),
        (["files.example.com", "10.0.0.1"], "10.0.0.1", True),
        (["files.example.com", "10.0.0.1"], "10.0.0.2", False),
        (["files.example.com", "10.0.0.1:8443"], "10.0.0.1", False),
        (["files.example.com", "localhost"], "127.0.0.1", True),
        (["files.example.com", "localhost"], "::1", True),
        (["files.example.com", "localhost:8443"], "127.0.0.1", False),
        (["files.example.com", "localhost"], "10.0.0.1", False),
        (["files.example.com", "localhost"], "::ffff:127.0.0.1", False),
    ],
)
def test_an_address_that_is_not_public_must_be_listed_itself(
    entries: list[str], address: str, admitted: bool
) -> None:
    assert HostList(entries).admits(ip_address(address), 443, (443,)) is admitted


@pytest.mark.parametrize(
    "entry",
    [
        "",
        "https://files.example.com",
        "files.example.com/path",
        "u@h",
        "h:x",
        "127.1",
        "h:70000",
        ":443",
        "[::1",
        "b\u00fc\u2028.example",
    ],
)
def test_an_entry_that_is_no_host_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match=r"^entry 1 (is neither a host|has a login)"):
        HostList([entry])
