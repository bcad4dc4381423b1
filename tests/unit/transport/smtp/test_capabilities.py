import pytest

from connector.transport.smtp.replies import Capabilities

POSTFIX = (
    "mail.example.com\nPIPELINING\nSIZE 10240000\nSTARTTLS\nAUTH PLAIN LOGIN\nAUTH=PLAIN LOGIN\n"
    "ENHANCEDSTATUSCODES\n8BITMIME\nDSN\nSMTPUTF8"
)


def test_what_postfix_announces() -> None:
    server = Capabilities.announced(POSTFIX)
    assert server.starttls
    assert server.pipelining
    assert server.smtputf8
    assert server.dsn
    assert server.size_limit == 10_240_000
    assert server.auth == ("plain", "login")


def test_nothing_is_assumed() -> None:
    server = Capabilities()
    assert not any([server.starttls, server.pipelining, server.smtputf8, server.dsn, server.size])
    assert (server.size_limit, server.auth) == (None, ())


def test_the_first_line_is_no_keyword() -> None:
    assert not Capabilities.announced("starttls").starttls


@pytest.mark.parametrize(
    ("line", "limit"),
    [
        ("SIZE", None),
        ("SIZE 0", None),
        ("size 5", 5),
        ("SIZE many", None),
        ("SIZE -1", None),
        ("SIZE ²", None),
        ("SIZE 99999999999999999999", 99999999999999999999),
        ("SIZE 100000000000000000000", None),
        pytest.param(f"SIZE {'9' * 5000}", None, id="more digits than int() takes"),
    ],
)
def test_size(line: str, limit: int | None) -> None:
    server = Capabilities.announced(f"x\n{line}")
    assert server.size
    assert server.size_limit == limit


@pytest.mark.parametrize(
    ("text", "mechanisms"),
    [
        ("x\nAUTH PLAIN LOGIN", ("plain", "login")),
        ("x\nAUTH=PLAIN LOGIN", ("plain", "login")),
        ("x\nauth=login\nAUTH PLAIN", ("login", "plain")),
        ("x\nAUTH", ()),
        ("x\n\n AUTH  PLAIN ", ("plain",)),
        ("x\nXAUTH PLAIN", ()),
    ],
)
def test_mechanisms_in_both_spellings(text: str, mechanisms: tuple[str, ...]) -> None:
    assert Capabilities.announced(text).auth == mechanisms
