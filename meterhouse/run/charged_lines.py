"""Lines as the warehouse holds them: what windows cost, and what modifiers make of it."""

from datetime import date

import duckdb
import polars as pl

from meterhouse.money import QUANTITY
from meterhouse.pricing.charging import charge_lines
from meterhouse.pricing.modifiers.grants import Draws

# What the values of the parts of a period come to: a level is what it was last.
AGGREGATIONS = """
select meter_id, meter_version, any_value(case when bucket is not null then 'sum'
    when recurring and aggregation in ('sum', 'unique_count') then 'latest'
    else aggregation end) as aggregation
from {meters} group by meter_id, meter_version
"""
# What models and modifiers read: all else stays in the warehouse and is joined to the lines there.
READ = """
select rated_id as window_id, window_id as charge_id, contract_id, customer_id, item_id,
    item_description, component, dimensions, meter_id, timing, modifiers, price_model, price,
    currency, asked as quantity, prorate_start, prorate_end, window_start_on, window_end_on,
    period_start_on, period_end_on, due_on, window_end_seconds > 0 as is_late,
    is_period_last, split_tiers, stub_flags, aggregation,
    -- Nothing was measured; a level that is carried on is one all the same.
    coalesce(event_count, 1) = 0 and not coalesce(is_carried, false) as is_silent,
    counted_before{shares}
from {windows} as windows
left join (select contract_id, split_tiers, stub_flags from book.contracts) using (contract_id)
left join ({aggregations}) using (meter_id, meter_version)
left join (
    select meter_id, meter_version, any_value(recurring) as is_carried from book.meters group by all
) using (meter_id, meter_version)
-- What the system before counted of a period; any day of it names it.
left join (
    select contract_id as counted_contract, item_id as counted_item, from_on as counted_on,
        quantity as counted_before
    from facts.imported_openings where kind = 'counter'
) on counted_contract = contract_id and counted_item = item_id
    and counted_on >= period_start_on and counted_on < period_end_on
"""
# The part of the full period that is charged, where the windows say it.
SHARES = (
    *("share_numerator", "share_denominator"),
    *("credit_numerator", "credit_denominator", "credit_basis", "above_quantity"),
)
# A contract that was cancelled at once ends on that day, or where that is charged on the next; one
# that was cancelled with its period ends with the last of those that hold the day.
CONTRACTS = """
select contract_id, modifiers, start_on,
    least(end_on, case when cancellation_effective = 'at_once' then
        cancellation_on + case when cancel_day = 'charged' then 1 else 0 end
        else stops_on end) as end_on,
    paused, term_ends, raises, due_after_days, invoice_day, day_count, fixed_days, factor_scale,
    profile_prorate_end, used
from book.contracts
left join (
    select contract_id, max(window_end_on) as stops_on from billing.charge_windows
    where component in ('fee', 'usage') and contract_id in (
        select contract_id from book.contracts where cancellation_effective = 'period_end'
    )
    group by contract_id
) as stopped using (contract_id)
left join (
    select contract_id, list({'from_on': from_on, 'until_on': until_on} order by from_on) as paused
    from book.pauses group by contract_id
) as pauses using (contract_id)
left join (
    select contract_id, list(ends_on order by ends_on) as term_ends
    from billing.contract_terms where renewal_kind <> 'none'
        -- A cancelled one is over when the contract is, which `end_on` says.
        and outcome <> 'cancelled' group by contract_id
) using (contract_id)
left join (
    select contract_id, list({'starts_on': starts_on, 'factor': factor} order by starts_on)
        as raises
    from billing.modifier_uplifts group by contract_id
) using (contract_id)
left join (
    select contract_id, list({'kind': kind, 'id': name, 'from_on': from_on,
        'until_on': cut_over_on, 'amount': amount} order by opening_id) as used
    from facts.imported_openings where kind in ('commitment', 'discount') group by contract_id
) as used_before using (contract_id)
where modifiers is not null
"""
# What a modifier's line does not say itself it has from the window that it is based on.
OWN = (
    *("item_id", "item_description", "dimensions", "price_model", "price", "timing"),
    *("window_start_on", "window_end_on", "due_on"),
)
LINES = f"""
select windows.* exclude (asked, rated_id, is_period_last, determinant_id, event_count)
    replace (
        case when is_made then lines.window_id else windows.window_id end as window_id,
        lines.component as component,
        {", ".join(f"coalesce(lines.{name}, windows.{name}) as {name}" for name in OWN)},
        case when not is_made then windows.meter_id end as meter_id,
        case when not is_made then windows.meter_version end as meter_version,
        case when not is_made then windows.fixed_quantity end as fixed_quantity,
        case when not is_made then windows.modifiers end as modifiers,
        case when coalesce(lines.window_end_on, windows.window_end_on) = windows.window_end_on
            then windows.served_end_on else lines.window_end_on end as served_end_on,
        coalesce(opens.starts_at, windows.window_start) as window_start,
        coalesce(closes.starts_at, windows.window_end) as window_end
    ),
    case when not is_made then windows.determinant_id end as determinant_id,
    case when not is_made then windows.event_count end as event_count,
    lines.quantity, lines.amount_unrounded, lines.amount, lines.steps
from (select *, window_id <> based_on as is_made from lines) as lines
join {{windows}} as windows on windows.rated_id = lines.based_on
left join usage.zone_days as opens
    on is_made and lines.window_start_on <> windows.window_start_on
    and opens.zone = windows.zone and opens.day = lines.window_start_on
left join usage.zone_days as closes
    on is_made and lines.window_end_on <> windows.window_end_on
    and closes.zone = windows.zone and closes.day = lines.window_end_on
"""


def read_windows(db: duckdb.DuckDBPyConnection, windows: str) -> pl.DataFrame:
    """What is rated of the windows in a table or view, which has rated_id and asked."""
    asked = db.sql(f"from {windows} limit 0").columns
    shares = "".join(f", {name}" for name in SHARES if name in asked)
    kinds = AGGREGATIONS.format(meters="book.meters")
    return (
        db.sql(READ.format(windows=windows, shares=shares, aggregations=kinds))
        .pl()
        .with_columns(pl.col("quantity").cast(QUANTITY))
    )


def read_contracts(db: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """One row per contract that has modifiers, with its life."""
    return db.sql(CONTRACTS).pl()


def charged(
    windows: pl.DataFrame,
    contracts: pl.DataFrame,
    through: date,
    parts: pl.DataFrame | None = None,
    draws: Draws | None = None,
) -> pl.DataFrame:
    """The lines of the windows and of their modifiers that are due `through`, columns of LINES.

    What grants paid is added to `draws` when nothing has failed.
    """
    mine = Draws()
    lines = charge_lines(windows, parts, contracts, through=through, draws=mine)
    if draws is not None:
        draws.add(mine)
    return lines
