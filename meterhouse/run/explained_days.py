"""What each local day of a line's windows shows, in the way that makes sense for its meter."""

from typing import Any

import duckdb

from meterhouse.catalog.fields import plain
from meterhouse.run.measuring import SIMPLE
from meterhouse.run.reading import Reading

# Per aggregation what the figure of a day is; those of count and sum add up to the window's.
DAY_SHOWS = {
    "count": "counted",
    "sum": "added",
    "min": "lowest of the day",
    "max": "highest of the day",
    "avg": "sum of the day",
    "latest": "last of the day",
    "percentile": "sum of the day",
    "unique_count": "different items of the day",
    "weighted_sum": "change of the level",
    "prorated_sum": "change",
    "prorated_unique_count": "different items of the day",
}
ITEMS = "count(distinct item) filter (not removes)"
OWN = {
    **{kind: SIMPLE[kind] for kind in ("count", "min", "max", "latest")},
    **dict.fromkeys(("unique_count", "prorated_unique_count"), ITEMS),
}
DAYS = """
select line_no, local_day as day, cast({figure} as decimal(38, 12)) as quantity,
    count(*) as events, count(coalesce(cast(value as varchar), item)) as value_count
from read_events where not is_before and line_no in ({lines})
group by line_no, local_day order by line_no, local_day
"""
# A bucket that begins on one day of the contract and ends on the next is of the first.
BUCKETS = """
select line_no, day, cast(sum(figure) as decimal(38, 12)) as quantity, sum(events) as events,
    sum(value_count) as value_count
from (
    select line_no, min(local_day) as day, {figure} as figure, count(*) as events,
        count(coalesce(cast(value as varchar), item)) as value_count
    from read_events where line_no in ({lines}) group by line_no, ask_no, bucket
)
group by line_no, day order by line_no, day
"""


def days_of(db: duckdb.DuckDBPyConnection, reading: Reading) -> dict[int, list[dict[str, Any]]]:
    """By line_no the days with events: day, quantity, events, and how many had a value."""
    kinds: dict[tuple[str, bool], list[int]] = {}
    for line in reading.lines.drop_nulls("ask_no").iter_rows(named=True):
        rule = reading.rule_of(line["meter_id"], line["meter_version"])
        key = rule["aggregation"], rule["bucket"] is not None
        kinds.setdefault(key, []).append(int(line["line_no"]))
    found: dict[int, list[dict[str, Any]]] = {}
    for (kind, has_buckets), numbers in kinds.items():
        listed = ", ".join(map(str, numbers))
        figure = SIMPLE[kind] if has_buckets else OWN.get(kind, "coalesce(sum(value), 0)")
        query = (BUCKETS if has_buckets else DAYS).format(figure=figure, lines=listed)
        for line_no, day, quantity, events, values in db.execute(query).fetchall():
            one = {"day": day.isoformat(), "quantity": None, "events": events, "values": values}
            if quantity is not None:
                one["quantity"] = plain(quantity)
            found.setdefault(line_no, []).append(one)
    return found
