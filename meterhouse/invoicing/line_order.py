"""The order of lines in a document: items with their modifiers, then what the contract makes."""

import polars as pl

from meterhouse.invoicing.by_hand import ADJUSTMENT
from meterhouse.pricing.order import MODIFIERS

# What a contract makes of all its items comes after them, in the order of operations.
_LATER = {"true_up": 2, "credit": 3, "voucher": 4, "service_fee": 5}
# What people change of a line stands behind it and what modifiers make of it.
_PLACES = {role: place for place, role in enumerate((*MODIFIERS, ADJUSTMENT), start=1)}


def part() -> pl.Expr:
    """0 for lines of items and what their own modifiers make of them, else the contract's step."""
    of_contract = (pl.col("role") == "discount") & (pl.col("dimensions") != "{}")
    later = pl.col("role").replace_strict(_LATER, default=0, return_dtype=pl.Int64)
    return pl.when(of_contract).then(1).otherwise(later)


def place() -> pl.Expr:
    """Where a line of an item stands among those of the same window, by the order of operations."""
    return pl.col("role").replace_strict(_PLACES, default=0, return_dtype=pl.Int64)
