"""Issue drafts: the one place where documents, numbers and entries become facts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import polars as pl

from meterhouse.errors import ChecksFailed, UsageError
from meterhouse.failpoints import failpoint
from meterhouse.invoicing.document import issued
from meterhouse.invoicing.numbering import counts, numbered, with_series
from meterhouse.lake import Commit, Lake
from meterhouse.lake_views import views
from meterhouse.ledger.posting import entries, unbalanced
from meterhouse.pricing.order import MODIFIERS
from meterhouse.run import balance, prepaid, tax_asking, tax_outbox, taxes, written_off
from meterhouse.run.approvals import append_commands
from meterhouse.run.approving import commands_of_issue, kept_back, resolve
from meterhouse.run.commands import closed_until
from meterhouse.run.parts import WHOLE
from meterhouse.run.policies import ISSUE, policies, refused
from meterhouse.warehouse import Warehouse

READ = (
    "usage.daily",
    "usage.determinants",
    "billing.charge_windows",
    "billing.desired_lines",
    "billing.drafts",
    "billing.draft_lines",
    prepaid.TABLE,
    balance.TABLE,
    taxes.TABLE,
    tax_asking.TABLE,
)

ORDER = {
    "documents": ["series", "number"],
    "billed_lines": ["document_id", "line_no"],
    "billed_determinants": ["document_id", "line_key", "window_id"],
    "journal_entries": ["entry_id"],
    "journal_lines": ["entry_id", "line_no"],
    "outbox": ["message_id"],
    "document_taxes": ["document_id", "tax_no"],
    "line_taxes": ["document_id", "line_no", "tax_no"],
}

# What each line was rated from. The lines of modifiers hang on all that their contract has used, so
# a window that no document recorded as it is now is kept whole with the first of them.
DETERMINANTS = f"""
with lines as (select * from billing.draft_lines semi join ready using (draft_id)),
own as (
    select determinants.*, lines.draft_id as document_id, lines.line_key
    -- A line whose price reads parts was rated from all determinants of its window.
    from usage.determinants as determinants join lines
        on lines.window_id = determinants.window_id
        and (lines.dimensions = determinants.dimensions or lines.price_model in {WHOLE})
),
made as (
    select draft_id, contract_id, min(line_key) as line_key from lines
    where role in {MODIFIERS} group by all
),
recorded as (
    select window_id, dimensions, arg_max(determinant_id, (batch_seq, row_no)) as determinant_id,
        arg_max(quantity, (batch_seq, row_no)) as quantity
    from facts.billed_determinants group by all
),
changed as (
    select distinct window_id from usage.determinants
    semi join made using (contract_id)
    semi join (select window_id from billing.desired_lines) using (window_id)
    anti join recorded using (window_id, dimensions, determinant_id, quantity)
    -- A window of a SQL meter that was recorded is measured no more.
    where meter_id not in (select meter_id from book.meters where aggregation = 'sql')
),
behind as (
    select determinants.*, made.draft_id as document_id, made.line_key
    from usage.determinants as determinants
    semi join changed using (window_id)
    join made using (contract_id)
    where not exists (
        select 1 from own
        where own.document_id = made.draft_id and own.determinant_id = determinants.determinant_id
    )
)
from own union all by name from behind
"""


@dataclass(frozen=True)
class Issued:
    """What one issue did; `held` are drafts that stayed, with the sentence that says why."""

    batch_seq: int | None
    numbers: tuple[str, ...]
    held: tuple[tuple[str, str], ...]


def issue(lake: Lake, draft_ids: Sequence[str] = (), warehouse: Warehouse | None = None) -> Issued:
    """Issue every approved draft (or those named) of the last run, in one commit.

    Held back with a sentence: drafts without approval of this content, drafts that a failed
    blocking check covers, drafts that miss a decision, those whose grace is not over (unless they
    are named) and those that this person may not issue.
    """
    store = warehouse or Warehouse(lake)
    with lake.run_lock.held(), store.connect(lake.head()) as db:
        known_at, run_id, through = _run_of(db)
        views(db, None)  # What was issued meanwhile counts, whatever the run knew.
        _refuse_stale(db, run_id, known_at)
        drafts = db.sql(
            "from billing.drafts where draft_id not in (select document_id from facts.documents)"
        ).pl()
        if draft_ids:
            drafts = drafts.join(resolve(db, draft_ids).select("draft_id"), on="draft_id")
        kept, said = kept_back(db, drafts, run_id, through), policies(db)
        held = refused(drafts, said, ISSUE, lake.settings.actor)
        # Who names a draft does not want to wait until it can change no more.
        held |= {d: why for d, (s, why) in kept.back.items() if not (draft_ids and s == "grace")}
        # Who names a draft has it issued, however small it is.
        asked = [] if draft_ids else written_off.free(drafts, kept.back, held)
        small = written_off.small_lines(db, asked)
        held = {d: why for d, why in held.items() if d not in set(small["draft_id"])}
        drafts = drafts.join(small, on="draft_id", how="anti")
        ready = drafts.filter(~pl.col("draft_id").is_in(list(held)))
        held.update(_overdrawn(db, ready))
        ready = ready.filter(~pl.col("draft_id").is_in(list(held)))
        if not ready.height:
            batch = written_off.alone(lake, small)
            return Issued(batch, (), tuple(sorted(held.items())))
        prepared = _Prepared.read(db, ready, small, run_id, known_at, through)
        ruled = ready.filter(pl.col("draft_id").is_in(kept.taken))
        commands = commands_of_issue(ready, ruled, run_id, said)
        with lake.session() as session:
            batch_seq, numbers = lake.commit(
                session, lambda commit: prepared.write(commit, commands)
            )
    return Issued(batch_seq, numbers, tuple(sorted(held.items())))


@dataclass(frozen=True)
class _Prepared:
    """Everything one issue writes, but the numbers, which only the commit can take."""

    ready: pl.DataFrame
    small: pl.DataFrame
    lines: pl.DataFrame
    determinants: pl.DataFrame
    entities: pl.DataFrame
    accrued: pl.DataFrame
    prepaid: pl.DataFrame
    draws: pl.DataFrame
    taxes: pl.DataFrame
    questions: pl.DataFrame
    closed: pl.DataFrame
    run: dict[str, Any]

    @classmethod
    def read(
        cls,
        db: duckdb.DuckDBPyConnection,
        ready: pl.DataFrame,
        small: pl.DataFrame,
        run_id: str,
        known_at: int,
        through: Any,
    ) -> "_Prepared":
        db.register("ready", ready.select("draft_id").to_arrow())
        lines = db.sql("from billing.draft_lines semi join ready using (draft_id)").pl()
        determinants = db.sql(DETERMINANTS).pl()
        paid = db.sql(f"from {prepaid.TABLE} semi join ready using (draft_id)").pl()
        drawn = db.sql(f"from {balance.TABLE} semi join ready using (draft_id)").pl()
        ruled = db.sql(f"from {taxes.TABLE} semi join ready using (draft_id)").pl()
        asked = db.sql(f"from {tax_asking.TABLE} semi join ready using (draft_id)").pl()
        db.unregister("ready")
        accrued = db.sql(
            "select line_key, cast(sum(debit - credit) as decimal(38, 18)) as accrued "
            "from facts.journal_lines where account = 'unbilled_receivable' "
            "group by line_key having sum(debit - credit) <> 0"
        ).pl()
        entities = db.sql("from book.entities").pl()
        run = {"run_id": run_id, "known_at": known_at, "through": through}
        return cls(
            *(ready, small, lines, determinants, entities, accrued, paid, drawn, ruled),
            *(asked, closed_until(db), run),
        )

    def write(self, commit: Commit, commands: pl.DataFrame) -> tuple[int, tuple[str, ...]]:
        ranked = with_series(self.ready)
        firsts = {
            name: commit.next_number(f"series:{name}", count) for name, count in counts(ranked)
        }
        failpoint("issue.numbered")
        documents = self._documents(numbered(ranked, firsts, self.entities))
        lines = self._lines(documents)
        moves = balance.draw_moves(documents, self.draws)
        issued_entries = entries(documents, lines, self.accrued, self.prepaid)
        heads, legs = balance.with_entries(*issued_entries, moves)
        faults = unbalanced(heads, legs)
        if faults.height:
            raise ChecksFailed([f"Entry {row[0]} does not balance." for row in faults.iter_rows()])
        frames = {
            "documents": documents,
            "billed_lines": lines,
            "billed_determinants": self.determinants,
            "journal_entries": heads,
            "journal_lines": legs,
            "outbox": self._outbox(documents),
            **taxes.recorded_taxes(documents, lines, self.taxes, self.entities),
        }
        for table, frame in frames.items():
            # Joins keep no order; the same issue again must write the same rows and names.
            commit.db.register("frame_in", frame.sort(ORDER[table]).to_arrow())
            commit.append(table, "select * from frame_in")
            commit.db.unregister("frame_in")
        balance.append_moves(commit, [moves])
        written_off.append(commit, self.small)
        append_commands(commit, commands)
        return commit.batch_seq, tuple(documents["number"].to_list())

    def _documents(self, documents: pl.DataFrame) -> pl.DataFrame:
        stamped = documents.with_columns(
            document_id="draft_id", **{k: pl.lit(v) for k, v in self.run.items()}
        ).join(self.closed, on="entity_id", how="left")
        posted = stamped.with_columns(
            posting_date=pl.max_horizontal("invoice_date", "closed_until")
        )
        return posted.with_columns(issued(posted).alias("content")).sort("series", "number")

    def _lines(self, documents: pl.DataFrame) -> pl.DataFrame:
        heads = documents.select("document_id", "number", "invoice_date")
        return self.lines.rename({"draft_id": "document_id"}).join(
            heads, on="document_id", validate="m:1"
        )

    def _outbox(self, documents: pl.DataFrame) -> pl.DataFrame:
        told = documents.select(
            message_id=pl.format("document.issued-{}", "document_id"),
            kind=pl.lit("document.issued"),
            subject_id="document_id",
            payload=pl.concat_str(pl.lit('{"number":"'), "number", pl.lit('"}')),
        )
        return pl.concat([told, tax_outbox.of_drafts(documents, self.questions)])


def _run_of(db: duckdb.DuckDBPyConnection) -> tuple[int, str, Any]:
    row = db.execute("select known_at, run_id, through from ops.run").fetchone()
    if row is None:
        raise UsageError("There are no drafts yet. Run `meterhouse run --through DATE` first.")
    return int(row[0]), str(row[1]), row[2]


def _refuse_stale(db: duckdb.DuckDBPyConnection, run_id: str, known_at: int) -> None:
    """Everything issuing reads must come from one run, and nothing may have been billed since."""
    pinned = dict(
        db.execute(
            "select table_name, run_id from ops.pins where list_contains(?, table_name)",
            [list(READ)],
        ).fetchall()
    )
    stale = [table for table in READ if pinned.get(table) != run_id]
    if stale:
        raise ChecksFailed(
            [
                f"Nothing was issued: {', '.join(stale)} do not belong to the last run. "
                "A run was interrupted; run `meterhouse run --through DATE` again."
            ]
        )
    other = db.execute(
        "select number from facts.documents where batch_seq > ? and run_id <> ? limit 1",
        [known_at, run_id],
    ).fetchone()
    if other is not None:
        raise ChecksFailed(
            [
                f"Nothing was issued: {other[0]} was issued after these drafts were made. "
                "Run `meterhouse run --through DATE` again."
            ]
        )


def _overdrawn(db: duckdb.DuckDBPyConnection, ready: pl.DataFrame) -> dict[str, str]:
    """Drafts that would be paid with what is not there; few runs have any credit."""
    drawn = db.sql(f"from {balance.TABLE}").pl().join(ready, on="draft_id", how="semi")
    held = balance.overdrawn(db, drawn)
    paid = db.sql(f"from {prepaid.TABLE}").pl()
    lines = db.sql("from billing.draft_lines where role = 'credit_sale'").pl()
    if paid.is_empty() and lines.is_empty():
        return held
    return held | prepaid.overdrawn(db, ready, lines, paid)
