"""What windows of usage would cost as a run would rate them, without modifiers of contracts.

A window that is a part of a divided period goes on where the parts before it ended, so whoever asks
for one gives the earlier parts of its period too.
"""

import duckdb
import polars as pl

from meterhouse.pricing.charging import rate_usage
from meterhouse.pricing.divided import PERIOD
from meterhouse.run.charged_lines import AGGREGATIONS
from meterhouse.run.meter_versions import Meters
from meterhouse.run.parts import without_parts

VERSION = {
    "meter_id": pl.String,
    "meter_version": pl.Int64,
    "aggregation": pl.String,
    "bucket": pl.String,
    "recurring": pl.Boolean,
}
WAYS = ("split_tiers", "stub_flags", "aggregation")
READ = (
    *("window_id", "charge_id", "contract_id", "item_id", "meter_id", "dimensions"),
    *("price_model", "price", "modifiers", "currency", "quantity", "prorate_start", "prorate_end"),
    *("window_start_on", "window_end_on", "period_start_on", "period_end_on"),
    *("share_numerator", "share_denominator", *WAYS),
)
OF_CONTRACTS = "select contract_id, split_tiers, stub_flags from book.contracts"


def with_ways(
    db: duckdb.DuckDBPyConnection, windows: pl.DataFrame, meters: Meters, meter: str
) -> pl.DataFrame:
    """The windows with how the parts of their periods are put together, measured by a meter.

    They have contract_id and meter_version; the connection has the flattened book.
    """
    # Also versions that are in force no more.
    versions = pl.DataFrame(
        [{name: row[name] for name in VERSION} for row in meters.named(meter)], schema=VERSION
    )
    db.register("meters_in", versions.to_arrow())
    kinds = db.sql(AGGREGATIONS.format(meters="meters_in")).pl().drop("meter_id")
    db.unregister("meters_in")
    return windows.join(
        db.sql(OF_CONTRACTS).pl(), on="contract_id", how="left", maintain_order="left"
    ).join(kinds, on="meter_version", how="left", maintain_order="left")


def rate_windows_of_usage(windows: pl.DataFrame) -> pl.DataFrame:
    """window_id, amount_unrounded and amount of the windows (columns of READ), but for those whose
    price reads more than a quantity, in their own part of the period or in another one."""
    able = without_parts(windows)
    others = windows.join(able, on="window_id", how="anti")
    whole = able.join(others, on=list(PERIOD), how="anti", nulls_equal=True)
    return rate_usage(whole.select(READ)).select("window_id", "amount_unrounded", "amount")


def with_earlier_parts(chosen: pl.DataFrame, all_windows: pl.DataFrame) -> pl.DataFrame:
    """The chosen windows with `is_asked`, and the earlier parts of their periods without."""
    period = [name for name in PERIOD if name != "meter_id"]
    last = chosen.group_by(period).agg(last_start=pl.col("window_start").max())
    earlier = (
        all_windows.join(last, on=period)
        .filter(pl.col("window_start") < pl.col("last_start"))
        .join(chosen, on="window_id", how="anti")
        .select(chosen.columns)
    )
    return pl.concat(
        [chosen.with_columns(is_asked=pl.lit(value=True)),
         earlier.with_columns(is_asked=pl.lit(value=False))]
    )  # fmt: skip
