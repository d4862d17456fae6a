"""Charge windows: the spans of service that one line each is charged for."""

from datetime import date

import polars as pl

from meterhouse.canonical import sha256_text
from meterhouse.errors import UsageError
from meterhouse.money import QUANTITY
from meterhouse.periods import boundary_expr, local_instants, zone_offsets

EDGES = ("window_start", "window_end", "period_start", "period_end")
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
    "prorate_start",
    "prorate_end",
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
)


def charge_windows(
    contracts: pl.DataFrame, items: pl.DataFrame, days: pl.DataFrame, horizon: date
) -> pl.DataFrame:
    """One row per contract, item and monthly window that starts before the horizon.

    `contracts` has one row per contract, `items` one per contract slot and item, `days` the first
    instant of each local day. The column `meter_version` is joined by whoever knows the meters.
    """
    spans = contract_windows(contracts, horizon)
    windows = (
        contracts.select(
            "contract_id",
            "customer_id",
            "payer_id",
            "entity_id",
            "currency",
            "zone",
            "terms_id",
            "purchase_order",
            "start_on",
            "end_on",
            "day_seconds",
            "start_seconds",
            "end_seconds",
        )
        .join(spans, on="contract_id")
        .join(items, on="contract_id")
        # The slot in force at a window's start holds for the whole window.
        .filter(
            pl.col("slot_from") <= pl.col("window_start_on"),
            pl.col("window_start_on") < pl.col("slot_to"),
        )
        .with_columns(
            component=pl.when(pl.col("price_model") == "flat")
            .then(pl.lit("fee"))
            .otherwise(pl.lit("usage")),
            dimensions=pl.lit("{}"),
            fixed_quantity=pl.when(pl.col("price_model") == "flat").then(
                pl.col("fixed_quantity").cast(QUANTITY)
            ),
        )
    )
    timed = _with_instants(windows.with_columns(**_times_of_day()), days)
    return (
        timed.with_columns(
            window_ids(timed),
            due_on=_due_on(),
            window_end_seconds="window_end_at",
            is_whole_days=(pl.col("window_start_at") == 0) & (pl.col("window_end_at") == 0),
        )
        .select(COLUMNS)
        .sort("contract_id", "item_id", "window_start_on")
    )


def contract_windows(contracts: pl.DataFrame, horizon: date) -> pl.DataFrame:
    """One row per contract and window that starts before the horizon, with its full period."""
    anchor_day = pl.col("anchor_day").fill_null(pl.col("start_on").dt.day().cast(pl.Int64))
    opening = boundary_expr(pl.col("start_on"), pl.col("anchor_day"), pl.col("k"))
    closing = boundary_expr(pl.col("start_on"), pl.col("anchor_day"), pl.col("k") + 1)
    return (
        contracts.select("contract_id", "start_on", "end_on", anchor_day=anchor_day)
        .with_columns(last_on=pl.min_horizontal("end_on", pl.lit(horizon)))
        # The grid begins a period early: before the first boundary lies the stub of that period.
        .with_columns(k=pl.int_ranges(-1, _months("start_on", "last_on") + 1))
        .explode("k", empty_as_null=False, keep_nulls=False)
        .with_columns(period_start_on=opening, period_end_on=closing)
        .select(
            "contract_id",
            "last_on",
            "period_start_on",
            "period_end_on",
            window_start_on=pl.max_horizontal("period_start_on", "start_on"),
            window_end_on=pl.min_horizontal("period_end_on", "end_on"),
        )
        .filter(
            pl.col("window_start_on") < pl.col("window_end_on"),
            pl.col("window_start_on") < pl.col("last_on"),
        )
        .drop("last_on")
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


def _months(start: str, end: str) -> pl.Expr:
    """How many calendar months lie between two dates, not counting the days."""
    first, last = pl.col(start).dt, pl.col(end).dt
    years = last.year().cast(pl.Int64) - first.year()
    return years * 12 + last.month().cast(pl.Int64) - first.month()


def _times_of_day() -> dict[str, pl.Expr]:
    """Seconds after local midnight of each edge: a contract may begin and end at other times."""
    day = pl.col("day_seconds")
    starts = pl.col("window_start_on") == pl.col("start_on")
    ends = pl.col("window_end_on").eq_missing(pl.col("end_on"))
    return {
        "window_start_at": pl.when(starts).then("start_seconds").otherwise(day),
        "window_end_at": pl.when(ends).then("end_seconds").otherwise(day),
        "period_start_at": day,
        "period_end_at": day,
    }


def _due_on() -> pl.Expr:
    """The first local midnight at which the window has ended, or for what is paid in advance has
    begun."""
    arrears = pl.col("timing") == "arrears"
    day = pl.when(arrears).then("window_end_on").otherwise("window_start_on")
    at = pl.when(arrears).then("window_end_at").otherwise("window_start_at")
    return day + pl.when(at > 0).then(pl.duration(days=1)).otherwise(pl.duration(days=0))


def _with_instants(windows: pl.DataFrame, days: pl.DataFrame) -> pl.DataFrame:
    """The windows and their full periods with their local dates and times as UTC instants."""
    for edge in EDGES:
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
