"""Credit notes that people ask for: composed of an issued invoice, issued at once, and given: they
lower what is due of the invoice, or go to the customer's balance, or are paid back.

The request is a command fact (what of which lines, why), from which the same document can be made
again. A note is never billed back by a run: its lines have keys and a role of their own.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo

import duckdb
import polars as pl

from meterhouse.canonical import canonical_json, short_hash
from meterhouse.errors import ChecksFailed, Rejected
from meterhouse.invoicing import credit_notes
from meterhouse.invoicing.document import issued
from meterhouse.invoicing.numbering import counts, numbered, with_series
from meterhouse.lake import Commit, Lake
from meterhouse.lake_views import views
from meterhouse.ledger.posting import entries, unbalanced
from meterhouse.money import AMOUNT
from meterhouse.run import balance, tax_outbox
from meterhouse.run.commands import closed_until, command_id, record
from meterhouse.run.credit_composing import COMMAND, Note, composed
from meterhouse.run.credit_originals import ROLE, creditable, original_of
from meterhouse.run.open_amounts import open_amount
from meterhouse.run.policies import refuse_issuing
from meterhouse.run.taxes import recorded_taxes

ENTITY = """
select doc_id as entity_id, arg_max(content->>'$.number_format', (batch_seq, row_no))
    as number_format, arg_max(content->>'$.base_currency', (batch_seq, row_no)) as base_currency,
    arg_max(content->>'$.zone', (batch_seq, row_no)) as zone
from facts.book_versions where kind = 'entity' group by doc_id
"""
LAST = "select max(invoice_date) from facts.documents where entity_id = ? and kind = 'credit_note'"
EARLIER = f"""
select count(distinct document_id) from facts.billed_lines
where role = '{ROLE}' and original_number = ?
"""
SENTENCE = "Credited."
ORDER = {
    "billed_lines": ["line_no"],
    "journal_lines": ["entry_id", "line_no"],
    "line_taxes": ["line_no", "tax_no"],
    "document_taxes": ["tax_no"],
}


@dataclass(frozen=True)
class Request:
    """What of an invoice goes back: net by line, an `amount` over all of them, or what is left.

    Where it goes: `to` the invoice (what is due of it; the rest to the balance), all to the
    balance or all paid back; or `balance` and `refund` with tax, and the rest to the invoice.
    """

    number: str
    reason: str
    lines: Mapping[int, Decimal] | None = None
    amount: Decimal | None = None
    on: date | None = None
    to: Literal["invoice", "balance", "refund"] = "invoice"
    balance: Decimal = Decimal(0)
    refund: Decimal = Decimal(0)
    # The file that asked for it, by its hash.
    file: str | None = None


class Given(NamedTuple):
    """How a note's total is given, with tax: it lowers the invoice, goes to the balance, is paid
    back."""

    applied: Decimal
    balance: Decimal
    refund: Decimal


@dataclass(frozen=True)
class Credited:
    """A credit note: its number (None in a dry run), amounts, and where its total goes."""

    number: str | None
    of: str
    currency: str
    net: Decimal
    tax: Decimal
    total: Decimal
    applied: Decimal
    balance: Decimal
    refund: Decimal
    lines: tuple[dict[str, Any], ...]


def credit(lake: Lake, request: Request, *, dry: bool = False) -> Credited:
    """Issue a credit note for an issued invoice, in one commit with its entries and application.

    Raises Rejected with a sentence for each line of which more is asked than is left.
    """
    with lake.run_lock.held(), lake.session() as db:
        views(db, None)
        original = original_of(db, request.number)
        seller = [original["entity_id"]]
        refuse_issuing(db, seller, lake.settings.actor, "Nothing was credited.")
        entities = db.sql(ENTITY).pl()
        on = _day(lake, db, original, entities, request.on)
        asked = _asked(creditable(db, original), request)
        told = {
            "lines": [[line, format(amount, "f")] for line, amount in asked],
            "number": request.number,
            "on": on.isoformat(),
            "reason": request.reason,
            **_place(db, request.number),
            **({"file": request.file} if request.file else {}),
        }
        note = composed(db, original, told)
        given = _given(db, original, request, note)
        if dry:
            return _credited(None, request, note, given)
        run = {
            "run_id": f"credit-{note.head['draft_id'][0][:24]}",
            "known_at": lake.head().batch_seq,
            "through": original["last_through"],
        }
        told_engine = tax_outbox.of_note(db, original["document_id"], str(note.head["draft_id"][0]))
        closed = closed_until(db)
        write = _Writer(note, told, run, entities, closed, original, given, told_engine)
        number = lake.commit(db, write)
    return _credited(number, request, note, given)


def _day(
    lake: Lake,
    db: duckdb.DuckDBPyConnection,
    original: Mapping[str, Any],
    entities: pl.DataFrame,
    on: date | None,
) -> date:
    """The date of the note: never before the invoice's, nor the last one of its series."""
    entity = entities.row(by_predicate=pl.col("entity_id") == original["entity_id"], named=True)
    day = on or lake.settings.now().astimezone(ZoneInfo(entity["zone"] or "UTC")).date()
    if day < original["invoice_date"]:
        raise Rejected(
            f"A credit note of {day} would be before {original['number']} itself "
            f"({original['invoice_date']}). Nothing was credited."
        )
    last = db.execute(LAST, [original["entity_id"]]).fetchone()
    return max(day, last[0]) if last and last[0] else day


def _asked(lines: pl.DataFrame, request: Request) -> list[tuple[int, Decimal]]:
    """Net to credit by line; raises Rejected where it cannot be."""
    if request.amount is not None:
        total = lines.select(credit_notes.left().sum()).item() or Decimal(0)
        if not 0 < request.amount <= total:
            raise Rejected(
                f"{request.number} has {total.normalize():f} net left to credit, and "
                f"{request.amount} was asked for. Nothing was credited."
            )
        asked = credit_notes.spread(lines, pl.lit(request.amount))
    elif request.lines is None:
        asked = lines.with_columns(asked=credit_notes.left())
    else:
        asked = lines.with_columns(
            asked=pl.col("line_no")
            .replace_strict(dict(request.lines), default=Decimal(0), return_dtype=AMOUNT)
            .cast(AMOUNT)
        )
    faults = credit_notes.faults(asked)
    unknown = sorted(set(request.lines or ()) - set(lines["line_no"].to_list()))
    faults += [f"{request.number} has no line {line} that can be credited." for line in unknown]
    wanted = asked.filter(pl.col("asked") != 0)
    if wanted.is_empty() and not faults:
        faults = [f"Nothing of {request.number} is left to credit."]
    if faults:
        raise Rejected("\n".join([*faults, "Nothing was credited."]))
    return list(wanted.select("line_no", "asked").iter_rows())


def _place(db: duckdb.DuckDBPyConnection, number: str) -> dict[str, int]:
    """Which note of the invoice it is, so that two of equal words are two."""
    row = db.execute(EARLIER, [number]).fetchone()
    return {"after": row[0]} if row and row[0] else {}


def _given(
    db: duckdb.DuckDBPyConnection, original: Mapping[str, Any], request: Request, note: Note
) -> Given:
    """Where the note's total goes; raises Rejected where more is to be given than it comes to."""
    total = -Decimal(note.head["total"][0])
    nothing = Decimal(0)
    if request.to == "balance":
        return Given(nothing, total, nothing)
    if request.to == "refund":
        return Given(nothing, nothing, total)
    rest = total - request.balance - request.refund
    if rest < 0 or min(request.balance, request.refund) < 0:
        raise Rejected(
            f"The note comes to {total.normalize():f} {original['currency']} with tax, of which "
            f"{request.balance.normalize():f} for the balance and {request.refund.normalize():f} "
            "to pay back were asked for. Nothing was credited."
        )
    applied = min(rest, max(open_amount(db, original["document_id"]), nothing))
    return Given(applied, request.balance + rest - applied, request.refund)


def _credited(number: str | None, request: Request, note: Note, given: Given) -> Credited:
    head = note.head.row(0, named=True)
    lines = note.lines.select("credits_line", "item_id", "item_description", "amount")
    return Credited(
        number, request.number, head["currency"], head["net"], head["tax"], head["total"], *given,
        tuple(lines.to_dicts()),
    )  # fmt: skip


@dataclass(frozen=True)
class _Writer:
    """Writes a note into one commit; returns its number."""

    note: Note
    told: Mapping[str, Any]
    run: Mapping[str, Any]
    entities: pl.DataFrame
    closed: pl.DataFrame
    original: Mapping[str, Any]
    given: Given
    to_engine: pl.DataFrame

    def __call__(self, commit: Commit) -> str:
        ranked = with_series(self.note.head)
        firsts = {
            name: commit.next_number(f"series:{name}", count) for name, count in counts(ranked)
        }
        documents = self._document(numbered(ranked, firsts, self.entities))
        lines = self.note.lines.rename({"draft_id": "document_id"}).with_columns(
            number=pl.lit(documents["number"][0]), invoice_date=pl.lit(documents["invoice_date"][0])
        )
        nothing = pl.DataFrame(schema={"line_key": pl.String, "accrued": AMOUNT})
        moves = self._moves(commit, documents)
        heads, legs = balance.with_entries(*entries(documents, lines, nothing), moves)
        if unbalanced(heads, legs).height:
            raise ChecksFailed(["The entry of the credit note does not balance."])
        frames = {
            "documents": documents,
            "billed_lines": lines,
            "journal_entries": heads,
            "journal_lines": legs,
            "outbox": pl.concat([_outbox(documents), self.to_engine]),
            **recorded_taxes(documents, lines, self.note.taxes, self.entities),
        }
        if self.given.applied > 0:
            frames["applications"] = self._application(commit, documents)
        for table, frame in frames.items():
            if table in ORDER:
                frame = frame.sort(ORDER[table])
            commit.db.register("frame_in", frame.to_arrow())
            commit.append(table, "select * from frame_in")
            commit.db.unregister("frame_in")
        balance.append_moves(commit, [moves])
        subjects = list(documents.select("document_id", "content_hash").iter_rows())
        record(commit, COMMAND, subjects, canonical_json(dict(self.told)), SENTENCE)
        return str(documents["number"][0])

    def _document(self, documents: pl.DataFrame) -> pl.DataFrame:
        stamped = documents.with_columns(
            document_id="draft_id", **{name: pl.lit(value) for name, value in self.run.items()}
        ).join(self.closed, on="entity_id", how="left")
        posted = stamped.with_columns(
            posting_date=pl.max_horizontal("invoice_date", "closed_until")
        )
        return posted.with_columns(issued(posted).alias("content"))

    def _application(self, commit: Commit, documents: pl.DataFrame) -> pl.DataFrame:
        return documents.select(
            "entity_id", "customer_id", "currency",
            application_id=pl.lit(short_hash(["credit_note", documents["document_id"][0]])),
            kind=pl.lit(ROLE),
            source_id="document_id",
            document_id=pl.lit(self.original["document_id"]),
            amount=pl.lit(self.given.applied, AMOUNT),
            applied_on="invoice_date",
            command_id=pl.lit(self._command(commit, documents)),
            reason=pl.lit(self.told["reason"]),
        )  # fmt: skip

    def _command(self, commit: Commit, documents: pl.DataFrame) -> str:
        about = (documents["document_id"][0], documents["content_hash"][0])
        return command_id(COMMAND, *about, commit.batch_seq)

    def _moves(self, commit: Commit, documents: pl.DataFrame) -> pl.DataFrame:
        """What goes to the balance, also what is paid back out of it at once."""
        own = documents.select(
            "document_id", "entity_id", "customer_id", "currency", "posting_date",
            moved_on="invoice_date",
            command_id=pl.lit(self._command(commit, documents)),
            reason=pl.lit(self.told["reason"]),
        )  # fmt: skip
        return balance.of_note(own, self.given.balance, self.given.refund)


def _outbox(documents: pl.DataFrame) -> pl.DataFrame:
    return documents.select(
        message_id=pl.format("document.issued-{}", "document_id"),
        kind=pl.lit("document.issued"),
        subject_id="document_id",
        payload=pl.concat_str(pl.lit('{"number":"'), "number", pl.lit('"}')),
    )
