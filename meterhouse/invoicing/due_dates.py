"""Due dates: from the date of a document and its terms of payment."""

import polars as pl


def due_date() -> pl.Expr:
    """The day a document is due; null while its terms are unknown.

    Reads invoice_date, net_days, counted_from (null or invoice_date, or month_end) and due_day
    (null, or the day of the month on or after the days have passed, at most the month's last).
    """
    invoiced = pl.col("invoice_date")
    is_from_month_end = pl.col("counted_from").eq_missing("month_end")
    start = pl.when(is_from_month_end).then(invoiced.dt.month_end()).otherwise(invoiced)
    earliest = start + pl.duration(days="net_days")
    this_month = _on_day(earliest.dt.month_start())
    next_month = _on_day(earliest.dt.month_start().dt.offset_by("1mo"))
    on_day = pl.when(this_month >= earliest).then(this_month).otherwise(next_month)
    return pl.when(pl.col("due_day").is_null()).then(earliest).otherwise(on_day)


def _on_day(month_start: pl.Expr) -> pl.Expr:
    wanted = month_start + pl.duration(days=pl.col("due_day").fill_null(1) - 1)
    return pl.min_horizontal(wanted, month_start.dt.month_end())
