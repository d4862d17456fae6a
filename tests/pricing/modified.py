"""Windows of one contract with modifiers, for tests."""

from datetime import date
from decimal import Decimal

import polars as pl

from meterhouse.canonical import canonical_json
from meterhouse.contracts.modifiers import ContractModifiers, ItemModifiers
from meterhouse.money import QUANTITY
from meterhouse.pricing.charging import charge_lines

TEN = {"model": "per_unit", "per": "1", "unit_amount": "10"}
FEE = {"amount": "100", "model": "flat"}
TYPES = {"quantity": QUANTITY, "modifiers": pl.String, "meter_id": pl.String}


def text(model, modifiers):
    """The modifiers as the book holds them, or None."""
    if modifiers is None:
        return None
    return canonical_json(model.model_validate(modifiers).model_dump(mode="json", by_alias=True))


def month(number):
    """First day of a month, counted from January 2024."""
    return date(2024 + (number - 1) // 12, (number - 1) % 12 + 1, 1)


def window(number=1, quantity="0", modifiers=None, price=TEN, item="api", **fields):
    """One window of a calendar month; usage in arrears, fees in advance."""
    start, end = month(number), month(number + 1)
    is_fee = price["model"] == "flat"
    return {
        "window_id": f"{item}-{number}",
        "contract_id": "c",
        "item_id": item,
        "item_description": item.title(),
        "component": "fee" if is_fee else "usage",
        "price_model": price["model"],
        "price": canonical_json(price),
        "quantity": Decimal(quantity),
        "currency": "USD",
        "prorate_start": True,
        "prorate_end": True,
        "window_start_on": start,
        "window_end_on": end,
        "period_start_on": start,
        "period_end_on": end,
        "timing": "advance" if is_fee else "arrears",
        "due_on": start if is_fee else end,
        "modifiers": text(ItemModifiers, modifiers),
        "meter_id": None if is_fee else item,
        **fields,
    }


def contract(modifiers, end=None):
    """The frame of one contract that began in January 2024."""
    row = {
        "contract_id": "c",
        "modifiers": text(ContractModifiers, modifiers),
        "start_on": month(1),
        "end_on": end,
    }
    types = {"start_on": pl.Date, "end_on": pl.Date, "modifiers": pl.String}
    return pl.DataFrame([row], schema_overrides=types)


def lines(windows, modifiers=None, **options):
    """The lines of the windows, and of the modifiers of their contract."""
    frame = pl.DataFrame(windows, schema_overrides=TYPES)
    contracts = None if modifiers is None else contract(modifiers, options.pop("end", None))
    return charge_lines(frame, None, contracts, **options)


def total(quantity, modifiers, **fields):
    """What one month of an item costs in all."""
    return lines([window(1, quantity, modifiers, **fields)])["amount"].sum()


def sums(frame):
    """Amount by component, as shortest texts."""
    found = frame.group_by("component").agg(pl.col("amount").sum())
    return {name: shortest(amount) for name, amount in found.iter_rows()}


def shortest(amount):
    """7, 0.5, -12.3."""
    return format(amount.normalize(), "f")
