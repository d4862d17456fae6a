"""Why a document says what it says: line, steps of the price, measure, days, events.

Everything comes from the facts as the document's run knew them, so an explanation never changes.
What a line shows of its usage is measured again from the events and compared with what was
recorded; where the two differ, it says so.
"""

import json
from typing import Any

from meterhouse.errors import UsageError
from meterhouse.lake import Lake
from meterhouse.run.edits import of_lines
from meterhouse.run.explained_measure import explained
from meterhouse.run.reading import document_of, read_events, read_lines
from meterhouse.run.sql_meter_note import sql_measure

EVENTS = """
select source, event_id, occurred_at, received_at, is_before, value, item, removes, data, batch_seq,
    source_row, (
        select any_value(name) from facts.batches as b
        where b.batch_seq = read_events.batch_seq and b.source = read_events.source
    ) as file
from read_events
order by happened_at, source, event_id limit {limit}
"""


def explain(lake: Lake, number: str, line_no: int | None = None) -> dict[str, Any]:
    """The document with, for each line, what its quantity and amount are made of.

    A line that was rated from usage has `measure` and `days`; see explained_measure.py.
    """
    with lake.reading() as db:
        document = document_of(db, number)
        content = json.loads(document["content"])
        chosen = [line for line in content["lines"] if line_no in (None, line["line_no"])]
        if not chosen:
            raise UsageError(
                f"{number} has no line {line_no}; it has 1 to {len(content['lines'])}."
            )
        reading = read_lines(db, document, line_no)
        read_events(db, reading)
        measures = explained(db, reading)
        for line in reading.lines.iter_rows(named=True):
            if reading.is_sql(line):
                measures[line["line_no"]] = sql_measure(lake, db, reading, line, document["run_id"])
        changed = of_lines(db, document["document_id"])
    nothing: dict[str, Any] = {"measure": None, "days": []}
    head = {k: content[k] for k in ("kind", "currency", "net", "tax", "tax_total", "total")}
    return {
        "number": number,
        "known_at": document["known_at"],
        "through": document["through"].isoformat(),
        "run_id": document["run_id"],
        "buyer": content["buyer"],
        "dates": content["dates"],
        **head,
        "lines": [
            {**line, **measures.get(line["line_no"], nothing), **_edits(line, changed)}
            for line in chosen
        ],
    }


def _edits(line: dict[str, Any], changed: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """What people changed of the line, by whom and why, where they did."""
    found = changed.get(line["line_key"])
    return {"edits": found} if found else {}


def events(lake: Lake, number: str, line_no: int, limit: int = 100) -> list[dict[str, Any]]:
    """The events that one line was measured from, in order of time, at most `limit`.

    `is_before` marks those before the window, which make the level that is carried into it.
    """
    with lake.reading() as db:
        reading = read_lines(db, document_of(db, number), line_no)
        read_events(db, reading)
        rows = db.execute(EVENTS.format(limit=int(limit)))
        names = [column[0] for column in rows.description]
        return [dict(zip(names, row, strict=True)) for row in rows.fetchall()]
