"""Document numbers: gapless in each series, rising with the date of the document.

A series is an entity, a kind of document and the year of the invoice date. Within one issue,
documents take numbers in the order of date and draft id, so that the order never depends on luck.
"""

import string

import polars as pl

CREDIT_NOTE_PREFIX = "CN-"


def with_series(drafts: pl.DataFrame) -> pl.DataFrame:
    """The drafts with `series` (entity|kind|year), `year` and `rank` from 0 in their series."""
    year = pl.col("invoice_date").dt.year()
    series = pl.format("{}|{}|{}", "entity_id", "kind", year)
    return (
        drafts.with_columns(series=series, year=year)
        .sort("series", "invoice_date", "draft_id")
        .with_columns(rank=pl.int_range(pl.len(), dtype=pl.Int64).over("series"))
    )


def counts(ranked: pl.DataFrame) -> list[tuple[str, int]]:
    """Each series and how many numbers it needs, in order of name."""
    needed = ranked.group_by("series").len().sort("series")
    return list(needed.iter_rows())


def numbered(ranked: pl.DataFrame, firsts: dict[str, int], entities: pl.DataFrame) -> pl.DataFrame:
    """The documents with `number`: the text made from the entity's format and the serial.

    A credit note carries the same format behind `CN-`, because its series counts apart.
    """
    first = pl.DataFrame(
        {"series": list(firsts), "first": list(firsts.values())},
        schema={"series": pl.String, "first": pl.Int64},
    )
    shapes = _shapes(ranked, entities)
    serial = (pl.col("first") + pl.col("rank")).cast(pl.String)
    padded = serial.str.zfill(pl.col("width"))
    return (
        ranked.join(first, on="series", validate="m:1")
        .join(shapes, on="series", validate="m:1")
        .with_columns(number=pl.concat_str("before", padded, "after"))
        .drop("first", "before", "after", "width", "rank", "year")
    )


def _shapes(ranked: pl.DataFrame, entities: pl.DataFrame) -> pl.DataFrame:
    """One row per series: text before and after the serial, and its width in digits."""
    series = ranked.select("series", "entity_id", "kind", "year").unique()
    formats = dict(entities.select("entity_id", "number_format").iter_rows())
    rows = [
        (name, *_shape(str(formats[entity]), entity, kind, year))
        for name, entity, kind, year in series.iter_rows()
    ]
    schema = {"series": pl.String, "before": pl.String, "after": pl.String, "width": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def _shape(number_format: str, entity: str, kind: str, year: int) -> tuple[str, str, int]:
    parts = ["", ""]
    width, side = 1, 0
    for text, field, spec, _ in string.Formatter().parse(number_format):
        parts[side] += text
        if field == "entity":
            parts[side] += entity
        elif field == "year":
            parts[side] += str(year)
        elif field == "number":
            side, width = 1, int((spec or "1").rstrip("d") or 1)
    before = parts[0] if kind == "invoice" else CREDIT_NOTE_PREFIX + parts[0]
    return before, parts[1], width
