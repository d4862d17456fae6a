"""An issued invoice, and what of its lines can still be credited."""

import json
from collections.abc import Mapping
from typing import Any

import duckdb
import polars as pl

from meterhouse.errors import Rejected, UsageError
from meterhouse.invoicing.credit_notes import CREDITABLE
from meterhouse.invoicing.prepaid import CREDIT_SALE
from meterhouse.invoicing.taxed_lines import line_tax
from meterhouse.money import AMOUNT, PLACES
from meterhouse.pricing.modifiers.grants import VOUCHER_SALE

ROLE = "credit_note"
ORIGINAL = """
select documents.*, voids.voided_on from facts.documents as documents
left join facts.voids using (document_id) where documents.number = ?
"""
LINES = "select * from facts.billed_lines where document_id = ? order by line_no"
# What was taken back of the lines of an invoice: by notes, and by runs that found them too high.
CREDITED = f"""
with notes as (
    select credits_line as line_no, -sum(lines.amount) as credited, -sum(taxes.tax) as credited_tax
    from facts.standing_lines as lines
    left join (
        select document_id, line_no, sum(tax) as tax from note_taxes group by all
    ) as taxes on taxes.document_id = lines.document_id and taxes.line_no = lines.line_no
    where lines.role = '{ROLE}' and lines.original_number = $number
    group by credits_line
),
corrected as (
    select own.line_no, greatest(-sum(later.amount), 0) as credited
    from facts.standing_lines as own
    join facts.standing_lines as later
        on later.line_key = own.line_key and later.original_number = own.number
        and later.document_id <> own.document_id
    where own.number = $number and own.amount > 0 group by own.line_no
)
select coalesce(notes.line_no, corrected.line_no) as line_no,
    cast(coalesce(notes.credited, 0) + coalesce(corrected.credited, 0) as decimal(38, 18))
        as credited,
    cast(coalesce(notes.credited_tax, 0) as decimal(38, 18)) as credited_tax
from notes full join corrected using (line_no)
"""
NOTES = f"""
select documents.document_id, documents.currency, documents.tax, lines.line_no, lines.role,
    lines.amount, lines.tax_included
from facts.standing_lines as lines join facts.documents as documents using (document_id)
where lines.role = '{ROLE}' and lines.original_number = ?
"""


def original_of(db: duckdb.DuckDBPyConnection, number: str) -> dict[str, Any]:
    rows = db.execute(ORIGINAL, [number]).pl().to_dicts()
    if not rows:
        raise UsageError(
            f"No document has the number {number}. Nothing was credited. "
            "`meterhouse invoices list` shows the numbers."
        )
    (found,) = rows
    if found["kind"] != "invoice":
        raise Rejected(f"{number} is a credit note; only invoices are credited. Nothing was done.")
    if found["voided_on"] is not None:
        raise Rejected(f"{number} was voided on {found['voided_on']}; nothing of it is owed.")
    last = db.execute("select max(through) from facts.documents").fetchone()
    return {
        **found,
        "content": json.loads(found["content"]),
        "last_through": last[0] if last else None,
    }


def creditable(db: duckdb.DuckDBPyConnection, original: Mapping[str, Any]) -> pl.DataFrame:
    """The lines of the invoice as CREDITABLE."""
    lines = db.execute(LINES, [original["document_id"]]).pl()
    head = pl.DataFrame([{n: original[n] for n in ("document_id", "currency", "tax")}])
    taxes = db.execute(
        "select * from facts.line_taxes where document_id = ?", [original["document_id"]]
    ).pl()
    notes = db.execute(NOTES, [original["number"]]).pl()
    heads = notes.select("document_id", "currency", "tax").unique()
    note_rows = db.sql("from facts.line_taxes").pl().join(heads, on="document_id", how="semi")
    db.register("note_taxes", line_tax(heads, notes, note_rows).to_arrow())
    credited = db.execute(CREDITED, {"number": original["number"]}).pl()
    db.unregister("note_taxes")
    zero = pl.lit(0, dtype=AMOUNT)
    return (
        lines.select("line_no", "amount", "role")
        .join(line_tax(head, lines, taxes).drop("document_id"), on="line_no")
        .join(credited, on="line_no", how="left")
        .with_columns(
            pl.col("credited", "credited_tax").fill_null(zero),
            places=pl.lit(PLACES[original["currency"]], pl.Int64),
        )
        .filter(~pl.col("role").is_in([CREDIT_SALE, VOUCHER_SALE]))
        .select(pl.col(name).cast(kind) for name, kind in CREDITABLE.items())
        .sort("line_no")
    )
