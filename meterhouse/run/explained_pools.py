"""Of which customers the usage of a line came, where several count together."""

from typing import Any

import duckdb
import polars as pl

from meterhouse.catalog.fields import plain
from meterhouse.run.explained_days import OWN
from meterhouse.run.reading import Reading

# Levels show what was carried into the window too; events are those inside it.
SHARES = """
select line_no, customer_id, cast({figure} as decimal(38, 12)) as quantity,
    count(*) filter (not is_before) as events
from read_events where line_no in ({lines})
group by line_no, customer_id order by line_no, customer_id
"""


def pooled_of(db: duckdb.DuckDBPyConnection, reading: Reading) -> dict[int, list[dict[str, Any]]]:
    """By line_no of pooled windows, one entry per customer with usage: customer, quantity, events.

    The quantity is what the customer's own events show before conversion and rounding: those of
    count and sum add up to the line's; null where the meter adds up buckets.
    """
    pooled = db.sql("select distinct pool_id as ask_no from estimate_members").pl()
    chosen = reading.lines.drop_nulls("ask_no").join(pooled, on="ask_no", how="semi")
    found: dict[int, list[dict[str, Any]]] = {}
    for (meter_id, version), lines in chosen.group_by("meter_id", "meter_version"):
        rule = reading.rule_of(str(meter_id), int(str(version)))
        figure = OWN.get(rule["aggregation"], "coalesce(sum(value), 0)")
        if rule["bucket"] is not None:
            figure = "null"
        listed = ", ".join(map(str, lines["line_no"].cast(pl.Int64).to_list()))
        for line_no, customer, quantity, events in db.execute(
            SHARES.format(figure=figure, lines=listed)
        ).fetchall():
            told = None if quantity is None else plain(quantity)
            one = {"customer": customer, "quantity": told, "events": events}
            found.setdefault(line_no, []).append(one)
    return found
