"""A share of each event's value with limits for each: what percentage and basis points share."""

from collections.abc import Collection, Mapping
from types import MappingProxyType

import polars as pl

from meterhouse.errors import UsageError
from meterhouse.money import AMOUNT
from meterhouse.pricing.parts import called
from meterhouse.pricing.steps import RATED, ZERO, billable, or_null, spelled, text

NOUGHT = pl.lit(ZERO, dtype=AMOUNT)
NEVER = pl.lit(None, dtype=AMOUNT)
# What an event is charged by beside its value and the `rate` of what is not free: plus `fixed`, at
# least `low`, at most `high`; free events pay nothing. What a model does not say is this.
TERMS: Mapping[str, pl.Expr] = MappingProxyType(
    {
        "fixed": NOUGHT,
        "low": NEVER,
        "high": NEVER,
        "free_part": NOUGHT,
        "is_free": pl.lit(value=False),
        "bill_fixed_on_zero": pl.lit(value=True),
        "above": NOUGHT,
        "up_to": NEVER,
    }
)
_ONCE = ("rate", "fixed", "low", "high", "above", "up_to", "bill_fixed_on_zero")


def events(windows: pl.DataFrame, parts: pl.DataFrame, prices: pl.DataFrame) -> pl.DataFrame:
    """One row per event in order: `at`, the place of its window; `value`; the fields of `prices`.

    `prices` has one row per price, and `reads`: whether it needs events. If it does not, a window
    without parts is one event of its whole quantity. A negative value prices like none.
    """
    numbered = windows.join(prices, on="price", how="left", maintain_order="left").with_row_index(
        "at"
    )
    fields = ("window_id", "at", *(name for name in prices.columns if name != "price"))
    of_parts = (
        parts.select("window_id", "part_no", value=billable())
        .join(numbered.select(fields), on="window_id", how="inner")
        .sort("at", "part_no")
    )
    whole = numbered.join(parts, on="window_id", how="anti").filter(pl.col("quantity") > 0)
    if whole.is_empty():
        return of_parts
    _refuse_without_events(whole)
    of_whole = whole.with_columns(value=billable(), part_no=pl.lit(1, dtype=pl.Int64))
    return pl.concat([of_parts, of_whole.select(of_parts.columns)]).sort("at", "part_no")


def _refuse_without_events(whole: pl.DataFrame) -> None:
    blind = whole.filter("reads")
    if blind.height:
        raise UsageError(
            f"{blind.height} windows have a quantity but no events, which their price is made for, "
            f"the first is {called(blind, 0)!r}. Nothing was rated. Give the events of these "
            "windows as parts, or take what is per event from the price."
        )


def rated(windows: pl.DataFrame, charged: pl.DataFrame) -> pl.DataFrame:
    """RATED of events with `value`, `rate` and what they say of TERMS.

    One row per window; its steps tell how much was free, by rate, by event, and what limits did.
    Where events are cut into tiers they have `tier_no`, and the steps are told for each tier.
    """
    said = [n for n in TERMS if n in charged.columns and charged[n].null_count() < charged.height]
    absent = {name: term for name, term in TERMS.items() if name not in said}
    once = [name for name in _ONCE if name not in absent]
    keys = ["at", *(name for name in ("tier_no",) if name in charged.columns)]
    summed = (
        _limited(charged.with_columns(**absent))
        .group_by(keys)
        .agg(pl.col(once).first(), **_sums(said))
    )
    known = {name: term for name, term in absent.items() if name not in summed.columns}
    told = _without_void(summed.with_columns(**known)).with_columns(amount_unrounded=_amount())
    return _by_window(windows, _with_steps(told))


def _limited(charged: pl.DataFrame) -> pl.DataFrame:
    """The events with their share, what the limit below lifts and what the one above cuts."""
    fee = pl.col("share") + pl.col("fixed")
    share = (pl.col("value") - pl.col("free_part")) * pl.col("rate")
    return charged.with_columns(share=share).with_columns(
        lifted=_above_zero(pl.col("low") - fee), cut=_above_zero(fee - pl.col("high"))
    )


def _sums(said: Collection[str]) -> dict[str, pl.Expr]:
    """The sums and counts of a window's events; sums take the time, so none of what nobody says."""
    is_free, lifted, cut = (pl.col(name) for name in ("is_free", "lifted", "cut"))
    told = {
        "free_part": (pl.col("free_part").sum(), is_free.sum()),
        "low": (lifted.sum(), (lifted > 0).sum()),
        "high": (cut.sum(), (cut > 0).sum()),
    }
    names = {"free_part": ("free_part", "free"), "low": ("lifted",) * 2, "high": ("cut",) * 2}
    sums = {"value": pl.col("value").sum(), "share": pl.col("share").sum(), "count": pl.len()}
    for term, (total, count) in told.items():
        name, counted = names[term]
        sums[name] = total if term in said else NOUGHT.first()
        sums[f"{counted}_count"] = count if term in said else pl.lit(0, dtype=pl.UInt32).first()
    return sums


def _without_void(summed: pl.DataFrame) -> pl.DataFrame:
    """The sums with nothing by event where all values add up to 0, unless the price says so."""
    is_void = (pl.col("value") == 0) & ~pl.col("bill_fixed_on_zero")
    pays = pl.col("count").cast(pl.Int64) - pl.col("free_count").cast(pl.Int64)
    all_fixed = pl.col("fixed") * pays.cast(AMOUNT)
    return summed.with_columns(pays=pays, all_fixed=all_fixed).with_columns(
        pl.when(is_void).then(NOUGHT).otherwise(pl.col("all_fixed", "lifted", "cut")).name.keep()
    )


def _by_window(windows: pl.DataFrame, told: pl.DataFrame) -> pl.DataFrame:
    """RATED of all windows from amounts and steps by window, or by window and tier."""
    if "tier_no" in told.columns:
        told = (
            told.sort("at", "tier_no")
            .group_by("at", maintain_order=True)
            .agg(pl.col("amount_unrounded").sum(), pl.col("steps"))
            .with_columns(pl.col("steps").list.join(""))
        )
    return (
        windows.select("window_id")
        .with_row_index("at")
        .join(told, on="at", how="left", maintain_order="left")
        .with_columns(
            pl.col("amount_unrounded").fill_null(NOUGHT),
            steps=pl.format("[{}]", pl.col("steps").fill_null("").str.strip_chars_end(",")),
        )
        .select(RATED)
    )


def _above_zero(amount: pl.Expr) -> pl.Expr:
    """What a limit adds to or takes from an event that pays; a limit that is null does neither."""
    return pl.when(~pl.col("is_free") & (amount > 0)).then(amount).otherwise(NOUGHT)


def _amount() -> pl.Expr:
    return pl.col("share") + pl.col("all_fixed") + pl.col("lifted") - pl.col("cut")


def _with_steps(summed: pl.DataFrame) -> pl.DataFrame:
    """The sums with the steps of a window, or of one tier of it, each with a comma after it."""
    told = {
        "free": (
            (pl.col("free_part") > 0) | (pl.col("free_count") > 0),
            spelled(
                "free", amount="0", events=_count("free_count"), quantity=text(pl.col("free_part"))
            ),
        ),
        "rate": (pl.lit(True), _rate_step()),
        "fixed": (
            pl.col("all_fixed") > 0,
            _by_event("per_event", "fixed", "all_fixed", "pays", "unit_amount"),
        ),
        "low": (
            pl.col("lifted") > 0,
            _by_event("minimum_per_event", "low", "lifted", "lifted_count", "limit"),
        ),
        "high": (
            pl.col("cut") > 0,
            _by_event("maximum_per_event", "high", "cut", "cut_count", "limit", "-"),
        ),
    }
    # Most prices say few of them, and texts are what takes the time.
    met = summed.select(condition.any().alias(name) for name, (condition, _) in told.items())
    said = [told[name] for name, is_met in met.row(0, named=True).items() if is_met]
    steps = (pl.when(met).then(pl.format("{},", one)).otherwise(pl.lit("")) for met, one in said)
    return summed.with_columns(steps=pl.concat_str(pl.lit(""), *steps))


def _rate_step() -> pl.Expr:
    return spelled(
        "rate",
        amount=text(pl.col("share")),
        from_=text(pl.col("above")),
        quantity=text(pl.col("value") - pl.col("free_part")),
        rate=text(pl.col("rate")),
        to=or_null(text(pl.col("up_to"))),
    )


def _by_event(kind: str, each: str, amount: str, events: str, said: str, sign: str = "") -> pl.Expr:
    """A step that tells how many events it meets, what it says of each, and what it comes to."""
    signed = pl.concat_str(pl.lit(sign), text(pl.col(amount)))
    return spelled(kind, **{"amount": signed, "events": _count(events), said: text(pl.col(each))})


def _count(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Int64).cast(pl.String)
