"""The tables of a lake and their files: made once; what a lake of an earlier release lacks."""

import duckdb

from meterhouse.schema import FACTS, TAIL

# Inlined in the catalog: counters are the one table that is updated, and the list of files
# cannot be a file of its own list.
INLINED = ("control.counters", "facts.files")
INLINE_ROWS = 1_000_000
LONG_ROWS = 8_192  # rows of a row group where each holds a document
FILE_ROWS = 256  # where each holds a file
# Of events: small enough that a customer's month is read without the days of all others.
EVENT_ROWS = 8_192


def group_rows(table: str) -> int | None:
    """The rows of a row group in the files of a table; None for DuckDB's own choice."""
    if table == "usage_events":
        return EVENT_ROWS
    if table == "renderings":
        return FILE_ROWS
    # A row group is held in memory whole: 120,000 documents are more than a gigabyte.
    return LONG_ROWS if "content" in FACTS[table] else None


def has_counters(db: duckdb.DuckDBPyConnection) -> bool:
    """Whether the attached lake was made, and not only begun."""
    made = db.execute(
        "select 1 from duckdb_tables() where database_name = 'lake' "
        "and schema_name = 'control' and table_name = 'counters'"
    ).fetchone()
    return bool(made and db.execute("select 1 from lake.control.counters").fetchone())


def create_tables(db: duckdb.DuckDBPyConnection) -> None:
    """Make the tables of an attached lake, and whatever an interrupted call left out."""
    # Options cannot be set inside the transaction that makes their table, so the first counter
    # comes last: without it the next call makes whatever is missing.
    db.execute("begin")
    db.execute("create schema if not exists lake.control")
    db.execute("create schema if not exists lake.facts")
    db.execute("create table if not exists lake.control.counters (name varchar, value bigint)")
    for table, columns in FACTS.items():
        listed = ", ".join(f"{name} {kind}" for name, kind in {**columns, **TAIL}.items())
        db.execute(f"create table if not exists lake.facts.{table} ({listed})")
    db.execute("alter table lake.facts.usage_events set partitioned by (event_day)")
    db.execute("commit")
    for name in INLINED:
        schema, table = name.split(".")
        db.execute(
            f"call lake.set_option('data_inlining_row_limit', {INLINE_ROWS}, "
            f"schema => '{schema}', table_name => '{table}')"
        )
    db.execute("insert into lake.control.counters values ('batch_seq', 0)")


def is_complete(db: duckdb.DuckDBPyConnection) -> bool:
    """Whether the attached lake has all tables and columns that this release reads."""
    found = _columns(db)
    return all({*columns, *TAIL} <= found.get(table, set()) for table, columns in FACTS.items())


def add_missing(db: duckdb.DuckDBPyConnection) -> None:
    """Tables and columns that a lake of an earlier release lacks; old rows have nulls there."""
    found = _columns(db)
    for table, columns in FACTS.items():
        wanted = {**columns, **TAIL}
        if table not in found:
            listed = ", ".join(f"{name} {kind}" for name, kind in wanted.items())
            db.execute(f"create table lake.facts.{table} ({listed})")
            continue
        for name in [name for name in wanted if name not in found[table]]:
            db.execute(f"alter table lake.facts.{table} add column {name} {wanted[name]}")


def _columns(db: duckdb.DuckDBPyConnection) -> dict[str, set[str]]:
    """The columns of each facts table of the attached lake."""
    found: dict[str, set[str]] = {}
    for table, column in db.execute(
        "select table_name, column_name from duckdb_columns() "
        "where database_name = 'lake' and schema_name = 'facts'"
    ).fetchall():
        found.setdefault(table, set()).add(column)
    return found
