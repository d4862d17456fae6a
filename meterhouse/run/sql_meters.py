"""What SQL meters are asked in a run, and which of their billed windows stand as they were billed.

A window that was billed keeps its quantity, whatever the tables that the model joins say since,
unless the meter says `reopen`, another version of the meter is in force at the window's start, or
events of the meter's event type came for the customer and fell into the window after it was billed.
"""

import duckdb

from meterhouse.run.context import Run
from meterhouse.run.sql_meter_checks import refuse_models

# A window's determinants are recorded together, so the newest recording of a window is all of it.
BILLED = """
create or replace temp table sql_billed as
select billed.window_id, billed.dimensions, billed.meter_id, billed.meter_version,
    billed.event_count, billed.quantity, documents.known_at
from facts.billed_determinants as billed
join facts.documents as documents using (document_id)
where billed.meter_id in (select meter_id from book.meters where aggregation = 'sql')
qualify billed.batch_seq = max(billed.batch_seq) over (partition by billed.window_id)
"""
WINDOWS = """
create or replace temp table sql_windows as
select windows.window_id, windows.meter_id, meters.model, windows.meter_version,
    windows.customer_id, windows.contract_id, windows.item_id, windows.zone,
    windows.window_start, windows.window_end, windows.window_start_on, windows.window_end_on,
    windows.period_start_on, windows.period_end_on,
    coalesce(meters.reopen, false) as is_open, meters.event_type, billed.known_at,
    billed.meter_version as billed_version
from billing.charge_windows as windows
join (
    select distinct meter_id, meter_version, model, reopen, event_type
    from book.meters where aggregation = 'sql'
) as meters using (meter_id, meter_version)
left join (select distinct window_id, meter_version, known_at from sql_billed) as billed
    using (window_id)
where windows.component = 'usage'
"""
# What came after the first of the documents; the files of a batch say its number, so that older
# ones are not read. A version that was replaced touches the window it fell into as well.
LATE = """
create or replace temp table sql_late as
with newer as (
    select customer_id, event_type, occurred_at, batch_seq, replaces_seq, replaces_row
    from facts.usage_events
    where batch_seq > {known_at}
        and event_type in (select event_type from sql_windows where known_at is not null)
),
older as (
    select older.customer_id, older.event_type, older.occurred_at, newer.batch_seq
    from (select * from newer where replaces_seq is not null) as newer
    join facts.usage_events as older
        on older.batch_seq = newer.replaces_seq and older.row_no = newer.replaces_row
)
select customer_id, event_type, occurred_at, batch_seq from newer
union all
select * from older
"""
ASKS = """
create or replace table ops.sql_asks as
with touched as (
    select distinct windows.window_id
    from sql_windows as windows
    join sql_late as late
        on late.customer_id = windows.customer_id and late.event_type = windows.event_type
        and late.batch_seq > windows.known_at
        and late.occurred_at >= windows.window_start and late.occurred_at < windows.window_end
)
select windows.* exclude (is_open, event_type, known_at, billed_version),
    known_at is not null and not is_open and billed_version = meter_version
        and touched.window_id is null as is_frozen
from sql_windows as windows left join touched using (window_id)
"""
FROZEN = """
create or replace table ops.sql_frozen as
select billed.window_id, billed.dimensions, billed.meter_id, billed.meter_version,
    billed.event_count, billed.quantity
from sql_billed as billed semi join (from ops.sql_asks where is_frozen) using (window_id)
"""


def plan_sql_asks(run: Run, db: duckdb.DuckDBPyConnection) -> int:
    """Replace ops.sql_asks and ops.sql_frozen; returns how many windows the models are asked.

    Refuses, before anything is built, models that are missing or that may not decide a quantity.
    """
    make_asks(db, run.known_at)
    rows = db.execute("select meter_id, model from ops.sql_asks where not is_frozen").fetchall()
    wanted: dict[str, str] = dict(rows)
    columns = run.lake.columns(db, "usage_events")
    refuse_models(run.lake.settings, wanted, columns)
    return len(rows)


def make_asks(db: duckdb.DuckDBPyConnection, last: int) -> None:
    """Replace ops.sql_asks and ops.sql_frozen; `last` is the last batch that the run knows."""
    db.execute(BILLED)
    db.execute(WINDOWS)
    first = db.execute("select min(known_at) from sql_windows where not is_open").fetchone()
    known_at = last if first is None or first[0] is None else int(first[0])
    db.execute(LATE.format(known_at=known_at))
    db.execute(ASKS)
    db.execute(FROZEN)
    for table in ("sql_billed", "sql_windows", "sql_late"):
        db.execute(f"drop table {table}")
