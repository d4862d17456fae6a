"""The periods of a service fee: which one a charge counts for, and what of it a contract leaves."""

import polars as pl

from meterhouse.contracts.profile import DEFAULT
from meterhouse.contracts.proration import part_of_period
from meterhouse.pricing.modifiers.counted import counted_on
from meterhouse.pricing.modifiers.spans import MONTHS

_PERIOD = ("period_start_on", "period_end_on")
_DEFAULTS = {
    "day_count": DEFAULT.day_count,
    "fixed_days": DEFAULT.fixed_days,
    "factor_scale": DEFAULT.factor_scale,
    "profile_prorate_end": "prorate",
}
# The columns that `part_of_period` reads, of which those in seconds are not asked for.
_EDGES = {
    "cut": "cut_open",
    "cut_on": "cut_open",
    "cut_to": "cut_close",
    "cut_to_on": "cut_close",
    "period_start": "opens",
    "period_start_on": "opens",
    "period_end": "closes",
    "period_end_on": "closes",
}


def of_periods(charges: pl.DataFrame) -> pl.DataFrame:
    """The charges of which those without a period of items have the one that they count in.

    They are true-ups of years and terms, which stand in the last period before they are due.
    """
    is_bare = pl.col("period_start_on").is_null()
    bare = charges.filter(is_bare)
    if bare.is_empty():
        return charges
    known = charges.filter(~is_bare).select("contract_id", *_PERIOD).unique()
    found = (
        bare.drop(_PERIOD)
        .with_columns(at=counted_on())
        .sort("at")
        .join_asof(
            known.sort("period_start_on"), by="contract_id", left_on="at",
            right_on="period_start_on", strategy="backward", check_sortedness=False,
            coalesce=False,
        )
    )  # fmt: skip
    return pl.concat([charges.filter(~is_bare), found.select(charges.columns)])


def by_profile(found: pl.DataFrame) -> pl.DataFrame:
    """The spans with `left` of `whole`: what the contract leaves of each month, quarter or year,
    as its profile counts days.

    A contract that ends inside one owes its part, all of it or nothing, as `prorate_end` says.
    """
    step = pl.col("period").replace_strict(MONTHS, default=None, return_dtype=pl.Int64)
    told = {name: pl.col(name).fill_null(given) for name, given in _DEFAULTS.items()}
    days = {name: pl.col(of) for name, of in _EDGES.items()}
    placed = found.with_columns(**told, **days, granularity=pl.lit("day"), step_months=step)
    left, whole = part_of_period("cut", "cut_to")
    is_early = pl.col("cut_close") < pl.col("closes")
    mode = pl.col("profile_prorate_end")
    counted = (
        pl.when(is_early & (mode == "full"))
        .then(whole)
        .when(is_early & (mode == "none"))
        .then(0)
        .otherwise(left)
    )
    return placed.with_columns(left=counted, whole=whole).select(*found.columns, "left", "whole")
