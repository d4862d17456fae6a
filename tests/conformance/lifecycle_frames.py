"""The contract of a timeline case as the frames of the core, and the lines it makes of them."""

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from meterhouse.contracts.segments import ANCHORS, PAUSES, PRICES, QUANTITIES, Series
from meterhouse.contracts.windows import charge_windows
from meterhouse.invoicing.difference import difference
from meterhouse.money import QUANTITY
from meterhouse.periods import zone_days
from meterhouse.pricing.charging import charge_lines
from tests.conformance.lifecycle_terms import Item, Terms, canonical

ALWAYS, FOREVER = date(1, 1, 1), date(9999, 12, 31)
YEAR = timedelta(days=800)
_TEXTS = ("contract_id", "customer_id", "payer_id", "entity_id", "currency", "zone", "terms_id")


def contracts_of(terms: Terms, case: Mapping[str, Any], profile: Mapping[str, Any]) -> pl.DataFrame:
    row = {
        **dict.fromkeys(_TEXTS, "c"),
        "currency": case["currency"],
        "zone": case.get("timezone") or "UTC",
        "purchase_order": None,
        "start_on": terms.start,
        "end_on": terms.end,
        "anchor_day": terms.anchor_day,
        "anchor_weekday": terms.weekday,
        "is_calendar": terms.is_calendar,
        "anchored_on": terms.anchored_on,
        "trial_until": terms.trial_until,
        "cancel_on": terms.cancel_on,
        "cancel_due_on": terms.cancel_due,
        "day_seconds": terms.day_seconds,
        "start_seconds": terms.start_seconds,
        "end_seconds": terms.day_seconds,
        **profile,
    }
    days = ("start_on", "end_on", "anchored_on", "trial_until", "cancel_on", "cancel_due_on")
    schema = {
        **dict.fromkeys(row, pl.String),
        **dict.fromkeys(days, pl.Date),
        **dict.fromkeys(("anchor_day", "anchor_weekday"), pl.Int64),
        **dict.fromkeys(("day_seconds", "start_seconds", "end_seconds"), pl.Int64),
        "is_calendar": pl.Boolean,
    }
    if "fixed_days" in row:
        schema["fixed_days"] = pl.Int64
    return pl.DataFrame([row], schema=schema)


def items_frame(items: list[Item]) -> pl.DataFrame:
    rows = [
        {
            "contract_id": "c",
            "slot_from": ALWAYS,
            "slot_to": FOREVER,
            "version_seq": 1,
            "item_id": item.id,
            "item_description": item.name,
            "timing": item.timing,
            "meter_id": None if item.is_fee else item.id,
            "price_model": item.price["model"],
            "price": canonical(item.price),
            "fixed_quantity": item.quantity,
            "prorate_start": item.prorate,
            "prorate_end": item.prorate,
            "modifiers": None,
            "cadence_every": item.cadence[0],
            "cadence_unit": item.cadence[1],
            "from_on": item.from_on,
            "until_on": item.until_on,
            "planned_until_on": item.planned_until,
            "item_anchored_on": item.anchored_on,
        }
        for item in items
    ]
    schema = {
        **dict.fromkeys(rows[0], pl.String),
        **dict.fromkeys(("slot_from", "slot_to", "from_on", "until_on"), pl.Date),
        **dict.fromkeys(("planned_until_on", "item_anchored_on"), pl.Date),
        **dict.fromkeys(("version_seq", "cadence_every"), pl.Int64),
        **dict.fromkeys(("prorate_start", "prorate_end"), pl.Boolean),
        "fixed_quantity": QUANTITY,
    }
    return pl.DataFrame(rows, schema=schema)


def series_of(terms: Terms) -> Series:
    key = {"contract_id": "c", "slot_from": ALWAYS}
    quantities = [
        {**key, "item_id": item.id, "from_on": on, "quantity": quantity,
         "at_seconds": terms.times.get(on, 0)}
        for item in terms.items
        for on, quantity in item.quantities
    ]  # fmt: skip
    prices = [
        {**key, "item_id": item.id, "from_on": on, "price_model": price["model"],
         "price": canonical(price), "at_seconds": terms.times.get(on, 0)}
        for item in terms.items
        for on, price in item.prices
    ]  # fmt: skip
    pauses = [("c", start, end) for start, end in terms.pauses]
    anchors = [("c", item, on, day) for item, on, day in terms.anchors]
    return Series(
        pl.DataFrame(quantities, schema={**QUANTITIES, "at_seconds": pl.Int64}),
        pl.DataFrame(prices, schema={**PRICES, "at_seconds": pl.Int64}),
        pl.DataFrame(pauses, schema=PAUSES, orient="row"),
        pl.DataFrame(anchors, schema=ANCHORS, orient="row"),
    )


def desired(
    terms: Terms, case: Mapping[str, Any], profile: Mapping[str, Any], through: date
) -> pl.DataFrame:
    """The lines that are due through a day, with what their windows say, whatever was billed."""
    # Fees without proration of their own are charged whole, also when they change.
    fixed = [item for item in terms.items if not item.prorate and item.is_fee]
    told = {**profile, "prorate_quantity": "full", "prorate_change": "full"} if fixed else profile
    days = zone_days([case.get("timezone") or "UTC"], terms.start - YEAR * 2, through + YEAR * 3)
    windows = charge_windows(
        contracts_of(terms, case, told),
        items_frame(terms.items),
        days,
        through + timedelta(days=1),
        series_of(terms),
    ).filter(pl.col("due_on") <= through)
    used = [_used(row, case) for row in windows.to_dicts()]
    asked = windows.with_columns(
        quantity=pl.Series(used, dtype=QUANTITY), meter_version=pl.lit(1, pl.Int64)
    )
    lines = charge_lines(asked).select(
        "window_id", "quantity", "amount_unrounded", "amount", "steps"
    )
    joined = asked.drop("quantity").join(lines, on="window_id", validate="1:1")
    return joined.with_columns(contract_from=pl.lit(terms.start))


def _used(row: Mapping[str, Any], case: Mapping[str, Any]) -> Decimal:
    """The quantity of a window: its own, or what was used in it."""
    if row["fixed_quantity"] is not None:
        return Decimal(row["fixed_quantity"])
    first, last = row["window_start_on"], row["window_end_on"]
    total = Decimal(0)
    for use in case["given"].get("usage", ()):
        if use.get("item") not in (None, row["item_description"]):
            continue
        start = date.fromisoformat((use.get("date") or use["period"][0])[:10])
        if first <= start < last:
            total += Decimal(use["quantity"])
    return total


def new_lines(wanted: pl.DataFrame, billed: pl.DataFrame | None, through: date) -> pl.DataFrame:
    """The lines to bill: what is desired, less what was billed."""
    kinds = {"billed": pl.Decimal(38, 18), "original_number": pl.String}
    empty = wanted.clear().with_columns(
        line_key=pl.lit(None, pl.String),
        role=pl.col("component"),
        billed=pl.lit(None, kinds["billed"]),
        original_number=pl.lit(None, pl.String),
        original_invoice_date=pl.lit(None, pl.Date),
    )
    lines = difference(wanted, empty if billed is None else billed, through, through)
    more = ("served_end_on", "share_numerator", "share_denominator", "credit_numerator",
            "credit_denominator")  # fmt: skip
    opens = pl.max_horizontal("period_start_on", "contract_from")
    told = wanted.select("window_id", *more, opens_on=opens)
    return lines.join(told, on="window_id", how="left")


def billed_with(billed: pl.DataFrame | None, lines: pl.DataFrame, on: date) -> pl.DataFrame:
    """What was billed so far, one row per line key, with these lines."""
    now = lines.with_columns(
        billed="amount", original_number=pl.lit("1"), original_invoice_date=pl.lit(on)
    )
    both = now if billed is None else pl.concat([billed, now.select(billed.columns)])
    sums = both.group_by("line_key", maintain_order=True).agg(
        pl.exclude("billed").first(), pl.col("billed").sum()
    )
    return sums.select(both.columns)
