"""The part of a full period that a stretch of it is, by each way of counting days."""

import polars as pl

NINE = 10**9


def part_of_period(start: str, end: str) -> tuple[pl.Expr, pl.Expr]:
    """Numerator and denominator (Int64) of the stretch between the columns `<start>_on` and
    `<end>_on` of a full period, under the row's profile.

    Reads granularity, day_count, fixed_days, factor_scale, step_months and the period's edges; in
    seconds also `<start>` and `<end>`, which are instants.
    """
    from_on, to_on = pl.col(f"{start}_on"), pl.col(f"{end}_on")
    days = _days(from_on, to_on)
    in_period = _days(pl.col("period_start_on"), pl.col("period_end_on"))
    in_seconds = pl.col("granularity") == "second"
    kind = pl.col("day_count")
    months = pl.col("step_months")
    # Days of weeks have no months to be counted in.
    is_fixed = kind.is_in(["actual_360", "strict_30_360", "fixed_days"]) & months.is_not_null()
    per_month = pl.when(kind == "fixed_days").then("fixed_days").otherwise(pl.lit(30, pl.Int64))
    numerator = (
        pl.when(in_seconds)
        .then((pl.col(end) - pl.col(start)).dt.total_seconds())
        .when(is_fixed & (kind == "strict_30_360"))
        .then(_strict(from_on, to_on))
        .when(is_fixed & (kind == "fixed_days"))
        .then(_months(from_on, to_on) * per_month + _day(to_on) - _day(from_on))
        .otherwise(days)
    )
    denominator = (
        pl.when(in_seconds)
        .then((pl.col("period_end") - pl.col("period_start")).dt.total_seconds())
        .when(is_fixed)
        .then(per_month * months)
        .when((kind == "actual_calendar_month") & (months == 1))
        .then(_day(from_on.dt.month_end()))
        .otherwise(in_period)
    )
    # A month of 31 days is not more than a whole one of 30.
    return _to_scale(pl.min_horizontal(numerator, denominator), denominator)


def _to_scale(numerator: pl.Expr, denominator: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """The same, or as a fraction of 10^9 where the profile rounds it, halves up."""
    rounds = (pl.col("factor_scale") == "9") & (numerator != denominator)
    # exact: whole numbers below 2^63, floored after half of the divisor was added.
    nine = (numerator * NINE * 2 + denominator) // (denominator * 2)
    return (
        pl.when(rounds).then(nine).otherwise(numerator).cast(pl.Int64),
        pl.when(rounds).then(pl.lit(NINE, pl.Int64)).otherwise(denominator).cast(pl.Int64),
    )


def _days(start: pl.Expr, end: pl.Expr) -> pl.Expr:
    return (end - start).dt.total_days()


def _day(on: pl.Expr) -> pl.Expr:
    return on.dt.day().cast(pl.Int64)


def _months(start: pl.Expr, end: pl.Expr) -> pl.Expr:
    years = end.dt.year().cast(pl.Int64) - start.dt.year()
    return years * 12 + end.dt.month().cast(pl.Int64) - start.dt.month()


def _strict(start: pl.Expr, end: pl.Expr) -> pl.Expr:
    """Days of months of 30, both ends counted; the last day of any month is its day 30."""
    last = end - pl.duration(days=1)
    counted = _months(start, last) * 30 + _thirtieth(last) - _thirtieth(start) + 1
    return pl.when(end > start).then(counted).otherwise(pl.lit(0, pl.Int64))


def _thirtieth(on: pl.Expr) -> pl.Expr:
    return (
        pl.when(on == on.dt.month_end())
        .then(pl.lit(30, pl.Int64))
        .otherwise(pl.min_horizontal(_day(on), pl.lit(30, pl.Int64)))
    )
