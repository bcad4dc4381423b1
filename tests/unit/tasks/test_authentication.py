"""``authentication`` and ``account``: where a mail is submitted and how."""

from typing import Any

import pytest

from connector.errors import AccountError, ErrorCode
from connector.model.server import Security, smtp_server
from connector.settings.model import INFOSYS_TASK_TYPE, SEND_TASK_TYPE
from tests.unit.tasks.task_inputs import ABSENT, COMPLETE, read, read_infosys, refused


def with_keys(**changes: Any) -> dict[str, Any]:
    merged = {**COMPLETE["authentication"], **changes}
    return {name: value for name, value in merged.items() if value is not ABSENT}


def test_a_complete_authentication() -> None:
    server = smtp_server(read().route)
    assert (server.hostname, server.port, server.security) == ("mail.example.com", 587, Security.STARTTLS)
    assert server.username == "worker"
    assert server.password is not None
    assert server.password.get_secret_value() == "correct horse"
    assert "correct" not in repr(server)


@pytest.mark.parametrize(
    ("hostname", "port", "relaxed", "expected"),
    [
        ("mail.example.com", 465, False, Security.TLS),
        ("localhost", 465, False, Security.TLS),
        ("localhost", 25, False, Security.STARTTLS_OPTIONAL),
        ("LOCALHOST", 25, False, Security.STARTTLS_OPTIONAL),
        ("127.0.0.1", 1025, False, Security.STARTTLS_OPTIONAL),
        ("127.8.9.1", 1025, False, Security.STARTTLS_OPTIONAL),
        ("::1", 1025, False, Security.STARTTLS_OPTIONAL),
        ("[::1]", 1025, False, Security.STARTTLS_OPTIONAL),
        ("localhost.example.com", 25, False, Security.STARTTLS),
        ("128.0.0.1", 25, False, Security.STARTTLS),
        ("10.0.0.1", 25, False, Security.STARTTLS),
        ("mail.example.com", 25, True, Security.STARTTLS),
    ],
)
def test_auto_is_settled_by_port_and_host(
    hostname: str, port: int, relaxed: bool, expected: Security
) -> None:
    keys = with_keys(hostname=hostname, port=port)
    assert smtp_server(read(relaxed=relaxed, authentication=keys).route).security is expected
    automatic = read(relaxed=relaxed, authentication={**keys, "security": "auto"})
    assert smtp_server(automatic.route).security is expected


def test_only_a_foreign_task_type_is_relaxed_and_only_where_auto_decides() -> None:
    assert smtp_server(read_infosys(relaxed=True).route).security is Security.STARTTLS_OPTIONAL
    assert smtp_server(read_infosys(relaxed=False).route).security is Security.STARTTLS
    strict = read_infosys(relaxed=True, authentication=with_keys(security="starttls"))
    assert smtp_server(strict.route).security is Security.STARTTLS
    implicit = read_infosys(relaxed=True, authentication=with_keys(port="465"))
    assert smtp_server(implicit.route).security is Security.TLS


@pytest.mark.parametrize("security", list(Security))
def test_security_as_it_is_asked_for(security: Security) -> None:
    assert (
        smtp_server(read(authentication=with_keys(security=security.value.upper())).route).security
        is security
    )


def test_security_outside_its_set() -> None:
    error = refused(authentication=with_keys(security="ssl"))
    assert error.field == "authentication.security"
    assert error.allowed == ("auto", "tls", "starttls", "starttls-optional", "none")
    assert "'ssl'" in error.message


@pytest.mark.parametrize(
    ("port", "expected"), [(25, 25), ("25", 25), (" 587 ", 587), (587.0, 587), (65535, 65535)]
)
def test_ports(port: Any, expected: int) -> None:
    assert read(authentication=with_keys(port=port)).route.port == expected


@pytest.mark.parametrize(
    "port", [0, -1, 65536, "0", "65536", True, 25.5, "smtp", "٢٥", [25], {"p": 25}, float("nan"), 10**40]
)
def test_no_ports(port: Any) -> None:
    assert refused(authentication=with_keys(port=port)).field == "authentication.port"


@pytest.mark.parametrize(
    ("hostname", "expected"),
    [
        (" mail.example.com ", "mail.example.com"),
        ("MAIL.Example.COM.", "mail.example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("mail_server", "mail_server"),
        ("192.0.2.1", "192.0.2.1"),
        ("[2001:DB8::1]", "2001:db8::1"),
    ],
)
def test_host_names(hostname: str, expected: str) -> None:
    assert read(authentication=with_keys(hostname=hostname)).route.hostname == expected


@pytest.mark.parametrize(
    "hostname",
    [
        "mail example.com",
        "mail.example.com\r\n",
        "mail\x00.example.com",
        "smtp://mail.example.com",
        "mail.example.com:587",
        "mail.example.com/x",
        "user@mail.example.com",
        "-mail.example.com",
        "mail..example.com",
        "a" * 64 + ".example.com",
        ".".join(["a" * 60] * 5),
        f"fe80::1%{'a' * 300}",
        "ä" * 300,
        "127.1",
        "2130706433",
        "0x7f000001",
        "1.2.3.999",
        "\u2028",
        "xn--\u00fc.example",
        17,
        True,
        ["a"],
    ],
)
def test_no_host_names(hostname: Any) -> None:
    assert refused(authentication=with_keys(hostname=hostname)).field == "authentication.hostname"


@pytest.mark.parametrize("blank", [ABSENT, None, "", "  "])
def test_no_username_is_an_anonymous_relay(blank: Any) -> None:
    server = read(authentication=with_keys(username=blank, password=blank)).route
    assert server.username is None
    assert server.password is None


@pytest.mark.parametrize("blank", [ABSENT, None, "", "  "])
@pytest.mark.parametrize("name", ["username", "password"])
@pytest.mark.parametrize("task_type", [SEND_TASK_TYPE, INFOSYS_TASK_TYPE])
def test_half_of_the_credentials(task_type: str, name: str, blank: Any) -> None:
    error = refused(task_type, authentication=with_keys(**{name: blank}))
    assert error.field == f"authentication.{name}"


def test_a_password_is_taken_as_it_is() -> None:
    password = read(authentication=with_keys(password=" pä ss\t")).route.password
    assert password is not None
    assert password.get_secret_value() == " pä ss\t"


@pytest.mark.parametrize("name", ["hostname", "port", "username", "password"])
@pytest.mark.parametrize("data", ["CANARY\x00", "CANARY\ud800", ["CANARY"], {"CANARY": 1}])
def test_no_value_of_the_login_is_ever_quoted(name: str, data: Any) -> None:
    error = refused(authentication=with_keys(**{name: data}))
    assert error.field == f"authentication.{name}"
    assert "CANARY" not in str(error)
    assert "CANARY" not in str(error.variables)
    assert error.__cause__ is None or "CANARY" not in str(error.__cause__)


@pytest.mark.parametrize("name", ["username", "password"])
def test_a_credential_that_would_hold_up_the_worker_is_refused(name: str) -> None:
    """To look for a megabyte in the server's replies took 28 s, in which no other job went on."""
    assert read(authentication=with_keys(**{name: "x" * 1024})).route.username
    error = refused(authentication=with_keys(**{name: "x" * 1025}))
    assert error.field == f"authentication.{name}"
    assert "1024 characters" in error.message


@pytest.mark.parametrize("name", ["hostname", "port", "username", "password"])
@pytest.mark.parametrize("blank", [ABSENT, None, "", " "])
def test_the_infosys_type_wants_all_four(name: str, blank: Any) -> None:
    error = refused(INFOSYS_TASK_TYPE, authentication=with_keys(**{name: blank}))
    assert error.field == f"authentication.{name}"


def test_the_infosys_type_has_no_anonymous_relay() -> None:
    error = refused(INFOSYS_TASK_TYPE, authentication=with_keys(username="", password=""))
    assert error.field == "authentication.username"


@pytest.mark.parametrize("data", [ABSENT, None, {}, "", []])
def test_the_infosys_type_wants_an_authentication(data: Any) -> None:
    assert refused(INFOSYS_TASK_TYPE, authentication=data).field == "authentication"
    assert refused(INFOSYS_TASK_TYPE, authentication=data, account="sales").field == "authentication"


@pytest.mark.parametrize("data", [ABSENT, None, {}, {"hostname": "", "port": None}, {"security": "auto"}])
def test_no_server_at_all(data: Any) -> None:
    with pytest.raises(AccountError, match="fill in authentication") as caught:
        read(authentication=data)
    assert caught.value.code is ErrorCode.ACCOUNT_NOT_FOUND


@pytest.mark.parametrize("data", [ABSENT, {"hostname": "", "password": ""}])
def test_an_account_that_is_not_configured(data: Any) -> None:
    with pytest.raises(AccountError, match="the process order has no account named 'sales'; it may use none"):
        read(authentication=data, account="sales")


def test_account_and_authentication_exclude_each_other() -> None:
    assert refused(account="sales").field == "account"


@pytest.mark.parametrize("data", ["mail.example.com", '{"hostname": "CANARY"}', ["CANARY"], 5, True])
def test_authentication_is_a_context(data: Any) -> None:
    error = refused(authentication=data)
    assert error.field == "authentication"
    assert "hostname, port, username, password" in error.message
    assert "CANARY" not in error.message


@pytest.mark.parametrize(
    ("key", "near"), [("user", "username"), ("host", "hostname"), ("Password", "password"), ("prot", "port")]
)
def test_a_wrong_key_names_the_nearest(key: str, near: str) -> None:
    error = refused(authentication=with_keys(**{key: "CANARY"}))
    assert error.field == "authentication"
    assert f"did you mean {near}?" in error.message
    assert "CANARY" not in error.message
