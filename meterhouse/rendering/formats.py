"""Numbers, dates and addresses in the writing of a locale; nothing is ever rounded here."""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Context, Decimal, Inexact, InvalidOperation, localcontext
from functools import cache
from typing import Any

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_interval
from babel.numbers import parse_pattern

from meterhouse.money import PLACES

# A digit that would be lost raises: what is printed is what was booked.
EXACT = Context(prec=96, traps=[Inexact, InvalidOperation])
FRACTION = re.compile(r"0(\.[0#]+)?(?=[^0#.]|$)")
# Marks of direction are for the template to set, and narrow spaces are in few fonts.
WRITTEN = str.maketrans({"\u200e": None, "\u200f": None, "\u202f": "\u00a0", "\u2009": " "})
LETTER_PAPER = frozenset({"US", "CA", "MX", "PH"})
REGION_BEFORE_CODE = frozenset({"US", "CA", "AU", "IN"})


@dataclass(frozen=True)
class Formats:
    """How one locale writes; `locale` has labels, so numbers and words are of one language."""

    locale: Locale

    @property
    def is_rtl(self) -> bool:
        """Whether text runs from right to left."""
        return self.locale.text_direction == "rtl"

    @property
    def tag(self) -> str:
        """The language tag, such as de-DE."""
        return str(self.locale).replace("_", "-")

    @property
    def paper(self) -> str:
        """The paper of the place, as Typst names it."""
        return "us-letter" if self.locale.territory in LETTER_PAPER else "a4"

    def number(self, value: str | Decimal, places: int = 0) -> str:
        """The number with all its decimals, at least `places`; more zeros are left out."""
        exact = Decimal(value)
        shown = max(places, _places(exact))
        return self._apply(self.locale.decimal_formats[None].pattern, exact, shown)

    def amount(self, value: str, currency: str) -> str:
        """An amount with the places of its currency, without the currency."""
        return self.number(value, PLACES[currency])

    def money(self, value: str, currency: str) -> str:
        """An amount with its ISO code where the locale has the currency."""
        number = self.amount(value, currency)
        is_before = self.locale.currency_formats["standard"].pattern.lstrip("\u200f")[0] == "¤"
        return f"{currency}\u00a0{number}" if is_before else f"{number}\u00a0{currency}"

    def percent(self, fraction: str) -> str:
        """A decimal fraction as percent, all decimals."""
        exact = Decimal(fraction)
        places = max(_places(exact) - 2, 0)
        return self._apply(self.locale.percent_formats[None].pattern, exact, places)

    def day(self, day: date) -> str:
        """A date with the name of its month."""
        return _written(format_date(day, "long", self.locale))

    def period(self, start: date, end: date) -> str:
        """The days from start to the one before `end`, which is exclusive."""
        last = end - timedelta(days=1)
        if last <= start:
            return _written(format_date(start, "long", self.locale))
        return _written(format_interval(start, last, "yMMMd", locale=self.locale))

    def address(self, address: dict[str, Any] | None) -> tuple[str, ...]:
        """The lines of a postal address."""
        if not address:
            return ()
        country = address["country"]
        city, code, region = (address.get(name) for name in ("city", "postal_code", "region"))
        if country in REGION_BEFORE_CODE:
            place = " ".join(part for part in (f"{city},", region, code) if part).removesuffix(",")
            lines = [address["line1"], address.get("line2"), place]
        else:
            place = " ".join(part for part in (code, city) if part)
            lines = [address["line1"], address.get("line2"), place, region]
        named = self.locale.territories.get(country, country)
        return tuple(line for line in [*lines, _written(named)] if line)

    def _apply(self, pattern: str, value: Decimal, places: int) -> str:
        with localcontext(EXACT):
            digits = "0" + ("." + "0" * places if places else "")
            positive = FRACTION.sub(digits, pattern.split(";")[0])
            return _written(parse_pattern(positive).apply(value, self.locale))


@cache
def formats(locale: str, languages: frozenset[str]) -> Formats:
    """The formats of a locale, or of English if there are no labels in its language."""
    try:
        found = Locale.parse(locale, sep="-")
    except (UnknownLocaleError, ValueError):
        found = Locale("en")
    return Formats(found if found.language in languages else Locale("en"))


def _places(value: Decimal) -> int:
    """Decimals of the number that are not zeros at its end."""
    exponent = value.normalize(EXACT).as_tuple().exponent
    return max(-exponent, 0) if isinstance(exponent, int) else 0


def _written(text: str) -> str:
    return text.translate(WRITTEN)
