"""Which contracts end or are renewed soon, from the recorded book alone."""

from datetime import date, timedelta

import duckdb
import polars as pl

from meterhouse.contracts.notices import contract_terms
from meterhouse.errors import UsageError
from meterhouse.lake import Lake
from meterhouse.run.book import flatten
from meterhouse.run.windows import read_series

BANDS = (30, 60, 90)


def renewals(lake: Lake, through: date, within: int = BANDS[-1]) -> pl.DataFrame:
    """One row per term that ends on `through` or at most so many days later, the next one first.

    Columns of `contracts.notices.COLUMNS`, days_left, band (30, 60, 90 or `within`) and
    is_notice_over (whether the last day for notice is before `through`).
    """
    if within < 1:
        raise UsageError(f"{within} days hold no end of a term; ask for 1 day or more.")
    with lake.reading() as db:
        flatten(db)
        found = read_terms(db, through + timedelta(days=within + 1))
    days = (pl.col("ends_on") - pl.lit(through)).dt.total_days()
    band = pl.lit(within, pl.Int64)
    for most in sorted((one for one in BANDS if one < within), reverse=True):
        band = pl.when(pl.col("days_left") <= most).then(pl.lit(most, pl.Int64)).otherwise(band)
    return (
        found.with_columns(days_left=days)
        .filter(pl.col("days_left").is_between(0, within))
        .with_columns(band=band, is_notice_over=pl.col("notice_by") < pl.lit(through))
        .sort("ends_on", "contract_id")
    )


def read_terms(db: duckdb.DuckDBPyConnection, horizon: date) -> pl.DataFrame:
    """The terms of the contracts in schema book that begin before the horizon."""
    tables = ("contracts", "contract_items", "renewals")
    contracts, items, ends = (db.sql(f"from book.{table}").pl() for table in tables)
    return contract_terms(contracts, items, ends, read_series(db), horizon)
