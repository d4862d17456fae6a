"""What contracts plan, as tables: phases, renewals, and what list prices they may fall back on."""

from typing import NamedTuple

import polars as pl

from meterhouse.money import QUANTITY

RATE = pl.Decimal(38, 12)
PHASES = pl.Schema(
    [
        ("contract_id", pl.String()),
        ("slot_from", pl.Date()),
        ("phase_no", pl.Int64()),
        ("from_on", pl.Date()),
        ("is_free", pl.Boolean()),
        ("covers_usage", pl.Boolean()),
        ("is_reanchored", pl.Boolean()),
    ]
)
PHASE_ITEMS = pl.Schema(
    [
        ("contract_id", pl.String()),
        ("slot_from", pl.Date()),
        ("phase_no", pl.Int64()),
        ("item_id", pl.String()),
        ("quantity", QUANTITY),
        ("price_model", pl.String()),
        ("price", pl.String()),
        ("is_charged", pl.Boolean()),
    ]
)
RENEWALS = pl.Schema(
    [
        ("contract_id", pl.String()),
        ("renewal_kind", pl.String()),
        ("start_on", pl.Date()),
        ("end_on", pl.Date()),
        ("term_every", pl.Int64()),
        ("term_unit", pl.String()),
        ("notice_days", pl.Int64()),
        ("declined_on", pl.Date()),
        ("max_terms", pl.Int64()),
        ("percentage", RATE),
        ("cap", RATE),
        ("floor", RATE),
    ]
)
INDEXES = pl.Schema(
    [
        ("contract_id", pl.String()),
        ("from_on", pl.Date()),
        ("percentage", RATE),
    ]
)
LIST_PRICES = pl.Schema(
    [
        ("list_price_id", pl.String()),
        ("slot_from", pl.Date()),
        ("slot_to", pl.Date()),
        ("price_model", pl.String()),
        ("price", pl.String()),
    ]
)
PLANNED = pl.Schema(
    [
        ("contract_id", pl.String()),
        ("slot_from", pl.Date()),
        ("item_id", pl.String()),
        ("from_on", pl.Date()),
        ("quantity", QUANTITY),
        ("price_model", pl.String()),
        ("price", pl.String()),
        ("is_uncharged", pl.Boolean()),
        ("reanchored_on", pl.Date()),
    ]
)
METERS = pl.Schema({"meter_id": pl.String, "decimals": pl.Int64})
EXTENSIONS = pl.Schema(
    {"contract_id": pl.String, "from_on": pl.Date, "until_on": pl.Date, "pause_no": pl.Int64}
)


class Plans(NamedTuple):
    """What contracts plan; an empty frame where they plan nothing.

    `extensions` are the pauses that move what is planned; days of `phases` are moved already, those
    of `renewals` are as they were written.
    """

    phases: pl.DataFrame = pl.DataFrame(schema=PHASES)
    phase_items: pl.DataFrame = pl.DataFrame(schema=PHASE_ITEMS)
    renewals: pl.DataFrame = pl.DataFrame(schema=RENEWALS)
    indexes: pl.DataFrame = pl.DataFrame(schema=INDEXES)
    list_prices: pl.DataFrame = pl.DataFrame(schema=LIST_PRICES)
    meters: pl.DataFrame = pl.DataFrame(schema=METERS)
    extensions: pl.DataFrame = pl.DataFrame(schema=EXTENSIONS)
