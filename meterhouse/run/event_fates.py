"""What became of single events: which meters take them, which windows and documents hold them.

Everything reads temp table `shown`: rows of facts.usage_events with their `position` in the list.
Windows are those of the published tables; meters and their filters those of the newest book.
"""

from datetime import date, timedelta
from typing import Any

import duckdb
import polars as pl

from meterhouse.duck import literal
from meterhouse.lake import Lake
from meterhouse.periods import zone_offsets
from meterhouse.schema import PROPERTY_PREFIX

NO_CONTRACT_ZONE = "UTC"
_EPOCH = date(1970, 1, 1)
NEEDED = ("charge_windows", "window_members", "contracts", "run")
# Windows once for each customer whose events they read, and when it is read.
WINDOWS = """(
    select window_id, contract_id, item_id, customer_id, meter_id, meter_version,
        window_start_on, window_end_on, window_start, window_end
    from published.billing.charge_windows where usage_of is null
    union all
    select window_id, contract_id, item_id, members.customer_id, meter_id, meter_version,
        window_start_on, window_end_on, members.read_from, members.read_to
    from published.billing.charge_windows
    join published.billing.window_members as members using (window_id)
)"""
CONTRACTS = """(
    select customer_id, start_on, end_on from published.book.contracts
    union all
    select customer_id, min(from_on), max(until_on) from published.billing.window_members
    group by customer_id
)"""
# Without a published run, or beside one, the zones are those of the book itself.
ZONES = """
select content->>'$.customer' as customer_id, content->>'$.zone' as zone
from (
    select doc_id, content::json as content from lake.facts.book_versions
    where kind = 'contract' {which}
    qualify row_number() over (partition by doc_id order by valid_from desc nulls last,
        batch_seq desc, row_no desc) = 1
)
qualify row_number() over (
    partition by customer_id order by (content->>'$.start')::date, doc_id
) = 1
"""
READINGS = """
select readings.*, rules.meter_id, rules.meter_version,
    rules.slot_from <= local.day and local.day < rules.slot_to as is_in_force,
    windows.window_id, windows.contract_id, windows.item_id, windows.window_start_on,
    windows.window_end_on
from readings
join rules using (meter_no)
join local using (batch_seq, row_no)
left join windows
    on windows.customer_id = local.customer_id and windows.meter_id = rules.meter_id
    and windows.meter_version = rules.meter_version and readings.is_taken
    and case when rules.clock = 'received' then local.received_at else local.occurred_at end
        >= windows.window_start
    and case when rules.clock = 'received' then local.received_at else local.occurred_at end
        < windows.window_end
"""
# The first document whose run knew the event bills it; one whose run did not makes it late.
BILLED = """
select bound.batch_seq, bound.row_no, bound.window_id,
    min_by(documents.number, documents.batch_seq)
        filter (documents.known_at >= bound.batch_seq) as number,
    bool_or(documents.known_at < bound.batch_seq) as is_late
from (select distinct batch_seq, row_no, window_id from bound where window_id is not null) as bound
join (
    select distinct window_id, document_id from facts.standing_lines
    where customer_id in ({customers}) and meter_id is not null
) as lines using (window_id)
join facts.documents as documents using (document_id)
group by all
"""
EVENTS = """
select shown.* exclude (position), local.occurred_local, local.zone,
    names.name as file, coalesce(newer.action, shown.action) as ended_as,
    newer.newer_seq, newer.newer_row,
    shown.batch_seq > (select known_at from run_now) as is_waiting,
    (select known_at from run_now) is null as is_unknown,
    shown.customer_id in (select customer_id from contracts
        where contracts.start_on <= local.day
            and (contracts.end_on is null or contracts.end_on > local.day)) as has_contract
from shown
join local using (batch_seq, row_no)
left join newer on newer.batch_seq = shown.batch_seq and newer.row_no = shown.row_no
left join (
    select batch_seq, source, any_value(name) as name from facts.batches
    where batch_seq in (select batch_seq from shown) group by all
) as names on names.batch_seq = shown.batch_seq and names.source = shown.source
order by shown.position
"""
ENVELOPE = ("source", "event_id", "event_type", "customer_id", "subject")


def newer() -> str:
    """SELECT of the replaced versions, with what replaced them.

    `> 0` and not `is not null`: the least and greatest value of a file let DuckLake pass over
    every file in which nothing was replaced.
    """
    return (
        "select replaces_seq as batch_seq, replaces_row as row_no, batch_seq as newer_seq, "
        "row_no as newer_row, coalesce(action, 'amend') as action "
        "from facts.usage_events where replaces_seq > 0"
    )


def attach_published(lake: Lake, db: duckdb.DuckDBPyConnection) -> None:
    """Temp views of the published windows, contracts and run; empty where nothing is published."""
    path = lake.settings.published
    found = set()
    if path.is_file():
        db.execute(f"attach {literal(str(path))} as published (read_only)")
        names = "select table_name from duckdb_tables() where database_name = 'published'"
        found = {row[0] for row in db.execute(names).fetchall()}
    if found >= {*NEEDED}:
        windows, contracts, run = WINDOWS, CONTRACTS, "published.ops.run"
    else:
        windows = (
            "(select null::varchar as window_id, null::varchar as contract_id, "
            "null::varchar as item_id, null::varchar as customer_id, null::varchar as meter_id, "
            "null::bigint as meter_version, null::date as window_start_on, "
            "null::date as window_end_on, null::timestamptz as window_start, "
            "null::timestamptz as window_end limit 0)"
        )
        contracts = (
            "(select null::varchar as customer_id, null::date as start_on, "
            "null::date as end_on limit 0)"
        )
        run = "(select null::bigint as known_at limit 0)"
    db.execute(f"create or replace temp view windows as from {windows}")
    db.execute(f"create or replace temp view contracts as from {contracts}")
    db.execute(f"create or replace temp view run_now as from {run}")


def zone_of(db: duckdb.DuckDBPyConnection, customer: str | None) -> str:
    """The zone of a customer's first contract; UTC without a contract or a customer."""
    zones = _zones(db, [customer] if customer is not None else [])
    return zones.get(customer or "", NO_CONTRACT_ZONE)


def _zones(db: duckdb.DuckDBPyConnection, customers: list[str]) -> dict[str, str]:
    """Zone by customer; a document is parsed only where its text names one of them."""
    if not customers:
        return {}
    which = " or ".join("contains(content, ?)" for _ in customers)
    rows = db.execute(ZONES.format(which=f"and ({which})"), customers).fetchall()
    return {customer: zone for customer, zone in rows if customer in customers}


def described(
    db: duckdb.DuckDBPyConnection, rules: list[dict[str, Any]], meter: str | None = None
) -> list[dict[str, Any]]:
    """The events of temp table `shown` in their order, each with its fate, as values.

    `reads` has the meters that take it, with value, window and document; `is_taken` and `value`
    are those of `meter`, where one is named.
    """
    _localize(db)
    _read(db, rules)
    properties = _properties(db)
    reads: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for row in _rows(db, _BOUND):
        reads.setdefault((row.pop("batch_seq"), row.pop("row_no")), []).append(row)
    return [
        _event(row, reads.get((row["batch_seq"], row["row_no"]), []), properties, meter)
        for row in _rows(db, EVENTS)
    ]


_BOUND = """
select bound.batch_seq, bound.row_no, bound.meter_id, bound.is_taken, bound.is_in_force,
    coalesce(bound.value, bound.item) as value, bound.contract_id, bound.item_id,
    bound.window_start_on, bound.window_end_on, billed.number, billed.is_late
from bound
left join billed using (batch_seq, row_no, window_id)
where bound.is_in_force or bound.window_id is not null
order by bound.batch_seq, bound.row_no, bound.meter_id, bound.contract_id, bound.item_id
"""


def _localize(db: duckdb.DuckDBPyConnection) -> None:
    """Temp table `local`: day and time of each shown event in the zone of its customer."""
    rows = db.execute(
        "select list(distinct customer_id), min(event_day), max(event_day) from shown"
    ).fetchone()
    customers, first, last = rows if rows and rows[0] else ([], None, None)
    zones = _zones(db, customers)
    named = {customer: zones.get(customer, NO_CONTRACT_ZONE) for customer in customers}
    frame = pl.DataFrame(
        {"customer_id": list(named), "zone": list(named.values())},
        schema={"customer_id": pl.String, "zone": pl.String},
    )
    margin = timedelta(days=2)
    start, end = (first or _EPOCH) - margin, (last or _EPOCH) + margin
    offsets = zone_offsets(sorted({*named.values(), NO_CONTRACT_ZONE}), start, end)
    db.register("zones_in", frame.to_arrow())
    db.register("offsets_in", offsets.to_arrow())
    db.execute(
        """
        create or replace temp table local as
        select shown.batch_seq, shown.row_no, shown.customer_id, shown.occurred_at,
            shown.received_at, zones.zone,
            shown.occurred_at + to_seconds(offsets.offset_seconds) as occurred_local,
            cast(shown.occurred_at + to_seconds(offsets.offset_seconds) as date) as day
        from shown
        join zones_in as zones using (customer_id)
        join offsets_in as offsets
            on offsets.zone = zones.zone and shown.occurred_at >= offsets.valid_from
            and shown.occurred_at < offsets.valid_to
        """
    )
    db.unregister("zones_in")
    db.unregister("offsets_in")


def _read(db: duckdb.DuckDBPyConnection, rules: list[dict[str, Any]]) -> None:
    """Temp tables `readings` (event and rule), `bound` (with windows) and `billed`."""
    types = {row[0] for row in db.execute("select distinct event_type from shown").fetchall()}
    wanted = [rule for rule in rules if rule["event_type"] in types]
    selects = [_reading(rule) for rule in wanted] or [
        "select batch_seq, row_no, null::bigint as meter_no, false as is_taken, "
        "null::varchar as value, null::varchar as item from shown limit 0"
    ]
    db.execute(f"create or replace temp table readings as {' union all '.join(selects)}")
    names = ("meter_no", "meter_id", "meter_version", "slot_from", "slot_to", "clock")
    columns = {name: [rule[name] for rule in wanted] for name in names}
    kinds = (pl.Int64, pl.String, pl.Int64, pl.Date, pl.Date, pl.String)
    schema = dict(zip(names, kinds, strict=True))
    db.register("rules", pl.DataFrame(columns, schema=schema).to_arrow())
    db.execute(f"create or replace temp table bound as {READINGS}")
    customers = db.execute("select distinct customer_id from shown order by 1").fetchall()
    # Names as literals let DuckLake pass over files of others.
    listed = ", ".join(literal(customer) for (customer,) in customers) or "null"
    db.execute(f"create or replace temp table billed as {BILLED.format(customers=listed)}")
    db.unregister("rules")


def _reading(rule: dict[str, Any]) -> str:
    value = rf"regexp_replace(cast({rule['value_sql']} as varchar), '\.?0+$', '')"
    return (
        f"select batch_seq, row_no, {int(rule['meter_no'])}::bigint as meter_no, "
        f"coalesce({rule['filter_sql']}, false) as is_taken, {value} as value, "
        f"{rule['item_sql']} as item from shown as events "
        f"where event_type = {literal(rule['event_type'])} and action is distinct from 'void'"
    )


def _properties(db: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Property to column of the shown events."""
    names = [row[0] for row in db.execute("describe shown").fetchall()]
    own = [name for name in names if name.startswith(PROPERTY_PREFIX)]
    return {name.removeprefix(PROPERTY_PREFIX): name for name in own}


def _rows(db: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    cursor = db.execute(query)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _event(
    row: dict[str, Any], reads: list[dict[str, Any]], properties: dict[str, str], meter: str | None
) -> dict[str, Any]:
    taken = [one for one in reads if one["is_taken"]]
    status = _status(row)
    event = {
        "reference": f"{row['batch_seq']}-{row['row_no']}",
        "time": row["occurred_at"],
        "local_time": row["occurred_local"].replace(tzinfo=None),
        "zone": row["zone"],
        **{name: row[name] for name in ENVELOPE},
        "properties": {n: row[c] for n, c in properties.items() if row[c] is not None},
        "batch_seq": row["batch_seq"],
        "file": row["file"],
        "source_row": row["source_row"],
        "received_at": row["received_at"],
        "status": status,
        "replaced_by": None
        if row["newer_seq"] is None
        else f"{row['newer_seq']}-{row['newer_row']}",
        "fate": _fate(row, reads, taken) if status == "live" else status,
        "is_late": any(one["is_late"] for one in taken),
        "reads": [{name: one[name] for name in _READ} for one in taken],
    }
    if meter is None:
        return event
    own = [one for one in reads if one["meter_id"] == meter and one["is_in_force"]]
    is_taken = any(one["is_taken"] for one in own)
    return {**event, "is_taken": is_taken, "value": own[0]["value"] if is_taken else None}


_READ = (
    *("meter_id", "value", "contract_id", "item_id", "window_start_on", "window_end_on"),
    "number",
)


def _status(row: dict[str, Any]) -> str:
    """live, superseded (a newer version holds), voided (taken away) or void (what took it)."""
    if row["action"] == "void":
        return "void"
    return {None: "live", "void": "voided"}.get(row["ended_as"], "superseded")


def _fate(row: dict[str, Any], reads: list[dict[str, Any]], taken: list[dict[str, Any]]) -> str:
    """The words of usage.fates, and two more for what no run has told yet."""
    if row["is_unknown"]:
        return "not_run"
    if row["is_waiting"]:
        return "waiting"
    if any(one["contract_id"] is not None for one in taken):
        return "read"
    if not reads:
        return "no_meter"
    if not taken:
        return "excluded"
    return "not_in_contract" if row["has_contract"] else "no_contract"
