"""Values as text: JSON with exact decimals and ISO dates, amounts with the currency's places."""

import json
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from meterhouse.errors import UsageError


def json_text(payload: Any) -> str:
    """Indented JSON; decimals are strings, so that no reader makes floats of them."""
    return json.dumps(payload, default=_plain, ensure_ascii=False, indent=2)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return number_text(value)
    if isinstance(value, date | datetime):
        return value.isoformat()
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return sorted(value) if isinstance(value, set) else str(value)


def counted(count: int, noun: str) -> str:
    """`1 draft`, `1,000 drafts`; the noun takes an s."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def number_text(value: Decimal | str) -> str:
    """The number without an exponent and without zeros at the end: 3000, 0.25."""
    text = format(Decimal(value), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def money_text(amount: Decimal | str | None, currency: str) -> str:
    """The amount with the currency's places, which it has been rounded to; - if undecided."""
    if amount is None:
        return "-"
    from meterhouse.money import PLACES

    # A text, not a float: more places than the currency has are shown, never cut.
    text = number_text(amount)
    whole, _, fraction = text.partition(".")
    padded = fraction.ljust(PLACES.get(currency, 2), "0")
    return f"{whole}.{padded}" if padded else whole


def amount_of(text: str) -> Decimal:
    """The amount that a person wrote; raises UsageError with a sentence where it is none."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite():
        raise UsageError(f"{text!r} is not an amount such as 20.00. Nothing was done.")
    return amount


def grouped(text: str) -> str:
    """Digits in groups of three, for people: 1234567.80 is 1,234,567.80."""
    whole, point, fraction = text.partition(".")
    if not whole.lstrip("-").isdigit():
        return text
    return f"{int(whole):,}{point}{fraction}" if whole != "-0" else text
