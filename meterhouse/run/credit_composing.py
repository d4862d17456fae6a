"""A credit note as a document: made of a request and of the invoice, now and at any later time."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import duckdb
import polars as pl

from meterhouse.canonical import canonical_json, short_hash
from meterhouse.invoicing import credit_notes, tax_currency
from meterhouse.invoicing.allocation import allocated
from meterhouse.invoicing.document import canonical
from meterhouse.invoicing.taxed_lines import LINE_TAXES
from meterhouse.ledger.posting import VOUCHER_COMPONENTS
from meterhouse.money import AMOUNT
from meterhouse.run.credit_originals import LINES, ROLE, creditable, original_of

COMMAND = "credit"
# What a line of a note says itself; all else it has from the line that it credits.
_OF_THE_NOTE = (
    *("line_key", "document_id", "number", "invoice_date", "batch_seq", "row_no", "row_hash"),
    *("amount", "amount_unrounded", "determinant_id", "quantity"),
)


@dataclass(frozen=True)
class Note:
    """A note before it has a number: one head, its lines, and the taxes of lines that rules set."""

    head: pl.DataFrame
    lines: pl.DataFrame
    taxes: pl.DataFrame


def recomposed(db: duckdb.DuckDBPyConnection, document_ids: Sequence[str]) -> dict[str, str]:
    """The contents of credit notes by id, made again of their requests and of their invoices.

    `facts.*` of the connection end where the notes' commands were given.
    """
    found = {}
    for payload in db.execute(
        "select payload from lake.facts.commands where kind = ? and list_contains(?, subject_id) "
        "order by batch_seq, row_no",
        [COMMAND, list(document_ids)],
    ).fetchall():
        told = json.loads(payload[0])
        note = composed(db, original_of(db, told["number"]), told)
        found[str(note.head["draft_id"][0])] = str(note.head["content"][0])
    return found


def composed(
    db: duckdb.DuckDBPyConnection, original: Mapping[str, Any], told: Mapping[str, Any]
) -> Note:
    """The note that a request comes to, with its content."""
    asked = {line: Decimal(amount) for line, amount in told["lines"]}
    rows = creditable(db, original).with_columns(
        asked=pl.col("line_no").replace_strict(asked, default=Decimal(0), return_dtype=AMOUNT)
    )
    credited = credit_notes.with_tax(rows)
    document_id = short_hash(["credit", told])
    lines = _lines(db, original, credited, document_id, told)
    taxes = _taxes(db, original, credited, document_id)
    head = _head(original, lines, credited, document_id, told)
    content = canonical(
        head, lines, _party(original, "buyer"), _party(original, "seller"), _NO_METERS, taxes
    )
    return Note(head.join(content, on="draft_id"), lines, taxes)


_NO_METERS = pl.DataFrame(
    schema={"meter_id": pl.String, "meter_version": pl.Int64, "unit": pl.String}
)


def _lines(
    db: duckdb.DuckDBPyConnection,
    original: Mapping[str, Any],
    credited: pl.DataFrame,
    document_id: str,
    told: Mapping[str, Any],
) -> pl.DataFrame:
    """The lines of the note: each credits a line of the invoice, under a key of its own."""
    own = db.execute(LINES, [original["document_id"]]).pl()
    kept = own.drop(_OF_THE_NOTE)
    joined = credited.join(kept, on="line_no", how="left", suffix="_kept")
    texts = [short_hash([ROLE, document_id, line]) for line in joined["line_no"].to_list()]
    return joined.with_columns(
        draft_id=pl.lit(document_id),
        # A key of this note alone: no run compares it with what is due.
        line_key=pl.Series(texts, dtype=pl.String),
        role=pl.lit(ROLE),
        # What pays, or is sold to pay, goes back to where it came from; see ledger/posting.py.
        component=pl.when(pl.col("component").is_in(VOUCHER_COMPONENTS))
        .then("component")
        .otherwise(pl.lit(ROLE)),
        credits_line="line_no",
        line_no=pl.int_range(1, pl.len() + 1, dtype=pl.Int64),
        quantity=pl.lit(0, pl.Decimal(38, 12)),
        amount_unrounded=-pl.col("asked"),
        desired_amount=(credit_notes.left() - pl.col("asked")).cast(AMOUNT),
        already_billed=credit_notes.left(),
        amount=-pl.col("asked"),
        is_correction=pl.lit(value=True),
        original_number=pl.lit(original["number"]),
        original_invoice_date=pl.lit(original["invoice_date"]),
        reason=pl.lit(told["reason"]),
        boundary_on=pl.lit(date.fromisoformat(told["on"])),
        due_on=pl.lit(original["last_through"]),
        determinant_id=pl.lit(None, pl.String),
        meter_id=pl.lit(None, pl.String),
        meter_version=pl.lit(None, pl.Int64),
        tax_included=pl.when(pl.col("tax_included").is_not_null()).then(-pl.col("asked_tax")),
        steps=pl.lit("[]"),
    )


def _taxes(
    db: duckdb.DuckDBPyConnection,
    original: Mapping[str, Any],
    credited: pl.DataFrame,
    document_id: str,
) -> pl.DataFrame:
    """The taxes that rules set on the lines, in proportion to what is credited of them.

    A line's tax is given out over its rows in their order; the last one takes the rest.
    """
    rows = db.execute(
        "select * exclude (batch_seq, row_no, row_hash) from facts.line_taxes "
        "where document_id = ? order by line_no, tax_no",
        [original["document_id"]],
    ).pl()
    numbers = {line: place for place, line in enumerate(credited["line_no"].to_list(), 1)}
    shared = rows.join(
        credited.select("line_no", "asked", "asked_tax", "places"), on="line_no"
    ).with_columns(weight="tax", of_line="line_no")
    if shared.is_empty():
        return pl.DataFrame(schema=LINE_TAXES)
    parts = allocated(shared, by=["of_line"], amount="asked_tax", weight="weight", into="share")
    return parts.with_columns(
        draft_id=pl.lit(document_id),
        line_no=pl.col("line_no").replace_strict(numbers, return_dtype=pl.Int64),
        base=-pl.col("asked"),
        tax=-pl.col("share"),
    ).select(pl.col(name).cast(kind) for name, kind in LINE_TAXES.items())


def _head(
    original: Mapping[str, Any],
    lines: pl.DataFrame,
    credited: pl.DataFrame,
    document_id: str,
    told: Mapping[str, Any],
) -> pl.DataFrame:
    """One row with the columns of drafts."""
    content, on = original["content"], date.fromisoformat(told["on"])
    net, tax = (-Decimal(credited[name].sum()) for name in ("asked", "asked_tax"))
    # A decision is told on the document alone; of rules the lines tell.
    rows = content["tax"]
    decision = rows[0] if len(rows) == 1 and "jurisdiction" not in rows[0] else {}
    terms = content["terms"]
    row = {
        "draft_id": document_id,
        "kind": "credit_note",
        **{
            name: original[name] for name in ("entity_id", "customer_id", "contract_id", "currency")
        },
        "terms_id": terms["id"],
        "terms_description": terms["description"],
        "net_days": terms["net_days"],
        "purchase_order": content["purchase_order"],
        **dict.fromkeys(("boundary_on", "invoice_date", "due_date"), on),
        "net": net,
        "untaxed": Decimal(0),
        "tax": tax,
        "total": net + tax,
        "prepaid": Decimal(0),
        "line_count": lines.height,
        **{f"tax_{name}": decision.get(name) for name in ("treatment", "rate", "name", "reason")},
        **_rate_of(content),
    }
    texts = (
        *("draft_id", "kind", "entity_id", "customer_id", "contract_id", "currency"),
        *("terms_id", "terms_description", "purchase_order", "prepaid_by"),
        *("tax_treatment", "tax_rate", "tax_name", "tax_reason"),
    )
    amounts = ("net", "untaxed", "tax", "total", "prepaid")
    schema: dict[str, Any] = dict.fromkeys(texts, pl.String) | dict.fromkeys(amounts, AMOUNT)
    schema |= tax_currency.COLUMNS
    return pl.DataFrame([{**row, "prepaid_by": None}], schema_overrides=schema)


def _rate_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """The rate at which the invoice told its taxes in another currency; its notes have it too."""
    told = content.get("tax_accounting")
    if told is None:
        return dict.fromkeys(tax_currency.COLUMNS)
    return {
        "tax_currency": told["currency"],
        "fx_rate": Decimal(told["rate"]),
        "fx_on": date.fromisoformat(told["date"]),
        "fx_source": told["source"],
    }


def _party(original: Mapping[str, Any], who: str) -> pl.DataFrame:
    """The buyer or seller of the invoice, as a row of the book."""
    told = original["content"][who]
    row = {
        name: canonical_json(value) if isinstance(value, dict | list) else value
        for name, value in told.items()
    }
    row["customer_id" if who == "buyer" else "entity_id"] = row.pop("id")
    return pl.DataFrame([row], schema=dict.fromkeys(row, pl.String))
