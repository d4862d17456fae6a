"""The term of its contract that a window begins in, where the contract was renewed."""

import polars as pl

from meterhouse.money import AMOUNT

TERM_ENDS, RAISES = "term_ends", "raises"
_RAISES = pl.List(pl.Struct({"starts_on": pl.Date, "factor": AMOUNT}))


def with_term_ends(contracts: pl.DataFrame) -> pl.DataFrame:
    """The contracts with `term_ends`, the days on which their terms end (null: they have one), and
    `raises`, what amounts of modifiers are multiplied by from a day on (null: nothing)."""
    given = {TERM_ENDS: pl.lit(None, pl.List(pl.Date)), RAISES: pl.lit(None, _RAISES)}
    missing = {name: one for name, one in given.items() if name not in contracts.columns}
    return contracts.with_columns(**missing)


def raised(frame: pl.DataFrame, day: str, *amounts: str) -> pl.DataFrame:
    """The frame with the amounts as they hold in the term in which the day of a column lies.

    `frame` has contract_id and `raises`; amounts have at most 12 decimals, as they are written.
    """
    known = (
        frame.filter(pl.col(RAISES).list.len() > 0)
        .select("contract_id", RAISES)
        .unique("contract_id")
        .explode(RAISES, empty_as_null=False, keep_nulls=False)
        .unnest(RAISES)
    )
    if known.is_empty():
        return frame
    placed = frame.with_row_index("row").sort(day).join_asof(
        known.sort("starts_on"), by="contract_id", left_on=day, right_on="starts_on",
        strategy="backward", check_sortedness=False, coalesce=False,
    )  # fmt: skip
    risen = {
        name: pl.when(pl.col("factor").is_not_null())
        .then((pl.col(name).cast(AMOUNT) * pl.col("factor")).cast(AMOUNT))
        .otherwise(name)
        for name in amounts
    }
    return placed.sort("row").with_columns(**risen).drop("row", "starts_on", "factor")


def with_terms(frame: pl.DataFrame, day: str = "window_start_on") -> pl.DataFrame:
    """The frame with term_open and term_close: the term in which the day of a column lies.

    `frame` has contract_id, start_on, end_on and term_ends.
    """
    ends = (
        frame.filter(pl.col(TERM_ENDS).list.len() > 0)
        .select("contract_id", ended_on=TERM_ENDS)
        .unique("contract_id")
        .explode("ended_on", empty_as_null=False, keep_nulls=False)
        .drop_nulls()
        .sort("ended_on")
    )
    if ends.is_empty():
        return frame.with_columns(term_open="start_on", term_close="end_on")
    placed = frame.with_row_index("row").sort(day)
    before = placed.join_asof(
        ends, by="contract_id", left_on=day, right_on="ended_on",
        strategy="backward", check_sortedness=False, coalesce=False,
    ).rename({"ended_on": "term_open"})  # fmt: skip
    both = before.join_asof(
        ends, by="contract_id", left_on=day, right_on="ended_on",
        strategy="forward", allow_exact_matches=False, check_sortedness=False, coalesce=False,
    ).rename({"ended_on": "term_close"})  # fmt: skip
    return (
        both.sort("row")
        .drop("row")
        .with_columns(
            term_open=pl.coalesce("term_open", "start_on"),
            term_close=pl.coalesce("term_close", "end_on"),
        )
    )
