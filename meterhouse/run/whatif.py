"""Real usage of a period under another book: what every customer and item would have cost."""

from datetime import date
from pathlib import Path
from typing import NamedTuple

import polars as pl

from meterhouse.errors import UsageError
from meterhouse.lake import Lake
from meterhouse.run.applying import planned
from meterhouse.run.comparing import STOOD, Tell, beside, desired, failures, two_books

GROUP = ("customer_id", "contract_id", "item_id", "component", "currency")

EMPTY = (
    "Neither book charges anything from {first} to {until}: no charge window begins there and is "
    "due by its end. Nothing was compared. Choose a period that contracts run in and that holds "
    "whole windows, a month for a monthly charge."
)


class WhatIf(NamedTuple):
    """`items`: one row per customer, contract, item, component and currency with old, new and
    difference; `customers` and `totals`: their sums, with winners and losers by currency."""

    first: date
    until: date
    items: pl.DataFrame
    customers: pl.DataFrame
    totals: pl.DataFrame
    warnings: list[str]


def whatif(lake: Lake, book: Path, first: date, until: date, tell: Tell = lambda _: None) -> WhatIf:
    """Rate all charge windows that begin in [first, until) and are due by `until` under both books.

    Modifiers count in full: a commitment is burnt by all lines that are due, also earlier ones.
    """
    if first >= until:
        raise UsageError(
            f"The period from {first} to {until} holds no day: --to is the day after the last one. "
            "Nothing was compared."
        )
    changes = planned(lake, book, is_strict_only=True).changes
    with two_books(lake, changes, until, tell) as (run, turn):
        turn()
        inside = f"window_start_on >= date '{first}' and window_start_on < date '{until}'"
        old, new = (desired(run, table, inside) for table in (STOOD, "billing.desired_lines"))
        told = failures(run)
    tell("Comparing")
    both = beside(old, new)
    if both.is_empty():
        told.append(EMPTY.format(first=first, until=until))
    items = summed(both, GROUP)
    customers = summed(items, ("customer_id", "currency"))
    return WhatIf(first, until, items, customers, totals(customers), told)


def summed(lines: pl.DataFrame, by: tuple[str, ...]) -> pl.DataFrame:
    """Old, new and difference by the columns, the largest difference first."""
    return (
        lines.group_by(by)
        .agg(pl.col("amount_old", "amount_new", "amount_difference").sum())
        .sort(pl.col("amount_difference").abs(), *by, descending=[True, *[False] * len(by)])
    )


def totals(customers: pl.DataFrame) -> pl.DataFrame:
    """By currency: the sums, who pays less (winners), more (losers) and the same."""
    change = pl.col("amount_difference")
    return (
        customers.group_by("currency")
        .agg(
            pl.col("amount_old", "amount_new", "amount_difference").sum(),
            winners=(change < 0).sum(),
            losers=(change > 0).sum(),
            unchanged=(change == 0).sum(),
        )
        .sort("currency")
    )
