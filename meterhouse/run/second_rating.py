"""The second rater in a run: what was rated anew is rated once more, in SQL, and compared.

Both raters read the same windows, determinants and book. ops.compared holds the units (inputs.py)
whose lines were looked at since they were rated, so that the cost follows what changed. A unit in
which the two differ is not in it: it is compared again until they agree.
"""

from typing import Any

import duckdb

from meterhouse.run.context import Run
from meterhouse.run.inputs import COMPARED
from meterhouse.run.invariants import Check
from meterhouse.run.parts import parts_of
from meterhouse.run.second_asking import ASKED, PARTS, READ, READS_FACTS, WITH_READ
from meterhouse.second_rater.amounts import statements
from meterhouse.second_rater.items import STATEMENTS as AFTER_PRICE
from meterhouse.second_rater.numbers import MONEY, money_text, ten_to
from meterhouse.second_rater.pieces import READS_PARTS

# Units whose lines stand and were not compared since they were rated.
NEW = """
create or replace temp table second_new as
select unit_no from ops.rated anti join ops.compared using (unit_no)
"""
# Both amounts in 10^-18 of the currency: whole numbers.
BOTH = f"""
create or replace temp table second_differing as
select * from (
    select *, try(amount * {ten_to(f"{MONEY} - places")}) as second_units,
        cast(replace(cast(first_amount as varchar), '.', '') as hugeint) as first_units
    from second_lines where reason is null
) where second_units is distinct from first_units
"""
KEPT = """
insert into ops.compared
select unit_no, any_value(contract_id), item_id, component, price_model, reason, count(*)
from second_lines anti join second_differing using (unit_no)
group by unit_no, item_id, component, price_model, reason
union all
select unit_no, null, null, null, null, null, 0
from second_new anti join second_lines using (unit_no)
"""
SUMS = """
select reason, sum(lines)::bigint from ops.compared semi join ops.rated using (unit_no)
group by reason having sum(lines) > 0 order by 2 desc, 1
"""
# A customer's first differing line by contract, item and day; the others are counted.
VERDICTS = f"""
select customer_id as scope_id, says_second as expected, says_first as actual,
    'first contract ' || contract_id || ', item ' || item_id
        || case when component in ('fee', 'usage') then '' else ', ' || component end
        || ' from ' || window_start_on
        || ' to ' || window_end_on || ', window ' || window_id
        || case when dimensions <> '{{}}' then ' ' || dimensions else '' end
        || case when differing > 1 then ', and ' || differing - 1 || ' more lines' else '' end
        as detail
from (
    select *, coalesce({money_text("second_units")}, 'nothing') || ' ' || currency as says_second,
        {money_text("first_units")} || ' ' || currency as says_first,
        row_number() over own as nth, count(*) over (partition by customer_id) as differing
    from second_differing
    window own as (
        partition by customer_id order by contract_id, item_id, window_start_on, dimensions
    )
) where nth = 1
"""
CHECK = Check(
    "second_rater_agrees",
    "customer",
    True,
    "the second rater, in SQL, comes to the same amount for every line that it covers",
    "One of the two raters is wrong: see docs/second-rater.md, tell the engineers, or waive it.",
    "select * from second_verdicts",
)
OFF = "turned off by `second_rater: false` in meterhouse.yaml"


def rate_again(run: Run, db: duckdb.DuckDBPyConnection) -> None:
    """Compare what was rated since the last time; makes temp table second_verdicts for the check:
    scope_id, expected (the second rater), actual (what is billed) and detail."""
    db.execute(COMPARED)
    differing = run.lake.settings.file.second_rater and _compare(db)
    told = summary(run, db)
    lines = f"{told['compared']} lines"
    db.execute(
        "create or replace temp table second_verdicts as "
        "select 'run' as scope_id, ? as expected, ? as actual, ? as detail",
        [lines, lines, spelled(told)],
    )
    if differing:
        db.execute(f"insert into second_verdicts {VERDICTS}")


def _compare(db: duckdb.DuckDBPyConnection) -> bool:
    """Rate the lines of units that are not in ops.compared; whether any amount is another."""
    db.execute(NEW)
    if db.execute("select 1 from second_new limit 1").fetchone() is None:
        return False
    db.execute(ASKED)
    has_parts = _is_asked(db, READS_PARTS)
    if has_parts:
        _measure(db)
    for statement in statements("second_asked", "second_measured" if has_parts else None):
        db.execute(statement)
    modified = "select 1 from second_lines where modifiers is not null limit 1"
    after = AFTER_PRICE if db.execute(modified).fetchone() else ()
    for statement in (*after, BOTH, KEPT):
        db.execute(statement)
    return db.execute("select 1 from second_differing limit 1").fetchone() is not None


def _is_asked(db: duckdb.DuckDBPyConnection, which: str) -> bool:
    """Whether any line has a price of which this SQL is true."""
    query = f"select 1 from second_asked where why_not is null and {which} limit 1"
    return db.execute(query).fetchone() is not None


def _measure(db: duckdb.DuckDBPyConnection) -> None:
    """Temp table second_measured: what lines of prices by parts are made of. Buckets of time,
    movements and single events are in no table; they are read from the facts once more."""
    db.execute(PARTS)
    if _is_asked(db, READS_FACTS):
        db.execute(READ)
        db.register("frame_in", parts_of(db, "second_read").to_arrow())
        db.execute(WITH_READ)
        db.unregister("frame_in")


def summary(run: Run, db: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """What the second rater looked at: whether it is on, lines compared, and not by reason."""
    if not run.lake.settings.file.second_rater:
        return {"is_on": False, "compared": 0, "not_covered": {}}
    return standing(db)


def standing(db: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """The same of the lines that stand in a warehouse, or its published copy."""
    try:
        found = dict(db.execute(SUMS).fetchall())
    except duckdb.CatalogException:
        found = {}  # A copy that an earlier release published has no such table.
    return {"is_on": True, "compared": found.pop(None, 0), "not_covered": found}


def spelled(told: dict[str, Any]) -> str:
    """A summary as a person reads it."""
    if not told["is_on"]:
        return OFF
    missing: dict[str, int] = told["not_covered"]
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in missing.items())
    rest = f", {sum(missing.values()):,} not covered ({reasons})" if missing else ""
    return f"{told['compared']:,} lines compared{rest}"
