"""What meters read of events: the rules of their versions, and all that is behind a document.

The one place that says it, for whoever explains or lists: explain, usage_behind, event lists.
`read_events` makes temp table `read_events`, one row per line of the document and event that it
was measured from, as the document's run knew them: line_no, ask_no (the window, or the part of
it), happened_at (by the meter's clock), local_day (of the contract), is_before (read to know the
level with which the window opens), value, item, removes, bucket, and columns of the event.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import polars as pl

from meterhouse.duck import identifier
from meterhouse.errors import UsageError
from meterhouse.lake_views import views
from meterhouse.run.book import flatten
from meterhouse.run.estimating import ASKS, prepare
from meterhouse.run.measuring import Relations, read_sql
from meterhouse.run.meter_rules import read_rules
from meterhouse.run.meter_versions import Meters, read_meters
from meterhouse.run.metered_windows import asks_of, read_book, usage_windows
from meterhouse.run.pooling import asked_members
from meterhouse.schema import PROPERTY_PREFIX

DOCUMENT = ("document_id", "content", "known_at", "through", "run_id")
# Lines without a determinant (fees, windows that are no longer billed) have no events.
LINES = """
select lines.line_no, lines.item_id, lines.window_id, lines.dimensions, lines.customer_id,
    lines.meter_id, lines.meter_version, lines.window_start_on, recorded.quantity,
    recorded.event_count
from lake.facts.billed_lines as lines
left join lake.facts.billed_determinants as recorded
    using (document_id, line_key, determinant_id)
where lines.document_id = ? and lines.determinant_id is not null
    and (cast(? as bigint) is null or lines.line_no = ?)
order by lines.line_no
"""
OWN = ("customer_id", "batch_seq", "row_no", "source_row", "occurred_at", "received_at", "data")
READ = """
create or replace temp table read_events as
select lines.line_no, found.*, found.happened_at < found.window_start as is_before
from ({found}) as found
join asks_in as asks on asks.ask_no = found.ask_no
join lines_in as lines on lines.ask_no = asks.part_of and lines.dimensions = found.dimensions
"""
NOTHING = """
create or replace temp table read_events as
select null::bigint as line_no, null::bigint as ask_no, null::timestamptz as happened_at,
    null::varchar as source, null::varchar as event_id, null::decimal(38, 12) as value,
    null::varchar as item, null::boolean as removes, null::varchar as dimensions,
    null::date as local_day, null::varchar as bucket, null::varchar as customer_id,
    null::bigint as batch_seq,
    null::bigint as row_no, null::bigint as source_row, null::timestamptz as occurred_at,
    null::timestamptz as received_at, null::varchar as data, null::boolean as is_before
limit 0
"""


@dataclass(frozen=True)
class Reading:
    """The lines of a document that usage decides, and what was asked for them.

    `lines` has the columns of LINES and `ask_no`, null where a line is not measured from events
    (`unasked`, SQL meters aside, are those whose window the book does not have). `asks` has those
    of ASKS and `part_of`.
    """

    lines: pl.DataFrame
    asks: pl.DataFrame
    meters: Meters
    rules: list[dict[str, Any]]
    relations: Relations

    def rule_of(self, meter_id: str, version: int) -> dict[str, Any]:
        """What a version of a meter reads."""
        return _of_version(self.meters.rules, meter_id, version)

    def meter_of(self, meter_id: str, version: int) -> dict[str, Any]:
        """What the book says of a version of a meter."""
        return _of_version(self.meters.rows, meter_id, version)

    def unasked(self) -> list[int]:
        """Numbers of lines that should be measured from events, and are of an unknown window."""
        return [
            row["line_no"]
            for row in self.lines.filter(pl.col("ask_no").is_null()).iter_rows(named=True)
            if not self.is_sql(row)
        ]

    def is_sql(self, line: dict[str, Any]) -> bool:
        """Whether a line's meter is a model that reads tables."""
        rule = self.rule_of(line["meter_id"], line["meter_version"])
        return bool(rule["aggregation"] == "sql")


def rules_of(db: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """The rules of the meter versions in force now; only they and types are made tables."""
    db.execute(
        "create or replace view facts.book_versions as "
        "from lake.facts.book_versions where kind in ('meter', 'event_type')"
    )
    flatten(db, ("meters", "properties", "event_types"))
    return [rule for rule in read_rules(db) if rule["aggregation"] != "sql"]


def document_of(db: duckdb.DuckDBPyConnection, number: str) -> dict[str, Any]:
    """The issued document with this number, as DOCUMENT says."""
    row = db.execute(
        f"select {', '.join(DOCUMENT)} from lake.facts.documents where number = ?", [number]
    ).fetchone()
    if row is None:
        raise UsageError(
            f"No document has the number {number!r}. `meterhouse invoices list` shows them."
        )
    return dict(zip(DOCUMENT, row, strict=True))


def read_lines(
    db: duckdb.DuckDBPyConnection, document: dict[str, Any], line_no: int | None = None
) -> Reading:
    """What is asked for the lines of a document (or one), by the book that its run knew.

    Leaves the views `facts.*` as of that batch.
    """
    known_at = int(document["known_at"])
    views(db, known_at)
    lines = db.execute(LINES, [document["document_id"], line_no, line_no]).pl()
    # Without lines of usage no contract is read: nobody is called so.
    read_book(db, lines["customer_id"].unique().to_list() or [""], known_at)
    meters = read_meters(db)
    asks, windows, members = _asks(db, lines, meters)
    asked = lines.join(windows, on="window_id", how="left", maintain_order="left")
    rules, relations = prepare(db, asks, rules=meters.rules, members=members)
    return Reading(asked, asks, meters, rules, relations)


def read_events(db: duckdb.DuckDBPyConnection, reading: Reading) -> None:
    """Replace temp table `read_events`; see the top of this file."""
    if not reading.rules:
        db.execute(NOTHING)
        return
    properties = _properties(db, reading.rules)
    # Each clock by itself, so that the days of events are known where they decide.
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for rule in reading.rules:
        groups.setdefault((rule["event_type"], rule["clock"]), []).append(rule)
    found = " union all by name ".join(
        read_sql(rules, reading.relations, [*OWN, *properties[event_type]])
        for (event_type, _), rules in groups.items()
    )
    db.register("asks_in", reading.asks.select("ask_no", "part_of").to_arrow())
    chosen = reading.lines.select("line_no", "ask_no", "dimensions")
    db.register("lines_in", chosen.drop_nulls("ask_no").to_arrow())
    db.execute(READ.format(found=found))
    db.unregister("asks_in")
    db.unregister("lines_in")


def _of_version(rows: Sequence[dict[str, Any]], meter_id: str, version: int) -> dict[str, Any]:
    for row in rows:
        if (row["meter_id"], row["meter_version"]) == (meter_id, version):
            return row
    raise UsageError(
        f"Version {version} of meter {meter_id} is not among the book's versions. Nothing was "
        "changed; the book's facts are damaged: run `meterhouse verify`."
    )


def _asks(
    db: duckdb.DuckDBPyConnection, lines: pl.DataFrame, meters: Meters
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame | None]:
    """What is asked, ask_no by window_id, and the members of pools; windows of SQL meters ask
    nothing."""
    asks = [pl.DataFrame(schema={**ASKS, "part_of": pl.Int64})]
    numbers = [pl.DataFrame(schema={"window_id": pl.String, "ask_no": pl.Int64})]
    in_sql = {row["meter_id"] for row in meters.rows if row["aggregation"] == "sql"}
    names = [name for name in lines["meter_id"].unique().sort() if name not in in_sql]
    last = lines["window_start_on"].max()
    if not names or not isinstance(last, date):
        return asks[0], numbers[0], None
    windows = usage_windows(db, names, last).join(lines, on="window_id", how="semi")
    following, members = 1, []
    for (_, version), own in windows.join(
        lines.select("window_id", "meter_version").unique(), on="window_id"
    ).group_by("meter_id", "meter_version", maintain_order=True):
        name = own["meter_id"][0]
        chosen = own.drop("meter_version").with_columns(
            ask_no=pl.int_range(own.height, eager=True, dtype=pl.Int64) + following
        )
        found = asks_of(chosen, meters.definitions(name)).filter(
            (pl.col("ask_no") != pl.col("part_of")) | (pl.col("meter_version") == version)
        )
        asks.append(found)
        members.append(asked_members(db, chosen))
        numbers.append(chosen.select("window_id", "ask_no").join(found, on="ask_no", how="semi"))
        following += 1 + own.height + found.height
    return pl.concat(asks), pl.concat(numbers), pl.concat(members) if members else None


def _properties(
    db: duckdb.DuckDBPyConnection, rules: Sequence[dict[str, Any]]
) -> dict[str, list[str]]:
    """The columns of the typed properties of each event type that is read."""
    found: dict[str, list[str]] = {rule["event_type"]: [] for rule in rules}
    held = {row[0] for row in db.execute("describe lake.facts.usage_events").fetchall()}
    for event_type, name in db.execute(
        "select distinct event_type, name from book.properties order by all"
    ).fetchall():
        if event_type in found and PROPERTY_PREFIX + name in held:
            found[event_type].append(identifier(PROPERTY_PREFIX + name))
    return found
