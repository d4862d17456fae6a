"""What people do to balances: put money in, pay it back, end a lot, give what is left of a note.

Each is one commit of moves, their entries and the command. All hold the run lock, so that what is
left of a lot cannot change between looking and writing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any, Literal
from zoneinfo import ZoneInfo

import duckdb
import polars as pl

from meterhouse.canonical import canonical_json, short_hash
from meterhouse.errors import Rejected, UsageError
from meterhouse.invoicing.balance import taken
from meterhouse.lake import Commit, Lake
from meterhouse.lake_views import views
from meterhouse.ledger.balances import balance_entries
from meterhouse.money import AMOUNT, PLACES
from meterhouse.nearest import did_you_mean
from meterhouse.run import balance
from meterhouse.run.commands import closed_until, command_id, record
from meterhouse.run.open_amounts import open_amount
from meterhouse.run.policies import refuse_issuing

NOTHING = "Nothing was done."
KNOWN = """
select doc_id, arg_max(content->>'$.zone', (batch_seq, row_no)) as zone
from facts.book_versions where kind = ? group by doc_id order by doc_id
"""
DOCUMENT = """
select documents.document_id, number, kind, entity_id, customer_id, currency, invoice_date,
    content_hash, voids.voided_on
from facts.documents as documents left join facts.voids using (document_id, number)
where number = ?
"""


@dataclass(frozen=True)
class Wallet:
    """What one customer has with one entity in one currency; None where there is only one."""

    customer_id: str
    currency: str
    entity_id: str | None = None


@dataclass(frozen=True)
class Moved:
    """What a command did, or would: `moves` are rows of facts.balance_moves, `applied` what of a
    note lowers an invoice."""

    batch_seq: int | None
    moves: tuple[dict[str, Any], ...]
    applied: dict[str, Any] | None = None


@dataclass(frozen=True)
class _Told:
    """What is recorded of a command: who it is about and in which words."""

    kind: str
    subject: str
    content: str | None
    payload: Mapping[str, Any]
    sentence: str
    reason: str
    applications: list[dict[str, Any]] = field(default_factory=list)


def add(
    lake: Lake,
    wallet: Wallet,
    amount: Decimal,
    source: Literal["deposit", "adjustment"],
    reason: str,
    *,
    on: date | None = None,
    expires_on: date | None = None,
    priority: int = balance.PRIORITY,
    dry: bool = False,
) -> Moved:
    """Put a lot into a wallet: money that came (deposit) or that is given (adjustment).

    Raises Rejected or UsageError with a sentence for what cannot be.
    """
    with lake.run_lock.held(), lake.session() as db:
        views(db, None)
        entity, day = _checked(lake, db, wallet, amount, on)
        if expires_on is not None and expires_on <= day:
            raise Rejected(
                f"A lot of {day} that is used no more from {expires_on} on would never be used. "
                f"{NOTHING}"
            )
        told = {
            "amount": format(amount, "f"),
            "customer": wallet.customer_id,
            "currency": wallet.currency,
            "entity": entity,
            "on": day.isoformat(),
            "reason": reason,
            "source": source,
        }

        def moves(batch: int) -> pl.DataFrame:
            row = {
                "kind": "lot", "source": source, "entity_id": entity,
                "lot_id": short_hash(["lot", told, batch]),
                "customer_id": wallet.customer_id, "currency": wallet.currency, "amount": amount,
                "moved_on": day, "expires_on": expires_on, "priority": priority,
            }  # fmt: skip
            return _frame([row])

        about = _Told("balance_add", wallet.customer_id, None, told, "Added.", reason)
        return _done(lake, db, moves, about, dry=dry)


def refund(
    lake: Lake,
    wallet: Wallet,
    amount: Decimal | None,
    reason: str,
    *,
    on: date | None = None,
    dry: bool = False,
) -> Moved:
    """Record that money of a wallet was paid back, all that may be where no amount is given.

    Taken of the lots in their order; what was given for nothing is not paid back. Raises Rejected
    where less is left.
    """
    with lake.run_lock.held(), lake.session() as db:
        views(db, None)
        entity, day = _checked(lake, db, wallet, amount or Decimal(1), on)
        lots = _of(balance.lots_left(db), entity, wallet).filter(
            (pl.col("source") != "adjustment")
            & (pl.col("expires_on").is_null() | (pl.col("expires_on") > day))
        )
        left = Decimal(lots["amount"].sum())
        asked = left if amount is None else amount
        if not 0 < asked <= left:
            raise Rejected(
                f"{wallet.customer_id} has {left.normalize():f} {wallet.currency} that can be paid "
                f"back, and {asked.normalize():f} was asked for. {NOTHING}"
            )
        early = lots.filter(pl.col("moved_on") > day)
        first = max([day, *early["moved_on"].to_list()])
        rows = taken(lots, pl.lit(asked)).with_columns(amount="taken", kind=pl.lit("refund"))
        told = {
            "amount": format(asked, "f"),
            "customer": wallet.customer_id,
            "currency": wallet.currency,
            "entity": entity,
            "on": first.isoformat(),
            "reason": reason,
        }
        moved = rows.drop("taken").with_columns(moved_on=pl.lit(first))
        about = _Told("balance_refund", wallet.customer_id, None, told, "Paid back.", reason)
        return _done(lake, db, lambda _: moved, about, dry=dry)


def end(
    lake: Lake, lot_id: str, reason: str, *, on: date | None = None, dry: bool = False
) -> Moved:
    """End a lot: what is left of it is used no more. Raises UsageError where nothing is left."""
    with lake.run_lock.held(), lake.session() as db:
        views(db, None)
        known = balance.lots_left(db)
        lot = known.filter(pl.col("lot_id").str.starts_with(lot_id))
        if lot.height != 1:
            said = "Several lots begin with" if lot.height else "Nothing is left of a lot"
            raise UsageError(f"{said} {lot_id}. {NOTHING} `meterhouse balance show` lists lots.")
        whose = lot.row(0, named=True)
        wallet = Wallet(whose["customer_id"], whose["currency"], whose["entity_id"])
        _, day = _checked(lake, db, wallet, whose["amount"], on)
        moved = lot.with_columns(
            kind=pl.lit("expiry"), moved_on=pl.max_horizontal(pl.lit(day), "moved_on")
        )
        told = {"lot": whose["lot_id"], "on": day.isoformat(), "reason": reason}
        about = _Told("balance_end", whose["lot_id"], None, told, "Ended.", reason)
        return _done(lake, db, lambda _: moved, about, dry=dry)


def give(
    lake: Lake,
    number: str,
    to: Literal["invoice", "balance", "refund"],
    reason: str,
    *,
    invoice: str | None = None,
    amount: Decimal | None = None,
    on: date | None = None,
    dry: bool = False,
) -> Moved:
    """Give what is left of a credit note: to an invoice of the same customer, to the balance, or
    back in money. `amount` is with tax, by default all that may be given.

    Raises Rejected where more is asked for than is left of the note or due of the invoice.
    """
    with lake.run_lock.held(), lake.session() as db:
        views(db, None)
        note = _document(db, number, "credit_note")
        wallet = Wallet(note["customer_id"], note["currency"], note["entity_id"])
        left = -open_amount(db, note["document_id"])
        target = _document(db, invoice, "invoice") if to == "invoice" and invoice else None
        if target is not None:
            _same_wallet(note, target)
        most = min(left, open_amount(db, target["document_id"])) if target else left
        asked = most if amount is None else amount
        _, day = _checked(lake, db, wallet, asked if asked > 0 else Decimal(1), on)
        day = max(day, note["invoice_date"], target["invoice_date"] if target else day)
        if not 0 < asked <= most:
            of = f" and due of {invoice}" if target else ""
            may_be = f"{max(most, Decimal(0)).normalize():f} {note['currency']}"
            raise Rejected(
                f"{may_be} is left of {number}{of}, and {asked.normalize():f} was asked for. "
                f"{NOTHING}"
            )
        told = {
            "amount": format(asked, "f"),
            "invoice": invoice if target else None,
            "number": number,
            "on": day.isoformat(),
            "reason": reason,
            "to": to,
        }
        subject = (note["document_id"], note["content_hash"])
        about = _Told("give", *subject, told, "Given.", reason)
        if target is not None:
            about.applications.append(
                {
                    "application_id": short_hash(["give", told, str(left)]),
                    "source_id": note["document_id"], "document_id": target["document_id"],
                    "entity_id": note["entity_id"], "customer_id": note["customer_id"],
                    "currency": note["currency"], "amount": asked, "applied_on": day,
                }
            )  # fmt: skip
            return _done(lake, db, lambda _: _frame([]), about, dry=dry)

        def moves(batch: int) -> pl.DataFrame:
            lot = {
                "source": "credit_note", "lot_id": short_hash(["lot", told, batch]),
                "entity_id": note["entity_id"], "customer_id": note["customer_id"],
                "currency": note["currency"], "amount": asked, "moved_on": day,
                "document_id": note["document_id"], "priority": balance.PRIORITY,
            }  # fmt: skip
            kinds = ("lot", "refund") if to == "refund" else ("lot",)
            return _frame([{**lot, "kind": kind} for kind in kinds])

        return _done(lake, db, moves, about, dry=dry)


def _done(
    lake: Lake,
    db: duckdb.DuckDBPyConnection,
    moves: Callable[[int], pl.DataFrame],
    about: _Told,
    *,
    dry: bool,
) -> Moved:
    """Write the moves, their entries, applications and the command, or say what they would be."""
    closed = closed_until(db)
    applied = about.applications[0] if about.applications else None
    if dry:
        return Moved(None, tuple(_posted(moves(0), closed, about, "").to_dicts()), applied)

    def write(commit: Commit) -> Moved:
        asked = command_id(about.kind, about.subject, about.content, commit.batch_seq)
        made = _posted(moves(commit.batch_seq), closed, about, asked)
        balance.append_moves(commit, [made])
        if not made.is_empty():
            for table, frame in zip(
                ("journal_entries", "journal_lines"), balance_entries(made), strict=True
            ):
                _append(commit, table, frame)
        if about.applications:
            _append(commit, "applications", _applied(about, asked))
        subjects = [(about.subject, about.content)]
        told = canonical_json(dict(about.payload))
        batch = record(commit, about.kind, subjects, told, about.sentence)
        return Moved(batch, tuple(made.to_dicts()), applied)

    return lake.commit(db, write)


def _append(commit: Commit, table: str, frame: pl.DataFrame) -> None:
    commit.db.register("frame_in", frame.to_arrow())
    commit.append(table, "select * from frame_in")
    commit.db.unregister("frame_in")


def _applied(about: _Told, asked: str) -> pl.DataFrame:
    rows = pl.DataFrame(about.applications, schema_overrides={"amount": AMOUNT})
    return rows.with_columns(
        kind=pl.lit("credit_note"), command_id=pl.lit(asked), reason=pl.lit(about.reason)
    )


def _posted(moves: pl.DataFrame, closed: pl.DataFrame, about: _Told, command: str) -> pl.DataFrame:
    """The moves with their ids, and the day on which they are posted: theirs or the first open."""
    dated = moves.join(closed, on="entity_id", how="left").with_columns(
        posting_date=pl.max_horizontal("moved_on", "closed_until"),
        command_id=pl.lit(command),
        reason=pl.lit(about.reason),
    )
    return balance.with_ids(dated, seed=command)


def _frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dict(balance.MOVES))


def _of(lots: pl.DataFrame, entity: str, wallet: Wallet) -> pl.DataFrame:
    return lots.filter(
        (pl.col("entity_id") == entity)
        & (pl.col("customer_id") == wallet.customer_id)
        & (pl.col("currency") == wallet.currency)
    )


def _checked(
    lake: Lake,
    db: duckdb.DuckDBPyConnection,
    wallet: Wallet,
    amount: Decimal,
    on: date | None,
) -> tuple[str, date]:
    """The entity of a wallet and the day of a move; raises for what cannot be."""
    entities = dict(db.execute(KNOWN, ["entity"]).fetchall())
    customers = [row[0] for row in db.execute(KNOWN, ["customer"]).fetchall()]
    if wallet.customer_id not in customers:
        near = did_you_mean(wallet.customer_id, customers) or "."
        raise UsageError(f"No customer {wallet.customer_id} is in the book{near} {NOTHING}")
    if wallet.entity_id is None and len(entities) > 1:
        raise UsageError(f"Say with --entity whose debt it is: {', '.join(entities)}. {NOTHING}")
    entity = wallet.entity_id or next(iter(entities))
    if entity not in entities:
        raise UsageError(f"No entity {entity} is in the book. {NOTHING}")
    if wallet.currency not in PLACES:
        raise UsageError(f"{wallet.currency} is not a currency of ISO 4217. {NOTHING}")
    if amount <= 0 or -int(amount.normalize().as_tuple().exponent) > PLACES[wallet.currency]:
        raise UsageError(
            f"{amount:f} is not an amount of {wallet.currency} above zero with at most "
            f"{PLACES[wallet.currency]} places. {NOTHING}"
        )
    refuse_issuing(db, [entity], lake.settings.actor, NOTHING)
    today = lake.settings.now().astimezone(ZoneInfo(entities[entity] or "UTC")).date()
    return entity, on or today


def _document(db: duckdb.DuckDBPyConnection, number: str, kind: str) -> dict[str, Any]:
    rows = db.execute(DOCUMENT, [number]).pl().to_dicts()
    if not rows:
        raise UsageError(
            f"No document has the number {number}. {NOTHING} "
            "`meterhouse invoices list` shows the numbers."
        )
    (found,) = rows
    if found["kind"] != kind:
        raise Rejected(f"{number} is not {kind.replace('_', ' ')}. {NOTHING}")
    if found["voided_on"] is not None:
        raise Rejected(f"{number} was voided on {found['voided_on']}. {NOTHING}")
    return found


def _same_wallet(note: Mapping[str, Any], invoice: Mapping[str, Any]) -> None:
    for name, said in (
        ("entity_id", "entity"), ("customer_id", "customer"), ("currency", "currency"),
    ):  # fmt: skip
        if note[name] != invoice[name]:
            raise Rejected(
                f"{note['number']} and {invoice['number']} are not of one {said}: {note[name]} and "
                f"{invoice[name]}. {NOTHING}"
            )
