"""What the events themselves add up to, kept from run to run, so that a check reads only new ones.

Counted apart from the daily aggregates, straight from the events and without their zones and days:
ops.conserved holds the quantity per customer, meter version and zone, ops.counted the number of
accepted events per customer, both up to a batch.
"""

import duckdb

from meterhouse.run.context import Run

KEY = "customer_id, zone, meter_id, meter_version"


def plan_count(db: duckdb.DuckDBPyConnection) -> None:
    """Replace ops.conserve_plan: the meter plan, from where each of its rows has to be counted."""
    db.execute(
        f"""
        create or replace table ops.conserve_plan as
        select plan.* replace (coalesce(conserved.counted_to, 0) as from_seq)
        from ops.meter_plan as plan left join ops.conserved as conserved using ({KEY})
        """
    )


def count_new(run: Run, db: duckdb.DuckDBPyConnection) -> None:
    """Bring ops.conserved and ops.counted up to what the run knows."""
    _refuse_later(run, db)
    _count_quantities(run, db)
    _count_events(run, db)


def _refuse_later(run: Run, db: duckdb.DuckDBPyConnection) -> None:
    """Forget what was counted of batches that this run does not know."""
    for table in ("ops.conserved", "ops.counted"):
        db.execute(f"delete from {table} where counted_to > ?", [run.known_at])


def _count_quantities(run: Run, db: duckdb.DuckDBPyConnection) -> None:
    plan_count(db)
    row = db.execute("select min(from_seq) from ops.conserve_plan").fetchone()
    if row is None or row[0] is None:
        db.execute("delete from ops.conserved")
        return
    # The least as a literal lets DuckLake pass over the files of older batches.
    db.execute("begin")
    db.execute(
        f"""
        create or replace table ops.conserved as
        with new as (
            select {KEY}, sum(sign * quantity) as quantity
            from staging.stg_facts__uncounted_events where batch_seq > {int(row[0])}
            group by all
        )
        select plan.customer_id, plan.zone, plan.meter_id, plan.meter_version,
            cast(coalesce(conserved.quantity, 0) + coalesce(new.quantity, 0) as decimal(38, 12))
                as quantity,
            {int(run.known_at)}::bigint as counted_to
        from ops.meter_plan as plan
        left join ops.conserved as conserved using ({KEY})
        left join new using ({KEY})
        """
    )
    db.execute("commit")


def _count_events(run: Run, db: duckdb.DuckDBPyConnection) -> None:
    row = db.execute("select coalesce(max(counted_to), 0) from ops.counted").fetchone()
    done = int(row[0]) if row else 0
    db.execute("begin")
    db.execute(
        f"""
        create or replace table ops.counted as
        select customer_id, sum(events)::bigint as events, {int(run.known_at)}::bigint as counted_to
        from (
            select customer_id, events from ops.counted
            union all
            select customer_id, count(*) from facts.usage_events where batch_seq > {done}
            group by customer_id
        )
        group by customer_id
        """
    )
    db.execute("commit")
