"""A CSV file of corrections: which events, and for amendments what to set."""

import json
from pathlib import Path

import polars as pl

from meterhouse.errors import CorrectionFault, UsageError
from meterhouse.run.amending import ASKED

KEYS = ("source", "id", "time")


def read_asked(file: Path, source: str | None, *, takes_values: bool) -> pl.DataFrame:
    """The rows of the file as ASKED: each column but source, id and time is a property, an empty
    cell leaves it as it is. A row without a source is of `source`."""
    frame = _read(file)
    values = [name for name in frame.columns if name not in KEYS]
    if "id" not in frame.columns:
        raise CorrectionFault([f"file {file.name} has no column id, which names the events"])
    if not takes_values and (values or "time" in frame.columns):
        listed = ", ".join(name for name in frame.columns if name not in ("source", "id"))
        raise CorrectionFault(
            [f"file {file.name} has columns that a void does not use: {listed}; leave them out"]
        )
    if frame.is_empty():
        raise CorrectionFault([f"file {file.name} names no event"])
    for name in set(KEYS) - set(frame.columns):
        frame = frame.with_columns(pl.lit(None, pl.String).alias(name))
    return frame.with_row_index("row", 1).select(
        pl.col("row").cast(pl.Int64),
        pl.format("row {}: ", "row").alias("place"),
        pl.coalesce("source", pl.lit(source, pl.String)),
        pl.col("id").alias("event_id"),
        "time",
        pl.Series("patch", _patches(frame, values), pl.String),
    )


def asked_of(
    source: str, ids: tuple[str, ...], time: str | None, values: dict[str, str | None]
) -> pl.DataFrame:
    """The same of events that are named one by one; a value of None takes the property away."""
    patch = json.dumps(values, ensure_ascii=False)
    rows = [(number, "", source, one, time, patch) for number, one in enumerate(ids, 1)]
    return pl.DataFrame(rows, schema=ASKED, orient="row")


def _read(file: Path) -> pl.DataFrame:
    try:
        frame = pl.read_csv(file, infer_schema=False)
    except FileNotFoundError as error:
        raise UsageError(f"No such file: {file}. Nothing was changed.") from error
    except (pl.exceptions.PolarsError, OSError) as error:
        told = str(error).splitlines()[0].rstrip(".")
        raise CorrectionFault([f"file {file.name} cannot be read as CSV: {told}"]) from error
    trimmed = pl.col(pl.String).str.strip_chars()
    return frame.with_columns(pl.when(trimmed != "").then(trimmed).name.keep())


def _patches(frame: pl.DataFrame, values: list[str]) -> list[str]:
    """What each row sets, as the text of a JSON object."""
    if not values:
        return ["{}"] * frame.height
    return [
        json.dumps({k: v for k, v in row.items() if v is not None}, ensure_ascii=False)
        for row in frame.select(values).iter_rows(named=True)
    ]
