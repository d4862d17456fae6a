"""Drafts: what should have been billed, minus what was, gathered into documents."""

from collections.abc import Callable
from datetime import date
from typing import NamedTuple

import duckdb
import polars as pl

from meterhouse.invoicing.balance import with_draws
from meterhouse.invoicing.by_hand import ONE_OFF
from meterhouse.invoicing.difference import difference
from meterhouse.invoicing.document import canonical
from meterhouse.invoicing.drafts import gathered, taxed_drafts
from meterhouse.invoicing.edits import edited, orphans, with_header, with_orphans
from meterhouse.invoicing.prepaid import with_payments
from meterhouse.invoicing.tax_engine import QUESTIONS
from meterhouse.run import balance, edits, exchange, prepaid, tax_asking, taxes, thresholds
from meterhouse.run.billed import billed, find_differing
from meterhouse.run.book import DATED, change_dates, in_force
from meterhouse.run.by_hand import with_added
from meterhouse.run.context import Run
from meterhouse.run.moved import record_settled, to_compare
from meterhouse.run.one_offs import with_categories

Ask = Callable[[pl.DataFrame], pl.DataFrame | None]
EARLIER = """
select lines.payer_id, lines.entity_id, lines.currency, lines.terms_id, documents.boundary_on,
    documents.contract_id as for_contract, cast(count(distinct document_id) as bigint) as earlier
from facts.billed_lines as lines join facts.documents as documents using (document_id)
where lines.payer_id in (select payer_id from payers)
group by all
"""
DECREASES = "select entity_id, decreases from book.entities where decreases is not null"


def make_drafts(run: Run, db: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """Replace billing.drafts and billing.draft_lines; returns how many of each."""
    made = composed(run, db, of=to_compare(run, db), ask=lambda asked: tax_asking.ask(run, asked))
    run.warehouse.replace(db, tax_asking.TABLE, made.questions)
    run.warehouse.replace(db, prepaid.TABLE, made.payments)
    run.warehouse.replace(db, balance.TABLE, made.draws)
    run.warehouse.replace(db, taxes.TABLE, made.taxes)
    count = run.warehouse.replace(db, "billing.drafts", made.drafts)
    lines = run.warehouse.replace(db, "billing.draft_lines", made.lines)
    record_settled(run, db)
    return count, lines


class Composed(NamedTuple):
    """Drafts with their content, their lines, what prepaid money pays of them, the taxes of lines
    that rules or engines decided, what balances of customers pay, and the questions to engines."""

    drafts: pl.DataFrame
    lines: pl.DataFrame
    payments: pl.DataFrame
    taxes: pl.DataFrame
    draws: pl.DataFrame
    questions: pl.DataFrame = pl.DataFrame(schema=QUESTIONS)


def composed(
    run: Run,
    db: duckdb.DuckDBPyConnection,
    desired: str = "billing.desired_lines",
    failures: str = "ops.failures",
    of: str = "true",
    early: str = thresholds.TABLE,
    ask: Ask | None = None,
) -> Composed:
    """Drafts and their lines of what is desired in one table, failed in another and is billed
    early by a third.

    `of` is SQL over a line: those of all contracts that may come to one document are wanted. `ask`
    gets the questions to tax engines; what it answers is taken into the drafts.
    """
    is_differing = find_differing(db, desired, run.through.isoformat(), of)
    wanted = db.sql(f"from {desired} where {is_differing} and ({of})").pl()
    failed = db.sql(f"select contract_id from {failures}").pl()
    # A contract that left the run keeps what it was billed: nothing is desired of it, nor undone.
    known = billed(db, f"{is_differing} and ({of})").join(failed, on="contract_id", how="anti")
    now = thresholds.early(db, early)
    due = difference(wanted, known, run.through, run.through, now)
    lines = with_added(db, due, run.through)
    made = compose(db, lines)
    answers = ask(made.questions) if ask is not None else None
    return made if answers is None else compose(db, lines, answers=answers)


def compose(
    db: duckdb.DuckDBPyConnection,
    lines: pl.DataFrame,
    paid: pl.DataFrame | None = None,
    drawn: pl.DataFrame | None = None,
    answers: pl.DataFrame | None = None,
) -> Composed:
    """Lines to bill as drafts with their content, and the lines as the drafts order them.

    Seller, buyer and terms are those of the document's boundary: documents between two days on
    which one of them changed are composed together. `paid` is what prepaid money paid of them, and
    `drawn` what balances did, if that is known already; `answers` are new ones of tax engines.
    """
    sharing = db.sql("select customer_id from book.customers where consolidates").fetchall()
    said = dict(db.sql(DECREASES).fetchall())
    due = gathered(lines, [row[0] for row in sharing], said)
    by_hand = edits.standing(db)
    gathered_lines, lost = edited(due, by_hand), orphans(due, by_hand)
    changes = pl.Series("changes", change_dates(db), dtype=pl.Date)
    regime = changes.search_sorted(gathered_lines["boundary_on"], side="right")
    numbered = gathered_lines.with_columns(regime=pl.Series(regime, dtype=pl.Int64))
    known = Known(answers, _earlier(db, lines["payer_id"]), _series(db))
    parts = [
        _drafted(db, part.drop("regime"), known).changed(by_hand, lost)
        for part in numbered.partition_by("regime", maintain_order=True)
    ] or [_drafted(db, gathered_lines, known).changed(by_hand, lost)]
    own = pl.concat([part.lines for part in parts])
    heads = pl.concat([part.heads for part in parts])
    payments = prepaid.paid_of(db, heads, own) if paid is None else paid
    mine = payments.join(heads, on="draft_id", how="semi")
    taken = balance.drawn_of(db, heads, mine) if drawn is None else drawn
    draws = taken.join(heads, on="draft_id", how="semi")
    meters = db.sql("from book.meters").pl()
    told = [part.told(mine, draws, meters) for part in parts]
    ruled = pl.concat([part.taxes for part in parts])
    asked = pl.concat([part.questions for part in parts])
    return Composed(pl.concat(told).sort("draft_id"), own, mine, ruled, draws, asked)


class Known(NamedTuple):
    """What drafts of all days ask for: new answers of tax engines, how many documents came before
    each, and the last day of each series."""

    answers: pl.DataFrame | None
    earlier: pl.DataFrame
    series: pl.DataFrame


class _Drafted(NamedTuple):
    """Drafts of which seller, buyer and terms are those of one day."""

    heads: pl.DataFrame
    lines: pl.DataFrame
    customers: pl.DataFrame
    entities: pl.DataFrame
    taxes: pl.DataFrame
    questions: pl.DataFrame

    def changed(self, by_hand: pl.DataFrame, lost: pl.DataFrame) -> "_Drafted":
        """With what people set on the drafts, blocked where an edit has lost its line."""
        return self._replace(heads=with_orphans(with_header(self.heads, by_hand), lost))

    def told(self, paid: pl.DataFrame, drawn: pl.DataFrame, meters: pl.DataFrame) -> pl.DataFrame:
        """The drafts with their content."""
        heads = with_draws(with_payments(self.heads, paid), drawn)
        content = canonical(heads, self.lines, self.customers, self.entities, meters, self.taxes)
        complete = heads.join(content, on="draft_id", how="left", validate="1:1")
        return complete.drop("prepaid_by", "balance_by").drop("note", strict=False)


def _drafted(db: duckdb.DuckDBPyConnection, lines: pl.DataFrame, known: Known) -> _Drafted:
    on = lines["boundary_on"].max()
    day = on if isinstance(on, date) else date.max
    entities, terms, customers = (in_force(db, table, day) for table in DATED)
    book = taxes.tax_book(db, day, known.answers)
    if ONE_OFF in lines["role"]:
        book = with_categories(db, book)
    made = taxed_drafts(
        lines, customers, entities, terms, known.series, known.earlier, book,
        taxes.inclusive_contracts(db),
    )  # fmt: skip
    parties = (customers, entities)
    heads = exchange.in_tax_currency(db, made.heads, made.lines, entities)
    return _Drafted(heads, made.lines, *parties, made.taxes, made.questions)


def _earlier(db: duckdb.DuckDBPyConnection, payers: pl.Series) -> pl.DataFrame:
    """How many documents each group of lines of these payers has had, so that the next has an id
    of its own."""
    db.register("payers", payers.unique().to_frame("payer_id").to_arrow())
    found = db.sql(EARLIER).pl()
    db.unregister("payers")
    return found


def _series(db: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    return db.sql(
        "select entity_id, kind, max(invoice_date) as last_invoice_date from ("
        "select entity_id, kind, invoice_date from facts.documents union all "
        "select entity_id, name, until_on from facts.imported_openings where kind = 'series'"
        ") group by all"
    ).pl()
