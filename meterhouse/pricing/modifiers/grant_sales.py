"""What paid grants are bought for: a sale on the day they are granted, and at each refill."""

from datetime import date

import polars as pl

from meterhouse.canonical_columns import object_of, string
from meterhouse.pricing.modifiers.grants import (
    BOUGHT,
    CREDIT_SALE,
    UNITS_SALE,
    VOUCHER,
    VOUCHER_SALE,
    moved,
    refills,
)
from meterhouse.pricing.modifiers.lines import made, to_places
from meterhouse.pricing.steps import spelled, text

# One row per sale. Its window does not hang on when the contract ends, which may change after it
# was billed: to where the contract ends by now, it serves (`served_end_on`).
SALES: dict[str, pl.DataType | type[pl.DataType]] = {
    "contract_id": pl.String,
    "item_id": pl.String,
    "item_description": pl.String,
    "component": pl.String,
    "window_start_on": pl.Date,
    "window_end_on": pl.Date,
    "served_end_on": pl.Date,
    "price": pl.String,
}


def sales(terms: pl.DataFrame, last: date) -> pl.DataFrame:
    """What is sold through the day `last` of grants with a date, columns of SALES."""
    paid = terms.filter(pl.col("kind").is_in(BOUGHT))
    first = paid.filter(
        (pl.col("granted_on") <= last)
        & (pl.col("end_on").is_null() | (pl.col("granted_on") < pl.col("end_on")))
    )
    again = refills(paid, last)
    both = pl.concat(
        [
            first.with_columns(sold_on="granted_on", number=pl.lit(0, dtype=pl.Int64)),
            again.rename({"refill_on": "sold_on"}),
        ],
        how="diagonal",
    )
    until = pl.min_horizontal(_next(), "expires_on")
    is_money = pl.col("unit") == "money"
    day_after = pl.col("sold_on") + pl.duration(days=1)
    amount = pl.when(is_money).then("amount").otherwise(pl.col("amount") * pl.col("unit_price"))
    told = both.with_columns(
        item_id="id",
        item_description="description",
        component=pl.when(pl.col("kind") == VOUCHER)
        .then(pl.lit(VOUCHER_SALE))
        .when(is_money)
        .then(pl.lit(CREDIT_SALE))
        .otherwise(pl.lit(UNITS_SALE)),
        window_start_on="sold_on",
        # Money is earned when it is used, not by the day.
        window_end_on=pl.when(is_money).then(day_after).otherwise(pl.coalesce(until, day_after)),
        served_end_on=pl.when(is_money)
        .then(day_after)
        .otherwise(pl.coalesce(pl.min_horizontal(until, "end_on"), day_after)),
        price=object_of({"amount": string(text(amount)), "model": string(pl.lit("flat"))}),
    )
    return told.select(pl.col(name).cast(kind) for name, kind in SALES.items()).sort(
        "contract_id", "item_id", "window_start_on"
    )


def _next() -> pl.Expr:
    """The day of the next refill, paused or not; null where there is none."""
    later = moved("granted_on", "recurs_every", "recurs_unit", pl.col("number") + 1)
    return pl.when(pl.col("recurs_unit").is_not_null()).then(later)


def sold(top_ups: pl.DataFrame, terms: pl.DataFrame, windows: pl.DataFrame) -> pl.DataFrame:
    """The lines that top-ups of paid units are bought by, due with the use that made them."""
    paid = terms.filter(pl.col("kind") == "paid").select(
        "contract_id", "id", "description", "unit_price"
    )
    bases = windows.select("contract_id", "currency", use_id="window_id")
    day = pl.col("at").dt.date()
    told = (
        top_ups.join(paid, on=["contract_id", "id"])
        .join(bases, on=["contract_id", "use_id"])
        .with_columns(exact=pl.col("added") * pl.col("unit_price"))
    )
    return made(
        told.with_columns(line_amount=to_places(pl.col("exact")), amount_unrounded="exact"),
        UNITS_SALE,
        based_on="use_id",
        item_id="id",
        item_description=pl.format("{}: top-up", "description"),
        # The first sale of the grant may be on the same day.
        dimensions=pl.lit('{"granted":"top_up"}'),
        timing=pl.lit("advance"),
        window_start_on=day,
        window_end_on=day + pl.duration(days=1),
        steps=pl.format("[{}]", _sale_step()),
    )


def _sale_step() -> pl.Expr:
    return spelled(
        "sale",
        amount=text(pl.col("exact")),
        id=pl.col("id"),
        quantity=text(pl.col("added")),
        unit_amount=text(pl.col("unit_price")),
    )
