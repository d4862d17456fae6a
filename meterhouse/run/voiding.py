"""Taking documents back before anybody got them: their windows become billable again.

A void keeps the number, which stays used, and appends: the lines with opposite amounts, the entries
reversed on an open day, and a row of facts.voids. What was sent, paid, credited or corrected since
is not voided; a credit note corrects it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import polars as pl

from meterhouse.canonical import canonical_json, short_hash
from meterhouse.errors import Rejected, UsageError
from meterhouse.invoicing.prepaid import CREDIT_SALE
from meterhouse.lake import Commit, Lake
from meterhouse.lake_views import views
from meterhouse.ledger.accounts import PREPAYMENTS
from meterhouse.ledger.reversing import reversed_entries
from meterhouse.run.balance import SIGNED, with_ids
from meterhouse.run.commands import closed_until, record
from meterhouse.run.policies import refuse_issuing
from meterhouse.run.tax_outbox import of_voids

ASKED = """
select documents.*, entities.zone
from facts.documents as documents join asked using (number)
left join (
    select doc_id as entity_id, arg_max(content->>'$.zone', (batch_seq, row_no)) as zone
    from facts.book_versions where kind = 'entity' group by doc_id
) as entities using (entity_id)
"""
# Why a document cannot be voided, one row per reason.
FAULTS = f"""
select number, 'It was voided on ' || voided_on || '.' as why
from facts.voids semi join asked using (number)
union all
select documents.number, 'It was sent; `meterhouse invoices credit` takes back what was sent.'
from asked_documents as documents
where exists (
    select 1 from facts.commands where kind = 'sent' and subject_id = documents.document_id
) or exists (
    select 1 from facts.deliveries
    where result = 'delivered' and message_id = 'document.issued-' || documents.document_id
)
union all
select distinct documents.number,
    'What is due of it was lowered since, by ' || kind || '; take that back first.'
from asked_documents as documents join facts.applications using (document_id)
union all
select documents.number, 'It lowers what is due of '
    || string_agg(distinct lowered.number, ', ' order by lowered.number) || '.'
from asked_documents as documents
join facts.applications as applied on applied.source_id = documents.document_id
join facts.documents as lowered on lowered.document_id = applied.document_id
group by documents.number
union all
select documents.number, 'Later documents correct its lines: '
    || string_agg(distinct later.number, ', ' order by later.number) || '; void them first, or too.'
from asked_documents as documents
join facts.standing_lines as own using (document_id)
join facts.standing_lines as later using (line_key)
where (later.batch_seq > own.batch_seq
        or (later.batch_seq = own.batch_seq and later.row_no > own.row_no))
    and later.number not in (select number from asked)
group by documents.number
union all
select documents.number, 'It sold credit of which a part has paid documents since.'
from asked_documents as documents
join facts.standing_lines as sold using (document_id)
join (
    select contract_id, item_id, window_start_on,
        sum(credit - debit) as held
    from facts.journal_lines where account = '{PREPAYMENTS}' group by all
) as lots using (contract_id, item_id, window_start_on)
where sold.role = '{CREDIT_SALE}' and lots.held < sold.amount
union all
select distinct documents.number,
    'It put money to the balance of its customer, of which a part is used since.'
from asked_documents as documents
join facts.balance_moves as lots on lots.document_id = documents.document_id and lots.kind = 'lot'
semi join (
    select lot_id from facts.balance_moves group by lot_id having sum({SIGNED}) < sum(
        case when kind = 'lot' then amount else 0 end
    )
) as used on used.lot_id = lots.lot_id
order by all
"""
LINES = """
select lines.* exclude (batch_seq, row_no, row_hash) replace (
    voided.void_id as document_id, -lines.amount as amount,
    -lines.amount_unrounded as amount_unrounded
)
from facts.billed_lines as lines join voided using (document_id)
"""
ENTRIES = """
select entries.* exclude (batch_seq, row_no, row_hash)
    replace (voided.voided_on as event_date, voided.posting_date as posting_date)
from facts.journal_entries as entries join voided using (document_id)
where entries.reversal_of is null
"""
ENTRY_LINES = """
select lines.* exclude (batch_seq, row_no, row_hash)
from facts.journal_lines as lines semi join entries_in using (entry_id)
"""
# What a voided document had drawn goes back to its lot; a lot that a voided note made is no more.
MOVES = """
select case moves.kind when 'draw' then 'return' else 'void' end as kind, moves.lot_id,
    moves.entity_id, moves.customer_id, moves.currency, moves.amount, moves.document_id,
    voided.voided_on as moved_on, voided.posting_date
from facts.balance_moves as moves join voided using (document_id)
where moves.kind in ('draw', 'lot')
"""
ORDER = {
    "outbox": ["message_id"],
    "balance_moves": ["move_id"],
    "voids": ["number"],
    "billed_lines": ["document_id", "line_no"],
    "journal_entries": ["entry_id"],
    "journal_lines": ["entry_id", "line_no"],
}


@dataclass(frozen=True)
class Voided:
    """What was voided, or would be: number, customer, currency, total, and the days of it."""

    batch_seq: int | None
    documents: tuple[dict[str, Any], ...]


def void(
    lake: Lake, numbers: Sequence[str], reason: str, on: date | None = None, *, dry: bool = False
) -> Voided:
    """Void documents, all of them or none; `on` is the day, by default today in the entity's zone.

    Raises Rejected with a sentence for each reason that keeps one from being voided.
    """
    with lake.run_lock.held(), lake.session() as db:
        views(db, None)
        found = _asked(db, numbers)
        sellers = found["entity_id"].to_list()
        refuse_issuing(db, sellers, lake.settings.actor, "Nothing was voided.")
        days = _days(lake, db, found, on)
        _refuse(db, days)
        told = days.select(
            "number", "customer_id", "currency", "total", "voided_on", "posting_date"
        ).sort("number")
        documents = tuple(told.to_dicts())
        if dry:
            return Voided(None, documents)
        frames = _frames(db, days, reason)
        batch_seq = lake.commit(db, lambda commit: _write(commit, frames, days, reason))
    return Voided(batch_seq, documents)


def _asked(db: duckdb.DuckDBPyConnection, numbers: Sequence[str]) -> pl.DataFrame:
    asked = pl.DataFrame({"number": sorted(set(numbers))}, schema={"number": pl.String})
    db.execute("create or replace temp table asked as select unnest(?) as number",
               [asked["number"].to_list()])  # fmt: skip
    found = db.sql(ASKED).pl()
    unknown = asked.join(found, on="number", how="anti")["number"].to_list()
    if unknown:
        raise UsageError(
            f"No document has the number {', '.join(unknown)}. Nothing was voided. "
            "`meterhouse invoices list` shows the numbers."
        )
    return found


def _days(
    lake: Lake, db: duckdb.DuckDBPyConnection, found: pl.DataFrame, on: date | None
) -> pl.DataFrame:
    """The documents with `voided_on`, `posting_date` (that day, or the first open one) and ids."""
    now = lake.settings.now()
    zones = found["zone"].unique().to_list()
    today = {zone: on or now.astimezone(ZoneInfo(zone or "UTC")).date() for zone in zones}
    ids = {one: short_hash(["void", one]) for one in found["document_id"].to_list()}
    dated = found.join(closed_until(db), on="entity_id", how="left").with_columns(
        voided_on=pl.col("zone").replace_strict(today, return_dtype=pl.Date),
        void_id=pl.col("document_id").replace_strict(ids, return_dtype=pl.String),
    )
    return dated.with_columns(posting_date=pl.max_horizontal("voided_on", "closed_until"))


def _refuse(db: duckdb.DuckDBPyConnection, days: pl.DataFrame) -> None:
    db.register("days_in", days.select("number", "document_id").to_arrow())
    db.execute("create or replace temp table asked_documents as from days_in")
    db.unregister("days_in")
    faults = [f"{number} cannot be voided: {why}" for number, why in db.execute(FAULTS).fetchall()]
    early = days.filter(pl.col("voided_on") < pl.col("invoice_date"))
    faults += [
        f"{number} cannot be voided on {day}, before its own date."
        for number, day in early.select("number", "voided_on").sort("number").iter_rows()
    ]
    if faults:
        raise Rejected("\n".join([*faults, "Nothing was voided."]))


def _frames(
    db: duckdb.DuckDBPyConnection, days: pl.DataFrame, reason: str
) -> dict[str, pl.DataFrame]:
    columns = ("document_id", "number", "void_id", "voided_on", "posting_date")
    db.register("voided", days.select(columns).to_arrow())
    lines = db.sql(LINES).pl()
    entries = db.sql(ENTRIES).pl()
    db.register("entries_in", entries.select("entry_id").to_arrow())
    entry_lines = db.sql(ENTRY_LINES).pl()
    moves = with_ids(db.sql(MOVES).pl()).drop("posting_date")
    for name in ("voided", "entries_in"):
        db.unregister(name)
    heads, legs = reversed_entries(entries, entry_lines)
    voids = days.select("document_id", "number", "voided_on", "posting_date").with_columns(
        reason=pl.lit(reason)
    )
    found = {"voids": voids, "billed_lines": lines, "journal_entries": heads, "journal_lines": legs}
    if not moves.is_empty():
        found["balance_moves"] = moves.with_columns(reason=pl.lit(reason))
    told = of_voids(db, days["document_id"].to_list())
    if not told.is_empty():
        found["outbox"] = told
    return found


def _write(commit: Commit, frames: dict[str, pl.DataFrame], days: pl.DataFrame, reason: str) -> int:
    for table, frame in frames.items():
        commit.db.register("frame_in", frame.sort(ORDER[table]).to_arrow())
        commit.append(table, "select * from frame_in")
        commit.db.unregister("frame_in")
    subjects = days.select("document_id", "content_hash").sort("document_id").rows()
    return record(commit, "void", subjects, canonical_json({"reason": reason}), "Voided.")
