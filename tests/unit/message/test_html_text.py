import pytest

from connector.message.html_text import text_from_html


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("", ""),
        ("plain", "plain\n"),
        ("<p>one</p><p>two</p>", "one\n\ntwo\n"),
        ("one<br>two<br/>\nthree", "one\ntwo\nthree\n"),
        ("<h1>Head</h1>text", "Head\n\ntext\n"),
        ("<div>a</div><div>b</div>", "a\nb\n"),
        ("a <b>bold</b>\n  <i>word</i>!", "a bold word!\n"),
        ("a&amp;b &lt;c&gt; &euro; &#8364;", "a&b <c> € €\n"),
        ("a&nbsp;b", "a b\n"),
        ('<a href="https://x.example/?a=1&amp;b=2">shop</a>', "shop <https://x.example/?a=1&b=2>\n"),
        ("<a href='https://x.example'>https://x.example</a>", "https://x.example\n"),
        ("<a href=mailto:a@x>a@x</a>", "a@x\n"),
        ("<a href=//x>open <a href=//y>second</a>!", "open <//x> second <//y>!\n"),
        ('<a href="#top">top</a> <a name=x>anchor</a>', "top anchor\n"),
        ('<a href="https://x.example"><img src=a alt="Logo"></a>', "Logo <https://x.example>\n"),
        ('<a href="https://x.example"><img src=a></a>', "<https://x.example>\n"),
        ("<ul><li>one<li>two</ul>after", "- one\n- two\n\nafter\n"),
        ("<ol><li>one</li><li>two</li></ol>", "1. one\n2. two\n"),
        ("<ul><li>a<ol><li>b</li></ol></li><li>c</li></ul>", "- a\n  1. b\n- c\n"),
        ("<li>stray", "- stray\n"),
        ("<table><tr><th>A</th><th>B</th></tr><tr><td>1</td><td>2</td></tr></table>", "A | B\n1 | 2\n"),
        ("<blockquote>said<br>so</blockquote>then", "> said\n> so\n\nthen\n"),
        ("<pre>a  b\n  c</pre>d", "a  b\n  c\n\nd\n"),
        ("a<hr>b", f"a\n\n{'-' * 20}\n\nb\n"),
        ("<title>t</title><style>p{}</style><SCRIPT>if (a<b) {}</Script >x", "x\n"),
        ("a<!-- <p>no</p> -->b<!doctype html><?xml?>c", "abc\n"),
        ("a<script>rest", "a\n"),
        ("a<!-- rest", "a\n"),
        ("1 < 2 <3 <", "1 < 2 <3 <\n"),
        ('<img alt="a > b">', "a > b\n"),
        ("</p></ul></a></blockquote></pre>x", "x\n"),
        ("<p onclick='a>b' title=\"<p>\">x</p>", "x\n"),
        ("a\u2028b\0c", "a\u2028b\0c\n"),
    ],
)
def test_html_becomes_text(html: str, text: str) -> None:
    assert text_from_html(html) == text


@pytest.mark.parametrize(
    "piece",
    [
        "<a",
        "<!--",
        '<a "',
        "<a '\"",
        "<![",
        "&#",
        "<script>",
        "<ul><li>x",
        "<a>x",
        "<a href=",
        "</a",
        "<blockquote>x",
    ],
)
@pytest.mark.timeout(30)  # half a second; a scanner whose time grows with the square needs many minutes
def test_malformed_html_is_read_in_linear_time(piece: str) -> None:
    assert text_from_html(piece * (400_000 // len(piece))) is not None


def test_a_reference_with_thousands_of_digits_is_text() -> None:
    reference = f"&#{'1' * 5000};"
    assert text_from_html(reference) == f"{reference}\n"
