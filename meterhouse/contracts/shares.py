"""The part of its full period that a window is charged, and the part of it that goes back."""

import polars as pl

from meterhouse.contracts.proration import part_of_period, unused_part
from meterhouse.money import QUANTITY
from meterhouse.pricing.rating import rate_windows

_PERIOD = ("contract_id", "item_id", "slot_from", "period_start_on", "cut_from")
_TERMS = ("fixed_quantity", "price_model", "price")
_WAITS = ("full", "none")


def settled(windows: pl.DataFrame) -> pl.DataFrame:
    """The windows of fees whose changes are not prorated, as their profile settles them.

    A fall that waits for the next period is not there before it; a quantity that is charged whole
    is charged above the highest of the period only, which is `above_quantity` (null: from 0 on).
    """
    windows = windows.with_columns(above_quantity=pl.lit(None, QUANTITY))
    changed = pl.col("opened_by").is_in(["quantity", "change", "resume"]).any().over(_PERIOD)
    waits = (
        (pl.col("downgrade_effect") == "end_of_period")
        | (pl.col("prorate_quantity") != "prorate")
        | (pl.col("prorate_change") != "prorate")
    )
    is_fee = pl.col("component") == "fee"
    marked = windows.with_columns(is_settled=(changed & waits & is_fee).fill_null(value=False))
    if not marked["is_settled"].any():
        return windows
    rest = marked.filter(~pl.col("is_settled")).drop("is_settled")
    own = _merged(marked.filter("is_settled").drop("is_settled").sort(*_PERIOD, "window_start_on"))
    return pl.concat([rest, _above(own).select(rest.columns)])


def _merged(windows: pl.DataFrame) -> pl.DataFrame:
    """A window that changes nothing yet is a part of the one before it."""
    windows = windows.with_columns(value=_full_amounts(windows))
    value = pl.col("value")
    falls = (value < value.cum_max().over(_PERIOD)) & (
        pl.col("downgrade_effect") == "end_of_period"
    )
    kind = pl.col("opened_by")
    # What waited before a pause waits after it too, but a pause is never paid for.
    resumed = falls & (kind == "resume")
    windows = windows.with_columns(
        pl.when(resumed)
        .then(pl.when(~falls).then(name).forward_fill().over(_PERIOD))
        .otherwise(name)
        .alias(name)
        for name in _TERMS
    )
    none = ((kind == "quantity") & (pl.col("prorate_quantity") == "none")) | (
        (kind == "change") & (pl.col("prorate_change") == "none")
    )
    whole = (kind == "quantity") & (pl.col("prorate_quantity") == "full")
    lower = whole & (
        pl.col("fixed_quantity") <= pl.col("fixed_quantity").cum_max().shift(1).over(_PERIOD)
    )
    nothing = ((falls & kind.is_in(["quantity", "change"])) | none | lower).fill_null(value=False)
    run = (~nothing).cast(pl.Int64).cum_sum().over(_PERIOD)
    last = ("served_end_on", "closed_by", "closed_at", "seg_to")
    others = [c for c in windows.columns if c not in {*_PERIOD, *last}]
    # In arrears the merged window ends where the last of them does.
    return (
        windows.with_columns(run=run)
        .group_by(*_PERIOD, "run", maintain_order=True)
        .agg(
            pl.col(others).first(),
            pl.col(last).last(),
            last_end=pl.col("window_end_on").last(),
        )
        .with_columns(window_end_on="last_end")
        .drop("run", "last_end", "value")
    )


def _full_amounts(windows: pl.DataFrame) -> pl.Series:
    """What each window would cost for a full period, whatever its price model is."""
    one = pl.lit(1, pl.Int64)
    asked = windows.select(
        "price_model", "price", "currency", "component",
        window_id=pl.int_range(pl.len()).cast(pl.String), quantity="fixed_quantity",
        share_numerator=one, share_denominator=one,
    )  # fmt: skip
    return rate_windows(asked)["amount_unrounded"]


def _above(windows: pl.DataFrame) -> pl.DataFrame:
    """Quantities that are charged whole: what is above the highest before it in the period.

    What was there before goes on beside it, so that both end where the last of them does.
    """
    before = pl.col("fixed_quantity").cum_max().shift(1).over(_PERIOD)
    is_whole = (
        (pl.col("opened_by") == "quantity") & (pl.col("prorate_quantity") == "full")
    ).fill_null(value=False) & before.is_not_null()
    above = pl.col("fixed_quantity") - before
    chained = windows.with_columns(chain=(~is_whole).cast(pl.Int64).cum_sum().over(_PERIOD))
    last = ("served_end_on", "window_end_on", "closed_by", "closed_at", "seg_to")
    return chained.with_columns(
        pl.col(last).last().over(*_PERIOD, "chain"),
        fixed_quantity=pl.when(is_whole).then(above).otherwise("fixed_quantity"),
        above_quantity=pl.when(is_whole & (before > 0)).then(before.cast(QUANTITY)),
    ).drop("chain")


def with_shares(windows: pl.DataFrame) -> pl.DataFrame:
    """The windows with share_numerator and share_denominator (what is charged of the full period)
    and credit_numerator and credit_denominator (what is given back of it), all Int64."""
    opening = {"start": "prorate_start", "change": "prorate_change", "quantity": "prorate_quantity"}
    begins = pl.col("opened_by")
    # The profile's own words for the start and end of a contract; the item's may say more.
    mode = pl.lit("prorate")
    for event, name in opening.items():
        told = f"profile_{name}" if name == "prorate_start" else name
        mode = pl.when(begins == event).then(told).otherwise(mode)
    is_full = mode.is_in(["full", "full_with_credit"])
    from_start = is_full | ((begins == "start") & ~pl.col("prorate_start"))
    ends_late = ~pl.col("prorate_end") | (pl.col("profile_prorate_end") == "full")
    is_ended = pl.col("closed_by").is_in(["end", "cancel"]).fill_null(value=False)
    is_cut_end = (pl.col("window_end_on") != pl.col("cut_to")) & is_ended
    charged = windows.with_columns(
        **_edge("charged_start", from_start.fill_null(value=False), "period_start", "window_start"),
        **_edge("charged_end", ends_late & is_cut_end, "period_end", "window_end"),
    )
    charged_part = part_of_period("charged_start", "charged_end")
    nothing = (begins == "start") & (mode == "none") & (
        pl.col("window_start_on") > pl.col("period_start_on")
    )  # fmt: skip
    # A fee in advance that is cancelled was charged to the end of its period; it is free then too.
    is_short = (pl.col("served_end_on") != pl.col("cut_to")) & is_ended
    nothing = nothing.fill_null(value=False) | (
        is_short & (pl.col("profile_prorate_end") == "none").fill_null(value=False)
    )
    numerator, denominator = charged_part
    is_whole = (pl.col("charged_start_on") == pl.col("period_start_on")) & (
        pl.col("charged_end_on") == pl.col("period_end_on")
    )
    one = pl.lit(1, pl.Int64)
    whole_times = is_whole & (pl.col("charged_start") == pl.col("period_start")) & (
        pl.col("charged_end") == pl.col("period_end")
    )  # fmt: skip
    in_days = pl.col("granularity") == "day"
    whole = pl.when(in_days).then(is_whole).otherwise(whole_times)
    days = (pl.col("period_end_on") - pl.col("period_start_on")).dt.total_days()
    unit = pl.when(in_days).then(days).otherwise(one)
    left_numerator, left_denominator = unused_part(
        "charged_start", "served_end", "window_end", whole
    )
    goes_back = _is_credited() & ~nothing
    return charged.with_columns(
        share_numerator=pl.when(nothing).then(0).when(whole).then(unit).otherwise(numerator),
        share_denominator=pl.when(whole).then(unit).otherwise(denominator),
        credit_numerator=pl.when(goes_back).then(left_numerator).otherwise(0),
        credit_denominator=pl.when(goes_back).then(left_denominator).otherwise(one),
    )


def _edge(name: str, is_moved: pl.Expr, moved: str, kept: str) -> dict[str, pl.Expr]:
    return {
        f"{name}{of}": pl.when(is_moved).then(f"{moved}{of}").otherwise(f"{kept}{of}")
        for of in ("_on", "")
    }


def _is_credited() -> pl.Expr:
    """Whether what is left unused of a fee goes back."""
    closed = pl.col("closed_by")
    keeps = (
        ((closed == "change") & pl.col("prorate_change").is_in(_WAITS))
        | ((closed == "quantity") & pl.col("prorate_quantity").is_in(_WAITS))
        | (
            (closed == "cancel")
            & ((pl.col("profile_prorate_end") == "full") | ~pl.col("prorate_end"))
        )
    )
    is_left = pl.col("served_end_on") < pl.col("window_end_on")
    return is_left & ~keeps.fill_null(value=False) & (pl.col("component") == "fee")
