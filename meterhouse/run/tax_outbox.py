"""What tax engines must be told of documents: messages of the outbox, written with what they tell.

`tax.record`: keep the document, with its question; of a credit note by hand, with the question of
the document it credits. `tax.void`: take it back.
"""

import duckdb
import polars as pl

from meterhouse.canonical_columns import object_of, string

RECORD = "tax.record"
VOID = "tax.void"
MESSAGES = dict.fromkeys(("message_id", "kind", "subject_id", "payload"), pl.String)
# Most homes have never asked an engine: one look says so.
_HAS = "select 1 from facts.files where table_name = 'tax_answers' limit 1"
_TOLD = f"""
select subject_id, payload from facts.outbox
where kind = '{RECORD}' and list_contains(?, subject_id) order by subject_id
"""


def of_drafts(documents: pl.DataFrame, questions: pl.DataFrame) -> pl.DataFrame:
    """A message for each document whose taxes an engine said."""
    asked = questions.join(documents.select("document_id"), left_on="draft_id",
                           right_on="document_id", how="semi")  # fmt: skip
    payload = {"engine": string(pl.col("engine")), "question": string(pl.col("question_sha256"))}
    return _messages(asked.with_columns(document_id="draft_id"), RECORD, object_of(payload))


def of_note(db: duckdb.DuckDBPyConnection, original: str, document_id: str) -> pl.DataFrame:
    """The message of a credit note by hand, if an engine said the taxes of what it credits."""
    payload = pl.col("payload").str.replace('"question":', '"original":', literal=True)
    told = _told(db, [original]).with_columns(document_id=pl.lit(document_id))
    return _messages(told, RECORD, payload)


def of_voids(db: duckdb.DuckDBPyConnection, document_ids: list[str]) -> pl.DataFrame:
    """A message for each voided document that an engine was to be told of."""
    told = _told(db, document_ids).with_columns(document_id="subject_id")
    return _messages(told, VOID, pl.col("payload"))


def _told(db: duckdb.DuckDBPyConnection, document_ids: list[str]) -> pl.DataFrame:
    if db.execute(_HAS).fetchone() is None:
        return pl.DataFrame(schema={"subject_id": pl.String, "payload": pl.String})
    return db.execute(_TOLD, [document_ids]).pl()


def _messages(rows: pl.DataFrame, kind: str, payload: pl.Expr) -> pl.DataFrame:
    return rows.select(
        message_id=pl.format("{}-{}", pl.lit(kind), "document_id"),
        kind=pl.lit(kind),
        subject_id="document_id",
        payload=payload,
    ).select(pl.col(name).cast(kind) for name, kind in MESSAGES.items())
