"""What the book says to tax engines, of sellers, buyers and products; and what they have said."""

import duckdb
import polars as pl

from meterhouse.canonical_columns import embedded, object_of, string
from meterhouse.invoicing.tax_engine import ANSWERS, BUYERS, CODES, SELLERS, EngineBook

# `of_day` is a view of taxes.py: the parties as they stood on the day that is asked for.
_SELLERS = """
select doc_id as entity_id, content->>'$.tax.engine' as engine,
    (content->'$.address')::varchar as address, (content->'$.tax_ids')::varchar as tax_ids
from of_day where kind = 'entity' and (content->>'$.tax.engine') is not null
"""
_BUYERS = """
select doc_id as customer_id, (content->'$.tax_ids')::varchar as tax_ids,
    coalesce(
        nullif((content->'$.ship_to')::varchar, 'null'),
        nullif((content->'$.address')::varchar, 'null')
    ) as address,
    nullif((content->'$.exemptions')::varchar, 'null') as exemptions
from of_day where kind = 'customer'
"""
_CODES = """
select contract_id, item->>'$.id' as item_id, tax_code
from (
    select contract_id, item
    from (
        select doc_id as contract_id, slot_from, unnest((content->'$.items')::json[]) as item
        from book.slots where kind = 'contract'
    )
    qualify row_number() over (
        partition by contract_id, item->>'$.id' order by slot_from desc
    ) = 1
)
join (
    select doc_id as product_id, content->>'$.tax_code' as tax_code
    from book.slots where kind = 'product'
    qualify row_number() over (partition by doc_id order by slot_from desc) = 1
) as products on product_id = (item->>'$.product')
where tax_code is not null
"""
# Of all batches: an answer is of its question alone, so a document is made again of the first one.
_ANSWERS = """
select question_sha256, answer, null::varchar as fault from lake.facts.tax_answers
qualify row_number() over (
    partition by question_sha256 order by asked_at, batch_seq, row_no
) = 1
"""


def engine_book(db: duckdb.DuckDBPyConnection, answers: pl.DataFrame | None) -> EngineBook:
    """The parties of view `of_day`, and the answers that are recorded, after `answers`."""
    sellers = (
        db.sql(_SELLERS)
        .pl()
        .with_columns(
            seller=object_of(
                {
                    "address": embedded(pl.col("address")),
                    "id": string(pl.col("entity_id")),
                    "tax_ids": embedded(pl.col("tax_ids")),
                }
            )
        )
    )
    buyers = (
        db.sql(_BUYERS)
        .pl()
        .with_columns(
            has_place=pl.col("address").is_not_null(),
            buyer=object_of(
                {
                    "address": embedded(pl.col("address")),
                    "exemptions": embedded(pl.col("exemptions")),
                    "id": string(pl.col("customer_id")),
                    "tax_ids": embedded(pl.col("tax_ids")),
                }
            ),
        )
    )
    known = db.sql(_ANSWERS).pl()
    said = known if answers is None else pl.concat([answers, known])
    frames = zip((sellers, buyers, db.sql(_CODES).pl(), said), _SCHEMAS, strict=True)
    return EngineBook(
        *(f.select(pl.col(name).cast(kind) for name, kind in of.items()) for f, of in frames)
    )


_SCHEMAS = (SELLERS, BUYERS, CODES, ANSWERS)
