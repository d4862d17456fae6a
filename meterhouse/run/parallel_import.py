"""Invoices of the old billing system as facts, to compare with; nothing of them is billed.

A document with a fault is kept with its reason and compared with nothing until a corrected file
brings the number again: of each number the newest import counts.
"""

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import yaml

from meterhouse.canonical import canonical_json, short_hash
from meterhouse.durable import bytes_sha256
from meterhouse.errors import UsageError
from meterhouse.lake import Commit, Lake
from meterhouse.lake_views import views
from meterhouse.money import AMOUNT
from meterhouse.nearest import known_names
from meterhouse.parallel.documents import documents
from meterhouse.parallel.mapping import LAYOUTS, Mapping, mapping_of
from meterhouse.parallel.reading import missing_columns, read_lines
from meterhouse.parallel.stripe import COLUMNS, rows_of
from meterhouse.run.commands import record

COMMAND = "parallel_import"
INVOICE = (
    *("import_id", "system", "number", "kind", "customer", "currency", "invoice_date"),
    *("line_count", "net", "tax", "total", "fault"),
)
LINE = (
    *("import_id", "system", "number", "line_no", "source_line", "product", "description"),
    *("quantity", "unit_price", "amount", "tax", "is_inclusive", "from_on", "until_on"),
    *("fault", "raw"),
)


@dataclass(frozen=True)
class Imported:
    """What an import did or would do. Totals: currency, documents, lines, net, tax. Faults: file,
    line, number, fault. `is_known`: the same file was imported before, with the same mapping."""

    import_id: str
    system: str
    batch_seq: int | None
    is_known: bool
    skipped: int
    totals: tuple[dict[str, Any], ...]
    faults: tuple[dict[str, Any], ...]


def find_mapping(layout: str | None, path: Path | None) -> Mapping:
    """The mapping of a file, or one of LAYOUTS by its name."""
    if (layout is None) == (path is None):
        raise UsageError(
            "Give either a mapping file or the name of a layout; nothing was imported."
        )
    if layout is not None:
        if layout not in LAYOUTS:
            raise UsageError(f"There is no layout {layout!r}; layouts are {known_names(LAYOUTS)}.")
        return LAYOUTS[layout]
    assert path is not None
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(
            f"Mapping {path.name} cannot be read: {error}. Nothing was imported."
        ) from (error)
    return mapping_of(document, path.name)


def import_legacy(lake: Lake, path: Path, mapping: Mapping, *, dry: bool = False) -> Imported:
    """Import the documents of a file, or with `dry` only say what would be imported."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"File {path} cannot be read: {error}. Nothing was imported.") from error
    import_id = short_hash([bytes_sha256(data), canonical_json(mapping.model_dump())])
    with lake.session() as db:
        views(db, None)
        batch = batch_of(db, import_id)
        if batch is not None:
            return Imported(import_id, mapping.system, batch, True, 0, (), ())
        lines, skipped = _lines(data, path.name, mapping)
        invoices = _invoices(lines)
        if not dry:
            payload = canonical_json(
                {"file": path.name, "system": mapping.system, "documents": invoices.height,
                 "lines": lines.height, "skipped": skipped}
            )  # fmt: skip
            marks = {"import_id": import_id, "system": mapping.system}
            batch = lake.commit(db, lambda commit: _write(commit, invoices, lines, marks, payload))
    return Imported(
        import_id, mapping.system, batch, False, skipped,
        _totals(invoices), tuple(_faults(lines, path.name)),
    )  # fmt: skip


def batch_of(db: duckdb.DuckDBPyConnection, import_id: str) -> int | None:
    """The batch that brought the file, or None."""
    row = db.execute(
        "select batch_seq from facts.commands where kind = ? and subject_id = ?",
        [COMMAND, import_id],
    ).fetchone()
    return None if row is None else int(row[0])


def _lines(data: bytes, name: str, mapping: Mapping) -> tuple[pl.DataFrame, int]:
    rows = _json_rows(data, name) if name.lower().endswith(".json") else _csv_rows(
        data, name, mapping
    )  # fmt: skip
    lacking = missing_columns(rows, mapping)
    if lacking:
        has = known_names([one for one in rows.columns if one != "line"], 40)
        told = "\n".join(f"  - {one}" for one in lacking)
        raise UsageError(
            f"{name} does not have the columns of the mapping; nothing was imported. "
            f"It has {has}:\n{told}"
        )
    if not rows.height:
        raise UsageError(f"{name} has no rows; nothing was imported.")
    typed, skipped = read_lines(rows, mapping)
    return documents(typed), skipped


def _csv_rows(data: bytes, name: str, mapping: Mapping) -> pl.DataFrame:
    """Rows as texts; a row with more or fewer values than the header is a fault of the file."""
    try:
        text = data.decode(mapping.encoding)
    except (UnicodeDecodeError, LookupError) as error:
        raise UsageError(f"{name} cannot be read: {error}. Nothing was imported.") from error
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mapping.delimiter, strict=True)
    rows: list[list[Any]] = []
    told: list[str] = []
    try:
        header = [one.strip() for one in next(reader, [])]
        for row in reader:
            if row and len(row) != len(header):
                told.append(
                    f"line {reader.line_num} has {len(row)} values, and the header {len(header)}"
                )
            elif row:
                rows.append([reader.line_num, *row])
    except csv.Error as error:
        told.append(f"line {reader.line_num}: {error}")
        header = []
    told += [f"column {one!r} is there twice" for one in {*header} if header.count(one) > 1]
    _refuse(name, told)
    schema = {"line": pl.Int64, **dict.fromkeys(header, pl.String)}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _json_rows(data: bytes, name: str) -> pl.DataFrame:
    try:
        # Numbers with a point stay texts: a float is no exact amount.
        found = json.loads(data, parse_float=str)
        rows, told = rows_of(found)
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise UsageError(
            f"{name} cannot be read as JSON: {error}. Nothing was imported."
        ) from error
    _refuse(name, told)
    frame = pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.String))
    return frame.with_row_index("line", 1).with_columns(pl.col("line").cast(pl.Int64))


def _refuse(name: str, told: list[str]) -> None:
    if told:
        listed = "\n".join(f"  - {one}" for one in told[:100])
        rest = f"\n  and {len(told) - 100:,} more" if len(told) > 100 else ""
        raise UsageError(f"{name} cannot be read; nothing was imported:\n{listed}{rest}")


def _invoices(lines: pl.DataFrame) -> pl.DataFrame:
    tax = pl.col("tax").fill_null(0).sum().cast(AMOUNT)
    return (
        lines.group_by("number", maintain_order=True)
        .agg(
            pl.col("kind", "customer", "currency", "invoice_date").first(),
            line_count=pl.len().cast(pl.Int64),
            net=pl.col("amount").sum().cast(AMOUNT),
            tax=tax,
            fault=pl.col("fault").drop_nulls().first(),
        )
        .with_columns(total=(pl.col("net") + pl.col("tax")).cast(AMOUNT))
    )


def _write(
    commit: Commit,
    invoices: pl.DataFrame,
    lines: pl.DataFrame,
    marks: dict[str, str],
    payload: str,
) -> int:
    for table, frame, columns in (
        ("legacy_invoices", invoices, INVOICE),
        ("legacy_lines", lines, LINE),
    ):
        marked = frame.with_columns(pl.lit(text).alias(name) for name, text in marks.items())
        commit.db.register("frame_in", marked.select(columns).to_arrow())
        commit.append(table, "select * from frame_in")
        commit.db.unregister("frame_in")
    return record(commit, COMMAND, [(marks["import_id"], marks["import_id"])], payload, "Imported.")


def _totals(invoices: pl.DataFrame) -> tuple[dict[str, Any], ...]:
    sound = invoices.filter(pl.col("fault").is_null())
    sums = sound.group_by("currency").agg(
        documents=pl.len(),
        lines=pl.col("line_count").sum(),
        net=pl.col("net").sum(),
        tax=pl.col("tax").sum(),
    )
    return tuple(sums.sort("currency").to_dicts())


def _faults(lines: pl.DataFrame, name: str) -> list[dict[str, Any]]:
    told = lines.filter(pl.col("fault").is_not_null()).select(
        pl.lit(name).alias("file"), "source_line", "number", "fault"
    )
    return told.sort("source_line").to_dicts()
