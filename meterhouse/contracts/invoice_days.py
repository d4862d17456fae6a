"""When what is due is billed: days after its boundary, on one day of the month, or before it."""

import polars as pl

from meterhouse.periods import boundary_expr

# Advance fees are told this far ahead at most; windows are made so far beyond what is asked.
MOST_BEFORE = 31


def billed_on(due: pl.Expr) -> pl.Expr:
    """The day on which what is due on a day is billed, by due_after_days and invoice_day (null:
    every day) of the row; a day of the month that a month lacks is its last one."""
    day = due + pl.duration(days="due_after_days")
    wanted = pl.col("invoice_day").fill_null(1)
    this = boundary_expr(day, wanted, pl.lit(0, pl.Int64))
    following = boundary_expr(day, wanted, pl.lit(1, pl.Int64))
    gathered = pl.when(this >= day).then(this).otherwise(following)
    return pl.when(pl.col("invoice_day").is_null()).then(day).otherwise(gathered)


def told_before() -> pl.Expr:
    """The days before its period on which a fee in advance is billed: of whole periods that go on,
    not of those that begin with a contract, an item or a change."""
    goes_on = pl.col("opened_by").is_null() & (pl.col("window_start_on") == pl.col("cut_from"))
    is_ahead = (pl.col("timing") == "advance") & goes_on
    return pl.when(is_ahead).then("invoice_before_days").otherwise(0)
