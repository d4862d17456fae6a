"""What paid grants are bought for: a sale on the day they are granted, and at each refill."""

from datetime import date

import polars as pl

from meterhouse.canonical_columns import object_of, string
from meterhouse.pricing.modifiers.grants import CREDIT_SALE, UNITS_SALE, moved, refills
from meterhouse.pricing.steps import text

# One row per sale: `until_on` is the day to which it serves, the day after where there is none.
SALES: dict[str, pl.DataType | type[pl.DataType]] = {
    "contract_id": pl.String,
    "item_id": pl.String,
    "item_description": pl.String,
    "component": pl.String,
    "window_start_on": pl.Date,
    "window_end_on": pl.Date,
    "price": pl.String,
}


def sales(terms: pl.DataFrame, last: date) -> pl.DataFrame:
    """What is sold through the day `last` of grants with a date, columns of SALES."""
    paid = terms.filter(pl.col("kind") == "paid")
    first = paid.filter(
        (pl.col("granted_on") <= last)
        & (pl.col("end_on").is_null() | (pl.col("granted_on") < pl.col("end_on")))
    )
    again = refills(paid, last)
    both = pl.concat(
        [first.with_columns(sold_on="granted_on"), again.rename({"refill_on": "sold_on"})],
        how="diagonal",
    )
    until = pl.min_horizontal(_next(), "expires_on", "end_on")
    is_money = pl.col("unit") == "money"
    day_after = pl.col("sold_on") + pl.duration(days=1)
    amount = pl.when(is_money).then("amount").otherwise(pl.col("amount") * pl.col("unit_price"))
    told = both.with_columns(
        item_id="id",
        item_description="description",
        component=pl.when(is_money).then(pl.lit(CREDIT_SALE)).otherwise(pl.lit(UNITS_SALE)),
        window_start_on="sold_on",
        # Money is earned when it is used, not by the day.
        window_end_on=pl.when(is_money).then(day_after).otherwise(pl.coalesce(until, day_after)),
        price=object_of({"amount": string(text(amount)), "model": string(pl.lit("flat"))}),
    )
    return told.select(pl.col(name).cast(kind) for name, kind in SALES.items()).sort(
        "contract_id", "item_id", "window_start_on"
    )


def _next() -> pl.Expr:
    """The day of the next refill; null where there is none."""
    nth = pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over(
        "contract_id", "id", order_by="sold_on"
    )
    later = moved("granted_on", "recurs_every", "recurs_unit", nth)
    return pl.when(pl.col("recurs_unit").is_not_null()).then(later)
