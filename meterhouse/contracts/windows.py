"""Charge windows: the spans of service that one line each is charged for."""

from datetime import date, timedelta

import polars as pl

from meterhouse.canonical import sha256_text
from meterhouse.contracts.ahead import with_plans
from meterhouse.contracts.covered import split_covered
from meterhouse.contracts.grid import realigned
from meterhouse.contracts.invoice_days import billed_on, told_before
from meterhouse.contracts.profile import DEFAULT
from meterhouse.contracts.remainders import with_remainders
from meterhouse.contracts.segments import Series, stretches
from meterhouse.contracts.shares import settled, with_shares
from meterhouse.errors import UsageError
from meterhouse.money import QUANTITY
from meterhouse.periods import local_instants, zone_offsets

EDGES = ("window_start", "window_end", "period_start", "period_end", "served_end")
CONTRACT = (
    *("contract_id", "customer_id", "payer_id", "entity_id", "currency", "zone", "terms_id"),
    *("purchase_order", "start_on", "end_on", "anchor_day"),
    *("day_seconds", "start_seconds", "end_seconds"),
)
COLUMNS = (
    "window_id",
    "contract_id",
    "version_seq",
    "customer_id",
    "payer_id",
    "entity_id",
    "currency",
    "zone",
    "terms_id",
    "purchase_order",
    "item_id",
    "item_description",
    "component",
    "dimensions",
    "timing",
    "meter_id",
    "price_model",
    "price",
    "fixed_quantity",
    "above_quantity",
    "prorate_start",
    "prorate_end",
    "share_numerator",
    "share_denominator",
    "credit_numerator",
    "credit_denominator",
    "credit_basis",
    "served_end_on",
    "window_start_on",
    "window_end_on",
    "window_start",
    "window_end",
    "is_whole_days",
    "day_seconds",
    "window_end_seconds",
    "modifiers",
    "period_start",
    "period_end",
    "period_start_on",
    "period_end_on",
    "due_on",
    "usage_of",
)


# Items say of their first and last period what the profile says for all of them.
PROFILE_NAMES = {"prorate_start": "profile_prorate_start", "prorate_end": "profile_prorate_end"}
# What a contract or an item says seldom: the value that it has where the frame does not say it.
CONTRACT_DEFAULTS: dict[str, pl.Expr] = {
    "anchor_weekday": pl.lit(None, pl.Int64),
    "is_calendar": pl.lit(value=False),
    "anchored_on": pl.lit(None, pl.Date),
    "trial_until": pl.lit(None, pl.Date),
    "trial_covers_usage": pl.lit(value=False),
    "cancel_on": pl.lit(None, pl.Date),
    "cancel_due_on": pl.lit(None, pl.Date),
    "stop_on": pl.lit(None, pl.Date),
    "due_after_days": pl.lit(0, pl.Int64),
    "invoice_day": pl.lit(None, pl.Int64),
    "invoice_before_days": pl.lit(0, pl.Int64),
    **{PROFILE_NAMES.get(n, n): pl.lit(v) for n, v in DEFAULT.model_dump().items()},
}
ITEM_DEFAULTS: dict[str, pl.Expr] = {
    "cadence_every": pl.lit(1, pl.Int64),
    "cadence_unit": pl.lit("month"),
    "from_on": pl.lit(None, pl.Date),
    "until_on": pl.lit(None, pl.Date),
    "planned_until_on": pl.lit(None, pl.Date),
    "item_anchored_on": pl.lit(None, pl.Date),
    "usage_of": pl.lit(None, pl.String),
}
_NO_SERIES = Series()


def charge_windows(
    contracts: pl.DataFrame,
    items: pl.DataFrame,
    days: pl.DataFrame,
    horizon: date,
    series: Series = _NO_SERIES,
) -> pl.DataFrame:
    """One row per contract, item and part of a period that starts before the horizon.

    `contracts` has one row per contract, `items` one per contract slot and item, `days` the first
    instant of each local day; what they do not say is as in CONTRACT_DEFAULTS and ITEM_DEFAULTS.
    The column `meter_version` is joined by whoever knows the meters.
    """
    known = _completed(_cancelled(contracts), CONTRACT_DEFAULTS)
    asked_to = horizon
    # What is billed before its period is there before it.
    horizon += timedelta(days=known["invoice_before_days"].max() or 0)  # type: ignore[arg-type]
    # What is paid in advance ends where something planned begins, also beyond the horizon.
    series = with_plans(items, series, horizon + margin(items, timedelta()))
    stretched = stretches(_lives(known, _completed(items, ITEM_DEFAULTS)), series)
    stretched = split_covered(stretched, series.covered)
    told = settled(_cut(stretched, series, horizon)).filter(_is_asked(asked_to))
    cut = told.with_columns(**_times_of_day())
    timed = with_remainders(with_shares(_with_instants(cut, days)))
    return (
        timed.with_columns(
            window_ids(timed),
            due_on=_due_on(),
            window_end_seconds="window_end_at",
            is_whole_days=(pl.col("window_start_at") == 0) & (pl.col("window_end_at") == 0),
            dimensions=pl.lit("{}"),
            fixed_quantity=pl.when(is_fee()).then(pl.col("fixed_quantity").cast(QUANTITY)),
        )
        .select(COLUMNS)
        .sort("contract_id", "item_id", "window_start_on")
    )


def _is_asked(horizon: date) -> pl.Expr:
    """Whether a window begins, or is billed, before the horizon."""
    begins = pl.min_horizontal("window_start_on", "billed_from")
    return begins - pl.duration(days=told_before()) < pl.lit(horizon)


def margin(items: pl.DataFrame, least: timedelta) -> timedelta:
    """How far full periods of the items may reach past the days of their contracts."""
    known = _completed(items, ITEM_DEFAULTS)
    days = pl.col("cadence_unit").replace_strict(
        {"day": 1, "week": 7, "month": 31, "year": 366}, return_dtype=pl.Int64
    )
    longest = known.select((pl.col("cadence_every") * days).max()).item() or 0
    return max(least, timedelta(days=2 * longest + 8))


def is_fee() -> pl.Expr:
    """Whether an item is a fee: it reads no meter and has a quantity of its own."""
    return pl.col("meter_id").is_null()


def _completed(frame: pl.DataFrame, defaults: dict[str, pl.Expr]) -> pl.DataFrame:
    missing = {n: v for n, v in defaults.items() if n not in frame.columns}
    # A profile says only what differs from the default.
    said = {n: pl.coalesce(n, v) for n, v in defaults.items() if n in frame.columns}
    return frame.with_columns(**missing, **said)


def _cancelled(contracts: pl.DataFrame) -> pl.DataFrame:
    """The contracts with the day on which they are cut off, where a cancellation says one."""
    if "cancellation_on" not in contracts.columns:
        return contracts
    at_once = pl.col("cancellation_effective") == "at_once"
    on = pl.col("cancellation_on")
    charged = (pl.col("cancel_day") == "charged").fill_null(value=False).cast(pl.Int64)
    return contracts.with_columns(
        cancel_on=pl.when(at_once).then(on + pl.duration(days=charged)),
        cancel_due_on=pl.when(at_once).then(on),
        stop_on=pl.when(pl.col("cancellation_effective") == "period_end").then(on),
    )


def _lives(contracts: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    """The items with what their contract says, and the days from which and until which they live.

    Fees begin when the trial ends, usage only where the trial covers it.
    """
    in_trial = is_fee() | pl.col("trial_covers_usage")
    start = pl.max_horizontal("start_on", "from_on", pl.when(in_trial).then("trial_until"))
    joined = contracts.select(*CONTRACT, *CONTRACT_DEFAULTS).join(items, on="contract_id")
    # An anchor that is not named is where payment begins.
    unanchored = pl.col("anchor_day").is_null() & pl.col("anchored_on").is_null()
    # Who cancels on the day on which the trial ends owes nothing, also where that day is charged.
    is_free = (is_fee() & (pl.col("cancel_due_on") == pl.col("trial_until"))).fill_null(value=False)
    cancelled = pl.when(is_free).then("cancel_due_on").otherwise("cancel_on")
    return joined.with_columns(
        life_from=start,
        life_to=pl.min_horizontal("end_on", "planned_until_on"),
        cancel_on=pl.min_horizontal(cancelled, "until_on"),
        component=pl.when(is_fee()).then(pl.lit("fee")).otherwise(pl.lit("usage")),
        anchor_day=pl.coalesce(pl.col("item_anchored_on").dt.day().cast(pl.Int64), "anchor_day"),
        origin=pl.coalesce(
            "item_anchored_on", "anchored_on", pl.when(unanchored).then("trial_until"), "start_on"
        ),
    ).filter(pl.col("life_to").is_null() | (pl.col("life_from") < pl.col("life_to")))


def _cut(stretched: pl.DataFrame, series: Series, horizon: date) -> pl.DataFrame:
    """The stretches cut by the grid of their periods."""
    counted = pl.when(pl.col("grid_from") == "segment").then("counted_from")
    resets = pl.col("change_anchor") == "reset_to_change_date"
    reset = pl.when(resets & (pl.col("counted_from") > pl.col("life_from"))).then("counted_from")
    kept = reset.is_null()
    placed = stretched.with_columns(
        counted_on=pl.coalesce("reanchored_on", reset, "item_anchored_on", counted, "origin"),
        # What begins anew on a day is counted from that day, not by the calendar.
        is_calendar=pl.col("is_calendar") & kept,
        anchor_weekday=pl.when(kept).then("anchor_weekday"),
        # An anchor of the contract that is not named is the day on which it is first paid.
        anchor_day=pl.coalesce(
            pl.coalesce("reanchored_on", reset).dt.day().cast(pl.Int64),
            "anchor_day",
            pl.col("origin").dt.day().cast(pl.Int64),
        ),
    )
    # Items of one contract share a grid, unless they can be realigned alone.
    own = pl.col("item_id") if series.anchors["item_id"].count() else pl.lit("")
    spec = ("counted_on", "anchor_day", "cadence_every", "cadence_unit")
    grids = (
        placed.group_by("contract_id", *spec, grid_item=own, maintain_order=True)
        .agg(
            pl.col("anchor_weekday", "is_calendar").first(),
            first_on=pl.col("seg_from").min(),
            last_on=pl.when(pl.col("seg_to").null_count() == 0).then(pl.col("seg_to").max()),
        )
        .with_row_index("grid_no")
        .with_columns(start_on="counted_on", item_id="grid_item")
    )
    cut = realigned(grids, series.anchors, horizon)
    numbers = grids.select("contract_id", *spec, "grid_item", "grid_no")
    keyed = placed.with_columns(grid_item=own).join(
        numbers, on=["contract_id", *spec, "grid_item"], nulls_equal=True
    )
    joined = keyed.join(cut, on=["contract_id", "grid_no"])
    return _within(joined, horizon)


def _within(joined: pl.DataFrame, horizon: date) -> pl.DataFrame:
    """The part of each stretch that lies in each period."""
    uncut_start = pl.max_horizontal("cut_from", "start_on", "life_from")
    ends = pl.min_horizontal("cut_to", "seg_to")
    # A fee that is paid in advance is paid to the end of the period, or to what was planned; what
    # a later change leaves unused of it is credited, so the line keeps its key.
    is_paid = is_fee() & (pl.col("timing") == "advance")
    paid_to = pl.min_horizontal("cut_to", "life_to", "planned_to")
    return (
        joined.with_columns(
            uncut_start=uncut_start,
            window_start_on=pl.max_horizontal("cut_from", "seg_from"),
            served_end_on=ends,
            window_end_on=pl.when(is_paid).then(paid_to).otherwise(ends),
        )
        .filter(
            pl.col("window_start_on") < pl.col("served_end_on"),
            pl.min_horizontal("window_start_on", "billed_from") < pl.lit(horizon),
            pl.col("stop_on").is_null() | (pl.col("cut_from") < pl.col("stop_on")),
            # The slot in force at a window's start holds for the whole window.
            pl.col("slot_from") <= pl.col("uncut_start"),
            pl.col("uncut_start") < pl.col("slot_to"),
        )
        .with_columns(
            # What begins after its anchor was changed is paid when it begins.
            billed_from=pl.when(pl.col("seg_from") <= pl.col("billed_from")).then("billed_from"),
            opened_by=pl.when(pl.col("window_start_on") == pl.col("seg_from")).then("opened_by"),
            closed_by=pl.when(pl.col("served_end_on") == pl.col("seg_to")).then("closed_by"),
        )
    )


def window_ids(windows: pl.DataFrame) -> pl.Series:
    """The id of each window: 32 hex digits made from what it charges and when."""
    keys = windows.select(
        pl.concat_str(
            "contract_id",
            "item_id",
            "component",
            pl.col("window_start_on").dt.to_string("%Y-%m-%d"),
            pl.col("window_end_on").dt.to_string("%Y-%m-%d"),
            separator="|",
        )
    ).to_series()
    # polars has no SHA-256, so this is the one place that touches windows singly; 1 s per million.
    return pl.Series("window_id", [sha256_text(key)[:32] for key in keys], dtype=pl.String)


def _times_of_day() -> dict[str, pl.Expr]:
    """Seconds after local midnight of each edge: a contract may begin and end at other times."""
    day = pl.col("day_seconds")
    starts = pl.col("window_start_on") == pl.col("start_on")
    ends = pl.col("window_end_on").eq_missing(pl.col("end_on"))
    served = pl.col("served_end_on").eq_missing(pl.col("end_on"))
    # What changes on the day on which a period begins holds for all of that day.
    opens = (pl.col("window_start_on") == pl.col("seg_from")) & (
        pl.col("window_start_on") > pl.col("cut_from")
    )
    closes = (pl.col("served_end_on") == pl.col("seg_to")) & (
        pl.col("served_end_on") < pl.col("cut_to")
    )
    opened = pl.max_horizontal(day, pl.when(opens).then("opened_at"))
    closed = pl.max_horizontal(day, pl.when(closes).then("closed_at"))
    is_served = pl.col("window_end_on") == pl.col("served_end_on")
    return {
        "window_start_at": pl.when(starts).then("start_seconds").otherwise(opened),
        "window_end_at": pl.when(ends)
        .then("end_seconds")
        .when(is_served)
        .then(closed)
        .otherwise(day),
        "served_end_at": pl.when(served).then("end_seconds").otherwise(closed),
        "period_start_at": day,
        "period_end_at": day,
    }


def _due_on() -> pl.Expr:
    """The first local midnight at which the window has ended, or for what is paid in advance has
    begun; a realigned one is paid when its anchor changed, a last one when it was cancelled."""
    arrears = pl.col("timing") == "arrears"
    day = pl.when(arrears).then("window_end_on").otherwise("window_start_on")
    at = pl.when(arrears).then("window_end_at").otherwise("window_start_at")
    plain = day + pl.when(at > 0).then(pl.duration(days=1)).otherwise(pl.duration(days=0))
    # An item that ended before the cancellation was due when it ended. Usage of a day of the
    # cancellation that is charged is not known before that day is over.
    is_open = (pl.col("component") == "usage") & (pl.col("cancel_due_on") < pl.col("window_end_on"))
    is_last = (
        arrears
        & (pl.col("closed_by") == "cancel")
        & (pl.col("window_end_on") >= pl.col("cancel_on"))
        & ~is_open
    )
    waits = (
        (pl.col("component") == "usage")
        & (pl.col("closed_by") == "change")
        & (pl.col("usage_split_due") == "period_end")
    )
    special = (
        pl.when(waits)
        .then(pl.min_horizontal("cut_to", "life_to"))
        .when(is_last)
        .then("cancel_due_on")
        .otherwise(pl.when(~arrears).then("billed_from"))
    )
    return billed_on(pl.coalesce(special, plain - pl.duration(days=told_before())))


def _with_instants(windows: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    """The windows and their full periods with their local dates and times as UTC instants."""
    for edge in EDGES:
        if edge == "served_end" and windows["served_end_on"].equals(windows["window_end_on"]):
            # Nothing was cut by a change: served to the end, whatever the time of that is.
            windows = windows.with_columns(served_end="window_end")
            continue
        starts = days.select("zone", pl.col("day").alias(f"{edge}_on"), starts_at="starts_at")
        windows = windows.join(
            starts.rename({"starts_at": edge}),
            on=["zone", f"{edge}_on"],
            how="left",
            maintain_order="left",
        )
        missing = windows.filter(pl.col(edge).is_null())
        if missing.height:
            zone, day = missing.select("zone", f"{edge}_on").row(0)
            raise UsageError(
                f"The local days given do not hold {day} in zone {zone}, where {missing.height} "
                "windows begin or end. No windows were made. Ask zone_days for a wider span."
            )
    return _with_times(windows)


def _with_times(windows: pl.DataFrame) -> pl.DataFrame:
    """Edges that are not at a local midnight, by the clock of their zone; most books have none."""
    for edge in EDGES:
        at = pl.col(f"{edge}_at")
        local = pl.col(f"{edge}_on").cast(pl.Datetime("us")) + pl.duration(seconds=at)
        times = windows.filter(at > 0).select("zone", local=local).unique()
        if times.is_empty():
            continue
        first, last = times["local"].min(), times["local"].max()
        spans = zone_offsets(times["zone"].unique().to_list(), first.date(), last.date())  # type: ignore[union-attr]
        instants = local_instants(times, spans)
        windows = (
            windows.with_columns(local=local)
            .join(instants, on=["zone", "local"], how="left", maintain_order="left")
            .with_columns(pl.when(at > 0).then("instant").otherwise(edge).alias(edge))
            .drop("local", "instant")
        )
    return windows
