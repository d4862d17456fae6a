"""What a correction changes: events, sums of their properties, and the windows that hold them."""

from dataclasses import dataclass
from typing import Any

import duckdb

from meterhouse.duck import identifier, literal
from meterhouse.lake import Lake
from meterhouse.run.validation import Property, properties

SHOWN = 100
CHANGES = """
select classified.source, classified.event_id,
    case outcome when 'accepted' then 'added' when 'restated' then 'amended' else outcome end
        as change,
    held.customer_id as customer_before, held.occurred_at as time_before, held.data as data_before,
    case when outcome <> 'voided' then classified.customer_id end as customer_after,
    case when outcome <> 'voided' then classified.occurred_at end as time_after,
    case when outcome <> 'voided' then classified.data end as data_after
from classified
left join held on held.batch_seq = first_seq and held.row_no = first_row
    and held.action is distinct from 'void'
where outcome <> 'duplicate'
order by classified.source_row limit ?
"""
WINDOWS = """
with touched as (select distinct customer_id, event_type, occurred_at from moves),
meters as (select distinct meter_id, event_type from book.meters),
charged as (
    select window_id, contract_id, item_id, customer_id, meter_id, window_start_on, window_end_on,
        window_start, window_end, number
    from lake.facts.billed_lines
    union all by name
    select window_id, contract_id, item_id, customer_id, meter_id, window_start_on, window_end_on,
        window_start, window_end
    from open_windows
),
windows as (
    select *, customer_id as read_id from charged
    where window_id not in (select window_id from open_members)
    union all
    select charged.* replace (members.read_from as window_start, members.read_to as window_end),
        members.customer_id as read_id
    from charged join open_members as members using (window_id)
)
select windows.contract_id, windows.item_id, windows.customer_id, windows.meter_id,
    windows.window_start_on, windows.window_end_on,
    coalesce(list(distinct windows.number order by windows.number)
        filter (windows.number is not null), []) as documents
from windows
join meters on meters.meter_id = windows.meter_id
join touched
    on touched.customer_id = windows.read_id and touched.event_type = meters.event_type
    and touched.occurred_at >= windows.window_start and touched.occurred_at < windows.window_end
group by all order by all
"""


NO_MEMBERS = (
    "select null::varchar as window_id, null::varchar as customer_id, "
    "null::timestamptz as read_from, null::timestamptz as read_to limit 0"
)


@dataclass(frozen=True)
class Effects:
    """`events` are the first that change, before and after; `totals` one row per event type and
    number (property None: the events themselves), taken away, added and the change; `windows` those
    that were cut by the last run or billed, with the numbers of the documents that billed them."""

    events: list[dict[str, Any]]
    totals: list[dict[str, Any]]
    windows: list[dict[str, Any]]


def effects(lake: Lake, db: duckdb.DuckDBPyConnection) -> Effects:
    """What `classified` changes, in place of `held`; nothing is written."""
    known = properties(db)
    _make_moves(db, known)
    _find_open_windows(lake, db)
    return Effects(_rows(db, CHANGES, [SHOWN]), _rows(db, _totals(db, known)), _rows(db, WINDOWS))


def _make_moves(db: duckdb.DuckDBPyConnection, known: list[Property]) -> None:
    """Temp table `moves`: the versions that hold from now on, and with sign -1 those that did."""
    parts = []
    for sign, relation, where in (
        (1, "classified", "outcome in ('accepted', 'restated')"),
        (
            -1,
            "held",
            "action is distinct from 'void' and (batch_seq, row_no) in "
            "(select first_seq, first_row from classified "
            "where outcome in ('restated', 'voided'))",
        ),
    ):
        given = {row[0] for row in db.execute(f"describe {relation}").fetchall()}
        numbers = [f"cast({identifier(p.column)} as decimal(38, 12)) as {identifier(p.column)}"
                   for p in known if p.is_number and p.column in given]  # fmt: skip
        listed = ", ".join(["customer_id", "event_type", "occurred_at", *numbers])
        parts.append(f"select {sign} as sign, {listed} from {relation} where {where}")
    db.execute(f"create or replace temp table moves as {' union all by name '.join(parts)}")


def _totals(db: duckdb.DuckDBPyConnection, known: list[Property]) -> str:
    given = {row[0] for row in db.execute("describe moves").fetchall()}
    sums = [("null::varchar", "1::decimal(38, 12)")]
    sums += [(literal(p.name), identifier(p.column)) for p in known if p.column in given]
    parts = [
        f"select event_type, {name} as property, "
        f"coalesce(sum({value}) filter (sign < 0), 0)::decimal(38, 12) as taken, "
        f"coalesce(sum({value}) filter (sign > 0), 0)::decimal(38, 12) as added, "
        f"coalesce(sum(sign * {value}), 0)::decimal(38, 12) as change "
        f"from moves group by event_type having count({value}) > 0"
        for name, value in sums
    ]
    return " union all ".join(parts) + " order by event_type, property nulls first"


def _find_open_windows(lake: Lake, db: duckdb.DuckDBPyConnection) -> None:
    """Temp table `open_windows`: what the last published run cut; none before there was one."""
    columns = "window_id, contract_id, item_id, customer_id, meter_id, window_start_on"
    columns += ", window_end_on, window_start, window_end"
    empty = f"select {columns} from lake.facts.billed_lines limit 0"
    db.execute(f"create or replace temp table open_windows as {empty}")
    db.execute(f"create or replace temp table open_members as {NO_MEMBERS}")
    if not lake.settings.published.is_file():
        return
    db.execute(f"attach {literal(str(lake.settings.published))} as published (read_only)")
    made = db.execute(
        "select 1 from duckdb_tables() where database_name = 'published' "
        "and schema_name = 'billing' and table_name = 'window_members'"
    ).fetchone()
    if made is not None:
        db.execute(
            f"insert into open_windows select {columns} from published.billing.charge_windows "
            "where customer_id in (select customer_id from moves) or window_id in (select "
            "window_id from published.billing.window_members "
            "where customer_id in (select customer_id from moves))"
        )
        db.execute(
            "insert into open_members by name select window_id, customer_id, read_from, read_to "
            "from published.billing.window_members"
        )
    db.execute("detach published")


def _rows(
    db: duckdb.DuckDBPyConnection, query: str, parameters: list[Any] | None = None
) -> list[dict[str, Any]]:
    cursor = db.execute(query, parameters or [])
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
