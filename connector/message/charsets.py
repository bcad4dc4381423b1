"""The character sets that mails and HTML files are written in.

A name as a task or a file declares it enters; whether text may be read or written in it leaves. Python has
more codecs than these under such names, and whoever writes a diagram or a file could choose one: punycode
takes time in the square of the text's length, zlib and rot13 are no character sets, UTF-7 hides markup.
"""

from __future__ import annotations

import re

# Names of the HTML Standard's and IANA's registries that Python knows too; all take linear time.
_KNOWN = re.compile(
    r"utf-?8|utf-16(?:be|le)?|(?:us-)?ascii|latin-?1|iso-8859-(?:[1-9]|1[013456])|windows-125[0-8]"
    r"|koi8-[ru]|shift_jis|euc-(?:jp|kr)|iso-2022-jp|gb2312|gbk|gb18030|big5",
    re.ASCII | re.IGNORECASE,
)


def is_known_charset(name: str) -> bool:
    """Whether text may be encoded and decoded in a character set.

    Args:
        name: As declared, such as ``iso-8859-1``, in any case; a known one is also a codec's name in Python.
    """
    return _KNOWN.fullmatch(name) is not None
