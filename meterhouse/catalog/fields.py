"""Field types that the documents of the book share: ids, texts, exact decimals, dates, zones."""

import re
import unicodedata
from datetime import date
from decimal import Decimal
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Any, ClassVar
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    SerializerFunctionWrapHandler,
    StringConstraints,
    WithJsonSchema,
    model_serializer,
)

from meterhouse.money import PLACES

DECIMAL_PLACES = 12
DECIMAL = re.compile(r"(-?)([0-9]{1,15})(?:\.([0-9]+))?")
ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# Marks that turn the reading direction: "approved 001$" can be made to look like "$100 approved".
TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class Strict(BaseModel):
    """Base of all parts of documents: unknown keys and silent conversions are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=True)


class Sparing(Strict):
    """Says nothing of the fields in `SELDOM` that are not given: older content stays as it was."""

    SELDOM: ClassVar[frozenset[str]] = frozenset()

    @model_serializer(mode="wrap")
    def _without_seldom(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        content: dict[str, Any] = dump(self)
        return {k: v for k, v in content.items() if v is not None or k not in self.SELDOM}


def nearest(name: str, known: list[str]) -> str:
    """A half-sentence that names the nearest valid name, or all of them."""
    close = get_close_matches(name.lower(), known, n=1)
    if close:
        return f"did you mean `{close[0]}`?"
    return "valid are " + ", ".join(f"`{one}`" for one in sorted(known)) + "."


def plain(value: Decimal) -> str:
    """The one spelling of a decimal: no exponent, no trailing zeros, no minus before zero."""
    text = format(value, "f")
    trimmed = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if trimmed == "-0" else trimmed


def places(value: Decimal) -> int:
    """How many decimals the value needs."""
    return len(plain(value).partition(".")[2])


def exact(value: Any) -> Decimal:
    """A decimal from text or a whole number; floats and exponents never were exact."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise ValueError("is a decimal; write it as text in quotes, for example '0.19'")
    # A huge int is not turned into text first: Python refuses more than 4300 digits.
    is_huge = isinstance(value, int) and abs(value) >= 10**15
    text = plain(value) if isinstance(value, Decimal) and value.is_finite() else value
    match = None if is_huge else DECIMAL.fullmatch(str(text))
    if match is None:
        raise ValueError(
            "is a decimal with digits and a point only (no exponent, no separators) "
            "and at most 15 digits before the point"
        )
    if len((match[3] or "").rstrip("0")) > DECIMAL_PLACES:
        raise ValueError(f"has more than {DECIMAL_PLACES} decimals")
    return Decimal(plain(Decimal(match[0])))


def day(value: Any) -> Any:
    """A date; text is taken when it is written YYYY-MM-DD."""
    if isinstance(value, str):
        if not ISO_DATE.fullmatch(value):
            raise ValueError("is a date, written YYYY-MM-DD")
        return date.fromisoformat(value)
    return value


def _not_negative(value: Decimal) -> Decimal:
    if value < 0:
        raise ValueError("must not be negative")
    return value


def _positive(value: Decimal) -> Decimal:
    if value <= 0:
        raise ValueError("must be greater than 0")
    return value


def _fraction(value: Decimal) -> Decimal:
    if not 0 <= value <= 1:
        raise ValueError("is a fraction from 0 to 1: write '0.19' for 19 %")
    return value


def _power_of_ten(value: Decimal) -> Decimal:
    if not re.fullmatch(r"10{0,12}", plain(value)):
        raise ValueError("is a power of ten from 1 to 1000000000000")
    return value


def printable(text: str) -> str:
    for character in text:
        # Cc control, Cs half of a surrogate pair, Zl and Zp line and paragraph separators.
        if unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} or character in TURNING:
            raise ValueError(
                f"holds the control character U+{ord(character):04X}; remove it "
                "(a folded text ends without a line break when it begins with `>-`)"
            )
    return text


def _custom(value: Any) -> str | int | bool:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str) and value.strip() and len(value) <= 2000:
        return printable(value)
    if isinstance(value, int) and abs(value) < 10**18:
        return value
    raise ValueError("is a text, a whole number, a date, true or false")


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def _known_zone(text: str) -> str:
    if text not in _zones():
        close = get_close_matches(text, sorted(_zones()), n=1)
        hint = f"; did you mean `{close[0]}`?" if close else ", such as `Europe/Berlin`"
        raise ValueError(f"is no time zone of the IANA database{hint}")
    return text


def _known_locale(text: str) -> str:
    # Imported here: most books name no locale, and babel takes a tenth of a second to import.
    from babel import Locale, UnknownLocaleError

    try:
        Locale.parse(text, sep="-")
    except (UnknownLocaleError, ValueError):
        raise ValueError("is no language tag of BCP 47 that is known, such as `de-DE`") from None
    return text


def _known_currency(text: str) -> str:
    if text not in PLACES:
        # Of three letters nearly every code is near; only the same letters are a slip.
        close = [one for one in sorted(PLACES) if sorted(one) == sorted(text.upper())]
        hint = f"; did you mean `{close[0]}`?" if close else ", such as `USD`"
        raise ValueError(f"is no currency code of ISO 4217{hint}")
    return text


DECIMAL_SCHEMA = {
    "anyOf": [
        {"type": "string", "pattern": r"^[0-9]{1,15}(\.[0-9]+)?$"},
        {"type": "number", "minimum": 0},
    ]
}
Exact = Annotated[
    Decimal,
    BeforeValidator(exact),
    PlainSerializer(plain, return_type=str),
    WithJsonSchema(DECIMAL_SCHEMA),
]
NonNegative = Annotated[Exact, AfterValidator(_not_negative)]
Positive = Annotated[Exact, AfterValidator(_positive)]
Fraction = Annotated[Exact, AfterValidator(_fraction)]
PowerOfTen = Annotated[Exact, AfterValidator(_power_of_ten)]
Day = Annotated[date, BeforeValidator(day)]
TimeOfDay = Annotated[
    str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$")
]
Text = Annotated[str, StringConstraints(max_length=2000, pattern=r"\S"), AfterValidator(printable)]
Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
PropertyName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,47}$")]
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
Zone = Annotated[str, AfterValidator(_known_zone)]
Currency = Annotated[
    str,
    AfterValidator(_known_currency),
    WithJsonSchema({"type": "string", "pattern": "^[A-Z]{3}$"}),
]
Locale = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?$"),
    AfterValidator(_known_locale),
]
Decimals = Annotated[int, Field(ge=0, le=DECIMAL_PLACES)]

# What a custom attribute may hold; documents of kind `attribute` say which of these it is.
CustomValue = Annotated[
    str | int | bool,
    PlainValidator(_custom),
    WithJsonSchema({"type": ["string", "integer", "boolean"]}),
]


class Documented(Sparing):
    """Base of whole documents: every one may carry attributes that the book itself defines."""

    SELDOM: ClassVar[frozenset[str]] = frozenset({"custom"})

    custom: dict[PropertyName, CustomValue] | None = Field(
        None, description="Values of attributes that documents of kind `attribute` define, by name."
    )
