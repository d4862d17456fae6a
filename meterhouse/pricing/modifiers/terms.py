"""Modifiers as columns: read once for each distinct text, not for each window."""

import polars as pl

from meterhouse.money import AMOUNT
from meterhouse.pricing.steps import ZERO, number

TEXT, YES = pl.String, pl.Boolean
LIMIT = pl.Struct({"amount": TEXT, "prorate": YES})
DISCOUNT = pl.Struct(
    {
        **dict.fromkeys(("id", "description", "percentage", "amount", "from", "until"), TEXT),
        "cap": TEXT,
        "cap_total": TEXT,
        "order": pl.Int64,
        "items": pl.List(TEXT),
    }
)
ITEM = pl.Struct(
    {
        "convert": pl.Struct({"op": TEXT, "factor": TEXT, "rounding": TEXT}),
        "free_quantity": TEXT,
        "included_quantity": pl.Struct({"quantity": TEXT, "prorate": YES}),
        "discounts": pl.List(DISCOUNT),
        "maximum": LIMIT,
        "minimum": LIMIT,
        "commitment": pl.Struct(
            {"amount": TEXT, "overage_factor": TEXT, "true_up": YES, "prorate": YES}
        ),
    }
)
_CREDIT = (
    *("id", "description", "amount", "unit", "kind", "taxed", "unit_price", "effective", "expires"),
    "on",
)
_EVERY = pl.Struct({"every": pl.Int64, "unit": TEXT})
_FEE = ("id", "description", "percentage", "amount", "period", "cap", "minimum")
_COMMITMENT = ("id", "amount", "period", "start", "until", "counts", "true_up")
CONTRACT = pl.Struct(
    {
        "pools": pl.List(
            pl.Struct(
                {
                    **dict.fromkeys(("id", "quantity", "cadence", "start"), TEXT),
                    "items": pl.List(TEXT),
                    "meters": pl.List(TEXT),
                }
            )
        ),
        "discounts": pl.List(DISCOUNT),
        "minimum": pl.Struct({"amount": TEXT, "prorate": YES, "period": TEXT}),
        "commitments": pl.List(
            pl.Struct(
                {
                    **dict.fromkeys(_COMMITMENT, TEXT),
                    **dict.fromkeys(("items", "amounts"), pl.List(TEXT)),
                    "prorate": YES,
                }
            )
        ),
        "credits": pl.List(
            pl.Struct(
                {
                    **dict.fromkeys(_CREDIT, TEXT),
                    "priority": pl.Int64,
                    "items": pl.List(TEXT),
                    "expires_after": _EVERY,
                    "recurs": _EVERY,
                    "rollover": pl.Struct({"min": TEXT, "max": TEXT}),
                    "preserve_overage": YES,
                    "top_up": pl.Struct(
                        {"below": TEXT, "amount": TEXT, "max_per_period": pl.Int64}
                    ),
                    "reward": pl.Struct({"spend": TEXT, "items": pl.List(TEXT)}),
                }
            )
        ),
        "service_fee": pl.Struct({**dict.fromkeys(_FEE, TEXT), "prorate": YES}),
    }
)


def decoded(texts: pl.Series, schema: pl.Struct) -> pl.DataFrame:
    """One row per distinct text: `modifiers` and its fields."""
    distinct = pl.DataFrame({"modifiers": texts.drop_nulls().unique().sort()})
    fields = pl.col("modifiers").str.json_decode(schema).alias("fields")
    return distinct.with_columns(fields).unnest("fields")


def with_item_terms(windows: pl.DataFrame) -> pl.DataFrame:
    """The windows in their order with the fields of their item's modifiers; null where none."""
    terms = decoded(windows["modifiers"], ITEM)
    return windows.join(terms, on="modifiers", how="left", maintain_order="left")


def listed(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    """One row for each entry of a list column of distinct terms, with its `place` from 0."""
    places = pl.int_ranges(pl.col(column).list.len().cast(pl.Int64)).alias("place")
    return (
        frame.filter(pl.col(column).list.len() > 0)
        .with_columns(places)
        .explode(column, "place", empty_as_null=False, keep_nulls=False)
        .unnest(column)
    )


def field(struct: str, name: str) -> pl.Expr:
    """A decimal inside a struct column."""
    return pl.col(struct).struct.field(name).cast(AMOUNT)


def amounts(*names: str) -> list[pl.Expr]:
    """Columns of decimal texts as amounts."""
    return [number(name) for name in names]


def days(*names: str) -> list[pl.Expr]:
    """Columns of ISO dates as dates."""
    return [pl.col(name).str.to_date("%Y-%m-%d") for name in names]


def zero() -> pl.Expr:
    """No money, no units."""
    return pl.lit(ZERO, dtype=AMOUNT)
