"""Exchange rates: which one holds on a day, between any two currencies that a source publishes.

A source publishes what one unit of its base currency costs in others (the European Central Bank:
one euro). What it does not publish itself is worked out from two of its rates of one day.
"""

from collections.abc import Mapping
from types import MappingProxyType

import polars as pl

from meterhouse.money import AMOUNT

# Places of a rate between two currencies of which neither is the source's base. Banks publish six
# significant digits at most; ten places keep what two of them come to.
RATE_PLACES = 10
Schema = Mapping[str, pl.DataType | type[pl.DataType]]
# One row per source, day and pair: units of `quote` for one of `base`.
RATES: Schema = MappingProxyType(
    {"source": pl.String, "rate_on": pl.Date, "base": pl.String, "quote": pl.String, "rate": AMOUNT}
)
# What is asked: units of `wanted` for one of `currency`, as published on or before `on`.
ASKED: Schema = MappingProxyType(
    {
        "ask": pl.String,
        "source": pl.String,
        "currency": pl.String,
        "wanted": pl.String,
        "on": pl.Date,
        "max_age_days": pl.Int64,
    }
)
_PAIR = ("source", "currency", "wanted")


def found(rates: pl.DataFrame, asked: pl.DataFrame) -> pl.DataFrame:
    """The asked rows (ASKED) with `rate`, `rate_on` (the day it was published) and `fault`.

    The newest rate on or before the day holds, up to `max_age_days` before it; older ones, and
    currencies that the source does not have, are a fault: a sentence that names the day.
    """
    known = _between(rates, asked.select(_PAIR).unique()).sort("rate_on")
    joined = (
        asked.sort("on")
        .join_asof(
            known, left_on="on", right_on="rate_on", by=list(_PAIR), strategy="backward",
            coalesce=False, check_sortedness=False,
        )
        .sort("ask")
    )  # fmt: skip
    age = (pl.col("on") - pl.col("rate_on")).dt.total_days()
    is_known = (age <= pl.col("max_age_days")).fill_null(value=False)
    pair = (pl.col("currency"), pl.col("wanted"), pl.col("source"), _day("on"))
    never = pl.format("No rate from {} to {} of source {} is recorded on or before {}", *pair)
    old = pl.format(
        "The newest rate from {} to {} of source {} before {} is of {}, more than {} days earlier",
        *pair, _day("rate_on"), "max_age_days",
    )  # fmt: skip
    remedy = pl.lit("; import one with `meterhouse rates import`, then run again.")
    fault = pl.concat_str([pl.when(pl.col("rate_on").is_null()).then(never).otherwise(old), remedy])
    return joined.with_columns(
        rate=pl.when(is_known).then("rate"),
        rate_on=pl.when(is_known).then("rate_on"),
        fault=pl.when(~is_known).then(fault),
    )


def _day(name: str) -> pl.Expr:
    return pl.col(name).dt.to_string("%Y-%m-%d")


def _between(rates: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """source, currency, wanted, rate_on, rate: of each pair, every day that has it."""
    bases = rates.select("source", "rate_on", "base").unique()
    # A unit of the base costs one of itself, so that no pair is a case of its own.
    own = bases.with_columns(quote="base", rate=pl.lit(1).cast(AMOUNT))
    legs = pl.concat([rates.select(own.columns), own]).unique(
        ["source", "rate_on", "base", "quote"], keep="first", maintain_order=True
    )
    key = ["source", "rate_on", "base"]
    sold = legs.rename({"quote": "currency", "rate": "sold"})
    bought = legs.rename({"quote": "wanted", "rate": "bought"})
    both = pairs.join(sold, on=["source", "currency"]).join(bought, on=[*key, "wanted"])
    is_published = pl.col("currency") == pl.col("base")
    # exact: worked out once and kept with its stated places; amounts are made of what is kept.
    quotient = (pl.col("bought") / pl.col("sold")).cast(AMOUNT).round(RATE_PLACES)
    rate = pl.when(is_published).then("bought").otherwise(quotient)
    return (
        both.with_columns(rate=rate.cast(AMOUNT))
        .sort(*_PAIR, "rate_on", "base")
        .unique([*_PAIR, "rate_on"], keep="first", maintain_order=True)
        .select(*_PAIR, "rate_on", "rate")
    )
