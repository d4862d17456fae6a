"""The terms of contracts: from when until when each goes, and whether another one follows."""

from datetime import date

import polars as pl

from meterhouse.contracts.phases import DAYS, MONTHS
from meterhouse.periods import boundary_expr

TERMS = pl.Schema(
    [
        ("contract_id", pl.String()),
        ("term_no", pl.Int64()),
        ("starts_on", pl.Date()),
        ("ends_on", pl.Date()),
        ("notice_by", pl.Date()),
        ("renewal_kind", pl.String()),
        ("outcome", pl.String()),
    ]
)


def moved(frame: pl.DataFrame, day: str, extensions: pl.DataFrame) -> pl.DataFrame:
    """The frame (with contract_id) with a day moved by the pauses before it that extend.

    null where such a pause has no end yet.
    """
    if extensions.is_empty():
        return frame
    # One pass for the first pauses of all contracts, one for the second ones: few have more.
    for number in extensions["pause_no"].unique().sort():
        pause = extensions.filter(pl.col("pause_no") == number).select(
            "contract_id", pause_from="from_on", pause_until="until_on"
        )
        days = pl.col("pause_until") - pl.col("pause_from")
        frame = (
            frame.join(pause, on="contract_id", how="left", maintain_order="left")
            .with_columns(
                pl.when((pl.col(day) > pl.col("pause_from")).fill_null(value=False))
                .then(pl.col(day) + days)
                .otherwise(day)
                .alias(day)
            )
            .drop("pause_from", "pause_until")
        )
    return frame


def terms(renewals: pl.DataFrame, extensions: pl.DataFrame, horizon: date | None) -> pl.DataFrame:
    """One row per contract and term that it has and that begins before the horizon, of TERMS.

    `renewals` and `extensions` are those of `Plans`. Without a horizon: the terms of contracts that
    are known to end. `outcome` is ends, declined, last or renews. An end that is not known yet,
    because a pause has no end, is null, and nothing follows it.
    """
    counted = _counted(renewals, horizon).with_columns(
        term_no=pl.int_ranges(0, pl.col("most"))
    ).explode("term_no", empty_as_null=False, keep_nulls=False)  # fmt: skip
    step_months = pl.col("step_months")
    by_month = boundary_expr(
        pl.col("end_on"), pl.col("day_no"), pl.col("term_no") * step_months.fill_null(1)
    )
    by_day = pl.col("end_on") + pl.duration(days=pl.col("term_no") * pl.col("step_days"))
    placed = counted.with_columns(
        ends_on=pl.when(pl.col("term_no") == 0)
        .then("end_on")
        .when(step_months.is_not_null())
        .then(by_month)
        .otherwise(by_day)
    )
    ended = moved(placed, "ends_on", extensions).sort("contract_id", "term_no")
    decided = _decided(ended)
    # All terms after one that is not renewed are none.
    goes_on = (pl.col("outcome") == "renews") & pl.col("ends_on").is_not_null()
    before = goes_on.shift(1, fill_value=True).cast(pl.Int8).cum_min().over("contract_id")
    first = pl.col("term_no") == 0
    found = decided.with_columns(
        starts_on=pl.when(first).then("start_on").otherwise(pl.col("ends_on").shift(1)),
        is_reached=pl.when(first).then(pl.lit(1, pl.Int8)).otherwise(before) == 1,
    ).filter("is_reached")
    if horizon is not None:
        found = found.filter(pl.col("starts_on") < horizon)
    return found.select(TERMS.names())


def _counted(renewals: pl.DataFrame, horizon: date | None) -> pl.DataFrame:
    """The renewals with the step of their terms, and how many of them may matter."""
    start, end = pl.col("start_on"), pl.col("end_on")
    months = _months(start, end)
    own_day, end_day = start.dt.day().cast(pl.Int64), end.dt.day().cast(pl.Int64)
    is_whole = (months > 0) & (boundary_expr(start, own_day, months) == end)
    unit, every = pl.col("term_unit"), pl.col("term_every")
    named = unit.replace_strict(MONTHS, default=None, return_dtype=pl.Int64)
    days = unit.replace_strict(DAYS, default=0, return_dtype=pl.Int64)
    own = pl.when(unit.is_null() & is_whole).then(months)
    steps = renewals.with_columns(
        step_months=pl.coalesce(every * named, own),
        step_days=pl.when(unit.is_null()).then((end - start).dt.total_days()).otherwise(
            every * days
        ),
        day_no=pl.when(is_whole).then(own_day).otherwise(end_day),
    )  # fmt: skip
    told = pl.col("declined_on") + pl.duration(days=pl.col("notice_days") + 1)
    until = told if horizon is None else pl.min_horizontal(told, pl.lit(horizon))
    # A month has at least 28 days.
    length = pl.when(pl.col("step_months").is_not_null()).then(
        pl.col("step_months") * 28
    ).otherwise("step_days")  # fmt: skip
    reach = (until - end).dt.total_days() // length + 2
    most = pl.min_horizontal(reach, pl.col("max_terms") + 1)
    renews = pl.col("renewal_kind") != "none"
    # Nothing is counted of a contract that goes on, where no horizon says how far.
    some = pl.when(most.is_not_null()).then(pl.max_horizontal(most, pl.lit(1)))
    counted = pl.when(renews).then(some).otherwise(1)
    return steps.with_columns(most=counted).filter(pl.col("most").is_not_null())


def _decided(ended: pl.DataFrame) -> pl.DataFrame:
    notice_by = pl.col("ends_on") - pl.duration(days="notice_days")
    is_declined = (pl.col("declined_on") <= notice_by).fill_null(value=False)
    is_last = (pl.col("term_no") >= pl.col("max_terms")).fill_null(value=False)
    return ended.with_columns(
        notice_by=notice_by,
        outcome=pl.when(pl.col("renewal_kind") == "none")
        .then(pl.lit("ends"))
        .when(is_declined)
        .then(pl.lit("declined"))
        .when(is_last)
        .then(pl.lit("last"))
        .otherwise(pl.lit("renews")),
    )


def effective_ends(renewals: pl.DataFrame, extensions: pl.DataFrame) -> pl.DataFrame:
    """contract_id and end_on (null: open) of each contract of `renewals`."""
    known = terms(renewals, extensions, None)
    last = known.filter(pl.col("outcome") != "renews").select("contract_id", end_on="ends_on")
    return renewals.select("contract_id").join(last, on="contract_id", how="left")


def _months(start: pl.Expr, end: pl.Expr) -> pl.Expr:
    years = end.dt.year().cast(pl.Int64) - start.dt.year()
    return years * 12 + end.dt.month().cast(pl.Int64) - start.dt.month()
