"""Grants of contracts in a run: windows of their sales, and tables of what became of them."""

from datetime import date, timedelta

import duckdb
import polars as pl

from meterhouse.contracts.windows import window_ids
from meterhouse.entitlements.grants import USES as ACCOUNT_USES
from meterhouse.money import QUANTITY
from meterhouse.periods import INSTANT, local_instants, zone_offsets
from meterhouse.pricing.modifiers.contract_terms import contract_terms
from meterhouse.pricing.modifiers.grant_balances import BALANCES, USES, balance_rows
from meterhouse.pricing.modifiers.grant_sales import sales
from meterhouse.pricing.modifiers.grants import Draws, lots_of, used
from meterhouse.run.context import Run

USES_TABLE, BALANCES_TABLE = "billing.grant_uses", "billing.grant_balances"
# The text is searched before it is read as JSON: few contracts have paid grants. A contract that
# was cancelled at once ends on that day, or where that is charged on the next; one that was
# cancelled with its period ends with the last of those that hold the day, in `reached`.
SELLING = """
select contract_id, modifiers, start_on,
    least(end_on, case cancellation_effective when 'at_once' then
        cancellation_on + case when cancel_day = 'charged' then 1 else 0 end
        when 'period_end' then greatest(cancellation_on, reached_on) end) as end_on,
    customer_id, payer_id, entity_id, currency, zone, terms_id, purchase_order, day_seconds, paused,
    (select max(version_seq) from book.contract_items as items
        where items.contract_id = contracts.contract_id) as version_seq
from book.contracts
left join (
    select contract_id, max(window_end_on) as reached_on from reached group by contract_id
) as reached using (contract_id)
left join (
    select contract_id, list({'from_on': from_on, 'until_on': until_on} order by from_on) as paused
    from book.pauses group by contract_id
) as pauses using (contract_id)
where contains(modifiers, '"kind":"paid"') and json_array_length(modifiers, '$.credits') > 0
"""
_OF_CONTRACT = (
    *("contract_id", "customer_id", "payer_id", "entity_id", "currency", "zone", "terms_id"),
    *("purchase_order", "day_seconds", "version_seq"),
)


def with_sales(
    db: duckdb.DuckDBPyConnection, windows: pl.DataFrame, last: date, some: pl.DataFrame
) -> pl.DataFrame:
    """The charge windows of `some` contracts (contract_id), and those of what is sold of them as
    paid grants through the day `last`."""
    db.register("reached", windows.select("contract_id", "window_end_on").to_arrow())
    contracts = db.sql(SELLING).pl().join(some, on="contract_id", how="semi")
    db.unregister("reached")
    if contracts.is_empty():
        return windows
    sold = sales(contract_terms(contracts).credits, last)
    named = sold.join(contracts.select(_OF_CONTRACT), on="contract_id")
    told = _as_windows(named)
    made = told.select(
        (pl.col(name) if name in told.columns else pl.lit(None)).cast(kind).alias(name)
        for name, kind in windows.schema.items()
    )
    return pl.concat([windows, made])


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
    days = times["local"].dt.date().sort().to_list()
    margin = timedelta(days=2)
    spans = zone_offsets(times["zone"].unique().to_list(), days[0] - margin, days[-1] + margin)
    return (
        placed.join(local_instants(times, spans), on=["zone", "local"], how="left")
        .rename({"instant": edge})
        .drop("local")
    )


def keep_grants(
    run: Run,
    db: duckdb.DuckDBPyConnection,
    draws: Draws,
    contracts: pl.DataFrame,
    kept: pl.Series,
) -> None:
    """Replace billing.grant_uses and billing.grant_balances, as of the run's through.

    `draws` is of `contracts`; what was told of the `kept` ones (contract_id) stands.
    """
    drawn = pl.concat([pl.DataFrame(schema=USES), *draws.uses])
    uses = pl.concat([standing(db, USES_TABLE, kept, drawn), drawn])
    found = pl.concat([pl.DataFrame(schema=BALANCES), *draws.balances])
    told = pl.concat([found, _untouched(db, contracts, found, run.through)])
    balances = pl.concat([standing(db, BALANCES_TABLE, kept, told), told])
    run.warehouse.replace(db, USES_TABLE, uses.sort(uses.columns[:-1]))
    keys = ("contract_id", "grant_id", "granted_on")
    run.warehouse.replace(db, BALANCES_TABLE, balances.sort(keys))


def standing(
    db: duckdb.DuckDBPyConnection, table: str, kept: pl.Series, like: pl.DataFrame
) -> pl.DataFrame:
    """The rows of a table that are of contracts which were not rated again, with the columns of
    the frame that they come beside."""
    if kept.is_empty():
        return like.clear()
    db.register("kept_in", kept.to_frame("contract_id").to_arrow())
    rows = db.sql(f"from {table} semi join kept_in using (contract_id)").pl()
    db.unregister("kept_in")
    return rows.select(like.columns).cast(like.schema)


def _untouched(
    db: duckdb.DuckDBPyConnection, contracts: pl.DataFrame, known: pl.DataFrame, through: date
) -> pl.DataFrame:
    """The balances of grants of contracts of which nothing that they may pay is due yet."""
    terms = contract_terms(contracts).credits.filter(
        ~((pl.col("unit") == "money") & (pl.col("kind") == "paid")),
        # A reward is granted by what is due, or not yet.
        pl.col("reward_spend").is_null(),
    )
    rest = terms.join(known, left_on=["contract_id", "id"], right_on=["contract_id", "grant_id"],
        how="anti")  # fmt: skip
    currencies = db.sql("select contract_id, currency from book.contracts").pl()
    named = rest.join(currencies, on="contract_id").with_columns(
        unit=pl.when(pl.col("unit") == "money").then("currency").otherwise("unit")
    )
    nothing = pl.DataFrame(schema=dict(ACCOUNT_USES))
    return balance_rows(used(lots_of(named), named, nothing, through))
