"""Up to which batch a check of facts has passed, so that a run checks only what came since.

Facts are never changed, and each run compares their files with their hashes. A close checks all of
them again, whatever passed.
"""

from collections.abc import Iterable

import duckdb

from meterhouse.errors import ChecksFailed
from meterhouse.run.invariants import CHECKS, Check

TABLE = "create table if not exists ops.proven (check_name varchar primary key, known_at bigint)"
SINCE = "{since}"


def statement(db: duckdb.DuckDBPyConnection, check: Check, *, whole: bool = False) -> str:
    """The SQL of a check over what came since it passed, or over the whole of the facts."""
    if SINCE not in check.sql:
        return check.sql
    db.execute(TABLE)
    proven = "select known_at from ops.proven where check_name = ?"
    row = None if whole else db.execute(proven, [check.name]).fetchone()
    return check.sql.replace(SINCE, str(int(row[0]) if row else -1))


def record_proven(db: duckdb.DuckDBPyConnection, known_at: int, failed: Iterable[str]) -> None:
    """Write up to which batch the checks of facts hold; one that failed is repeated in full."""
    db.execute(TABLE)
    bad = set(failed)
    for check in CHECKS:
        if SINCE in check.sql:
            db.execute("delete from ops.proven where check_name = ?", [check.name])
            if check.name not in bad:
                db.execute("insert into ops.proven values (?, ?)", [check.name, known_at])


def prove_whole(db: duckdb.DuckDBPyConnection) -> None:
    """Raise ChecksFailed where a check does not hold over all facts, whatever passed before."""
    faults = [
        f"Check {check.name} failed for {check.scope_kind} {scope}: it should hold that "
        f"{check.claim}, but {expected} was expected and {actual} found ({detail}). Nothing was "
        "closed."
        for check in CHECKS
        if SINCE in check.sql
        for scope, expected, actual, detail in db.execute(
            f"select scope_id, expected, actual, detail from ({statement(db, check, whole=True)}) "
            "where expected is distinct from actual or starts_with(detail, 'first ')"
        ).fetchall()
    ]
    if faults:
        raise ChecksFailed(faults)
