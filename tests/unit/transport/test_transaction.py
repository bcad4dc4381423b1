import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.transport.smtp.transaction import CHUNK_SIZE, check_line_ends, path, stuffed_chunks, xtext

LINES = st.lists(
    st.one_of(
        st.sampled_from([b"", b".", b"..", b".x", b"x.", b"x"]),
        st.builds(lambda n: b"y" * n, st.integers(CHUNK_SIZE - 6, CHUNK_SIZE + 6)),
    ),
    min_size=1,
    max_size=12,
)


@given(LINES)
def test_dot_stuffing_is_what_the_rfc_says_line_by_line(lines: list[bytes]) -> None:
    data = b"".join(line + b"\r\n" for line in lines)
    expected = b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in lines)
    chunks = list(stuffed_chunks(data))
    assert b"".join(chunks) == expected
    assert all(bytes(chunk).endswith(b"\r\n") for chunk in chunks)


def test_a_message_without_dots_is_not_copied() -> None:
    data = (b"x" * 70 + b"\r\n") * 10_000
    chunks = list(stuffed_chunks(data))
    assert len(chunks) > 5
    assert all(isinstance(chunk, memoryview) and chunk.obj is data for chunk in chunks)


@pytest.mark.parametrize("data", [b"", b"\r", b"\n", b"a", b"a\n", b"a\r", b"a\r\r\n", b"a\n\r\n", b"a\r\nb"])
async def test_bare_line_ends_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="CRLF"):
        await check_line_ends(data)


@pytest.mark.parametrize("data", [b"\r\n", b"a\r\n", b"a\r\n\r\nb\r\n"])
async def test_whole_lines_pass(data: bytes) -> None:
    await check_line_ends(data)


@pytest.mark.parametrize(
    ("text", "encoded"),
    [("abc-123@x", "abc-123@x"), ("a+b=c", "a+2Bb+3Dc"), ("ü ", "+C3+BC+20"), ("\r\n", "+0D+0A")],
)
def test_xtext(text: str, encoded: str) -> None:
    assert xtext(text) == encoded


@pytest.mark.parametrize("address", ["", "a@x", '"a b"@x', '"<>"@x', '"a\\"> b"@x', "jürgen@x"])
def test_a_path(address: str) -> None:
    assert path(address) == f"<{address}>"


@pytest.mark.parametrize("address", ["a@x> SIZE=1", "a b@x", "<a@x>", '"a"@x y', '"a" "b c"@x', 'a"b c"d>@x'])
def test_a_path_with_more_behind_it(address: str) -> None:
    with pytest.raises(ValueError, match="must not hold"):
        path(address)
