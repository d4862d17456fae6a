"""The rows of a history as facts: old documents, their lines, and what goes on from them."""

from collections.abc import Mapping

import polars as pl

from meterhouse.canonical_columns import array_of, short_sha256, string
from meterhouse.history.columns import KINDS
from meterhouse.money import AMOUNT, QUANTITY

Files = Mapping[str, pl.DataFrame]
DOCUMENT: dict[str, pl.DataType | type[pl.DataType]] = {
    "document_id": pl.String,
    "number": pl.String,
    "kind": pl.String,
    "entity_id": pl.String,
    "customer_id": pl.String,
    "contract_id": pl.String,
    "currency": pl.String,
    "invoice_date": pl.Date,
    "due_date": pl.Date,
    "net": AMOUNT,
    "tax": AMOUNT,
    "total": AMOUNT,
    "open_amount": AMOUNT,
    "original_number": pl.String,
}
OPENING: dict[str, pl.DataType | type[pl.DataType]] = {
    "opening_id": pl.String,
    "kind": pl.String,
    "entity_id": pl.String,
    "customer_id": pl.String,
    "contract_id": pl.String,
    "item_id": pl.String,
    "name": pl.String,
    "number": pl.String,
    "currency": pl.String,
    "amount": AMOUNT,
    "quantity": QUANTITY,
    "from_on": pl.Date,
    "until_on": pl.Date,
}
_OF_CONTRACT = {
    "entity_id": pl.col("entity"),
    "customer_id": pl.col("payer_id"),
    "contract_id": pl.col("contract"),
    "currency": pl.col("currency"),
}
# What each file is as an opening: its kind, and where its columns go.
_OPENINGS: dict[str, tuple[str, dict[str, pl.Expr]]] = {
    "payments": ("payment", {
        "entity_id": pl.col("entity"), "customer_id": pl.col("customer"),
        "name": pl.col("payment"), "number": pl.col("number"), "currency": pl.col("currency"),
        "amount": pl.col("amount"), "from_on": pl.col("received_on"),
    }),
    "deferred_schedules": ("schedule", {
        **_OF_CONTRACT, "item_id": pl.col("item"), "number": pl.col("number"),
        "amount": pl.col("amount"), "from_on": pl.col("from"), "until_on": pl.col("to"),
    }),
    "wallet_lots": ("lot", {
        **_OF_CONTRACT, "item_id": pl.col("grant"), "name": pl.col("grant"),
        "amount": pl.col("amount"), "from_on": pl.col("lot_on"),
    }),
    "commitments": ("commitment", {
        **_OF_CONTRACT, "name": pl.col("commitment"), "amount": pl.col("used"),
        "from_on": pl.col("span_start"),
    }),
    "discounts": ("discount", {
        **_OF_CONTRACT, "name": pl.col("discount"), "amount": pl.col("used"),
    }),
    "counters": ("counter", {
        **_OF_CONTRACT, "currency": pl.lit(None), "item_id": pl.col("item"),
        "quantity": pl.col("quantity"), "from_on": pl.col("period_start"),
    }),
    "paid_through": ("paid_through", {
        **_OF_CONTRACT, "currency": pl.lit(None), "item_id": pl.col("item"),
        "until_on": pl.col("paid_through"),
    }),
    "series": ("series", {
        "entity_id": pl.col("entity"), "name": pl.col("kind"),
        "quantity": pl.col("last_number"), "from_on": pl.date(pl.col("year"), 1, 1),
        "until_on": pl.col("last_date"),
    }),
}  # fmt: skip


def series_name() -> pl.Expr:
    """The name of the series of a row of series.csv, as numbers are taken by it."""
    return pl.format("{}|{}|{}", "entity", "kind", "year")


def document_ids(frame: pl.DataFrame) -> pl.Series:
    """The id of each old document, by its entity and number."""
    key = array_of(string(pl.lit("imported")), string(pl.col("entity")), string(pl.col("number")))
    return short_sha256(frame.select(document_id=key).to_series())


def opening_ids(name: str, frame: pl.DataFrame) -> pl.Series:
    """The id of each row of a file, by what names it."""
    parts = (string(pl.col(column)) for column in KINDS[name].key)
    key = array_of(string(pl.lit(name)), *parts)
    return short_sha256(frame.select(opening_id=key).to_series())


def imported_documents(files: Files) -> pl.DataFrame:
    """One row per old document, whether its invoice, its open amount or both are told: DOCUMENT."""
    key = ("entity", "number")
    heads, items = files["invoices"], files["open_items"]
    told = heads.rename({"due_date": "due_head"}).join(
        items.select(*key, "due_date", "open_amount"), on=key, how="left"
    )
    alone = items.join(heads, on=key, how="anti")
    rows = pl.concat([told, alone], how="diagonal")
    return rows.with_columns(document_ids(rows)).select(
        "document_id",
        "number",
        pl.col("kind").fill_null("invoice"),
        entity_id="entity",
        customer_id="customer",
        contract_id="contract",
        currency="currency",
        invoice_date="invoice_date",
        due_date=pl.coalesce("due_date", "due_head"),
        net="net",
        tax="tax",
        total="total",
        open_amount=pl.col("open_amount").fill_null(0),
        original_number="references",
    ).select(
        pl.col(n).cast(t) for n, t in DOCUMENT.items()
    ).sort("entity_id", "number")  # fmt: skip


def imported_lines(files: Files) -> pl.DataFrame:
    """One row per line of the old documents, columns of facts.imported_lines."""
    lines = files["invoice_lines"]
    return lines.with_columns(document_ids(lines)).select(
        "document_id", "line_no", "description", "quantity", "amount", "tax",
        contract_id="contract", item_id="item", window_start_on="service_from",
        window_end_on="service_to",
    ).sort("document_id", "line_no")  # fmt: skip


def imported_openings(files: Files) -> pl.DataFrame:
    """One row per thing that goes on: OPENING."""
    made = [pl.DataFrame(schema=OPENING)]
    for name, (kind, columns) in _OPENINGS.items():
        frame = files[name]
        rows = frame.with_columns(opening_ids(name, frame))
        told = {n: pl.lit(None) for n in OPENING} | columns | {"kind": pl.lit(kind)}
        told["opening_id"] = pl.col("opening_id")
        made.append(rows.select(e.cast(OPENING[n]).alias(n) for n, e in told.items()))
    return pl.concat(made).sort("kind", "opening_id")
