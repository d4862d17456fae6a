"""What entities say of approving and issuing: who may, how many, and how long a draft stays open.

Names are those that commands record. On a file that everybody may write this is a rule of the
process, not protection against somebody who wants to get around it.
"""

import json
from collections.abc import Collection
from datetime import date

import duckdb
import polars as pl

from meterhouse.catalog.approval_documents import EVERYBODY
from meterhouse.errors import Rejected
from meterhouse.run.parallel_signing import signed

# A warehouse of an earlier release, which lists only read, lacks them.
_LATER = {
    "auto_approve": pl.lit(None, pl.String),
    "approvals": pl.lit(1, pl.Int64),
    "approvers": pl.lit(None, pl.String),
    "issuers": pl.lit(None, pl.String),
    "grace_days": pl.lit(0, pl.Int64),
    "go_live_months": pl.lit(0, pl.Int64),
}
APPROVE, ISSUE = "approvers", "issuers"
_VERBS = {APPROVE: "approve drafts", ISSUE: "issue documents"}
# What usage may still change: not what corrects a window, nor what is billed before it is due.
REGULAR = """
select distinct draft_id from billing.draft_lines
where not is_correction and due_on <= boundary_on
"""
# The newest word on who may issue, also where no run has made the book's tables yet.
SAID = """
select doc_id as entity_id, nullif((content->'$.issuers')::varchar, 'null') as issuers
from facts.book_versions where kind = 'entity'
qualify row_number() over (
    partition by doc_id order by valid_from desc nulls last, batch_seq desc, row_no desc
) = 1
"""


def policies(db: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """One row per entity: entity_id, approval, auto_approve, approvals, approvers, issuers (JSON
    text or null), grace_days, go_live_months."""
    found = db.sql("from book.entities").pl()
    missing = {name: value for name, value in _LATER.items() if name not in found.columns}
    return found.with_columns(**missing).select("entity_id", "approval", *_LATER)


def refusals(said: pl.DataFrame, role: str, actor: str) -> dict[str, str]:
    """Entity to the sentence why this person may not approve (or issue) for it."""
    people = {
        entity: json.loads(names)
        for entity, names in said.select("entity_id", role).iter_rows()
        if names is not None
    }
    return {
        entity: f"{actor} may not {_VERBS[role]} of entity {entity}; {_listed(names)} may."
        for entity, names in people.items()
        if not {EVERYBODY, actor} & set(names)
    }


def refuse_issuing(
    db: duckdb.DuckDBPyConnection, entities: Collection[str], actor: str, left: str
) -> None:
    """Raise Rejected where this person may not issue for one of the entities; `left` says what
    state is left."""
    said = db.sql(SAID).pl().filter(pl.col("entity_id").is_in(list(entities)))
    faults = sorted(refusals(said, ISSUE, actor).values())
    if faults:
        raise Rejected("\n".join([*faults, left]))


def refused(drafts: pl.DataFrame, said: pl.DataFrame, role: str, actor: str) -> dict[str, str]:
    """Draft to the sentence why this person may not approve (or issue) it."""
    why = refusals(said, role, actor)
    rows = drafts.filter(pl.col("entity_id").is_in(list(why))).select("draft_id", "entity_id")
    return {draft: why[entity] for draft, entity in rows.iter_rows()}


def in_grace(
    db: duckdb.DuckDBPyConnection, drafts: pl.DataFrame, said: pl.DataFrame, through: date
) -> dict[str, str]:
    """Draft to the sentence until when it stays open; only what late usage may still change."""
    patient = said.filter(pl.col("grace_days") > 0).select("entity_id", "grace_days")
    if patient.is_empty():
        return {}
    open_until = pl.col("boundary_on").dt.offset_by(pl.format("{}d", "grace_days"))
    waiting = (
        drafts.join(patient, on="entity_id")
        .join(db.sql(REGULAR).pl(), on="draft_id", how="semi")
        .with_columns(until=open_until)
        .filter(pl.col("until") > through)
    )
    why = pl.format("It may still change until {}; name it to issue it earlier.", "until")
    return dict(waiting.select("draft_id", why=why).iter_rows())


def not_live(
    db: duckdb.DuckDBPyConnection, drafts: pl.DataFrame, said: pl.DataFrame
) -> dict[str, str]:
    """Draft to the sentence how many months of the parallel run are signed off for its payer."""
    gated = said.filter(pl.col("go_live_months") > 0).select("entity_id", "go_live_months")
    asked = drafts.join(gated, on="entity_id")
    if asked.is_empty():
        return {}
    months = signed(db).group_by("customer_id").agg(done=pl.col("period").n_unique().cast(pl.Int64))
    waiting = (
        asked.join(months, on="customer_id", how="left")
        .with_columns(pl.col("done").fill_null(0))
        .filter(pl.col("done") < pl.col("go_live_months"))
    )
    why = pl.format(
        "Customer {} is not live: {} of {} months of the parallel run are signed off. "
        "`meterhouse parallel sign-off` does.",
        *("customer_id", "done", "go_live_months"),
    )
    return dict(waiting.select("draft_id", why=why).iter_rows())


def _listed(names: Collection[str]) -> str:
    return " or ".join(sorted(names))
