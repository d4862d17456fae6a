"""What a materialization shows: the run, counts, money by currency, the first rows."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import dagster as dg
import duckdb

from assets.resources import BillingRun
from meterhouse.run.context import Run

Metadata = dict[str, Any]
PREVIEW_ROWS = 5
PREVIEW_COLUMNS = 8


def standing(run: Run, billing: BillingRun) -> Metadata:
    """Which run made it, what it knew and billed, and whether it was dry."""
    dry = {"dry_run": f"Nothing is issued: {billing.why_dry}."} if run.is_dry else {}
    return {
        "run_id": run.run_id,
        "known_at": run.known_at,
        "through": run.through.isoformat(),
        **dry,
    }


@contextmanager
def tables(run: Run) -> Iterator[duckdb.DuckDBPyConnection]:
    """The run's own tables, to look at: no lake and no extension, which cost 0.2 s to load."""
    with duckdb.connect(str(run.warehouse.path), read_only=True) as db:
        yield db


def row_count(db: duckdb.DuckDBPyConnection, table: str) -> int:
    """The rows of a table or view."""
    counted = db.execute(f"select count(*) from {table}").fetchone()
    return int(counted[0]) if counted else 0


def counted(
    db: duckdb.DuckDBPyConnection, keys: Iterable[dg.AssetKey], shown: Metadata
) -> dict[dg.AssetKey, Metadata]:
    """For each table its row count beside what is shown of all."""
    return {key: {**shown, "dagster/row_count": row_count(db, ".".join(key.path))} for key in keys}


def described(db: duckdb.DuckDBPyConnection, table: str) -> Metadata:
    """Row count and first rows."""
    return {"dagster/row_count": row_count(db, table), "preview": preview(db, f"from {table}")}


def preview(db: duckdb.DuckDBPyConnection, select: str) -> dg.MarkdownMetadataValue:
    """The first rows and columns of a query as a table."""
    cursor = db.execute(f"select * from ({select}) limit {PREVIEW_ROWS}")
    names = [column[0] for column in cursor.description or []][:PREVIEW_COLUMNS]
    return table_of(names, [row[:PREVIEW_COLUMNS] for row in cursor.fetchall()])


def table_of(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> dg.MarkdownMetadataValue:
    """Rows as a markdown table; cells are cut at 40 characters."""
    lines = [_line(names), _line(["---"] * len(names)), *(_line(row) for row in rows)]
    return dg.MetadataValue.md("\n".join(lines))


def _line(cells: Sequence[Any]) -> str:
    texts = ("" if cell is None else str(cell)[:40] for cell in cells)
    return "| " + " | ".join(text.replace("|", "\\|").replace("\n", " ") for text in texts) + " |"


def money(db: duckdb.DuckDBPyConnection, select: str) -> Metadata:
    """Sums of a query of (currency, amount), one text per currency; never a float."""
    rows = db.execute(
        f"select currency, sum(amount)::decimal(38, 6)::varchar from ({select}) "
        "where currency is not null group by all order by all"
    ).fetchall()
    return {f"total_{currency}": f"{_trimmed(amount)} {currency}" for currency, amount in rows}


def _trimmed(amount: str) -> str:
    """At least two places, no more zeros than that."""
    whole, _, places = amount.partition(".")
    return f"{whole}.{places.rstrip('0').ljust(2, '0')}"
