"""Money that contracts bought before, as the ledger holds it: what is left of each lot."""

import duckdb
import polars as pl

from meterhouse.invoicing.prepaid import CREDIT_SALE, LOTS, PAYMENTS, payments
from meterhouse.ledger.accounts import PREPAYMENTS
from meterhouse.money import AMOUNT
from meterhouse.pricing.modifiers.contract_terms import contract_terms
from meterhouse.pricing.modifiers.grants import moved
from meterhouse.pricing.steps import text
from meterhouse.run.charged_lines import read_contracts

TABLE = "billing.draft_payments"
HELD = f"""
select contract_id, item_id as grant_id, window_start_on as lot_on,
    cast(sum(credit - debit) as decimal(38, 18)) as amount
from facts.journal_lines where account = '{PREPAYMENTS}' group by all
"""
RECORDED = f"""
select entries.document_id as draft_id, contract_id, item_id as grant_id,
    window_start_on as lot_on, cast(sum(debit - credit) as decimal(38, 18)) as amount
from lake.facts.journal_lines as lines
join lake.facts.journal_entries as entries using (entry_id)
where account = '{PREPAYMENTS}' and entries.event = 'prepaid.applied'
group by all
"""
_LOT = ("contract_id", "grant_id", "lot_on")


def paid_of(
    db: duckdb.DuckDBPyConnection, heads: pl.DataFrame, lines: pl.DataFrame
) -> pl.DataFrame:
    """What lots pay of these drafts, columns of PAYMENTS: by what is left of them in the ledger,
    and by what the drafts sell themselves."""
    lots = pl.concat([db.sql(HELD).pl(), _sold(lines)]).group_by(_LOT).agg(pl.col("amount").sum())
    if lots.is_empty():
        return pl.DataFrame(schema=PAYMENTS)
    told = contract_terms(read_contracts(db)).credits.select(
        "contract_id", "priority", "expires_on", "lasts_every", "lasts_unit", grant_id="id"
    )
    # A grant that the contract names no more still holds what was bought.
    named = lots.join(told, on=["contract_id", "grant_id"], how="left").with_columns(
        priority=pl.col("priority").fill_null(50),
        expires_on=pl.min_horizontal("expires_on", moved("lot_on", "lasts_every", "lasts_unit")),
    )
    complete = named.select(pl.col(name).cast(kind) for name, kind in LOTS.items())
    return payments(heads, lines, complete)


def recorded(db: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """What lots paid of issued documents, columns of PAYMENTS."""
    return db.sql(RECORDED).pl().cast(pl.Schema(PAYMENTS))


def _sold(lines: pl.DataFrame) -> pl.DataFrame:
    """What drafts sell, by lot."""
    return lines.filter(pl.col("role") == CREDIT_SALE).select(
        "contract_id",
        grant_id="item_id",
        lot_on="window_start_on",
        amount=pl.col("amount").cast(AMOUNT),
    )


def overdrawn(
    db: duckdb.DuckDBPyConnection, ready: pl.DataFrame, lines: pl.DataFrame, paid: pl.DataFrame
) -> dict[str, str]:
    """Drafts that pay with money whose sale is neither issued nor among those that are ready, or
    that take back a sale of which more has paid documents than they leave.

    By id, each with the sentence that says so; the first found may hold others back in turn.
    """
    held: dict[str, str] = {}
    over = text(-pl.col("left"))
    while True:
        kept = ready.filter(~pl.col("draft_id").is_in(list(held)))["draft_id"].implode()
        mine = paid.filter(pl.col("draft_id").is_in(kept))
        changed = lines.filter(pl.col("draft_id").is_in(kept))
        gone = mine.select(*_LOT, amount=-pl.col("amount"))
        left = pl.concat([db.sql(HELD).pl(), _sold(changed), gone])
        summed = left.group_by(_LOT).agg(left=pl.col("amount").sum())
        below = summed.filter(pl.col("left") < 0)
        short = mine.join(below, on=_LOT, how="semi")
        back = _taken_back(changed).join(below, on=_LOT)
        if short.is_empty() and back.is_empty():
            return held
        held |= {
            draft: f"It takes back {amount} of credit {grant} of {contract}, {over} more than is "
            "left of it: that has paid documents. It stays a draft; keep the grant in the "
            "contract with at least what was used as its `amount`, or let it end by `expires`."
            for draft, contract, grant, amount, over in back.select(
                *("draft_id", "contract_id", "grant_id"), text(pl.col("back")), over
            ).iter_rows()
        }
        held |= {
            draft: f"It is paid with credit {grant} of {contract}, whose sale is on a draft that "
            "is not issued. It stays a draft; issue that one first, or both together."
            for draft, contract, grant in short.select(
                "draft_id", "contract_id", "grant_id"
            ).iter_rows()
        }


def _taken_back(lines: pl.DataFrame) -> pl.DataFrame:
    """What drafts take back of sales, by draft and lot."""
    sales = lines.filter(pl.col("role") == CREDIT_SALE)
    sold = pl.concat([sales.select("draft_id"), _sold(sales)], how="horizontal")
    taken = sold.group_by("draft_id", *_LOT).agg(back=-pl.col("amount").sum())
    return taken.filter(pl.col("back") > 0)
