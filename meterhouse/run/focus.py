"""The seller's side of FOCUS 1.2: what was invoiced in a period, for customers' FinOps tools.

One row per line and per tax of the issued documents; costs of an InvoiceId add up to its total.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

import duckdb
import polars as pl

from meterhouse.durable import file_sha256, fsync, make_folder
from meterhouse.errors import UsageError
from meterhouse.lake import Lake
from meterhouse.run.documents import write

VERSION = "1.2"
QUERY = Path(__file__).with_name("focus.sql")
Format = Literal["csv", "parquet"]


@dataclass(frozen=True)
class Focus:
    """A file that was written: rows and its costs by currency, as texts."""

    path: str
    sha256: str
    rows: int
    billed: dict[str, str]


def focus_rows(
    db: duckdb.DuckDBPyConnection, first: date, until: date, customer: str | None = None
) -> pl.DataFrame:
    """The rows of documents with invoice dates in [first, until), of one payer or of all."""
    period = {"first": first, "until": until, "customer": customer}
    found = db.execute(QUERY.read_text(encoding="utf-8"), period).pl()
    return found.with_columns(
        pl.col(name).dt.convert_time_zone("UTC")
        for name, kind in found.schema.items()
        if isinstance(kind, pl.Datetime)
    )


def write_focus(
    lake: Lake, first: date, until: date, folder: Path, customer: str | None, form: Format
) -> Focus:
    """Write `folder`/focus-<first>-<until>[-<customer>].<form>, whole or not at all."""
    with lake.reading() as db:
        if customer is not None:
            _refuse_unknown(db, customer)
        frame = focus_rows(db, first, until, customer)
    name = "-".join(["focus", first.isoformat(), until.isoformat(), *filter(None, [customer])])
    path = folder / f"{name}.{form}"
    if form == "csv":
        write(path, in_csv(frame).write_csv().encode(), folder)
    else:
        folder.mkdir(parents=True, exist_ok=True)
        make_folder(path.parent, folder)
        temporary = path.with_name(f".{path.name}.part")
        frame.write_parquet(temporary, compression="zstd")
        fsync(temporary)
        temporary.replace(path)
        fsync(path.parent)
    sums = frame.group_by("BillingCurrency").agg(pl.col("BilledCost").sum()).sort("BillingCurrency")
    billed = {currency: format(cost.normalize(), "f") for currency, cost in sums.iter_rows()}
    return Focus(str(path), file_sha256(path), frame.height, billed)


def in_csv(frame: pl.DataFrame) -> pl.DataFrame:
    """Decimals in their shortest spelling, instants as ISO 8601 in UTC."""
    texts = []
    for name, kind in frame.schema.items():
        column = pl.col(name)
        if isinstance(kind, pl.Decimal):
            text = column.cast(pl.String)
            has_point = text.str.contains(".", literal=True)
            short = text.str.strip_chars_end("0").str.strip_chars_end(".")
            texts.append(pl.when(has_point).then(short).otherwise(text).alias(name))
        elif isinstance(kind, pl.Datetime):
            texts.append(column.dt.to_string("%Y-%m-%dT%H:%M:%SZ"))
    return frame.with_columns(texts)


def _refuse_unknown(db: duckdb.DuckDBPyConnection, customer: str) -> None:
    known = db.execute(
        "select 1 from facts.documents where customer_id = ? limit 1", [customer]
    ).fetchone()
    if known is None:
        raise UsageError(
            f"No document was issued to a customer {customer!r}. Nothing was written. "
            "`meterhouse invoices list` shows who has documents."
        )
