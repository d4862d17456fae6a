"""Of which lake, and by which code, a warehouse was derived.

What was folded and measured stands from run to run. It is right only as long as the lake holds the
facts it was made of, and the code makes the same of them.
"""

import duckdb

from meterhouse.duck import connect, literal
from meterhouse.errors import MeterhouseError
from meterhouse.lake import Lake
from meterhouse.run.context import Run, product_hash
from meterhouse.warehouse import Warehouse

LAKE_ID = "select table_uuid::varchar from ducklake_table_info('lake') where table_name = "
SNAPSHOT_AT = "select snapshot_time::varchar from ducklake_snapshots('lake') where snapshot_id = "


class OtherLake(MeterhouseError):
    """A warehouse that was derived from facts which the lake beside it does not hold."""

    def __init__(self, path: object) -> None:
        super().__init__(
            f"The warehouse {path} was not derived from this lake, or from a newer state of it. "
            "Nothing was run, and nothing that has landed was read. If the lake is the right one, "
            "as after a backup was restored, delete the folder of the warehouse; the next run "
            "makes it again."
        )


def refuse_other_lake(lake: Lake) -> None:
    """Raise OtherLake where the warehouse was last made of a state that the lake never had."""
    path = lake.settings.warehouse
    if not path.exists():
        return
    with connect(lake.settings) as db:
        lake.attach_pinned(db, lake.head())
        try:
            db.execute(f"attach {literal(str(path))} as derived (read_only)")
            known = db.execute(
                "select lake_id, snapshot, snapshot_at from derived.ops.lake"
            ).fetchone()
        except duckdb.Error:
            return  # One of an earlier release, or not whole: opening it says so.
        if known is not None and not _is_known(db, *known):
            raise OtherLake(path)


def _is_known(
    db: duckdb.DuckDBPyConnection, lake_id: str, snapshot: int | None, snapshot_at: str | None
) -> bool:
    own = db.execute(f"{LAKE_ID} 'usage_events'").fetchone()
    if own is None or own[0] != lake_id:
        return False
    # A lake that was restored and went on has the same numbers, but not the same instants.
    then = db.execute(f"{SNAPSHOT_AT} ?", [snapshot]).fetchone()
    return snapshot is None or (then is not None and then[0] == snapshot_at)


def is_of_this_code(warehouse: Warehouse) -> bool:
    """Whether the present code made the warehouse; True where nothing can be said of it."""
    if not warehouse.path.exists():
        return True
    try:
        with duckdb.connect(str(warehouse.path), read_only=True) as db:
            row = db.execute("select code from ops.lake").fetchone()
    except duckdb.IOException:
        return True
    except duckdb.Error:
        return False  # An earlier release wrote no code.
    return row is None or row[0] == product_hash()


def remove_other_code(warehouse: Warehouse) -> bool:
    """Remove a warehouse that other code made, so that the run makes all of it; whether it did.

    Another release may count other events, and what is folded already is not read again.
    """
    if is_of_this_code(warehouse):
        return False
    warehouse.path.unlink()
    warehouse.path.with_name(f"{warehouse.path.name}.wal").unlink(missing_ok=True)
    return True


def write_origin(run: Run, db: duckdb.DuckDBPyConnection) -> None:
    """Write what the warehouse is derived of from now on: lake, its state, and our code."""
    db.execute("begin")
    db.execute("delete from ops.lake")
    db.execute(
        f"insert into ops.lake select ({LAKE_ID} 'usage_events'), ?, ({SNAPSHOT_AT} ?), ?",
        [run.pin.snapshot, run.pin.snapshot, product_hash()],
    )
    db.execute("commit")
