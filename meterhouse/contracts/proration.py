"""The part of a full period that a stretch of it is, by each way of counting days."""

import polars as pl

NINE = 10**9


def part_of_period(start: str, end: str) -> tuple[pl.Expr, pl.Expr]:
    """Numerator and denominator (Int64) of the stretch between the columns `<start>_on` and
    `<end>_on` of a full period, under the row's profile.

    Reads granularity, day_count, fixed_days, factor_scale, step_months and the period's edges; in
    seconds also `<start>` and `<end>`, which are instants.
    """
    return _to_scale(*_counted(start, end))


def unused_part(start: str, served: str, end: str, is_whole: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """The same for what is left of a stretch after `<served>_on`: all of it less what was served.

    Months that are counted as 30 days have a 31st that is in no count: the days after the cut say
    too much or too little then. `is_whole` tells stretches that are a full period.
    """
    days, in_period = _counted(served, end)
    served_days, _ = _counted(start, served)
    all_days, _ = _counted(start, end)
    charged = pl.when(is_whole).then(in_period).otherwise(all_days)
    rest = pl.max_horizontal(charged - served_days, pl.lit(0, pl.Int64))
    counts_days = (pl.col("granularity") != "second") & _is_fixed()
    return _to_scale(pl.when(counts_days).then(rest).otherwise(days), in_period)


def _is_fixed() -> pl.Expr:
    """Whether months are counted as of so many days; days of weeks have no months."""
    fixed = pl.col("day_count").is_in(["actual_360", "strict_30_360", "fixed_days"])
    return fixed & pl.col("step_months").is_not_null()


def _counted(start: str, end: str) -> tuple[pl.Expr, pl.Expr]:
    from_on, to_on = pl.col(f"{start}_on"), pl.col(f"{end}_on")
    days = _days(from_on, to_on)
    in_period = _days(pl.col("period_start_on"), pl.col("period_end_on"))
    in_seconds = pl.col("granularity") == "second"
    kind = pl.col("day_count")
    months = pl.col("step_months")
    per_month = pl.when(kind == "fixed_days").then("fixed_days").otherwise(pl.lit(30, pl.Int64))
    numerator = (
        pl.when(in_seconds)
        .then((pl.col(end) - pl.col(start)).dt.total_seconds())
        .when(_is_fixed() & (kind == "strict_30_360"))
        .then(_strict(from_on, to_on))
        .when(_is_fixed() & (kind == "fixed_days"))
        .then(_months(from_on, to_on) * per_month + _day(to_on) - _day(from_on))
        .otherwise(days)
    )
    denominator = (
        pl.when(in_seconds)
        .then((pl.col("period_end") - pl.col("period_start")).dt.total_seconds())
        .when(_is_fixed())
        .then(per_month * months)
        .when((kind == "actual_calendar_month") & (months == 1))
        .then(_day(from_on.dt.month_end()))
        .otherwise(in_period)
    )
    # A month of 31 days is not more than a whole one of 30.
    return pl.min_horizontal(numerator, denominator), denominator


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
