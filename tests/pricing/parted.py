"""Windows that are parts of one month, for tests: of one price or several, with their parts."""

from datetime import date, timedelta
from decimal import Decimal

import polars as pl

from meterhouse.canonical import canonical_json
from meterhouse.money import AMOUNT, QUANTITY
from meterhouse.pricing.charging import charge_lines
from meterhouse.pricing.models import PARTS
from tests.pricing.modified import TYPES, window

FIRST, LAST = date(2024, 1, 1), date(2024, 2, 1)
EXTRA = {
    **TYPES,
    "split_tiers": pl.String,
    "stub_flags": pl.String,
    "aggregation": pl.String,
    "above_quantity": QUANTITY,
    "amount": AMOUNT,
}


def month_of(days, prices, quantities, modifiers=None, **fields):
    """One window for each stretch of January between the days, in their order."""
    edges = [FIRST, *(FIRST + timedelta(day) for day in days), LAST]
    return [
        window(
            1,
            quantity,
            modifiers,
            price=price,
            window_id=f"{fields.get('dimensions', '')}{number}",
            charge_id=f"{number}",
            window_start_on=edges[number],
            window_end_on=edges[number + 1],
            is_period_last=edges[number + 1] == LAST,
            **{"due_on": LAST, **fields},
        )
        for number, (price, quantity) in enumerate(zip(prices, quantities, strict=True))
    ]


def lines(windows, parts=None, **options):
    """The lines of windows; `parts` has a list of parts for each window, by its id."""
    rows = [
        {"window_id": id, "part_no": number, **part}
        for id, own in (parts or {}).items()
        for number, part in enumerate(own, start=1)
    ]
    known = None if parts is None else pl.DataFrame(rows, schema=dict(PARTS))
    told = [name for name in EXTRA if name in windows[0]]
    frame = pl.DataFrame(windows, schema_overrides={name: EXTRA[name] for name in told})
    return charge_lines(frame, known, **options)


def total(windows, parts=None, column="amount_unrounded"):
    """What all windows cost together, exactly."""
    return sum(lines(windows, parts)[column].to_list(), Decimal(0))


def amounts(windows, parts=None):
    """What each window costs, in order."""
    own = lines(windows, parts).filter(pl.col("component").is_in(["usage", "fee"]))
    return [f"{one.normalize():f}" for one in own["amount_unrounded"]]


def event(value, **keys):
    """A part as PARTS has it."""
    return {
        "keys": canonical_json(keys),
        "quantity": Decimal(value),
        "weight_numerator": 1,
        "weight_denominator": 1,
    }
