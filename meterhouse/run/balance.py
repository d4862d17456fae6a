"""What customers have to their credit, as the facts hold it: lots, what is left of them, moves."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

import duckdb
import polars as pl

from meterhouse.canonical import short_hash
from meterhouse.invoicing.balance import DRAWS, LOTS, draws
from meterhouse.lake import Commit
from meterhouse.ledger.balances import balance_entries
from meterhouse.money import AMOUNT
from meterhouse.run.commands import closed_until
from meterhouse.schema import FACTS

TABLE = "billing.draft_draws"
# The signed amount of a move.
SIGNED = "case when kind in ('lot', 'return') then amount else -amount end"
LEFT = f"""
select lot_id, entity_id, customer_id, currency,
    cast(sum({SIGNED}) as decimal(38, 18)) as amount,
    any_value(moved_on) filter (kind = 'lot') as moved_on,
    any_value(priority) filter (kind = 'lot') as priority,
    any_value(expires_on) filter (kind = 'lot') as expires_on,
    any_value(source) filter (kind = 'lot') as source
from facts.balance_moves
group by lot_id, entity_id, customer_id, currency having sum({SIGNED}) > 0
"""
RECORDED = """
select moves.document_id as draft_id, moves.lot_id, moves.entity_id, moves.customer_id,
    moves.currency, moves.amount, lots.source, lots.moved_on as lot_on
from lake.facts.balance_moves as moves
join lake.facts.balance_moves as lots on lots.lot_id = moves.lot_id and lots.kind = 'lot'
where moves.kind = 'draw'
"""
# Of a lot where nobody says another: in the middle, as of grants.
PRIORITY = 50
HAS = "select 1 from facts.files where table_name = 'balance_moves' limit 1"
# A row of facts.balance_moves before it is written.
MOVES: dict[str, pl.DataType | type[pl.DataType]] = {
    name: AMOUNT
    if name == "amount"
    else pl.Date
    if kind == "date"
    else pl.Int64
    if kind == "bigint"
    else pl.String
    for name, kind in FACTS["balance_moves"].items()
    if name not in ("batch_seq", "row_no", "row_hash")
}


def lots_left(db: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """The lots of which something is left (LOTS)."""
    if db.execute(HAS).fetchone() is None:
        return pl.DataFrame(schema=LOTS)
    return db.sql(LEFT).pl().select(pl.col(name).cast(kind) for name, kind in LOTS.items())


def drawn_of(
    db: duckdb.DuckDBPyConnection, heads: pl.DataFrame, paid: pl.DataFrame
) -> pl.DataFrame:
    """What lots pay of these drafts (DRAWS), after what prepaid credit pays of them."""
    return draws(heads, paid, lots_left(db))


def recorded(db: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """What lots paid of issued documents (DRAWS)."""
    return db.sql(RECORDED).pl().cast(pl.Schema(DRAWS))


def overdrawn(db: duckdb.DuckDBPyConnection, drawn: pl.DataFrame) -> dict[str, str]:
    """Drafts that would be paid with balance of which less is left than when they were made."""
    if drawn.is_empty():
        return {}
    left = lots_left(db).select("lot_id", left="amount")
    sums = drawn.group_by("lot_id").agg(asked=pl.col("amount").sum())
    short = sums.join(left, on="lot_id", how="left").filter(
        pl.col("asked") > pl.col("left").fill_null(0)
    )
    held = drawn.join(short, on="lot_id", how="semi").select("draft_id", "customer_id")
    return {
        draft: f"It is paid from the balance of {customer}, of which less is left than when the "
        "draft was made. It stays a draft; run `meterhouse run --through DATE` again."
        for draft, customer in held.unique().sort("draft_id").iter_rows()
    }


def expired(db: duckdb.DuckDBPyConnection, entities: pl.DataFrame, before: date) -> pl.DataFrame:
    """The moves (with posting_date) that end lots of these entities that expired up to a day."""
    lots = lots_left(db).filter(pl.col("expires_on") <= before)
    mine = lots.join(entities, on="entity_id", how="semi").join(
        closed_until(db), on="entity_id", how="left"
    )
    return with_ids(
        mine.with_columns(
            kind=pl.lit("expiry"),
            moved_on="expires_on",
            posting_date=pl.max_horizontal("expires_on", "closed_until"),
            reason=pl.lit("expired"),
        )
    )


def draw_moves(documents: pl.DataFrame, drawn: pl.DataFrame) -> pl.DataFrame:
    """The moves (with posting_date) of what lots pay of documents that are issued.

    Documents: document_id, invoice_date, posting_date. A lot that is younger than the document
    pays it on the lot's own day.
    """
    heads = documents.select("document_id", "invoice_date", "posting_date")
    joined = drawn.rename({"draft_id": "document_id"}).join(heads, on="document_id")
    day = pl.max_horizontal("invoice_date", "lot_on")
    return with_ids(
        joined.with_columns(
            kind=pl.lit("draw"), moved_on=day, posting_date=pl.max_horizontal("posting_date", day)
        )
    )


def of_note(note: pl.DataFrame, added: Decimal, refunded: Decimal) -> pl.DataFrame:
    """The moves of (a part of) a credit note that goes to the balance or is paid back: a lot, and
    what of it is paid back at once.

    `note` is one row: document_id, entity_id, customer_id, currency, moved_on, posting_date,
    command_id, reason.
    """
    lot = note.with_columns(
        lot_id=pl.lit(short_hash(["lot", note["document_id"][0], note["command_id"][0]])),
        source=pl.lit("credit_note"),
        priority=pl.lit(PRIORITY, pl.Int64),
    )
    parts = [("lot", added + refunded), ("refund", refunded)]
    return pl.concat(
        [
            with_ids(lot.with_columns(kind=pl.lit(kind), amount=pl.lit(amount, AMOUNT)))
            for kind, amount in parts
            if amount > 0
        ]
        or [with_ids(lot.clear().with_columns(kind=pl.lit(""), amount=pl.lit(0, AMOUNT)))]
    )


def with_ids(moves: pl.DataFrame, *, seed: str = "") -> pl.DataFrame:
    """Moves as they are written, with ids made of kind, lot, document, day and `seed`."""
    keys = moves.with_columns(
        document_id=pl.col("document_id") if "document_id" in moves.columns else pl.lit(None)
    )
    texts = [
        short_hash(["balance", kind, lot, document, day.isoformat(), seed])
        for kind, lot, document, day in keys.select(
            "kind", "lot_id", "document_id", "moved_on"
        ).iter_rows()
    ]
    made = keys.with_columns(move_id=pl.Series(texts, dtype=pl.String))
    missing = [name for name in MOVES if name not in made.columns]
    whole = made.with_columns(pl.lit(None).alias(name) for name in missing)
    return whole.select(
        *(pl.col(name).cast(kind) for name, kind in MOVES.items()), pl.col("posting_date")
    )


def append_moves(commit: Commit, parts: Sequence[pl.DataFrame]) -> None:
    """Write moves as facts, if there are any; their entries are written by who makes them."""
    moves = pl.concat([pl.DataFrame(schema=MOVES), *(part.select(list(MOVES)) for part in parts)])
    if moves.is_empty():
        return
    uses = pl.col("kind") != "lot"
    # Of a use these are told by its lot.
    told = moves.with_columns(
        pl.when(uses).then(None).otherwise(pl.col(name)).alias(name)
        for name in ("priority", "expires_on", "source")
    )
    commit.db.register("frame_in", told.sort("move_id").to_arrow())
    commit.append("balance_moves", "select * from frame_in")
    commit.db.unregister("frame_in")


def with_entries(
    heads: pl.DataFrame, lines: pl.DataFrame, moves: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Entries and their lines with those of the moves after them."""
    if moves.is_empty():
        return heads, lines
    more_heads, more_lines = balance_entries(moves)
    return pl.concat([heads, more_heads]), pl.concat([lines, more_lines])
