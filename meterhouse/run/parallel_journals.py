"""The old system's journal of a month beside ours."""

import csv
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import polars as pl

from meterhouse.errors import UsageError
from meterhouse.lake import Lake
from meterhouse.parallel.journals import compared_journals, read_journal
from meterhouse.parallel.names import lookup
from meterhouse.run.parallel_compare import month_number
from meterhouse.run.parallel_map import maps_of, names_of

COLUMNS = ("date", "account", "customer", "currency", "debit", "credit")
OURS = """
select account, customer_id, currency, debit - credit as amount
from facts.journal_lines join (
    select entry_id, currency from facts.journal_entries
    where year(posting_date) * 12 + month(posting_date) = ?
) using (entry_id)
"""


class Journals(NamedTuple):
    """`cells`: the columns of `compared_journals`. `faults`: file, source_line, fault."""

    cells: pl.DataFrame
    faults: list[dict[str, Any]]

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs and every line of the file could be read."""
        return not self.faults and self.cells.filter(pl.col("difference") != 0).is_empty()


def compare_journals(lake: Lake, path: Path, period: str) -> Journals:
    """Compare a CSV (COLUMNS) of the old system's postings with ours of the month, by account.

    Accounts and customers are mapped as recorded; an account that is not mapped keeps its name.
    """
    month = month_number(period)
    old = read_journal(_rows(path))
    with lake.reading() as db:
        names = names_of(db)
        accounts = maps_of(db)["accounts"]
        new = _ours(db, month)
    number = pl.col("date").dt.year().cast(pl.Int64) * 12 + pl.col("date").dt.month()
    sound = old.filter(pl.col("fault").is_null() & (number == month))
    mapped = sound.with_columns(
        pl.col("account").replace(accounts), key=pl.col("customer").str.to_lowercase()
    ).join(
        lookup(names.customer_map, names.customers, "customer_id"), on="key", how="left"
    )  # fmt: skip
    unknown = mapped.filter(
        pl.col("customer_id").is_null() & (pl.col("customer").fill_null("") != "")
    ).select("source_line", fault=pl.format("customer '{}' is not mapped", "customer"))
    faulty = old.filter(pl.col("fault").is_not_null()).select("source_line", "fault")
    told = pl.concat([faulty, unknown]).sort("source_line")
    return Journals(
        compared_journals(mapped, new), [{"file": path.name, **one} for one in told.to_dicts()]
    )


def _ours(db: duckdb.DuckDBPyConnection, month: int) -> pl.DataFrame:
    return db.execute(OURS, [month]).pl()


def _rows(path: Path) -> pl.DataFrame:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.DictReader(file, strict=True)
            lacking = sorted({*COLUMNS} - {*(lines.fieldnames or ())})
            if lacking:
                raise UsageError(f"{path.name} lacks the columns {', '.join(lacking)}.")
            rows = [[lines.line_num, *(row[name] for name in COLUMNS)] for row in lines]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path.name} cannot be read: {error}. Nothing was compared.") from error
    schema = {"line": pl.Int64, **dict.fromkeys(COLUMNS, pl.String)}
    return pl.DataFrame(rows, schema=schema, orient="row")
