"""What a history is checked against: the book, and what was issued and imported before."""

from typing import NamedTuple

import polars as pl


class Known(NamedTuple):
    """Entities: entity_id, closed_until (null: open). Customers: customer_id. Contracts:
    contract_id, payer_id, entity_id, currency. Items: contract_id, item_id, is_grant,
    is_metered (by a meter whose units may go on from a quantity). Modifiers:
    contract_id, kind, id, is_counted (whether what was used of it matters later). Numbers:
    entity_id, number (issued or imported). Billed: contract_id. Openings: opening_id. Series: the
    names of those that have numbers."""

    entities: pl.DataFrame
    customers: pl.DataFrame
    contracts: pl.DataFrame
    items: pl.DataFrame
    modifiers: pl.DataFrame
    numbers: pl.DataFrame
    billed: pl.DataFrame
    openings: pl.DataFrame
    series: pl.DataFrame
