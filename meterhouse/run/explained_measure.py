"""How the quantity of a line comes from its events: numerator, denominator, opening level, days.

Reads temp table `read_events` (reading.py); quantities are texts of exact decimals.
"""

from collections.abc import Iterable
from decimal import Decimal, localcontext
from typing import Any

import duckdb
import polars as pl

from meterhouse.catalog.fields import plain
from meterhouse.run.estimating import RULES
from meterhouse.run.explained_days import DAY_SHOWS, days_of
from meterhouse.run.explained_pools import pooled_of
from meterhouse.run.measuring import SIMPLE, answered_sql, measured_sql
from meterhouse.run.reading import Reading

# What is added up and by what it is divided; millionths of seconds are told as seconds.
NUMERATORS = {
    "count": "events",
    "sum": "added up",
    "min": "the lowest value",
    "max": "the highest value",
    "avg": "the sum of the values",
    "latest": "the last value",
    "percentile": "between the two values",
    "unique_count": "different items",
    "weighted_sum": "level-seconds (each level times the seconds it held)",
    "prorated_sum": "unit-days (each change times the days left from its day on)",
    "prorated_unique_count": "item-days (days on which each item was in)",
}
DENOMINATORS = {
    "avg": "values",
    "weighted_sum": "seconds of the full period",
    "prorated_sum": "days of the full period",
    "prorated_unique_count": "days of the full period",
}
IN_MILLIONTHS = {"weighted_sum", "percentile"}
OPENING = """
with before as (select * from read_events where is_before),
items as (
    select line_no, count(*) filter (not is_out) as items
    from (
        select line_no, item, arg_max(removes, (happened_at, source, event_id)) as is_out
        from read_events where is_before and item is not null group by line_no, item
    )
    group by line_no
)
select before.line_no, count(*) as events, sum(value) as summed, {latest} as latest,
    any_value(items) as items
from before left join items on items.line_no = before.line_no
group by before.line_no
"""
# The two values around (n - 1) x p, and how far from the first to the second, in millionths.
NEIGHBOURS = """
select line_no, n, list_sort(value_list)[place + 1] as low,
    list_sort(value_list)[least(place + 2, n)] as high, place + 1 as position, rest
from (
    select *, (n - 1) * millionths // 1000000 as place, (n - 1) * millionths % 1000000 as rest
    from (
        select line_no, count(value) as n, any_value(millionths) as millionths,
            list(value) filter (value is not null) as value_list
        from read_events where line_no in ({lines}) and value is not null group by line_no
    )
)
"""


def explained(db: duckdb.DuckDBPyConnection, reading: Reading) -> dict[int, dict[str, Any]]:
    """`measure` and `days` by line_no, of all lines that are measured from events.

    A measure has aggregation, unit, numerator and denominator (value and what it is), neighbours
    of a percentile, opening level, parts, shares of a pool's customers, conversion, rounding, the
    quantity and number of events found now, what was `recorded`, whether both agree, and sentences
    in `says`.
    """
    if not reading.rules:
        return {line_no: _unasked(line_no) for line_no in reading.unasked()}
    found = _Found(db, reading)
    asked = reading.lines.drop_nulls("ask_no")
    days = days_of(db, reading)
    measures = {
        line["line_no"]: {"measure": found.measure(line), "days": days.get(line["line_no"], [])}
        for line in asked.iter_rows(named=True)
    }
    return measures | {line_no: _unasked(line_no) for line_no in reading.unasked()}


def _unasked(line_no: int) -> dict[str, Any]:
    says = (
        f"Line {line_no} cannot be measured again: the book as the document's run knew it has no "
        "such window. What was billed stands; tell the engineers."
    )
    return {"measure": {"aggregation": None, "agrees": False, "says": [says]}, "days": []}


class _Found:
    """What was measured again for all lines at once."""

    def __init__(self, db: duckdb.DuckDBPyConnection, reading: Reading) -> None:
        self.reading = reading
        rules, relations = reading.rules, reading.relations
        self.answers = _by(
            _rows(db, answered_sql(rules, relations, RULES, has_parts=True)),
            "ask_no",
            "dimensions",
        )
        asks = reading.asks.sort("window_start")
        self.parts_of: dict[int, list[dict[str, Any]]] = {}
        for ask in asks.iter_rows(named=True):
            self.parts_of.setdefault(ask["part_of"], []).append(ask)
        self.measured = _by(_rows(db, measured_sql(rules, relations)), "ask_no", "dimensions")
        self.pooled = pooled_of(db, reading)
        self.opening = _by(_rows(db, OPENING.format(latest=SIMPLE["latest"])), "line_no")
        percentiles = [
            str(int(line["line_no"]))
            for line in reading.lines.drop_nulls("ask_no").iter_rows(named=True)
            if self._rule(line)["aggregation"] == "percentile"
        ]
        listed = ", ".join(percentiles) or "null"
        self.neighbours = _by(_rows(db, NEIGHBOURS.format(lines=listed)), "line_no")

    def _rule(self, line: dict[str, Any]) -> dict[str, Any]:
        return self.reading.rule_of(line["meter_id"], line["meter_version"])

    def measure(self, line: dict[str, Any]) -> dict[str, Any]:
        rule = self._rule(line)
        kind = rule["aggregation"]
        meter = self.reading.meter_of(line["meter_id"], line["meter_version"])
        answer = self.answers.get((line["ask_no"], line["dimensions"]))
        # Nothing of these dimensions is left, or never was: the window holds nothing.
        quantity = rule["empty"] if answer is None else answer["quantity"]
        events = 0 if answer is None else answer["event_count"]
        is_measured = answer is not None and answer["is_measured"]
        agrees = (quantity, events) == (line["quantity"], line["event_count"])
        return {
            "aggregation": kind,
            **{name: meter[name] for name in ("property", "unit", "clock", "bucket", "recurring")},
            "is_measured": is_measured,
            **(self._fraction(line, kind) if is_measured else _NO_FRACTION),
            "neighbours": self._around(line),
            "opening": self._level(line, rule),
            "parts": self._parts(line),
            "pooled": self.pooled.get(line["line_no"], []),
            "convert": {
                "multiply": str(meter["convert_multiply"]),
                "divide": str(meter["convert_divide"]),
            },
            "round": {"places": rule["places"], "mode": rule["mode"]},
            "day_shows": DAY_SHOWS[kind] if rule["bucket"] is None else "added up over buckets",
            "quantity": plain(quantity),
            "event_count": events,
            "recorded": {
                "quantity": None if line["quantity"] is None else plain(line["quantity"]),
                "event_count": line["event_count"],
            },
            "agrees": agrees,
            "says": [] if agrees else [_disagrees(line, quantity, events)],
        }

    def _fraction(self, line: dict[str, Any], kind: str) -> dict[str, Any]:
        pieces = [
            found
            for part in self.parts_of[line["ask_no"]]
            if (found := self.measured.get((part["ask_no"], line["dimensions"])))
            and found["numerator"] is not None
        ]
        with localcontext() as context:
            context.prec = 76
            numerator = sum((one["numerator"] for one in pieces), Decimal(0))
            denominator = Decimal(max(one["denominator"] for one in pieces))
            if kind in IN_MILLIONTHS:
                numerator = numerator.scaleb(-6)
                denominator = denominator.scaleb(-6)
        told = DENOMINATORS.get(kind)
        return {
            "numerator": {"value": plain(numerator), "what": NUMERATORS[kind]},
            "denominator": None if told is None else {"value": plain(denominator), "what": told},
        }

    def _around(self, line: dict[str, Any]) -> dict[str, Any] | None:
        one = self.neighbours.get((line["line_no"],))
        if one is None:
            return None
        return {
            **{name: plain(one[name]) for name in ("low", "high")},
            "position": one["position"],
            "values": one["n"],
            "distance": plain(Decimal(one["rest"]).scaleb(-6)),
        }

    def _level(self, line: dict[str, Any], rule: dict[str, Any]) -> dict[str, Any] | None:
        if not rule["recurring"]:
            return None
        found = self.opening.get((line["line_no"],), {"events": 0})
        name = {"latest": "latest", "unique_count": "items", "prorated_unique_count": "items"}
        level = found.get(name.get(rule["aggregation"], "summed"))
        return {"level": plain(Decimal(level or 0)), "events": found["events"]}

    def _parts(self, line: dict[str, Any]) -> list[dict[str, Any]]:
        """The parts of a window whose definition changed inside it; none where it did not."""
        parts = self.parts_of[line["ask_no"]]
        if len(parts) == 1:
            return []
        found = [self.measured.get((part["ask_no"], line["dimensions"]), {}) for part in parts]
        return [
            {
                "start": part["window_start_on"].isoformat(),
                "end": part["window_end_on"].isoformat(),
                "meter_version": part["meter_version"],
                "numerator": plain(one.get("numerator") or Decimal(0)),
                "event_count": one.get("event_count", 0),
            }
            for part, one in zip(parts, found, strict=True)
        ]


_NO_FRACTION: dict[str, Any] = {"numerator": None, "denominator": None}


def _disagrees(line: dict[str, Any], quantity: Decimal, events: int) -> str:
    recorded = "nothing" if line["quantity"] is None else plain(line["quantity"])
    return (
        f"The events give {plain(quantity)} from {events:,} events, and {recorded} from "
        f"{line['event_count'] or 0:,} was recorded and billed. What was billed stands; "
        "`meterhouse rebuild` says more, `meterhouse verify` whether facts are damaged."
    )


def _rows(db: duckdb.DuckDBPyConnection, query: str) -> pl.DataFrame:
    return db.sql(query).pl()


def _by(rows: pl.DataFrame, *names: str) -> dict[tuple[Any, ...], dict[str, Any]]:
    found: Iterable[dict[str, Any]] = rows.iter_rows(named=True)
    return {tuple(row[name] for name in names): row for row in found}
