"""The files that were made of issued documents: the first of each form is kept, and given again.

What a customer has got is these bytes, whatever later releases, fonts or logos would make of the
document. Drafts, and pages that tell what was paid by some day, are made anew each time.
"""

from collections.abc import Mapping, Sequence

import duckdb
import polars as pl

from meterhouse.durable import bytes_sha256
from meterhouse.lake import Commit, Lake

SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "document_id": pl.String,
    "form": pl.String,
    "sha256": pl.String,
    "bytes": pl.Int64,
    "data": pl.Binary,
}
KEPT = """
select document_id, data from facts.renderings
where form = ? and list_contains(?, document_id)
"""
LACKING = "not in (select (document_id, form) from lake.facts.renderings)"
APPEND = f"""
select *, ?::timestamptz as rendered_at from frame_in where (document_id, form) {LACKING}
"""


def kept(db: duckdb.DuckDBPyConnection, form: str, document_ids: Sequence[str]) -> dict[str, bytes]:
    """The kept files of one form, by document."""
    return dict(db.execute(KEPT, [form, list(document_ids)]).fetchall())


def keep(lake: Lake, form: str, made: Mapping[str, bytes]) -> None:
    """Keep the files of documents of which none of this form is kept yet."""
    if not made:
        return
    rows = [(one, form, bytes_sha256(data), len(data), data) for one, data in made.items()]
    frame = pl.DataFrame(rows, schema=SCHEMA, orient="row")

    def write(commit: Commit) -> None:
        commit.db.register("frame_in", frame.to_arrow())
        commit.append("renderings", APPEND, [lake.settings.now()])
        commit.db.unregister("frame_in")

    with lake.session() as session:
        lake.commit(session, write, takes_number=False)
