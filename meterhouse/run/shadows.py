"""Shadow meters: measured for the charge windows of the meter each runs beside, never billed.

Only windows that something new touched are measured again, as those of usage.measured. Both sides
are rated at the price of the item, so that reporting.shadow_differences can say what would change.
"""

from typing import Any

import duckdb
import polars as pl

from meterhouse.money import QUANTITY
from meterhouse.run.asking import plan_named
from meterhouse.run.charged_lines import AGGREGATIONS
from meterhouse.run.context import Run
from meterhouse.run.meter_rules import read_rules
from meterhouse.run.rating import rate_apart
from meterhouse.run.usage_prices import OF_CONTRACTS, rate_windows_of_usage
from meterhouse.warehouse import pin_table

NAME = "shadow_"
DETERMINANTS, LINES = "usage.shadow_determinants", "billing.shadow_lines"
WINDOWS = """
create or replace table ops.shadow_windows as
select md5(concat_ws('|', windows.window_id, rules.meter_id)) as shadow_id, windows.window_id,
    windows.contract_id, rules.meter_no
from billing.charge_windows as windows
join ops.meter_rules as rules
    on rules.shadow_of = windows.meter_id and rules.aggregation <> 'sql'
    and rules.slot_from <= windows.window_start_on and rules.slot_to > windows.window_start_on
where windows.component = 'usage'
"""
# The windows under names of their own: several shadows may run beside one meter.
ASKED = """
    select windows.* replace (shadows.shadow_id as window_id), shadows.meter_no,
        case when windows.usage_of is not null then windows.window_id end as pool_id
    from billing.charge_windows as windows join ops.shadow_windows as shadows using (window_id)
"""
GONE = """
delete from usage.shadow_determinants
where shadow_id in (select window_id from ops.shadow_asks)
    or shadow_id not in (select shadow_id from ops.shadow_windows);
delete from ops.shadow_measured_asks
where window_id in (select window_id from ops.shadow_asks)
    or window_id not in (select shadow_id from ops.shadow_windows);
insert into ops.shadow_measured_asks select window_id, ask_hash from ops.shadow_asks;
delete from ops.shadow_measured_to;
insert into ops.shadow_measured_to select known_at from ops.run
"""
MEASURED = """
insert into usage.shadow_determinants by name
with measured as (
    select asks.window_id as shadow_id, found.dimensions,
        cast(sum(found.event_count) as bigint) as event_count,
        cast(sum(found.numerator) as decimal(38, 12)) as numerator,
        max(found.denominator) as denominator
    from ({statement}) as found join ops.shadow_asks as asks using (ask_no)
    group by all
),
asked as (
    select * from ops.shadow_windows
    where shadow_id in (select window_id from ops.shadow_asks)
)
select asked.shadow_id, asked.window_id, rules.meter_id, rules.meter_version,
    coalesce(measured.dimensions, '{{}}') as dimensions,
    cast(case
        when measured.numerator is null then rules.empty
        when rules.is_exact and measured.denominator = 1 then measured.numerator
        else exact_quotient(measured.numerator, measured.denominator, rules.over, rules.under,
            rules.places, rules.mode)
    end as decimal(38, 12)) as quantity,
    coalesce(measured.event_count, 0) as event_count,
    measured.numerator is not null as is_measured
from asked
join ops.meter_rules as rules using (meter_no)
left join measured using (shadow_id)
"""
# Both sides of every shadowed window; a contract that could not be rated stays out.
SIDES = """
create or replace temp table shadow_sides as
with sides as (
    select shadows.shadow_id, shadows.window_id, 'live' as side, live.meter_id,
        live.meter_version, live.dimensions, live.quantity
    from ops.shadow_windows as shadows join usage.determinants as live using (window_id)
    union all
    select shadow_id, window_id, 'shadow', meter_id, meter_version, dimensions, quantity
    from usage.shadow_determinants
)
select *, md5(concat_ws('|', shadow_id, side, dimensions)) as rated_id
from sides
where window_id not in (
    select window_id from ops.shadow_windows
    where contract_id in (select contract_id from ops.failures)
)
"""
READ = """
select sides.rated_id as window_id, windows.contract_id, windows.customer_id,
    -- Each side of each shadow has periods of its own, whose parts go on one after the other.
    concat_ws('|', windows.item_id, sides.side, shadows.meter_no) as item_id, sides.meter_id,
    split_tiers, stub_flags, aggregation, windows.price_model, windows.price,
    windows.modifiers, windows.currency, sides.quantity,
    sides.shadow_id || sides.side as charge_id, sides.dimensions,
    windows.prorate_start, windows.prorate_end, windows.window_start_on, windows.window_end_on,
    windows.period_start_on, windows.period_end_on, windows.share_numerator,
    windows.share_denominator
from shadow_sides as sides join billing.charge_windows as windows using (window_id)
join ops.shadow_windows as shadows on shadows.shadow_id = sides.shadow_id
left join ({contracts}) as contracts on contracts.contract_id = windows.contract_id
left join ({aggregations}) as kinds
    on kinds.meter_id = sides.meter_id and kinds.meter_version = sides.meter_version
"""
RATED = """
select sides.* exclude (rated_id), rated.amount_unrounded, rated.amount
from shadow_sides as sides join rated on rated.window_id = sides.rated_id
"""


def measure_shadows(run: Run, db: duckdb.DuckDBPyConnection) -> int:
    """Bring usage.shadow_determinants up to the run and replace billing.shadow_lines by both sides
    of every shadowed window; returns their number. Costs nothing where there is no shadow."""
    if not _has_shadows(db):
        _clear(db)
        return 0
    rules = read_rules(db)
    db.execute(WINDOWS)
    statement = plan_named(db, rules, ASKED, NAME)
    _remeasure(db, statement)
    return _rate(run, db)


def _has_shadows(db: duckdb.DuckDBPyConnection) -> bool:
    found = db.execute("select 1 from ops.meter_rules where shadow_of is not null limit 1")
    return found.fetchone() is not None


def _clear(db: duckdb.DuckDBPyConnection) -> None:
    """Forget the shadows of an earlier book."""
    if db.execute(f"select 1 from {DETERMINANTS} limit 1").fetchone() is None:
        return
    tables = (DETERMINANTS, LINES, "ops.shadow_measured_asks", "ops.shadow_measured_to")
    deletes = "; ".join(f"delete from {table}" for table in tables)
    db.execute(f"begin; {deletes}; commit")


def _remeasure(db: duckdb.DuckDBPyConnection, statement: str) -> None:
    """Replace what was measured of the windows that are asked for, in one transaction."""
    db.execute("begin")
    try:
        # What is in ops.shadow_asks decides both, so the order of the two does not matter.
        db.execute(GONE)
        db.execute(MEASURED.format(statement=statement))
        counted: Any = db.execute(f"select count(*) from {DETERMINANTS}").fetchone()
        pin_table(db, DETERMINANTS, int(counted[0]))
    except BaseException:
        db.execute("rollback")
        raise
    db.execute("commit")


def _rate(run: Run, db: duckdb.DuckDBPyConnection) -> int:
    db.execute(SIDES)
    # A price that reads more than one quantity would need both sides' parts: it is left out.
    query = READ.format(
        contracts=OF_CONTRACTS, aggregations=AGGREGATIONS.format(meters="book.meters")
    )
    windows = db.sql(query).pl().with_columns(pl.col("quantity").cast(QUANTITY))
    rated, _ = rate_apart(windows, rate_windows_of_usage)
    db.register("rated", rated.to_arrow())
    lines = run.warehouse.replace_by(db, LINES, RATED)
    db.unregister("rated")
    db.execute("drop table shadow_sides")
    return lines
