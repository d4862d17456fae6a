"""Why a document says what it says: line, steps of the price, determinant, days, events.

Everything comes from the facts as the document's run knew them, so an explanation never changes.
"""

import json
from datetime import timedelta
from typing import Any

import duckdb

from meterhouse.duck import identifier
from meterhouse.errors import UsageError
from meterhouse.lake import Lake, views
from meterhouse.periods import zone_offsets
from meterhouse.schema import PROPERTY_PREFIX

# Accepted events of one customer and type in a window, and the older versions that were replaced
# or voided, wherever and whosever the newer ones are.
SIGNED = """
with events as (
    select * from facts.usage_events
    where customer_id = $customer and event_type = $event_type
        and event_day >= cast($start as date) and event_day <= cast($end as date)
        and action is distinct from 'void'
),
signed as (
    select *, 1 as sign from events
    union all by name
    select older.* replace (newer.batch_seq as batch_seq), -1 as sign
    from facts.usage_events as newer
    join events as older
        on older.batch_seq = newer.replaces_seq and older.row_no = newer.replaces_row
)
select signed.*, {value} as value from signed
where occurred_at >= $start and occurred_at < $end{matches}
"""


def explain(lake: Lake, number: str, line_no: int | None = None) -> dict[str, Any]:
    """The document with, for each line, what its quantity and amount are made of."""
    with lake.reading() as db:
        document = _document(db, number)
        views(db, document["known_at"])
        content = json.loads(document["content"])
        chosen = [line for line in content["lines"] if line_no in (None, line["line_no"])]
        if not chosen:
            raise UsageError(
                f"{number} has no line {line_no}; it has 1 to {len(content['lines'])}."
            )
        lines = [_line(db, document, line) for line in chosen]
    head = {k: content[k] for k in ("kind", "currency", "net", "tax", "tax_total", "total")}
    return {
        "number": number,
        "known_at": document["known_at"],
        "through": document["through"].isoformat(),
        "run_id": document["run_id"],
        "buyer": content["buyer"],
        "dates": content["dates"],
        **head,
        "lines": lines,
    }


def events(lake: Lake, number: str, line_no: int, limit: int = 100) -> list[dict[str, Any]]:
    """The events behind one line, in order of time, at most `limit`."""
    with lake.reading() as db:
        document = _document(db, number)
        views(db, document["known_at"])
        line = _stored_line(db, document, line_no)
        if line["meter_id"] is None:
            return []
        sql, parameters = _events_sql(db, line)
        rows = db.execute(
            f"select source, event_id, occurred_at, value, sign, data, batch_seq, source_row, "
            f"(select any_value(name) from facts.batches as b where b.batch_seq = e.batch_seq "
            f"and b.source = e.source) as file from ({sql}) as e "
            f"order by occurred_at, source, event_id limit {int(limit)}",
            parameters,
        )
        names = [column[0] for column in rows.description]
        return [dict(zip(names, row, strict=True)) for row in rows.fetchall()]


def _document(db: duckdb.DuckDBPyConnection, number: str) -> dict[str, Any]:
    rows = db.execute(
        "select document_id, content, known_at, through, run_id from facts.documents "
        "where number = ?",
        [number],
    ).fetchall()
    if not rows:
        raise UsageError(
            f"No document has the number {number!r}. `meterhouse invoices list` shows them."
        )
    return dict(
        zip(("document_id", "content", "known_at", "through", "run_id"), rows[0], strict=True)
    )


def _line(
    db: duckdb.DuckDBPyConnection, document: dict[str, Any], line: dict[str, Any]
) -> dict[str, Any]:
    stored = _stored_line(db, document, line["line_no"])
    if stored["meter_id"] is None:
        return {**line, "days": []}
    return {**line, "days": _days(db, stored)}


def _stored_line(
    db: duckdb.DuckDBPyConnection, document: dict[str, Any], line_no: int
) -> dict[str, Any]:
    columns = (
        "line_key, customer_id, zone, meter_id, meter_version, window_start, window_end, "
        "window_start_on, window_end_on"
    )
    # The document itself was issued after what its run knew.
    row = db.execute(
        f"select {columns} from lake.facts.billed_lines where document_id = ? and line_no = ?",
        [document["document_id"], line_no],
    ).fetchone()
    if row is None:
        raise UsageError(f"The document has no line {line_no}.")
    return dict(zip(columns.split(", "), row, strict=True))


def _days(db: duckdb.DuckDBPyConnection, line: dict[str, Any]) -> list[dict[str, Any]]:
    margin = timedelta(days=2)
    offsets = zone_offsets(
        [line["zone"]], line["window_start_on"] - margin, line["window_end_on"] + margin
    )
    db.register("offsets", offsets.to_arrow())
    sql, parameters = _events_sql(db, line)
    rows = db.execute(
        "select cast(occurred_at + to_seconds(offset_seconds) as date) as day, "
        "sum(sign * value)::varchar as quantity, sum(sign)::bigint as events "
        f"from ({sql}) as e join offsets on e.occurred_at >= offsets.valid_from "
        "and e.occurred_at < offsets.valid_to group by day order by day",
        parameters,
    ).fetchall()
    db.unregister("offsets")
    return [{"day": d.isoformat(), "quantity": q, "events": n} for d, q, n in rows]


def _events_sql(db: duckdb.DuckDBPyConnection, line: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    meter = _meter(db, line)
    parameters = {
        "customer": line["customer_id"],
        "event_type": meter["event_type"],
        "start": line["window_start"],
        "end": line["window_end"],
    }
    value = "1::decimal(38, 12)"
    if meter["aggregation"] == "sum":
        column = identifier(PROPERTY_PREFIX + meter["property"])
        value = f"coalesce({column}, 0)::decimal(38, 12)"
    matches = ""
    for position, (name, values) in enumerate(sorted((meter["filter"] or {}).items())):
        column = identifier(PROPERTY_PREFIX + name)
        matches += f" and list_contains($values_{position}, {column}::varchar)"
        parameters[f"values_{position}"] = [
            str(value).lower() if isinstance(value, bool) else value for value in values
        ]
    return SIGNED.format(value=value, matches=matches), parameters


def _meter(db: duckdb.DuckDBPyConnection, line: dict[str, Any]) -> dict[str, Any]:
    row = db.execute(
        "select content from facts.book_versions "
        "where kind = 'meter' and doc_id = ? and batch_seq = ? order by row_no desc limit 1",
        [line["meter_id"], line["meter_version"]],
    ).fetchone()
    if row is None:
        raise UsageError(f"Version {line['meter_version']} of meter {line['meter_id']} is gone.")
    meter: dict[str, Any] = json.loads(row[0])
    return meter
