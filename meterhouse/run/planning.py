"""Plan what a run has still to read: new events for the days, whole windows for the rest.

Additive meters fold what is new into days (ops.fold_plan); of the others, the windows are measured
again that something new touched (ops.asks); fates and the check of conservation have plans too.
"""

import duckdb

from meterhouse.run.asking import plan_asks
from meterhouse.run.conserved import plan_count
from meterhouse.run.context import Run
from meterhouse.run.meter_rules import make_rules
from meterhouse.run.sql_meters import plan_sql_asks

NO_CONTRACT_ZONE = "UTC"
FOLD_KEY = "(customer_id, zone, meter_id, meter_version)"


def plan_fold(run: Run, db: duckdb.DuckDBPyConnection) -> int:
    """Replace the plans of the run; returns the batch after which any event has to be read.

    A new meter version, zone or customer reads from the first batch, for itself only.
    """
    _list_restated(run, db)
    rules = make_rules(db)
    _plan_meters(db)
    _forget_unplanned(db)
    _plan_fates(db)
    plan_count(db)
    plan_asks(run, db, rules)
    plan_sql_asks(run, db)
    least = db.execute(
        "select least("
        "(select coalesce(min(from_seq), max(known_at)) from ops.fold_plan), "
        "(select coalesce(min(from_seq), max(known_at)) from ops.fate_plan), "
        "(select known_at from ops.run))"
    ).fetchone()
    return int(least[0]) if least else 0


def _list_restated(run: Run, db: duckdb.DuckDBPyConnection) -> None:
    """Add the events of new batches that replaced older versions to ops.restated."""
    row = db.execute("select max(batch_seq) from ops.restated_to").fetchone()
    done = int(row[0]) if row and row[0] is not None else 0
    db.execute("begin")
    db.execute(
        "insert into ops.restated select batch_seq, row_no, replaces_seq, replaces_row, "
        "coalesce(action = 'void', false) as is_void "
        f"from facts.usage_events where replaces_seq is not null and batch_seq > {done}"
    )
    db.execute("delete from ops.restated_to")
    db.execute("insert into ops.restated_to values (?)", [run.known_at])
    db.execute("commit")


def _plan_meters(db: duckdb.DuckDBPyConnection) -> None:
    db.execute(
        f"""
        create or replace table ops.meter_plan as
        with pairs as (
            select distinct customer_id, zone from book.contracts
            union
            select distinct members.customer_id, zone
            from billing.window_members as members
            join billing.charge_windows using (window_id)
            union
            select customer_id, '{NO_CONTRACT_ZONE}' from book.customers
            where customer_id not in (select customer_id from book.contracts)
        )
        select
            pairs.customer_id, pairs.zone, rules.meter_id, rules.meter_version, rules.meter_no,
            rules.event_type, rules.aggregation, rules.property, rules.clock, rules.is_plain,
            coalesce(folded.folded_seq, 0) as from_seq, run.known_at,
            row_number() over () as plan_no
        from pairs
        cross join (select * from ops.meter_rules where is_additive) as rules
        cross join ops.run as run
        left join ops.folded as folded using (customer_id, zone, meter_id, meter_version);
        create or replace table ops.fold_plan as
        select * from ops.meter_plan where from_seq < known_at;
        """
    )


def _forget_unplanned(db: duckdb.DuckDBPyConnection) -> None:
    """Drop the days of meter versions and zones that nothing reads any more.

    A meter corrected in its slot is another version, and a customer's first contract moves it out
    of the zone of those without one: what was folded before would be counted beside the new days.
    """
    gone = "select * from ops.folded anti join ops.meter_plan using " + FOLD_KEY
    if db.execute(f"{gone} limit 1").fetchone() is None:
        return
    db.execute("begin")
    db.execute(f"delete from usage.daily where {FOLD_KEY} in (select {FOLD_KEY} from ({gone}))")
    db.execute(f"delete from ops.folded where {FOLD_KEY} in (select {FOLD_KEY} from ({gone}))")
    db.execute("commit")


def _plan_fates(db: duckdb.DuckDBPyConnection) -> None:
    """Customers whose coverage changed lose their fates and read all their events again."""
    db.execute(
        """
        create or replace table ops.fate_plan as
        with spans as (
            select customer_id, md5(string_agg(
                concat_ws('|', meter_id, meter_version, covered_from, covered_to), ','
                order by meter_id, meter_version, covered_from, covered_to
            )) as spans_hash
            from billing.coverage group by customer_id
        ),
        known as (
            select md5(string_agg(concat_ws('|', meter_id, meter_version), ','
                order by meter_id, meter_version)) as meters_hash
            from book.meters
        ),
        hashed as (
            select customers.customer_id,
                md5(concat_ws('|', meters_hash, coalesce(spans_hash, ''))) as coverage_hash
            from book.customers as customers cross join known left join spans using (customer_id)
        )
        select hashed.customer_id, hashed.coverage_hash,
            case when fated.coverage_hash = hashed.coverage_hash then fated.folded_seq else 0 end
                as from_seq,
            run.known_at
        from hashed cross join ops.run as run left join ops.fated as fated using (customer_id);
        """
    )
    made = db.execute(
        "select 1 from duckdb_tables() where schema_name = 'usage' and table_name = 'fates'"
    ).fetchone()
    db.execute("begin")
    again = "customer_id in (select customer_id from ops.fate_plan where from_seq = 0)"
    if made:
        db.execute(f"delete from usage.fates where {again}")
    db.execute(f"delete from ops.fated where {again}")
    db.execute("delete from ops.fate_plan where from_seq >= known_at")
    db.execute("commit")
