"""The gate before issuing: a failed blocking check holds back all that lies in its scope."""

import duckdb
import polars as pl

# The results of a run as it was checked last: what an earlier attempt found may be repaired.
LATEST = """
select * from facts.check_results where run_id = ?
qualify attempt = max(attempt) over (partition by check_name)
"""

# Failed blocking checks of a run that no waiver in force covers. A waiver is a command with the
# name of the check and the scope; it holds while the run's `through` lies before its expiry.
FAILED = f"""
with failed as (
    select * from ({LATEST}) where is_blocking and not passed
),
waived as (
    select subject_id from facts.commands
    where kind = 'waive' and result = 'done'
        and (select through from ops.run) < cast(payload->>'$.expires' as date)
)
select check_name, scope_kind, scope_id, sentence
from failed
where concat_ws('|', check_name, scope_kind, scope_id) not in (select subject_id from waived)
"""
# All that a check found at last, warnings and what is waived too.
FIRED = f"""
select check_name, scope_kind, scope_id, sentence from ({LATEST}) where not passed
"""
# Customers whose usage a line counts beside that of its own.
MEMBERS = """
select distinct lines.draft_id, 'customer_id' as "column", members.customer_id as scope_id,
    'customer' as scope_kind
from billing.draft_lines as lines join billing.window_members as members using (window_id)
"""
POOLS = """
select 1 from information_schema.tables
where table_schema = 'billing' and table_name = 'window_members'
"""


def blocked_drafts(
    db: duckdb.DuckDBPyConnection, drafts: pl.DataFrame, run_id: str
) -> dict[str, str]:
    """Draft id to the sentences of the failed checks that cover it."""
    # The manifest comes after the last check: a run killed between checks has none.
    recorded = db.execute("select 1 from facts.manifests where run_id = ?", [run_id]).fetchone()
    if recorded is None:
        why = "Its run did not get as far as its manifest; run `meterhouse run` again."
        return dict.fromkeys(drafts["draft_id"].to_list(), why)
    covered = _covered(db, drafts, db.execute(FAILED, [run_id]).pl())
    return dict(covered.select("draft_id", "sentence").iter_rows())


def fired_on(db: duckdb.DuckDBPyConnection, drafts: pl.DataFrame, run_id: str) -> pl.DataFrame:
    """draft_id and the sentences of all checks that found something, blocking or not."""
    return _covered(db, drafts, db.execute(FIRED, [run_id]).pl())


def _covered(
    db: duckdb.DuckDBPyConnection, drafts: pl.DataFrame, failed: pl.DataFrame
) -> pl.DataFrame:
    """draft_id and sentence of the drafts that lie in the scope of one of the failed checks."""
    if not failed.height:
        return pl.DataFrame(schema={"draft_id": pl.String, "sentence": pl.String})
    lines = db.sql(
        "select draft_id, contract_id, customer_id, payer_id, entity_id, window_id, meter_id "
        "from billing.draft_lines"
    ).pl()
    scopes = lines.unpivot(
        index="draft_id",
        on=["contract_id", "customer_id", "payer_id", "entity_id", "window_id", "meter_id"],
        variable_name="column",
        value_name="scope_id",
    ).with_columns(scope_kind=pl.col("column").replace(_KINDS))
    covering = [scopes, _whole(lines), _metered(lines, failed)]
    # A warehouse of an earlier release, which is only read here, knows no pools.
    if db.execute(POOLS).fetchone() is not None:
        covering.append(db.sql(MEMBERS).pl())
    return (
        pl.concat([one.select(scopes.columns) for one in covering])
        .join(failed, on=["scope_kind", "scope_id"])
        .join(drafts.select("draft_id"), on="draft_id")
        .group_by("draft_id")
        .agg(pl.col("sentence").unique().sort().str.join(" "))
    )


def _whole(lines: pl.DataFrame) -> pl.DataFrame:
    """The scope of the whole run, in which every draft lies."""
    run = pl.lit("run")
    return lines.select("draft_id").unique().with_columns(column=run, scope_id=run, scope_kind=run)


def _metered(lines: pl.DataFrame, failed: pl.DataFrame) -> pl.DataFrame:
    """A source that is late may owe events to any draft with a line that is measured."""
    late = failed.filter(pl.col("scope_kind") == "source").select("scope_kind", "scope_id").unique()
    metered = lines.filter(pl.col("meter_id").is_not_null()).select("draft_id").unique()
    return metered.join(late, how="cross").with_columns(column=pl.lit("source"))


_KINDS = {
    "contract_id": "contract",
    "customer_id": "customer",
    "payer_id": "customer",
    "entity_id": "entity",
    "window_id": "window",
    "meter_id": "meter",
}
