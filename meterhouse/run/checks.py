"""Run the invariants and store each result with its numbers, as facts that gate issuing.

Failed rows are stored one by one, an invariant that holds everywhere as one row with the sums, so
that "passed" is a fact too.
"""

import duckdb
import polars as pl

from meterhouse.lake import Commit
from meterhouse.run.by_hand_check import BY_HAND, prepare_by_hand
from meterhouse.run.completeness_check import compare
from meterhouse.run.conserved import count_new
from meterhouse.run.context import Run
from meterhouse.run.credited import keep_credited
from meterhouse.run.invariants import CHECKS, Check
from meterhouse.run.measured_check import measure_again
from meterhouse.run.proven import SINCE, record_proven, statement
from meterhouse.run.second_rating import CHECK, rate_again
from meterhouse.run.watching import WATCHES, prepare_watch

EVERY_CHECK = (*CHECKS, CHECK, BY_HAND, *WATCHES)
# Detail rows that name a fault inside a sum that happens to agree fail as well.
NAMED_FAULT = "^(batch [0-9]|first )"


def run_checks(run: Run, db: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """Run every check and store the results as facts; returns them, one row per result."""
    count_new(run, db)
    measure_again(db)
    keep_credited(db)
    prepare_by_hand(db)
    compare(db, run.lake.settings.file.sources, run.known_at)
    rate_again(run, db)
    prepare_watch(run, db)
    results = pl.concat([_result(run, db, check) for check in EVERY_CHECK])
    failed = results.filter(~pl.col("passed"))["check_name"]
    record_proven(db, run.known_at, failed.to_list())
    return store_results(run, results)


def store_results(run: Run, results: pl.DataFrame) -> pl.DataFrame:
    """Append the results of every check that came out in another way than in its last attempt.

    A dry run leaves no facts.
    """
    if run.is_dry:
        return results
    with run.lake.session() as session:
        stored = session.execute(
            "select check_name, attempt, scope_kind, scope_id, passed, numbers "
            "from lake.facts.check_results where run_id = ? "
            "qualify attempt = max(attempt) over (partition by check_name)",
            [run.run_id],
        ).pl()
        new = _changed(results.unique(maintain_order=True), stored)
        if new.height:

            def write(commit: Commit) -> None:
                commit.db.register("frame_in", new.to_arrow())
                commit.append("check_results", "select * from frame_in")
                commit.db.unregister("frame_in")

            run.lake.commit(session, write, takes_number=False)
    return results


def _changed(results: pl.DataFrame, stored: pl.DataFrame) -> pl.DataFrame:
    """The results of checks of which a row came, went or changed, as a new `attempt` of each."""
    key = ("check_name", "scope_kind", "scope_id", "passed", "numbers")
    came = results.join(stored, on=key, how="anti")["check_name"]
    went = stored.join(results, on=key, how="anti")["check_name"]
    attempts = stored.group_by("check_name").agg(pl.col("attempt").max())
    return (
        results.filter(pl.col("check_name").is_in(pl.concat([came, went]).implode()))
        .join(attempts, on="check_name", how="left", maintain_order="left")
        .with_columns(pl.col("attempt").fill_null(0) + 1)
    )


def _result(run: Run, db: duckdb.DuckDBPyConnection, check: Check) -> pl.DataFrame:
    rows = db.sql(
        f"select cast(scope_id as varchar) as scope_id, cast(expected as varchar) as expected, "
        f"cast(actual as varchar) as actual, cast(detail as varchar) as detail, "
        f"expected is not distinct from actual "
        f"and not regexp_matches(detail, '{NAMED_FAULT}') as passed from ({statement(db, check)})"
    ).pl()
    failed = rows.filter(~pl.col("passed"))
    shown = failed if failed.height else _all_held(check, rows)
    return shown.select(
        run_id=pl.lit(run.run_id),
        check_name=pl.lit(check.name),
        scope_kind=pl.lit(check.scope_kind if failed.height else "run"),
        scope_id="scope_id",
        through=pl.lit(run.through),
        is_blocking=pl.lit(check.is_blocking),
        passed="passed",
        numbers=pl.struct("actual", "detail", "expected").struct.json_encode(),
        sentence=pl.when("passed")
        .then(pl.lit(f"Holds: {check.claim}."))
        .otherwise(
            pl.format(
                "Check {} failed for {} {}: it should hold that {}, but {} was expected and {} "
                "found ({}). {}",
                pl.lit(check.name),
                pl.lit(check.scope_kind),
                "scope_id",
                pl.lit(check.claim),
                "expected",
                "actual",
                "detail",
                pl.lit(check.remedy),
            )
        ),
    )


def _all_held(check: Check, rows: pl.DataFrame) -> pl.DataFrame:
    # How much of the facts was new says nothing of a run that is made again.
    looked = "all facts" if SINCE in check.sql else f"{rows.height} rows"
    totals = pl.DataFrame(
        {
            "scope_id": ["run"],
            "expected": [looked],
            "actual": [looked],
            "detail": ["every row held"],
            "passed": [True],
        }
    )
    if rows.height != 1 or SINCE in check.sql:
        return totals
    return rows.with_columns(scope_id=pl.lit("run"))
