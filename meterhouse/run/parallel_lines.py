"""The lines of both systems as they are compared."""

import duckdb
import polars as pl

from meterhouse.duck import literal
from meterhouse.invoicing.taxed_lines import line_tax
from meterhouse.lake import Lake
from meterhouse.money import AMOUNT, rounded
from meterhouse.parallel.columns import SIDE

# Of each number of a system, the newest import counts.
LEGACY = """
select lines.*, invoices.customer, invoices.currency, invoices.invoice_date, invoices.kind
from facts.legacy_lines as lines
join (
    select import_id, system, number, customer, currency, invoice_date, kind
    from facts.legacy_invoices
    qualify row_number() over (partition by system, number order by batch_seq desc, row_no) = 1
) as invoices using (import_id, system, number)
"""
_LINE = """
line_no, line_key, item_id, component, role, price_model, quantity, amount, tax_included,
window_start_on, window_end_on
"""
ISSUED = f"""
select document_id, number, documents.customer_id, documents.currency, documents.invoice_date,
    documents.net, documents.tax, lines.contract_id, {_LINE}
from facts.standing_lines as lines join (
    select document_id, customer_id, currency, invoice_date, net, tax from facts.documents
) as documents using (document_id)
"""
DRAFTS = f"""
select draft_id as document_id, 'draft ' || draft_id[:8] as number, drafts.customer_id,
    drafts.currency, drafts.invoice_date, drafts.net, drafts.tax, lines.contract_id, {_LINE}
from warehouse.billing.draft_lines as lines join (
    select draft_id, customer_id, currency, invoice_date, net, tax from warehouse.billing.drafts
) as drafts using (draft_id)
where draft_id not in (select document_id from facts.documents)
"""
PRODUCTS = """
select contract_id, item_id, max(product_id) as product_id from book.contract_items group by all
"""
MEASURED = ("usage", "fee", "one_off")
LINEAR = ("flat", "per_unit")


def legacy_lines(db: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """The old system's lines that count: facts.legacy_lines and the head of their document."""
    return db.sql(LEGACY).pl()


def our_lines(lake: Lake, db: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """Lines of issued documents and of the drafts of the last run, each with its tax.

    Needs book.contract_items; the caller holds the run lock, so that no run writes the warehouse.
    """
    found = [db.sql(ISSUED).pl()]
    if lake.settings.warehouse.is_file():
        db.execute(f"attach {literal(str(lake.settings.warehouse))} as warehouse (read_only)")
        if _has_drafts(db):
            found.append(db.sql(DRAFTS).pl())
    lines = pl.concat(found, how="vertical_relaxed")
    heads = lines.select("document_id", "currency", "tax").unique("document_id")
    taxes = db.sql("select document_id, line_no, tax from facts.line_taxes").pl()
    zero = pl.lit(0).cast(AMOUNT)
    taxed = line_tax(
        heads.with_columns(pl.col("tax").fill_null(zero)), lines, taxes.cast({"tax": AMOUNT})
    )
    products = db.sql(PRODUCTS).pl()
    return (
        lines.drop("tax")
        .join(taxed, on=["document_id", "line_no"], how="left")
        .join(products, on=["contract_id", "item_id"], how="left")
    )


def _has_drafts(db: duckdb.DuckDBPyConnection) -> bool:
    row = db.execute(
        "select count(*) from duckdb_tables() where database_name = 'warehouse' "
        "and schema_name = 'billing' and table_name in ('drafts', 'draft_lines')"
    ).fetchone()
    return row is not None and row[0] == 2


def as_new(lines: pl.DataFrame, month: int, name: pl.Expr) -> pl.DataFrame:
    """Our lines as a side: `month` is year * 12 + month, `name` what both sides call a product."""
    sided = lines.with_columns(
        customer=pl.col("customer_id"),
        product=name,
        text=pl.col("item_id"),
        from_on="window_start_on",
        until_on="window_end_on",
        unit_price=pl.lit(None, AMOUNT),
        quantity=pl.when(pl.col("role").is_in(MEASURED)).then("quantity"),
        is_linear=pl.col("price_model").is_in(LINEAR).fill_null(True),
    )
    return _side(sided, month)


def as_old(lines: pl.DataFrame, month: int, rates: pl.DataFrame) -> pl.DataFrame:
    """The old system's lines (with names) as a side.

    Rates: customer_id, rate (a share). An inclusive amount whose tax the file does not tell has
    the tax of our customer's rate taken out.
    """
    gross = pl.col("amount")
    joined = lines.join(rates, on="customer_id", how="left", maintain_order="left")
    # exact: the net is rounded to the currency's places, and the tax is what remains of the gross.
    net = rounded((gross / (pl.col("rate") + 1)).cast(AMOUNT), pl.col("currency"))
    is_inside = pl.col("is_inclusive") & pl.col("rate").is_not_null()
    sided = joined.with_columns(
        amount=pl.when(is_inside).then(net).otherwise(gross).cast(AMOUNT),
        tax=pl.when(is_inside).then(gross - net).otherwise("tax").cast(AMOUNT),
        text=pl.coalesce("product", "description"),
        product="shared",
        line_key=pl.lit(None, pl.String),
        is_linear=pl.lit(True),
    )
    return _side(sided, month)


def _side(lines: pl.DataFrame, month: int) -> pl.DataFrame:
    """Lines of the month and its neighbours, by their first day of service, else by their date."""
    day = pl.coalesce("from_on", "invoice_date")
    number = day.dt.year().cast(pl.Int64) * 12 + day.dt.month().cast(pl.Int64)
    dated = lines.with_columns(period=number - month).filter(pl.col("period").abs() <= 1)
    return dated.select(pl.col(name).cast(kind) for name, kind in SIDE.items())
