"""The canonical JSON of a document: sorted keys, fixed-scale decimal strings, UTC instants.

The content leaves out number, run and known batch, so that its hash is the same in a draft, an
approval and a rebuild; `issued` adds them. Frames: `drafts` and `draft_lines` as drafts.py makes
them; customers (customer_id, name, address, email, tax_ids), entities (entity_id, legal_name,
address, tax_ids, bank) and meters (meter_id, meter_version, unit), where address, tax_ids and bank
are canonical JSON text or null. What was paid and how a document looks are not part of it.
"""

import polars as pl

from meterhouse.canonical_columns import (
    array_of,
    array_over_rows,
    day,
    embedded,
    instant,
    integer,
    money,
    object_of,
    sha256,
    string,
)
from meterhouse.invoicing.tax_currency import accounting_json, silent
from meterhouse.invoicing.taxed_lines import document_json, lines_json, no_taxes
from meterhouse.money import AMOUNT

FORMAT = "meterhouse/1"
# The first top-level key that sorts after "format" and "issue".
_AFTER_ISSUE = ',"kind":'


def canonical(
    drafts: pl.DataFrame,
    draft_lines: pl.DataFrame,
    customers: pl.DataFrame,
    entities: pl.DataFrame,
    meters: pl.DataFrame,
    taxes: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """One row per draft: draft_id, content (canonical JSON text), content_hash (64 hex digits).

    `taxes` are those that rules decided, one row per line and tax (LINE_TAXES).
    """
    heads, own_lines = _with_taxes(drafts, draft_lines, taxes)
    contents = (
        _complete(heads)
        .join(_line_arrays(own_lines, meters), on="draft_id", how="left")
        .join(_buyers(customers), on="customer_id", how="left")
        .join(_sellers(entities), on="entity_id", how="left")
        .select("draft_id", content=_content())
        .sort("draft_id")
    )
    return contents.with_columns(sha256(contents["content"]).alias("content_hash"))


def issued(documents: pl.DataFrame) -> pl.Series:
    """Each document's content with its `issue` (number, run_id, known_at, through) and `format`.

    The text is cut before the first `,"kind":`, which is the top-level key: inside a string its
    quotes would be escaped, and the keys before it (buyer, currency, dates) hold no `kind`.
    """
    issue = object_of(
        {
            "known_at": integer(pl.col("known_at")),
            "number": string(pl.col("number")),
            "run_id": string(pl.col("run_id")),
            "through": day(pl.col("through")),
        }
    )
    halves = pl.col("content").str.splitn(_AFTER_ISSUE, 2).struct
    middle = pl.lit(f',"format":"{FORMAT}","issue":')
    text = [halves.field("field_0"), middle, issue, pl.lit(_AFTER_ISSUE), halves.field("field_1")]
    return documents.select(text=pl.concat_str(text)).to_series()


def _with_taxes(
    drafts: pl.DataFrame, draft_lines: pl.DataFrame, taxes: pl.DataFrame | None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Drafts with `tax_rows` and lines with `line_tax`: JSON of what rules decided, or null."""
    drafts = _told_elsewhere(drafts, taxes)
    if taxes is None or taxes.is_empty():
        null = pl.lit(None, pl.String)
        return drafts.with_columns(tax_rows=null), draft_lines.with_columns(line_tax=null)
    currencies = drafts.select("draft_id", "currency")
    rows, shares = document_json(taxes, currencies), lines_json(taxes, currencies)
    return (
        drafts.join(rows, on="draft_id", how="left"),
        draft_lines.join(shares, on=["draft_id", "line_no"], how="left"),
    )


def _told_elsewhere(drafts: pl.DataFrame, taxes: pl.DataFrame | None) -> pl.DataFrame:
    """Drafts with `tax_accounting`: JSON of their taxes in the seller's tax currency, or null."""
    heads = silent(drafts)
    if heads["fx_rate"].null_count() == heads.height:
        return heads.with_columns(tax_accounting=pl.lit(None, pl.String))
    complete = _complete(heads)
    told = accounting_json(complete, no_taxes() if taxes is None else taxes)
    return heads.join(told, on="draft_id", how="left")


def _complete(drafts: pl.DataFrame) -> pl.DataFrame:
    """The drafts with what few have: lines that are not taxed, money that pays them."""
    nothing = {
        "untaxed": pl.lit(0, dtype=AMOUNT),
        "prepaid": pl.lit(0, dtype=AMOUNT),
        "prepaid_by": pl.lit(None, dtype=pl.String),
        "balance": pl.lit(0, dtype=AMOUNT),
        "balance_by": pl.lit(None, dtype=pl.String),
        "note": pl.lit(None, dtype=pl.String),
    }
    missing = {name: value for name, value in nothing.items() if name not in drafts.columns}
    return drafts.with_columns(**missing)


def _content() -> pl.Expr:
    """What a document says; one that money of before pays says it, and what is due after it."""
    currency = pl.col("currency")
    due = pl.col("total") - pl.col("prepaid") - pl.col("balance")
    plain = {**_plain_content(), "amount_due": money(due, currency)}
    balance = {
        "balance": embedded(pl.col("balance_by")),
        "balance_applied": money(pl.col("balance"), currency),
    }
    prepaid = {
        "prepaid": embedded(pl.col("prepaid_by")),
        "prepaid_applied": money(pl.col("prepaid"), currency),
    }
    is_prepaid, is_drawn = pl.col("prepaid") > 0, pl.col("balance") > 0
    return (
        pl.when(is_prepaid & is_drawn)
        .then(object_of({**plain, **prepaid, **balance}))
        .when(is_prepaid)
        .then(object_of({**plain, **prepaid}))
        .when(is_drawn)
        .then(object_of({**plain, **balance}))
        .otherwise(object_of(_plain_content()))
    )


def _plain_content() -> dict[str, pl.Expr]:
    currency = pl.col("currency")
    dates = {"due_date": day(pl.col("due_date")), "invoice_date": day(pl.col("invoice_date"))}
    terms = {
        "description": string(pl.col("terms_description")),
        "id": string(pl.col("terms_id")),
        "net_days": integer(pl.col("net_days")),
    }
    return {
        "buyer": embedded(pl.col("buyer")),
        "currency": string(currency),
        "dates": object_of(dates),
        "kind": string(pl.col("kind")),
        "lines": pl.col("lines").fill_null("[]"),
        # `note` comes after it; only what people wrote on a draft has it.
        "net": pl.concat_str([money(pl.col("net"), currency), _note()]),
        "purchase_order": string(pl.col("purchase_order")),
        "seller": embedded(pl.col("seller")),
        # `tax_accounting` comes after it, where the seller accounts for taxes in another currency.
        "tax": pl.concat_str([_tax(), _accounting()]),
        "tax_total": money(pl.col("tax"), currency),
        "terms": object_of(terms),
        "total": money(pl.col("total"), currency),
    }


def _accounting() -> pl.Expr:
    told = pl.concat_str([pl.lit(',"tax_accounting":'), pl.col("tax_accounting")])
    return pl.when(pl.col("tax_accounting").is_not_null()).then(told).otherwise(pl.lit(""))


def _note() -> pl.Expr:
    told = pl.concat_str([pl.lit(',"note":'), string(pl.col("note"))])
    return pl.when(pl.col("note").is_not_null()).then(told).otherwise(pl.lit(""))


def _tax() -> pl.Expr:
    """One entry per rate, which is one per document where the customer has a decision."""
    row = object_of(
        {
            "amount": money(pl.col("tax"), pl.col("currency")),
            "base": money(pl.col("net") - pl.col("untaxed"), pl.col("currency")),
            "name": string(pl.col("tax_name")),
            "rate": string(pl.col("tax_rate")),
            "reason": string(pl.col("tax_reason")),
            "treatment": string(pl.col("tax_treatment")),
        }
    )
    ruled = pl.col("tax_rows").fill_null("[]")
    is_decided = pl.col("tax").is_not_null() & pl.col("tax_treatment").is_not_null()
    return pl.when(is_decided).then(array_of(row)).otherwise(ruled)


def _buyers(customers: pl.DataFrame) -> pl.DataFrame:
    buyer = {
        "address": embedded(pl.col("address")),
        "email": string(pl.col("email")),
        "id": string(pl.col("customer_id")),
        "name": string(pl.col("name")),
        "tax_ids": embedded(pl.col("tax_ids")),
    }
    return customers.select("customer_id", buyer=object_of(buyer))


def _sellers(entities: pl.DataFrame) -> pl.DataFrame:
    seller = {
        "address": embedded(pl.col("address")),
        "bank": embedded(pl.col("bank")),
        "id": string(pl.col("entity_id")),
        "legal_name": string(pl.col("legal_name")),
        "tax_ids": embedded(pl.col("tax_ids")),
    }
    return entities.select("entity_id", seller=object_of(seller))


def _line_arrays(draft_lines: pl.DataFrame, meters: pl.DataFrame) -> pl.DataFrame:
    """One row per draft: draft_id, lines (JSON array in the order of line_no)."""
    units = meters.select("meter_id", "meter_version", "unit")
    seldom = {"cause": pl.lit(None, pl.String), "tax_included": pl.lit(None, AMOUNT)}
    missing = {name: null for name, null in seldom.items() if name not in draft_lines.columns}
    draft_lines = draft_lines.with_columns(**missing)
    return (
        draft_lines.join(units, on=["meter_id", "meter_version"], how="left")
        .select("draft_id", "line_no", line=_line())
        .sort("draft_id", "line_no")
        .group_by("draft_id", maintain_order=True)
        .agg(lines=array_over_rows(pl.col("line")))
    )


def _line() -> pl.Expr:
    return object_of(
        {
            "amount": money(pl.col("amount"), pl.col("currency")),
            "component": string(pl.col("component")),
            "contract": string(pl.col("contract_id")),
            "correction": _correction(),
            "description": string(pl.col("item_description")),
            "determinant": string(pl.col("determinant_id")),
            "dimensions": embedded(pl.col("dimensions")),
            "item": string(pl.col("item_id")),
            "line_key": string(pl.col("line_key")),
            "line_no": integer(pl.col("line_no")),
            "meter": _meter(),
            # `progress` comes after it in the order of keys, and few lines have it.
            "price": pl.concat_str([embedded(pl.col("price")), _progress()]),
            "quantity": string(pl.col("quantity")),
            "service": _service(),
            # `tax` comes after it, which lines that rules taxed have, and `tax_included`.
            "steps": pl.concat_str([pl.col("steps").fill_null("[]"), _line_tax()]),
            "unrounded": string(pl.col("amount_unrounded")),
        }
    )


def _line_tax() -> pl.Expr:
    """The category of a line and its share of each row of the document's taxes; and the taxes that
    its price held, which its amount is without."""
    told = pl.concat_str([pl.lit(',"tax":'), pl.col("line_tax")])
    held = pl.concat_str(
        [pl.lit(',"tax_included":'), money(pl.col("tax_included"), pl.col("currency"))]
    )
    return pl.concat_str(
        [
            pl.when(pl.col("line_tax").is_not_null()).then(told).otherwise(pl.lit("")),
            pl.when(pl.col("tax_included").is_not_null()).then(held).otherwise(pl.lit("")),
        ]
    )


def _progress() -> pl.Expr:
    """What a threshold billed of a line before its period was over, and whether it goes on."""
    currency, is_open = pl.col("currency"), pl.col("due_on") > pl.col("boundary_on")
    progress = {
        "already_billed": money(pl.col("already_billed"), currency),
        "desired": money(pl.col("desired_amount"), currency),
        "goes_on": pl.when(is_open).then(pl.lit("true")).otherwise(pl.lit("false")),
        "original_date": day(pl.col("original_invoice_date")),
        "original_number": string(pl.col("original_number")),
    }
    is_partly = ~pl.col("is_correction") & (is_open | pl.col("original_number").is_not_null())
    told = pl.concat_str([pl.lit(',"progress":'), object_of(progress)])
    return pl.when(is_partly).then(told).otherwise(pl.lit(""))


def _correction() -> pl.Expr:
    """What a line corrects; `reason` is there where the seller tells it (causes.py)."""
    plain = {
        "already_billed": money(pl.col("already_billed"), pl.col("currency")),
        "desired": money(pl.col("desired_amount"), pl.col("currency")),
        "original_date": day(pl.col("original_invoice_date")),
        "original_number": string(pl.col("original_number")),
    }
    told = object_of({**plain, "reason": string(pl.col("cause"))})
    return (
        pl.when(pl.col("is_correction") & pl.col("cause").is_not_null())
        .then(told)
        .when("is_correction")
        .then(object_of(plain))
        .otherwise(pl.lit("null"))
    )


def _meter() -> pl.Expr:
    meter = object_of(
        {
            "id": string(pl.col("meter_id")),
            "unit": string(pl.col("unit")),
            "version": integer(pl.col("meter_version")),
        }
    )
    return pl.when(pl.col("meter_id").is_null()).then(pl.lit("null")).otherwise(meter)


def _service() -> pl.Expr:
    """The window: local dates with an exclusive end, their zone, and the UTC instants."""
    return object_of(
        {
            "end": day(pl.col("window_end_on")),
            "end_at": instant(pl.col("window_end")),
            "start": day(pl.col("window_start_on")),
            "start_at": instant(pl.col("window_start")),
            "zone": string(pl.col("zone")),
        }
    )
