"""What windows are made of, for prices that need more than one quantity: parts from real usage.

An item whose price is in WHOLE has one line for each window, whatever the dimensions of its meter:
`merged` gives its windows so, and its parts say the rest. Prices by event keep a line for each
combination of dimension values. Windows come in a table or view with the columns of
billing.charge_windows, `rated_id`, `asked`, `determinant_id` and `event_count`, one row for each
combination; `read_until` (an instant) cuts what is read of a window, if there is such a column.
"""

from collections.abc import Sequence
from typing import Any

import duckdb
import polars as pl
from pydantic import TypeAdapter

from meterhouse.contracts.event_prices import Bps, BulkBps, Percentage, TieredBps
from meterhouse.contracts.prices import Price
from meterhouse.pricing.models import PARTS
from meterhouse.run.estimating import RULES, prepare
from meterhouse.run.measuring import SIMPLE, read_sql
from meterhouse.run.meter_rules import read_rules
from meterhouse.run.pooling import with_pools

BY_DIMENSIONS = ("capacity", "formula", "matrix", "two_dimensional")
BY_BUCKET = ("bucketed", "windowed_commitment")
BY_MOVEMENT = ("prorated_graduated", "prorated_volume")
WHOLE = (*BY_DIMENSIONS, *BY_BUCKET, *BY_MOVEMENT)
BY_EVENT = ("bps", "bulk_bps", "percentage", "tiered_bps")

MERGED = """
create or replace temp view {windows}_merged as
select * from {windows} where price_model not in {whole}
union all by name
select * replace (
        '{{}}' as dimensions, window_id as rated_id,
        -- Of several determinants a line names none: its parts are all of them.
        case when count(*) over own = 1 and dimensions = '{{}}' then determinant_id end
            as determinant_id,
        cast(sum(asked) over own as decimal(38, 12)) as asked,
        cast(sum(event_count) over own as bigint) as event_count
    )
from {windows} where price_model in {whole}
window own as (partition by window_id)
qualify row_number() over (partition by window_id order by dimensions) = 1
"""
DIMENSIONS = """
select window_id, row_number() over (partition by window_id order by dimensions) as part_no,
    dimensions as keys, asked as quantity, 1 as weight_numerator, 1 as weight_denominator
from {windows}
-- A window in which nothing was measured has one determinant without dimensions.
where price_model in {models} and not (dimensions = '{{}}' and asked = 0)
"""
ASKED = """
create or replace temp table part_windows as
select row_number() over (order by window_id) as ask_no, *
from (
    select distinct window_id, customer_id, meter_id, meter_version, zone, window_start,
        {until} as window_end, window_start_on,
        -- A contract that ends later in its last day uses that day too.
        window_end_on + case when window_end_seconds > day_seconds then 1 else 0 end
            as window_end_on,
        epoch_us(period_end) - epoch_us(period_start) as period_us,
        cast(period_end_on - period_start_on as bigint) as period_days, day_seconds,
        price_model, price, {until} < window_end as is_cut, usage_of
    from {windows}
    where price_model in {models} and price not in (select price from part_sums)
)
"""
# What an event, a bucket or a movement says, in the unit of the meter.
VALUE = """
case when rules.is_exact then found.value
    else exact_quotient(found.value, 1, rules.over, rules.under, rules.places, rules.mode) end
"""
OWN = f"""
join estimate_asks as asks using (ask_no) join {RULES} as rules using (meter_no)
join part_windows as windows using (ask_no)
"""
EVENTS = """
select lines.rated_id as window_id, row_number() over (
        partition by lines.rated_id order by found.happened_at, found.source, found.event_id
    ) as part_no,
    '{{}}' as keys, {value} as quantity, 1 as weight_numerator, 1 as weight_denominator
from ({found}) as found {own}
join {windows} as lines on lines.window_id = windows.window_id
    and lines.dimensions = found.dimensions
where windows.price_model in {models} and found.value is not null
    and found.happened_at >= found.window_start
"""
# Units that came before the window are one movement, at its start: they count for all of it.
MOVEMENTS = """
select window_id, row_number() over (partition by window_id order by place) as part_no,
    '{{}}' as keys, quantity, weight_numerator, weight_denominator
from (
    select windows.window_id, {value} as quantity, found.place,
        found.window_end_on - greatest(found.local_day, found.window_start_on)
            as weight_numerator,
        found.period_days as weight_denominator
    from (
        select ask_no, window_start_on, window_end_on, period_days, local_day, value,
            (happened_at, source, event_id) as place
        from ({found}) where happened_at >= window_start and value is not null
        union all
        select ask_no, any_value(window_start_on), any_value(window_end_on),
            any_value(period_days), any_value(window_start_on), sum(value),
            (timestamptz '0001-01-01 00:00:00+00', '', '')
        from ({found}) where happened_at < window_start and value is not null group by ask_no
    ) as found {own}
    where windows.price_model in {models}
)
"""
BUCKETS = """
select windows.window_id, row_number() over (
        partition by windows.window_id order by found.opened_at, found.dimensions
    ) as part_no,
    found.dimensions as keys, {value} as quantity, 1 as weight_numerator, 1 as weight_denominator
from (
    select ask_no, dimensions, bucket, min(happened_at) as opened_at, {aggregated} as value
    from ({found}) group by ask_no, dimensions, bucket
) as found {own}
where windows.price_model in {models} and found.value is not null
"""
# A bucket without events owes its commitment too, once the window is over.
EMPTY_BUCKETS = """
with counted as (
    select windows.window_id, any_value(case rules.bucket
            when 'day' then asks.window_end_on - asks.window_start_on
            when 'hour' then (epoch(asks.window_end) - epoch(asks.window_start) + 3599)::bigint
                // 3600
            else (epoch(asks.window_end) - epoch(asks.window_start) + 59)::bigint // 60
        end) as buckets,
        count(distinct found.bucket) as used
    from part_windows as windows
    join estimate_asks as asks using (ask_no) join {rules} as rules using (meter_no)
    left join ({found}) as found using (ask_no)
    where windows.price_model = 'windowed_commitment' and not windows.is_cut
        and coalesce(cast(windows.price->>'$.default.true_up' as boolean), false)
    group by windows.window_id
)
select window_id, 1000000000 + unnest(range(greatest(buckets - used, 0))) as part_no,
    '{{}}' as keys, cast(0 as decimal(38, 12)) as quantity, 1 as weight_numerator,
    1 as weight_denominator
from counted
"""
_PRICES: TypeAdapter[Any] = TypeAdapter(Price)


def merged(db: duckdb.DuckDBPyConnection, windows: str) -> str:
    """The name of a view of the windows in which each one of WHOLE prices is one row."""
    db.execute(MERGED.format(windows=windows, whole=WHOLE))
    return f"{windows}_merged"


def parts_of(db: duckdb.DuckDBPyConnection, windows: str) -> pl.DataFrame:
    """The parts of the windows whose price reads any: columns of PARTS.

    `window_id` is the `rated_id` of the rows of `merged`. The connection has the views `facts.*`
    and the flattened book; events are read once for all windows.
    """
    models = {
        row[0] for row in db.execute(f"select distinct price_model from {windows}").fetchall()
    }
    found = [pl.DataFrame(schema=dict(PARTS))]
    if models.intersection(BY_DIMENSIONS):
        found.append(_frame(db, DIMENSIONS.format(windows=windows, models=BY_DIMENSIONS)))
    if models.intersection((*BY_BUCKET, *BY_MOVEMENT, *BY_EVENT)):
        found += _from_events(db, windows)
    return pl.concat(found)


def without_parts(windows: pl.DataFrame) -> pl.DataFrame:
    """The windows whose price needs one quantity only; has price_model and price."""
    by_event = windows.filter(pl.col("price_model").is_in(BY_EVENT))["price"].unique()
    reading = [text for text in by_event if _reads_events(text)]
    return windows.filter(~pl.col("price_model").is_in(WHOLE), ~pl.col("price").is_in(reading))


def _frame(db: duckdb.DuckDBPyConnection, query: str) -> pl.DataFrame:
    kinds = {"window_id": "varchar", "part_no": "bigint", "keys": "varchar",
             "quantity": "decimal(38, 12)", "weight_numerator": "bigint",
             "weight_denominator": "bigint"}  # fmt: skip
    columns = ", ".join(f"cast({name} as {kind}) as {name}" for name, kind in kinds.items())
    return db.sql(f"select {columns} from ({query})").pl().cast(dict(PARTS))  # type: ignore[arg-type]


def _from_events(db: duckdb.DuckDBPyConnection, windows: str) -> list[pl.DataFrame]:
    """Parts that only events tell, by how they are read."""
    _list_sums(db, windows)
    names = db.sql(f"from {windows} limit 0").columns
    until = "read_until" if "read_until" in names else "window_end"
    models = (*BY_BUCKET, *BY_MOVEMENT, *BY_EVENT)
    db.execute(ASKED.format(windows=windows, until=until, models=models))
    asks = db.sql("from part_windows where meter_id is not null").pl()
    known = {
        (one["meter_id"], one["meter_version"])
        for one in read_rules(db)
        if one["aggregation"] != "sql"
    }
    mine = [row in known for row in asks.select("meter_id", "meter_version").iter_rows()]
    asks = asks.filter(pl.Series(mine, dtype=pl.Boolean))
    if asks.is_empty():
        return []
    members = with_pools(asks, _frame_of_members(db))
    rules, relations = prepare(db, asks, members=members)
    own = {"own": OWN, "windows": windows}
    found = []
    for kind in sorted({rule["aggregation"] for rule in rules}):
        same = [rule for rule in rules if rule["aggregation"] == kind]
        plain = read_sql(same, relations)
        for query, of in ((EVENTS, BY_EVENT), (MOVEMENTS, BY_MOVEMENT)):
            told = query.format(**own, found=plain, value=VALUE, models=of)
            found.append(_frame(db, told))
        if kind in SIMPLE and any(rule["bucket"] for rule in same):
            found += _buckets(db, kind, [rule for rule in same if rule["bucket"]], relations)
    return found


def _frame_of_members(db: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """The members of the pools among part_windows, by ask_no."""
    return db.sql(
        "select ask_no, members.* exclude (window_id) from billing.window_members as members "
        "join part_windows using (window_id)"
    ).pl()


def _buckets(
    db: duckdb.DuckDBPyConnection, kind: str, rules: Sequence[dict[str, Any]], relations: Any
) -> list[pl.DataFrame]:
    """The value of each bucket, and those without events that owe a commitment."""
    found = read_sql(rules, relations)
    terms = {"found": found, "own": OWN, "value": VALUE, "models": BY_BUCKET}
    numbers = ", ".join(str(int(rule["meter_no"])) for rule in rules)
    own_rules = f"(select * from {RULES} where meter_no in ({numbers}))"
    return [
        _frame(db, BUCKETS.format(**terms, aggregated=SIMPLE[kind])),
        _frame(db, EMPTY_BUCKETS.format(found=found, rules=own_rules)),
    ]


def _list_sums(db: duckdb.DuckDBPyConnection, windows: str) -> None:
    """Temp table `part_sums`: prices by event for which the sum of the values is enough."""
    prices = db.execute(
        f"select distinct price from {windows} where price_model in {BY_EVENT}"
    ).fetchall()
    enough = [(text,) for (text,) in prices if not _reads_events(text)]
    frame = pl.DataFrame(enough, schema={"price": pl.String}, orient="row")
    db.register("frame_in", frame.to_arrow())
    db.execute("create or replace temp table part_sums as select * from frame_in")
    db.unregister("frame_in")


def _reads_events(text: str) -> bool:
    price = _PRICES.validate_json(text)
    return isinstance(price, Percentage | Bps | BulkBps | TieredBps) and price.reads_events
