"""A last period that costs what the first one left of the price: `final_period` of the profile."""

import polars as pl

_ITEM = ("contract_id", "item_id")
_FIRST = ("first_numerator", "first_denominator")


def with_remainders(windows: pl.DataFrame) -> pl.DataFrame:
    """The windows of `with_shares`, where a last period of a fee that its end cuts is charged
    whole less what the first one was, so that both together are one price to the cent.

    Only where the life of the item is whole periods long and both its ends are prorated; a fee that
    is cut by anything else is cut by its days.
    """
    asks = (pl.col("final_period") == "remainder_of_first").fill_null(value=False)
    if not windows.select(asks.any()).item():
        return windows
    is_prorated = (
        (pl.col("profile_prorate_start") == "prorate")
        & (pl.col("profile_prorate_end") == "prorate")
        & pl.col("prorate_start")
        & pl.col("prorate_end")
    )
    asked = asks & is_prorated & (pl.col("component") == "fee")
    is_first = (
        asked
        & (pl.col("window_start_on") == pl.col("life_from"))
        & (pl.col("window_start_on") > pl.col("period_start_on"))
        & (pl.col("window_end_on") == pl.col("period_end_on"))
    )
    first = windows.filter(is_first).select(
        *_ITEM, first_numerator="share_numerator", first_denominator="share_denominator"
    )
    joined = windows.join(first, on=_ITEM, how="left", maintain_order="left", validate="m:1")
    is_last = (
        asked
        & pl.col("first_numerator").is_not_null()
        & (pl.col("window_start_on") == pl.col("period_start_on"))
        & (pl.col("window_end_on") == pl.col("life_to"))
        & (pl.col("served_end_on") == pl.col("life_to"))
        & (pl.col("window_end_on") < pl.col("period_end_on"))
        & _is_whole_term()
    ).fill_null(value=False)
    days = (pl.col("period_end_on") - pl.col("period_start_on")).dt.total_days()
    return joined.with_columns(
        share_numerator=pl.when(is_last).then(days).otherwise("share_numerator"),
        share_denominator=pl.when(is_last).then(days).otherwise("share_denominator"),
        credit_numerator=pl.when(is_last).then("first_numerator").otherwise("credit_numerator"),
        credit_denominator=pl.when(is_last)
        .then("first_denominator")
        .otherwise("credit_denominator"),
    ).drop(_FIRST)


def _is_whole_term() -> pl.Expr:
    """Whether an item lives for whole periods, counted from its first day."""
    start, end = pl.col("life_from"), pl.col("life_to")
    months = (end.dt.year() - start.dt.year()).cast(pl.Int64) * 12
    months += end.dt.month().cast(pl.Int64) - start.dt.month()
    last = end.dt.month_end().dt.day()
    is_on_day = end.dt.day() == pl.min_horizontal(start.dt.day(), last)
    by_month = is_on_day & (months % pl.col("step_months") == 0)
    length = (pl.col("period_end_on") - pl.col("period_start_on")).dt.total_days()
    by_day = (end - start).dt.total_days() % length == 0
    return pl.when(pl.col("step_months").is_not_null()).then(by_month).otherwise(by_day)
