"""Spans of time that are longer than a window: quarters, years and terms from a first day on."""

import polars as pl

from meterhouse.money import AMOUNT
from meterhouse.periods import boundary_expr

MONTHS = {"month": 1, "quarter": 3, "year": 12}


def span_of(day: str, cadence: str, first: str, last: str) -> tuple[pl.Expr, pl.Expr]:
    """First day and first day after the span that a day lies in, by columns.

    Spans of quarters and years begin `first` and every so many months after it; the term goes from
    `first` to `last` (null: without end).
    """
    months = pl.col(cadence).replace_strict(MONTHS, default=None, return_dtype=pl.Int64)
    day_of, start = pl.col(day), pl.col(first)
    whole = (day_of.dt.year().cast(pl.Int64) - start.dt.year()) * 12
    passed = whole + day_of.dt.month().cast(pl.Int64) - start.dt.month()
    guess = (passed // months) * months
    # The month alone says the span, but for days before the boundary in the month of one.
    k = pl.when(_boundary(first, guess) > day_of).then(guess - months).otherwise(guess)
    opens = pl.when(months.is_null()).then(start).otherwise(_boundary(first, k))
    closes = pl.when(months.is_null()).then(pl.col(last)).otherwise(_boundary(first, k + months))
    return opens, closes


def number_of(opens: str, cadence: str, first: str) -> pl.Expr:
    """How many spans lie before the one that opens on a day, by columns; null for a term."""
    months = pl.col(cadence).replace_strict(MONTHS, default=None, return_dtype=pl.Int64)
    day, start = pl.col(opens).dt, pl.col(first).dt
    years = (day.year().cast(pl.Int64) - start.year()) * 12
    return (years + day.month().cast(pl.Int64) - start.month()) // months


def nth_span(number: pl.Expr, cadence: str, first: str) -> pl.Expr:
    """The first day of the span before which so many lie, by columns; null for a term."""
    months = pl.col(cadence).replace_strict(MONTHS, default=None, return_dtype=pl.Int64)
    return _boundary(first, number * months)


def _boundary(first: str, k: pl.Expr) -> pl.Expr:
    return boundary_expr(pl.col(first), pl.col(first).dt.day().cast(pl.Int64), k)


def days_between(first: str, last: str) -> pl.Expr:
    """Whole days as an amount, for shares."""
    return (pl.col(last) - pl.col(first)).dt.total_days().cast(AMOUNT)
