"""Documents of a folder that are not applied yet, beside the recorded book and only to look at."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import duckdb
import polars as pl

from meterhouse.canonical import canonical_json
from meterhouse.catalog.plan import Change, changes_to_record
from meterhouse.duck import identifier
from meterhouse.lake import Lake
from meterhouse.run.applying import plan_book, property_columns_of
from meterhouse.run.book import flatten

KINDS = ("event_type", "meter")
SCHEMA = {"kind": pl.String, "doc_id": pl.String, "valid_from": pl.Date, "content": pl.String}


class Proposed(NamedTuple):
    """New and changed meters and event types, and the property columns that they need."""

    changes: list[Change]
    columns: Mapping[str, str]


def proposed(lake: Lake, folder: Path) -> Proposed:
    """What applying the folder would change in meters; raises BookFault with all that is wrong."""
    changes = [one for one in changes_to_record(plan_book(lake, folder)) if one.kind in KINDS]
    with lake.reading() as db:
        known = lake.columns(db, "usage_events")
    wanted = property_columns_of(changes)
    return Proposed(changes, {n: t for n, t in wanted.items() if n not in known})


def propose(db: duckdb.DuckDBPyConnection, change: Proposed) -> None:
    """Flatten the book again, in this session alone, as if the documents were recorded now.

    A property that no event was lifted for is null in all of them, as it would be after applying.
    """
    rows = [(c.kind, c.id, c.valid_from, canonical_json(c.content)) for c in change.changes]
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")
    db.register("frame_in", frame.to_arrow())
    db.execute("create or replace temp table proposed as select * from frame_in")
    db.unregister("frame_in")
    row = db.execute("select value from lake.control.counters where name = 'batch_seq'").fetchone()
    head = int(row[0]) if row else 0
    db.execute(
        "create or replace temp view with_proposed as "
        "select kind, doc_id, valid_from, content, batch_seq, row_no "
        f"from lake.facts.book_versions where kind in {KINDS} union all "
        f"select *, {head + 1}, row_number() over () from proposed"
    )
    db.execute("create or replace view facts.book_versions as from with_proposed")
    flatten(db)
    if change.columns:
        nulls = ", ".join(
            f"cast(null as {kind}) as {identifier(name)}" for name, kind in change.columns.items()
        )
        db.execute(
            f"create or replace view facts.usage_events as select *, {nulls} "
            "from lake.facts.usage_events"
        )
