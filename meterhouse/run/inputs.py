"""Which windows are rated again: those of units whose inputs are not what they were.

A unit is what is rated together: a window that is a whole period; the windows of one item in a
period that several of them share, because its tiers and its minimum go on from one to the next;
all windows of a contract in which modifiers look across windows. ops.rated keeps, for each unit
whose lines stand in billing.desired_lines, a hash of all that they were rated from. What is not in
it is rated, so that an interrupted run, a deleted warehouse and `forget_rated` only cost time.
"""

import duckdb
import polars as pl

from meterhouse.run.charged_lines import AGGREGATIONS, CONTRACTS
from meterhouse.run.context import Run, versions
from meterhouse.run.moved import forget_settled, note_rated
from meterhouse.run.parts import BY_BUCKET, BY_EVENT, BY_MOVEMENT

RATED = """
create table if not exists ops.rated (
    unit_no ubigint, contract_no ubigint, inputs_hash ubigint
)
"""
# Units whose lines the second rater looked at, by what they are and why some were left out.
COMPARED = """
create table if not exists ops.compared (
    unit_no ubigint, contract_id varchar, item_id varchar, component varchar,
    price_model varchar, reason varchar, lines bigint
)
"""
# Whose modifiers are of the contract, or of one of its items.
ACROSS = """
create or replace temp table looks_across as
select contract_id from book.contracts where modifiers is not null
union
select contract_id from billing.charge_windows where modifiers is not null
"""
# The unit of a row of `windows`. Units that have one number by chance are rated together.
UNIT = """
case when windows.contract_id in (select contract_id from looks_across)
        then hash('contract', windows.contract_id)
    when windows.window_start_on = windows.period_start_on
        and windows.window_end_on = windows.period_end_on
        then hash('window', windows.window_id)
    else hash('period', windows.contract_id, windows.item_id, windows.period_start_on) end
"""
# What is said of a meter beside its number, which it gets by its place in the book.
METERS = f"""
create or replace temp table meter_inputs as
select meter_id, meter_version, hash(rules.told, kinds.aggregation) as content
from (
    select meter_id, meter_version, hash(rules) as told
    from (select * exclude (meter_no, filter_bit, slot_to) from ops.meter_rules) as rules
) as rules
full join ({AGGREGATIONS.format(meters="book.meters")}) as kinds using (meter_id, meter_version)
"""
# Modifiers of contracts read the day of the run, and days by the clock of a zone that no window of
# theirs may have.
OF_CONTRACTS = """
create or replace temp table contract_inputs as
select hash(contract_id) as contract_no, hash(
    split_tiers, stub_flags,
    case when contracts.modifiers is not null then hash(rated, date '{through}') end,
    case when contract_id in (select contract_id from looks_across) then '{tzdata}' end
) as content
from book.contracts as contracts left join ({rated}) as rated using (contract_id)
"""
FROM_EVENTS = (*BY_BUCKET, *BY_MOVEMENT, *BY_EVENT)
# Prices that are rated from events themselves: whatever came for the customer is an input.
OF_EVENTS = f"""
create or replace temp table event_inputs as
select customer_id, hash(max(batch_seq), count(*)) as content
from facts.usage_events
where customer_id in (
    select customer_id from billing.charge_windows where price_model in {FROM_EVENTS}
)
group by customer_id
"""
# A replaced event may have been another customer's; a pool has the events of many.
OF_ALL_EVENTS = """
select coalesce(max(batch_seq) filter (replaces_seq is not null), 0), coalesce(max(batch_seq), 0)
from facts.usage_events
"""
NOW = f"""
create or replace temp table rated_now as
with hashed as (
    select unit_no, hash(contract_id) as contract_no, hash(due, meters.content, case
        when price_model not in {FROM_EVENTS} then 0
        when usage_of is not null then {{newest}}
        else hash(events.content, {{replaced}}) end) as content
    from due
    left join meter_inputs as meters using (meter_id, meter_version)
    left join event_inputs as events using (customer_id)
),
units as (
    select unit_no, any_value(contract_no) as contract_no, sum(content) as content,
        count(*) as windows
    from hashed group by unit_no
)
select unit_no, contract_no, windows,
    hash(units.content, units.windows, contracts.content) as inputs_hash
from units left join contract_inputs as contracts using (contract_no)
"""
# Contracts whose modifiers were rated from the same: what was said of them stands.
KEPT_CONTRACTS = """
select contract_id from book.contracts
where modifiers is not null and hash('contract', contract_id) in (select unit_no from units_kept)
"""


def find_changed(run: Run, db: duckdb.DuckDBPyConnection) -> int:
    """Make temp tables rated_now (all units), units_changed and units_kept; how many windows of
    changed units are due, each combination of dimensions counted.

    Reads the view `due`, and of ops.rated what it holds of lines that stand.
    """
    db.execute(RATED)
    if not _lines_stand(db):
        forget_rated(db)
    db.execute(METERS)
    own = {"through": run.through.isoformat(), "tzdata": versions()["tzdata"], "rated": CONTRACTS}
    db.execute(OF_CONTRACTS.format(**own))
    replaced, newest = _read_events(db)
    db.execute(NOW.format(replaced=replaced, newest=newest))
    db.execute(
        "create or replace temp table units_kept as "
        "select unit_no from rated_now semi join ops.rated using (unit_no, inputs_hash)"
    )
    db.execute(
        "create or replace temp table units_changed as "
        "select unit_no, contract_no, windows from rated_now anti join units_kept using (unit_no)"
    )
    row = db.execute("select coalesce(sum(windows), 0)::bigint from units_changed").fetchone()
    return int(row[0]) if row else 0


def _read_events(db: duckdb.DuckDBPyConnection) -> tuple[int, int]:
    """Make event_inputs, empty where no price reads events; the newest batches of all."""
    asked = db.execute(
        f"select 1 from billing.charge_windows where price_model in {FROM_EVENTS} limit 1"
    ).fetchone()
    db.execute(OF_EVENTS if asked else f"{OF_EVENTS} limit 0")
    row = db.execute(OF_ALL_EVENTS).fetchone() if asked else None
    return (int(row[0]), int(row[1])) if row else (0, 0)


def _lines_stand(db: duckdb.DuckDBPyConnection) -> bool:
    """Whether the lines of ops.rated are where they were put."""
    found = db.execute(
        "select 1 from duckdb_columns() where schema_name = 'billing' "
        "and table_name = 'desired_lines' and column_name = 'unit_no'"
    ).fetchone()
    return found is not None


def are_kept(db: duckdb.DuckDBPyConnection) -> bool:
    """Whether any lines stand that an earlier run rated."""
    db.execute(RATED)
    return db.execute("select 1 from ops.rated limit 1").fetchone() is not None


def forget_rated(db: duckdb.DuckDBPyConnection, of: str = "true") -> None:
    """Have units rated again by the next run; `of` is SQL over a row of ops.rated."""
    db.execute(RATED)
    db.execute(f"delete from ops.rated where {of}")
    if of == "true":
        forget_settled(db)


def keep_units(db: duckdb.DuckDBPyConnection) -> None:
    """Leave in ops.rated only what `find_changed` found as it was: the rest is being rated."""
    note_rated(db)
    db.execute("delete from ops.rated where unit_no not in (select unit_no from units_kept)")
    # What is rated anew is compared anew, see second_rating.py.
    db.execute(COMPARED)
    db.execute("delete from ops.compared where unit_no not in (select unit_no from units_kept)")


def record_units(db: duckdb.DuckDBPyConnection, failed: pl.Series) -> None:
    """Write what the lines were rated from that stand now; contracts that failed have none."""
    db.register("failed_in", pl.DataFrame({"contract_id": failed.cast(pl.String)}).to_arrow())
    db.execute(
        "insert into ops.rated select unit_no, contract_no, inputs_hash from rated_now "
        "semi join units_changed using (unit_no) "
        "where contract_no not in (select hash(contract_id) from failed_in)"
    )
    db.unregister("failed_in")


def kept_contracts(db: duckdb.DuckDBPyConnection) -> pl.Series:
    """The contracts with modifiers that are not rated again."""
    return db.sql(KEPT_CONTRACTS).pl()["contract_id"]
