"""The head of a lake, kept per process: a run asks for it a dozen times between its few commits.

Reading our counter loads the whole catalog, which takes 80 ms of CPU; reading the row of the newest
snapshot takes 1 ms, and as long as that row is the same, so is the head.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import duckdb

T = TypeVar("T")
# Its time, to the microsecond, tells lakes apart that were copied from each other.
NEWEST = """
select * from __ducklake_metadata_lake.ducklake_snapshot order by snapshot_id desc limit 1
"""
# By catalog: the row of the newest snapshot that was seen, and what was read at it.
_known: dict[Path, tuple[tuple[Any, ...] | None, Any]] = {}


def once_per_snapshot(
    db: duckdb.DuckDBPyConnection, catalog: Path, read: Callable[[duckdb.DuckDBPyConnection], T]
) -> T:
    """What `read` returned at the newest snapshot of the attached lake, read now if it is new."""
    before = db.execute(NEWEST).fetchone()
    known = _known.get(catalog)
    if known is not None and known[0] == before:
        found: T = known[1]
        return found
    found = read(db)
    # What was committed meanwhile is in `found`, and not in the row.
    if db.execute(NEWEST).fetchone() == before:
        _known[catalog] = before, found
    return found
