"""What the book says of taxes, as frames; nothing where no entity taxes by rules."""

from collections.abc import Mapping
from datetime import date

import duckdb
import polars as pl

from meterhouse.invoicing import tax_currency, tax_rules
from meterhouse.invoicing.tax_currency import silent
from meterhouse.invoicing.tax_rules import LINE_RULE, Schema, TaxBook
from meterhouse.invoicing.taxed_lines import by_document, in_base
from meterhouse.money import AMOUNT
from meterhouse.run.tax_parties import engine_book

TABLE = "billing.draft_taxes"

# Parties are those of the day that is asked for; rules and certificates say their own days.
_OF_DAY = """
select * from book.slots
where kind in ('entity', 'customer') and (slot_from <= $day or slot_from = (
    select min(slot_from) from book.slots as first
    where first.kind = slots.kind and first.doc_id = slots.doc_id
))
qualify row_number() over (partition by kind, doc_id order by slot_from desc) = 1
"""
_VAT = """
list_filter(
    from_json(
        coalesce(content->'$.tax_ids', '[]'::json), '[{"type": "varchar", "value": "varchar"}]'
    ),
    lambda one: lower(one.type) like '%vat'
)[1].value
"""
_VAT_ID = f"nullif(replace({_VAT}, ' ', ''), '')"
_ENTRY_DAYS = "(entry->>'$.from')::date as from_on, (entry->>'$.until')::date as until_on"
_ALWAYS = "date '0001-01-01'"
_FOREVER = "date '9999-12-31'"

_QUERIES: Mapping[str, str] = {
    "rules": f"""
        select content->>'$.country' as country, content->>'$.region' as region,
            content->>'$.category' as category, content->>'$.treatment' as treatment,
            content->>'$.name' as name, content->>'$.reason' as reason,
            coalesce(content->>'$.rate', '0')::decimal(38, 18) as rate,
            (content->>'$.compound')::boolean as is_compound,
            (content->>'$.order')::bigint as place,
            nullif(slot_from, {_ALWAYS}) as from_on,
            nullif(least(slot_to, coalesce((content->>'$.until')::date, {_FOREVER})), {_FOREVER})
                as until_on
        from book.slots where kind = 'tax_rule'""",
    "registrations": f"""
        select doc_id as entity_id, entry->>'$.country' as country, entry->>'$.region' as region,
            entry->>'$.number' as number, entry->>'$.point' as point, {_ENTRY_DAYS}
        from (
            select doc_id, unnest((content->'$.registrations')::json[]) as entry
            from of_day where kind = 'entity' and (content->'$.registrations') is not null
        )""",
    "sellers": f"""
        select doc_id as entity_id,
            coalesce(content->>'$.tax.rounding', 'invoice_per_rate') as rounding,
            coalesce(content->>'$.tax.mode', 'half_up') as mode,
            coalesce(content->>'$.tax.point', 'invoice_date') as point,
            content->>'$.address.country' as seller_country, {_VAT_ID} as seller_vat
        from of_day where kind = 'entity' and json_array_length(content->'$.registrations') > 0""",
    "buyers": f"""
        select doc_id as customer_id,
            case when has_ship_to then content->>'$.ship_to.country'
                else content->>'$.address.country' end as country,
            case when has_ship_to then content->>'$.ship_to.region'
                else content->>'$.address.region' end as region,
            {_VAT_ID} as buyer_vat
        from (
            select *, (content->>'$.ship_to.country') is not null as has_ship_to from of_day
            where kind = 'customer'
        )""",
    "exemptions": f"""
        select doc_id as customer_id, entry->>'$.country' as country, entry->>'$.region' as region,
            entry->>'$.category' as category, entry->>'$.certificate' as certificate,
            entry->>'$.reason' as reason, {_ENTRY_DAYS}
        from (
            select doc_id, unnest((content->'$.exemptions')::json[]) as entry
            from of_day where kind = 'customer' and (content->'$.exemptions') is not null
        )""",
    "categories": f"""
        select contract_id, item->>'$.id' as item_id,
            coalesce(item->>'$.tax_category', products.category, '{tax_rules.STANDARD}') as category
        from (
            select contract_id, item
            from (
                select doc_id as contract_id, slot_from,
                    unnest((content->'$.items')::json[]) as item
                from book.slots where kind = 'contract'
            )
            qualify row_number() over (
                partition by contract_id, item->>'$.id' order by slot_from desc
            ) = 1
        )
        left join (
            select doc_id as product_id, content->>'$.tax_category' as category
            from book.slots where kind = 'product'
            qualify row_number() over (partition by doc_id order by slot_from desc) = 1
        ) as products on product_id = (item->>'$.product')""",
    # The taxes of the first line of each key that was billed.
    "originals": """
        select line_key, {columns} from facts.line_taxes
        anti join facts.voids using (document_id)
        qualify document_id = arg_min(document_id, (batch_seq, row_no)) over (partition by line_key)
    """.replace("{columns}", ", ".join(LINE_RULE)),
}
_SCHEMAS: Mapping[str, Schema] = {
    "rules": tax_rules.RULES,
    "registrations": tax_rules.REGISTRATIONS,
    "sellers": tax_rules.SELLERS,
    "buyers": tax_rules.BUYERS,
    "exemptions": tax_rules.EXEMPTIONS,
    "categories": tax_rules.CATEGORIES,
    "originals": tax_rules.ORIGINALS,
}


# How entities tax: by rules, by an engine; no row where each customer has a decision.
_WAYS = """
select distinct (content->>'$.tax.engine') is not null from book.slots where kind = 'entity'
and (json_array_length(content->'$.registrations') > 0
    or (content->>'$.tax.engine') is not null)
"""


def tax_book(
    db: duckdb.DuckDBPyConnection, on: date, answers: pl.DataFrame | None = None
) -> TaxBook | None:
    """The book's taxes as its parties stood on a day; None where no entity taxes by rules or by an
    engine. `answers` are what engines have said just now."""
    ways = [row[0] for row in db.execute(_WAYS).fetchall()]
    if not ways:
        return None
    day = f"date '{on.isoformat()}'"
    db.execute(f"create or replace temp view of_day as {_OF_DAY.replace('$day', day)}")
    frames = {
        name: db.sql(sql).pl().select(pl.col(c).cast(kind) for c, kind in _SCHEMAS[name].items())
        for name, sql in _QUERIES.items()
    }
    return TaxBook(**frames, engines=engine_book(db, answers) if True in ways else None)


def inclusive_contracts(db: duckdb.DuckDBPyConnection) -> pl.Series | None:
    """The contracts whose amounts hold their taxes; None where no contract's do."""
    found = db.sql("select contract_id from book.contracts where tax_inclusive").pl()
    return None if found.is_empty() else found["contract_id"]


def recorded_taxes(
    documents: pl.DataFrame, lines: pl.DataFrame, taxes: pl.DataFrame, entities: pl.DataFrame
) -> dict[str, pl.DataFrame]:
    """Rows of facts.document_taxes and facts.line_taxes of documents as they are issued.

    A document of a customer with a decision has one row and no rows of lines.
    """
    keys = silent(documents).select(
        *("document_id", "number", "entity_id", "customer_id", "currency", "invoice_date"),
        *tax_currency.COLUMNS,
    )
    ruled = by_document(taxes).rename({"draft_id": "document_id"})
    decided = documents.filter(pl.col("tax_treatment").is_not_null()).select(
        "document_id", "tax", treatment="tax_treatment", name="tax_name", reason="tax_reason",
        rate=pl.col("tax_rate").cast(ruled.schema["rate"]),
        tax_no=pl.lit(1, pl.Int64), base=pl.col("net") - pl.col("untaxed"),
    )  # fmt: skip
    rows = pl.concat([ruled, decided.cast({"base": ruled.schema["base"]})], how="diagonal")
    based = rows.join(keys, on="document_id").join(
        entities.select("entity_id", "base_currency"), on="entity_id", how="left"
    )
    # A contract's currency is its entity's for now: without a tax currency one unit is one unit.
    told = based.with_columns(
        base_currency=pl.coalesce("tax_currency", "base_currency"),
        fx_rate=pl.col("fx_rate").fill_null(1).cast(AMOUNT),
    )
    rated = in_base(told, pl.col("fx_rate"))
    own = taxes.rename({"draft_id": "document_id"}).join(
        lines.select("document_id", "line_no", "line_key"), on=["document_id", "line_no"]
    )
    return {"document_taxes": rated, "line_taxes": own}
