"""Reading for lists: the facts as of now, and derived tables without waiting for a run."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meterhouse.errors import Busy, UsageError

if TYPE_CHECKING:
    import duckdb

    from meterhouse.lake import Lake

DERIVED = (
    *("ops.run", "billing.drafts", "billing.draft_lines", "billing.window_members"),
    "billing.commitments",
    *("book.entities", "book.customers"),
)


def rows_of(
    db: "duckdb.DuckDBPyConnection", query: str, parameters: Sequence[Any] = ()
) -> list[dict[str, Any]]:
    """The rows of a query by column name."""
    cursor = db.execute(query, list(parameters))
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@contextmanager
def derived(lake: "Lake") -> "Iterator[duckdb.DuckDBPyConnection]":
    """Facts as of now and the drafts of the last run, under the names that runs use.

    Reads the warehouse under the run lock where it is free; while a run has it, the published copy.
    """
    from meterhouse.locks import FileLock

    lock = FileLock(lake.settings.home / "locks" / "run.lock", "run", 0)
    with ExitStack() as stack:
        try:
            stack.enter_context(lock.held())
            path = lake.settings.warehouse
        except Busy:
            path = lake.settings.published
        yield stack.enter_context(_opened(lake, path))


@contextmanager
def _opened(lake: "Lake", path: Path) -> "Iterator[duckdb.DuckDBPyConnection]":
    from meterhouse.duck import connect, literal
    from meterhouse.lake_views import views

    with connect(lake.settings) as db:
        lake.attach_pinned(db, lake.head())
        views(db, None)
        is_there = path.is_file()
        if is_there:
            db.execute(f"attach {literal(str(path))} as warehouse (read_only)")
        db.execute("create schema ops; create schema billing; create schema book")
        for name in DERIVED:
            if is_there and _has(db, name):
                db.execute(f"create view {name} as from warehouse.{name}")
        yield db


def _has(db: "duckdb.DuckDBPyConnection", name: str) -> bool:
    schema, table = name.split(".")
    found = db.execute(
        "select 1 from duckdb_tables() where database_name = 'warehouse' "
        "and schema_name = ? and table_name = ?",
        [schema, table],
    ).fetchone()
    return found is not None


def has_drafts(db: "duckdb.DuckDBPyConnection") -> bool:
    """Whether a run has made drafts."""
    found = db.execute(
        "select count(*) from duckdb_views() where schema_name in ('billing', 'ops') "
        "and view_name in ('drafts', 'run') and database_name = 'memory'"
    ).fetchone()
    return bool(found and found[0] == 2 and db.execute("from ops.run").fetchone())


def last_run(db: "duckdb.DuckDBPyConnection") -> dict[str, Any]:
    """run_id, through and known_at of the run that made the drafts."""
    if not has_drafts(db):
        raise UsageError("No run has been made yet. Run `meterhouse run --through DATE` first.")
    return rows_of(db, "select run_id, through, known_at from ops.run")[0]
