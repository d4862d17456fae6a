"""What a database itself counts and adds up per day of UTC."""

from datetime import date
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from connectors.protocols import Statement
from connectors.sql_dialects import identifier
from connectors.sql_snapshot import Snapshot, as_table

_NONE = "cast(null as text)"


class Counted(NamedTuple):
    """What is counted: a query of the settings' own, else the source's by its columns."""

    query: str | None
    time_column: str | None
    sum_column: str | None


def totals(
    snapshot: Snapshot, source_query: str, counted: Counted, first: date, last: date
) -> list[Statement]:
    """One statement per day on which the database holds anything, both ends included."""
    if counted.query is not None:
        days = _asked(snapshot, counted.query)
    else:
        days = _made(snapshot, source_query, counted)
    bounds = [snapshot.dialect.day_parameter(number) for number in (1, 2)]
    found = snapshot.table(
        "select cast(day as text) as day, cast(events as text) as events, total "
        f"from ({days}) as days where day >= {bounds[0]} and day <= {bounds[1]} order by 1",
        [first.isoformat(), last.isoformat()],
    )
    is_summed = counted.sum_column is not None
    return [_statement(snapshot, row, is_summed) for row in found.to_pylist()]


def _asked(snapshot: Snapshot, query: str) -> str:
    """The query of the settings: its columns are day, count and (if any) sum, in this order."""
    asked = as_table(query, "stated")
    names = snapshot.table(f"select * from {asked} where 1 = 0").schema.names
    if len(names) not in (2, 3):
        raise snapshot.rejected(
            "the query of its completeness must give the columns day, count and sum; "
            f"it gives {', '.join(names)}"
        )
    day, count, *total = (identifier(name) for name in names)
    return (
        f"select {snapshot.dialect.day(day)} as day, {count} as events, "
        f"{f'cast({total[0]} as text)' if total else _NONE} as total from {asked}"
    )


def _made(snapshot: Snapshot, source_query: str, counted: Counted) -> str:
    if counted.time_column is None:
        raise snapshot.rejected(
            "its events take their time from no column, so its days cannot be counted; "
            "give its completeness a query"
        )
    total = _NONE
    if counted.sum_column is not None:
        total = snapshot.dialect.total(identifier(counted.sum_column))
    return (
        f"select {snapshot.dialect.day(identifier(counted.time_column))} as day, "
        f"count(*) as events, {total} as total from {source_query} group by 1"
    )


def _statement(snapshot: Snapshot, row: dict[str, str | None], is_summed: bool) -> Statement:
    """One row of texts; a total that is no number is refused."""
    day, events, total = row["day"], row["events"], row["total"]
    try:
        number = Decimal(total or 0) if is_summed or total is not None else None
        if number is not None and not number.is_finite():
            raise ValueError(total)
        return Statement(date.fromisoformat(str(day)), int(str(events)), number)
    except (ValueError, InvalidOperation) as error:
        raise snapshot.rejected(
            f"its statement of day {day} is not exact numbers: count {events!r}, "
            f"sum {total!r}; give its completeness a query that adds up exactly"
        ) from error
