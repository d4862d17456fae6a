"""Grants of contracts in a run: the windows of their sales, and the tables of what became of them.
"""

from datetime import date, timedelta

import duckdb
import polars as pl

from meterhouse.contracts.windows import window_ids
from meterhouse.money import QUANTITY
from meterhouse.periods import INSTANT, local_instants, zone_offsets
from meterhouse.pricing.modifiers.contract_terms import contract_terms
from meterhouse.pricing.modifiers.grant_balances import BALANCES, USES
from meterhouse.pricing.modifiers.grant_sales import sales
from meterhouse.pricing.modifiers.grants import Draws
from meterhouse.run.context import Run

USES_TABLE, BALANCES_TABLE = "billing.grant_uses", "billing.grant_balances"
# The text is searched before it is read as JSON: few contracts have paid grants. A contract that
# was cancelled at once ends on that day, or where that is charged on the next.
SELLING = """
select contract_id, modifiers, start_on,
    least(end_on, case when cancellation_effective = 'at_once' then
        cancellation_on + case when cancel_day = 'charged' then 1 else 0 end end) as end_on,
    customer_id, payer_id, entity_id, currency, zone, terms_id, purchase_order, day_seconds,
    (select max(version_seq) from book.contract_items as items
        where items.contract_id = contracts.contract_id) as version_seq
from book.contracts as contracts
where contains(modifiers, '"kind":"paid"') and json_array_length(modifiers, '$.credits') > 0
"""
_OF_CONTRACT = (
    *("contract_id", "customer_id", "payer_id", "entity_id", "currency", "zone", "terms_id"),
    *("purchase_order", "day_seconds", "version_seq"),
)


def with_sales(
    db: duckdb.DuckDBPyConnection, windows: pl.DataFrame, last: date
) -> pl.DataFrame:
    """The charge windows, and those of what is sold as paid grants through the day `last`."""
    contracts = db.sql(SELLING).pl()
    if contracts.is_empty():
        return windows
    sold = sales(contract_terms(contracts).credits, last)
    named = sold.join(contracts.select(_OF_CONTRACT), on="contract_id")
    return pl.concat([windows, _as_windows(named).cast(
        {name: kind for name, kind in windows.schema.items() if name in _MADE}
    )], how="diagonal")  # fmt: skip


_MADE = ("fixed_quantity", "window_start", "window_end", "period_start", "period_end")


def _as_windows(sold: pl.DataFrame) -> pl.DataFrame:
    """Each sale as a window: a whole period of one fee that is paid in advance."""
    one, none = pl.lit(1, pl.Int64), pl.lit(0, pl.Int64)
    timed = _with_instant(_with_instant(sold, "window_start"), "window_end").with_columns(
        dimensions=pl.lit("{}"),
        timing=pl.lit("advance"),
        price_model=pl.lit("flat"),
        fixed_quantity=pl.lit(1).cast(QUANTITY),
        prorate_start=pl.lit(value=False),
        prorate_end=pl.lit(value=False),
        share_numerator=one,
        share_denominator=one,
        credit_numerator=none,
        credit_denominator=one,
        credit_basis=pl.lit("price"),
        served_end_on="window_end_on",
        is_whole_days=pl.col("day_seconds") == 0,
        window_end_seconds="day_seconds",
        period_start="window_start",
        period_end="window_end",
        period_start_on="window_start_on",
        period_end_on="window_end_on",
        due_on="window_start_on",
    )
    return timed.with_columns(window_ids(timed))


def _with_instant(sold: pl.DataFrame, edge: str) -> pl.DataFrame:
    """The sales with the instant at which the day of an edge begins by the clock of its zone."""
    if sold.is_empty():
        return sold.with_columns(pl.lit(None, dtype=INSTANT).alias(edge))
    local = pl.col(f"{edge}_on").cast(pl.Datetime("us")) + pl.duration(seconds="day_seconds")
    placed = sold.with_columns(local=local)
    times = placed.select("zone", "local").unique()
    first, until = times["local"].dt.date().min(), times["local"].dt.date().max()
    assert isinstance(first, date) and isinstance(until, date)  # noqa: S101, PT018
    margin = timedelta(days=2)
    spans = zone_offsets(times["zone"].unique().to_list(), first - margin, until + margin)
    return (
        placed.join(local_instants(times, spans), on=["zone", "local"], how="left")
        .rename({"instant": edge})
        .drop("local")
    )


def keep_grants(
    run: Run, db: duckdb.DuckDBPyConnection, draws: Draws, contracts: pl.DataFrame
) -> None:
    """Replace billing.grant_uses and billing.grant_balances, as of the run's through."""
    draws.add(unused(contracts, draws, run.through))
    uses = pl.concat([pl.DataFrame(schema=USES), *draws.uses])
    balances = pl.concat([pl.DataFrame(schema=BALANCES), *draws.balances])
    run.warehouse.replace(db, USES_TABLE, uses.sort(uses.columns[:-1]))
    run.warehouse.replace(db, BALANCES_TABLE, balances.sort("contract_id", "grant_id", "granted_on"))
