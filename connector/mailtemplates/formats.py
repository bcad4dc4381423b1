"""Filters for dates, numbers, money and lists in the reader's language, and for links.

A JSON value enters, text leaves. Dates are ISO 8601 texts, as FEEL and JSON write them. Formats come from the
Unicode CLDR through Babel, the extra ``templates``; its no-break spaces are kept.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from jinja2.runtime import Undefined
from markupsafe import Markup, escape

if TYPE_CHECKING:
    import babel

_STYLES = ("short", "medium", "long", "full")
_CURRENCY = re.compile(r"[A-Z]{3}")
_FEEL_ZONE = re.compile(r"@[A-Za-z0-9_+/-]{1,60}$")
_LINK = re.compile(r"(https?://[^\s/?#]|mailto:[^\s]|tel:[+0-9])[^\s<>\"'\\]*", re.IGNORECASE)
_NUMBERS = frozenset((int, float, str, Markup))  # a boolean is none
_LARGEST = Decimal(10) ** 30
_MOST_DIGITS = 10


class FormatError(Exception):
    """A value that a filter cannot format."""


class Formats:
    """The filters of one language and time zone.

    Args:
        language: A language tag, as ``de-AT``.
        zone: Moments are shown in this zone.
    """

    def __init__(self, language: str, zone: ZoneInfo) -> None:
        self._language = language
        self._zone = zone

    @property
    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filters by their names in a template."""
        return {
            "date": self.date,
            "time": self.time,
            "datetime": self.datetime,
            "number": self.number,
            "percent": self.percent,
            "money": self.money,
            "and_list": self.and_list,
            "link": link,
            "lines": lines,
        }

    def date(self, value: Any, style: str = "medium") -> str:
        """The day of an ISO date or date-time: ``Nov 20, 2026``."""
        from babel.dates import format_date  # noqa: PLC0415 - an extra

        moment = self._moment(value)
        return format_date(moment, _style(style), self._babel)

    def time(self, value: Any, style: str = "short") -> str:
        """The time of day of an ISO date-time: ``9:30 AM``."""
        from babel.dates import format_time  # noqa: PLC0415 - an extra

        moment = self._moment(value)
        if not isinstance(moment, dt.datetime):
            raise FormatError(f"{_quoted(value)} has no time of day")
        return format_time(moment.timetz(), _style(style), tzinfo=moment.tzinfo, locale=self._babel)

    def datetime(self, value: Any, style: str = "medium") -> str:
        """Day and time of an ISO date-time."""
        from babel.dates import format_datetime  # noqa: PLC0415 - an extra

        moment = self._moment(value)
        if not isinstance(moment, dt.datetime):
            raise FormatError(f"{_quoted(value)} has no time of day; write date")
        return format_datetime(moment, _style(style), tzinfo=self._zone, locale=self._babel)

    def number(self, value: Any, digits: int | None = None) -> str:
        """A number with the language's separators: ``1,234.5``."""
        from babel.numbers import format_decimal  # noqa: PLC0415 - an extra

        return format_decimal(_decimal(value), _pattern(digits), self._babel)

    def percent(self, value: Any, digits: int = 0) -> str:
        """A fraction as per cent: ``0.25`` is ``25%``."""
        from babel.numbers import format_percent  # noqa: PLC0415 - an extra

        number = _decimal(value)
        rounded = round(number * 100, _digits(digits)) / 100
        return format_percent(rounded, locale=self._babel, decimal_quantization=False)

    def money(self, value: Any, currency: Any) -> str:
        """An amount in a currency by its ISO 4217 code: ``€1,234.50``."""
        from babel.numbers import format_currency  # noqa: PLC0415 - an extra

        _known(currency)
        if not isinstance(currency, str) or not _CURRENCY.fullmatch(currency):
            raise FormatError(f"money needs a currency such as EUR, not {_quoted(currency)}")
        return format_currency(_decimal(value), currency, locale=self._babel)

    def and_list(self, values: Any) -> str:
        """Texts as a sentence lists them: ``a, b, and c``."""
        from babel.lists import format_list  # noqa: PLC0415 - an extra

        if not isinstance(values, Sequence) or isinstance(values, str):
            raise FormatError(f"and_list needs a list, not {_quoted(values)}")
        if bad := [value for value in values if not isinstance(value, str | int | float)]:
            raise FormatError(f"and_list needs texts and numbers, not {_quoted(bad[0])}")
        return format_list([str(value) for value in values], locale=self._babel)

    @cached_property
    def _babel(self) -> babel.Locale:
        from babel import Locale, UnknownLocaleError  # noqa: PLC0415 - an extra

        parts = self._language.split("-")
        for length in range(len(parts), 0, -1):
            try:
                return Locale.parse("_".join(parts[:length]))
            except (UnknownLocaleError, ValueError):
                continue
        raise FormatError(f"there are no formats for the language {self._language}")

    def _moment(self, value: Any) -> dt.date | dt.datetime:
        if not isinstance(value, str):
            _known(value)
            raise FormatError(f"{_quoted(value)} is no date; write an ISO date or date-time")
        written = _FEEL_ZONE.sub("", value.strip())
        try:
            if len(written) == 10:
                return dt.date.fromisoformat(written)
            moment = dt.datetime.fromisoformat(written)
            return (moment if moment.tzinfo else moment.replace(tzinfo=self._zone)).astimezone(self._zone)
        except (ValueError, OverflowError):
            raise FormatError(f"{_quoted(value)} is no ISO date or date-time") from None


def link(value: Any) -> str:
    """A link for ``href``: http, https, mailto or tel only, so that no script hides in it."""
    _known(value)
    if not isinstance(value, str) or not _LINK.fullmatch(value.strip()):
        raise FormatError(f"{_quoted(value)} is no link that begins with https://, http://, mailto: or tel:")
    return value.strip()


def lines(value: Any) -> Markup:
    """Text for HTML, with its line breaks."""
    _known(value)
    if not isinstance(value, str | int | float):
        raise FormatError("lines needs a text")
    return Markup("<br>\n").join(map(escape, str(value).splitlines()))


def _known(value: Any) -> None:
    if isinstance(value, Undefined):
        str(value)  # raises, with its name


def _style(style: str) -> Any:
    if style not in _STYLES:
        raise FormatError(f"{_quoted(style)} is no style; use one of {', '.join(_STYLES)}")
    return style


def _digits(digits: Any) -> int:
    if not isinstance(digits, int) or not 0 <= digits <= _MOST_DIGITS:
        raise FormatError(f"there can be 0 to {_MOST_DIGITS} digits, not {_quoted(digits)}")
    return digits


def _pattern(digits: int | None) -> str | None:
    if digits is None:
        return None
    return "#,##0" + ("." + "0" * _digits(digits) if digits else "")


def _decimal(value: Any) -> Decimal:
    """A number, or text that is one."""
    _known(value)
    try:
        number = Decimal(str(value)[:40]) if type(value) in _NUMBERS else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite() or abs(number) > _LARGEST:
        raise FormatError(f"{_quoted(value)} is no number")
    return number


def _quoted(value: Any) -> str:
    """A value as an error shows it: of a text that may be private only the beginning."""
    if isinstance(value, str):
        return repr(value[:20]) + ("…" if len(value) > 20 else "")
    return repr(value) if isinstance(value, int | float | bool) and abs(value) < _LARGEST else "this value"
