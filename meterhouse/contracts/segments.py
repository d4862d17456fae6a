"""Stretches of one price and one quantity: what effective-dated terms make of the items."""

from typing import NamedTuple

import polars as pl

from meterhouse.contracts.covered import COVERED
from meterhouse.contracts.planned import PLANNED, Plans
from meterhouse.money import QUANTITY

KEY = ("contract_id", "slot_from", "item_id")
QUANTITIES = pl.Schema(
    [
        ("contract_id", pl.String()),
        ("slot_from", pl.Date()),
        ("item_id", pl.String()),
        ("from_on", pl.Date()),
        ("quantity", QUANTITY),
    ]
)
PRICES = pl.Schema(
    [
        ("contract_id", pl.String()),
        ("slot_from", pl.Date()),
        ("item_id", pl.String()),
        ("from_on", pl.Date()),
        ("price_model", pl.String()),
        ("price", pl.String()),
    ]
)
PAUSES = pl.Schema({"contract_id": pl.String, "from_on": pl.Date, "until_on": pl.Date})
ANCHORS = pl.Schema(
    {
        "contract_id": pl.String,
        "item_id": pl.String,
        "changed_on": pl.Date,
        "anchor_day": pl.Int64,
    }
)
_CHANGING = ("quantity", "change", "pause", "resume", "cancel", "planned")
_VALUES = ("quantity", "price_model", "price", "is_uncharged", "reanchored_on")


class Series(NamedTuple):
    """What contracts say with dates; an empty frame where they say nothing.

    `planned` is made of `plans` up to a horizon: changes that were known when the contract began.
    `covered` is what was billed before Meterhouse.
    """

    quantities: pl.DataFrame = pl.DataFrame(schema=QUANTITIES)
    prices: pl.DataFrame = pl.DataFrame(schema=PRICES)
    pauses: pl.DataFrame = pl.DataFrame(schema=PAUSES)
    anchors: pl.DataFrame = pl.DataFrame(schema=ANCHORS)
    plans: Plans = Plans()
    planned: pl.DataFrame = pl.DataFrame(schema=PLANNED)
    covered: pl.DataFrame = pl.DataFrame(schema=COVERED)


def stretches(items: pl.DataFrame, series: Series) -> pl.DataFrame:
    """One row per item and stretch: seg_from, seg_to (null: open), opened_by, closed_by,
    opened_at and closed_at (seconds after midnight; 0 but for changes that say a time),
    counted_from (the day its periods may be counted from anew), reanchored_on (null, or the day
    from which a phase counts them) and planned_to (the next planned change; null: none).

    `items` has life_from, life_to (null: open) and cancel_on beside the columns of items.
    """
    whole = items.with_columns(
        seg_from="life_from",
        seg_to="life_to",
        opened_by=pl.lit("start"),
        closed_by=pl.lit("end"),
        opened_at=pl.lit(0, pl.Int64),
        closed_at=pl.lit(0, pl.Int64),
        counted_from="life_from",
        reanchored_on=pl.lit(None, pl.Date),
        planned_to=pl.lit(None, pl.Date),
    )
    events = _events(items, series)
    if events.is_empty():
        return whole
    kept = whole.join(events.select(KEY).unique(), on=KEY, how="anti")
    cut = _cut(items.join(events.select(KEY).unique(), on=KEY, how="semi"), events)
    return pl.concat([kept, cut.select(kept.columns)])


def _events(items: pl.DataFrame, series: Series) -> pl.DataFrame:
    """One row per item and day on which something of it may change, in order of its kinds."""
    life = items.select(*KEY, "life_from", "life_to", "cancel_on")
    quantities = _of(life, series.quantities, KEY, kind="quantity", at="from_on")
    prices = _of(life, series.prices, KEY, kind="change", at="from_on")
    pauses = _of(life, series.pauses, ("contract_id",), kind="pause", at="from_on")
    resumes = _of(
        life, series.pauses.drop_nulls("until_on"), ("contract_id",), kind="resume", at="until_on"
    )
    cancels = life.filter(pl.col("cancel_on").is_not_null()).select(
        *KEY, "life_to", at="cancel_on", kind=pl.lit("cancel")
    )
    planned = _of(life, series.planned, KEY, kind="planned", at="from_on")
    found = pl.concat([quantities, prices, planned, pauses, resumes, cancels], how="diagonal")
    ends = pl.col("life_to")
    return found.filter(ends.is_null() | (pl.col("at") < ends)).drop("life_to")


def _of(
    life: pl.DataFrame, told: pl.DataFrame, on: tuple[str, ...], *, kind: str, at: str
) -> pl.DataFrame:
    known = life.join(told, on=list(on))
    values = [name for name in _VALUES if name in told.columns]
    if "until_on" in told.columns:  # A pause that was over before the item began is none of its.
        is_felt = pl.col("until_on").is_null() | (pl.col("until_on") > pl.col("life_from"))
        known = known.filter(is_felt)
    # What began before the item did holds from its first day.
    start = pl.max_horizontal(at, "life_from")
    times = pl.col("at_seconds") if "at_seconds" in told.columns else pl.lit(0, pl.Int64)
    seconds = pl.when(pl.col(at) > pl.col("life_from")).then(times)
    return (
        known.filter(pl.col(at).is_not_null())
        .sort(at)
        .select(
            *KEY, "life_to", *values, at=start, told_on=at, kind=pl.lit(kind), at_seconds=seconds
        )
    )


def _cut(items: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    first = items.select(
        *KEY,
        "price_model",
        "price",
        at="life_from",
        at_seconds=pl.lit(0, pl.Int64),
        kind=pl.lit("start"),
        quantity=pl.col("fixed_quantity").cast(QUANTITY),
    )
    days = (
        pl.concat([first, events], how="diagonal_relaxed")
        # What began before the item did is told on its first day, the latest last.
        .sort("told_on", nulls_last=False, maintain_order=True)
        .group_by(*KEY, "at", maintain_order=True)
        .agg(
            *(pl.col(name).drop_nulls().last() for name in _VALUES),
            pl.col("at_seconds").fill_null(0).max(),
            **{f"is_{kind}": (pl.col("kind") == kind).any() for kind in ("start", *_CHANGING)},
        )
        .sort(*KEY, "at")
    )
    known = days.with_columns(
        pl.col(_VALUES).forward_fill().over(KEY, order_by="at"),
        is_paused=pl.when(pl.col("is_pause"))
        .then(pl.lit(value=True))
        .when(pl.col("is_resume"))
        .then(pl.lit(value=False))
        .forward_fill()
        .over(KEY, order_by="at")
        .fill_null(value=False),
        is_cancelled=pl.col("is_cancel").cast(pl.Int8).cum_max().over(KEY, order_by="at") == 1,
    ).with_columns(
        is_off=pl.col("is_paused")
        | pl.col("is_cancelled")
        | pl.col("is_uncharged").fill_null(value=False)
    )
    told = known.filter(~_is_same())
    spans = items.drop("fixed_quantity", "price_model", "price").join(_spans(told), on=KEY)
    # The last stretch ends with the life of the item.
    return spans.with_columns(seg_to=pl.coalesce("seg_to", "life_to"))


def _is_same() -> pl.Expr:
    """Whether a day changes nothing: an entry that repeats what holds cuts nothing.

    A planned day is one that was paid up to, whatever changed meanwhile.
    """
    same = pl.all_horizontal(
        pl.col(name).eq_missing(pl.col(name).shift(1).over(KEY, order_by="at"))
        for name in ("quantity", "price_model", "price", "is_off")
    )
    return same & ~pl.col("is_start") & ~pl.col("is_planned")


def _spans(told: pl.DataFrame) -> pl.DataFrame:
    """From days that change something to the stretches between them, without pauses."""
    price_before = pl.col("price").shift(1).over(KEY, order_by="at")
    was_off = pl.col("is_off").shift(1).over(KEY, order_by="at")
    opened = (
        pl.when("is_start")
        .then(pl.lit("start"))
        .when("is_planned")
        .then(pl.lit("planned"))
        .when(was_off)
        .then(pl.lit("resume"))
        .when(pl.col("price").ne_missing(price_before))
        .then(pl.lit("change"))
        .otherwise(pl.lit("quantity"))
    )
    closing = pl.when("is_off").then(
        pl.when("is_cancelled")
        .then(pl.lit("cancel"))
        .when("is_paused")
        .then(pl.lit("pause"))
        .otherwise(pl.lit("planned"))
    )
    next_planned = pl.when("is_planned").then("at").shift(-1).backward_fill()
    marked = told.with_columns(opened_by=opened, is_recounted=opened != "quantity").with_columns(
        ends_as=pl.coalesce(closing, "opened_by")
    )
    return (
        marked.with_columns(
            seg_to=pl.col("at").shift(-1).over(KEY, order_by="at"),
            closed_by=pl.col("ends_as").shift(-1).over(KEY, order_by="at").fill_null("end"),
            closed_at=pl.col("at_seconds").shift(-1).over(KEY, order_by="at").fill_null(0),
            planned_to=next_planned.over(KEY, order_by="at"),
            counted_from=pl.when("is_recounted").then("at").forward_fill().over(KEY, order_by="at"),
        )
        .filter(~pl.col("is_off"))
        .select(
            *KEY,
            "opened_by",
            "closed_by",
            "closed_at",
            "counted_from",
            "reanchored_on",
            "planned_to",
            "price_model",
            "price",
            "seg_to",
            seg_from="at",
            opened_at="at_seconds",
            fixed_quantity="quantity",
        )
    )
