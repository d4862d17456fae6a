"""Ways to know whether an event id was ever seen: each builds its state and judges a batch.

A layout gets the stored events (Parquet by day) and a batch (one Parquet), answers with the number
of new ids, and leaves its state so that it knows the batch's ids as well.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import duckdb
import numpy as np

from meterhouse import sorted_runs
from meterhouse.dedupe import KEY, KeyIndex
from meterhouse.duck import prepare
from meterhouse.sorted_runs import I32, U64

EVENTS = "read_parquet({paths}, hive_partitioning = true)"
DAY = "(event_day - date '1970-01-01')::integer"


class Case(NamedTuple):
    """Where a layout works: its own folder, files of stored events, and files of batches."""

    folder: Path
    stored: list[Path]
    batches: list[Path]
    before: list[list[Path]]  # of each batch: the files of stored events that stand then

    def events(self, files: list[Path]) -> str:
        return EVENTS.format(paths=[str(path) for path in files])


class Layout(NamedTuple):
    """`build` makes the state; `open` takes it up and gives a function that judges batch n."""

    build: Callable[[Case], None]
    open: Callable[[Case], Callable[[int], int]]


def connect(database: Path | None = None) -> duckdb.DuckDBPyConnection:
    db = duckdb.connect(
        str(database) if database else ":memory:", config={"allow_unsigned_extensions": "true"}
    )
    db.execute("set timezone = 'UTC'")
    db.execute("set preserve_insertion_order = false")
    return db


def count(db: duckdb.DuckDBPyConnection, query: str) -> int:
    row = db.execute(query).fetchone()
    return int(row[0]) if row else 0


def _batch_keys(db: duckdb.DuckDBPyConnection, batch: Path) -> tuple[U64, I32]:
    table = db.execute(f"select {KEY} as key, {DAY} as day from '{batch}'").to_arrow_table()
    return table["key"].to_numpy(), table["day"].to_numpy()


def _confirmed(
    db: duckdb.DuckDBPyConnection, case: Case, number: int, hits: U64, where: str
) -> int:
    """How many ids of the batch stand among the stored ones, of those whose keys were hit."""
    db.register("hits", {"key": hits})
    db.execute(
        "create or replace temp table suspects as select distinct event_id "
        f"from '{case.batches[number]}' where {KEY} in (select key from hits)"
    )
    stored = case.events(case.before[number])
    return count(
        db,
        f"select count(distinct event_id) from {stored} where {where} "
        "and event_id in (select event_id from suspects)",
    )


# Ours: keys with their days, in merged runs. A hit is looked up on the days it was seen on.
def _lake(case: Case) -> duckdb.DuckDBPyConnection:
    """A catalog of one commit over the stored files: the index asks a lake for no more."""
    db = connect()
    prepare(db)
    db.execute("attach ':memory:' as lake; create schema lake.facts")
    db.execute(f"create view lake.facts.usage_events as from {case.events(case.stored)}")
    db.execute("attach ':memory:' as __ducklake_metadata_lake (type sqlite)")
    db.execute(
        "create table __ducklake_metadata_lake.ducklake_snapshot as "
        "select 1::bigint as snapshot_id, 'then' as snapshot_time, 1::bigint as next_file_id; "
        "create table __ducklake_metadata_lake.ducklake_data_file "
        "(data_file_id bigint, path varchar)"
    )
    return db


def _build_index(case: Case) -> None:
    with _lake(case) as db:
        head = count(db, "select max(batch_seq) from lake.facts.usage_events")
        KeyIndex(case.folder).fold(db, head)


def _open_index(case: Case) -> Callable[[int], int]:
    db = _lake(case)
    head = count(db, "select max(batch_seq) from lake.facts.usage_events")

    def judge(number: int) -> int:
        index = KeyIndex(case.folder)  # Anew for each batch, as a load does.
        index.fold(db, head + number)
        keys, days = _batch_keys(db, case.batches[number])
        hits, on = index.days_of(np.sort(keys))
        where = (
            f"event_day in ({', '.join(repr(day.isoformat()) for day in on)})" if on else "false"
        )
        new = len(keys) - _confirmed(db, case, number, hits, where)
        index.add(db, head + number + 1, keys, days)
        return new

    return judge


# Keys alone, a file for each batch, never merged: a hit may lie on any day.
def _build_runs(case: Case) -> None:
    with connect() as db:
        last = count(db, f"select max(batch_seq) from {case.events(case.stored)}")
        for first in range(1, last + 1, 8):  # Eight at once, or each would scan all files.
            rows = db.execute(
                f"select batch_seq, {KEY} as key from {case.events(case.stored)} "
                f"where batch_seq between {first} and {first + 7} order by batch_seq, key"
            ).to_arrow_table()
            batches, keys = rows["batch_seq"].to_numpy(), rows["key"].to_numpy()
            for batch in np.unique(batches):
                keys[batches == batch].tofile(case.folder / f"{batch:06d}.u64")


def _open_runs(case: Case) -> Callable[[int], int]:
    db = connect()

    def judge(number: int) -> int:
        keys = np.sort(_batch_keys(db, case.batches[number])[0])
        hits = [np.empty(0, dtype=np.uint64)]
        for path in sorted(case.folder.glob("*.u64")):
            hits.append(_hits(np.memmap(path, dtype=np.uint64, mode="r"), keys))
        new = len(keys) - _confirmed(db, case, number, np.unique(np.concatenate(hits)), "true")
        keys.tofile(case.folder / f"added-{number}.u64")
        return new

    return judge


def _hits(run: U64, asked: U64) -> U64:
    at = np.searchsorted(run, asked)
    return asked[run[np.minimum(at, len(run) - 1)] == asked]


# No state of its own: the batch against the ids in Parquet.
def _nothing(_: Case) -> None:
    return


def _open_anti_join(is_pruned: bool) -> Callable[[Case], Callable[[int], int]]:
    def opened(case: Case) -> Callable[[int], int]:
        db = connect()

        def judge(number: int) -> int:
            batch = case.batches[number]
            days = db.execute(f"select distinct event_day from '{batch}'").fetchall()
            listed = ", ".join(f"'{day}'" for (day,) in days)
            where = f"where event_day in ({listed})" if is_pruned else ""
            on = "using (event_id, event_day)" if is_pruned else "using (event_id)"
            stored = f"(select event_id, event_day from {case.events(case.before[number])} {where})"
            return count(db, f"select count(*) from '{batch}' anti join {stored} {on}")

        return judge

    return opened


# A table of DuckDB with a primary key (an adaptive radix tree), which refuses a second time.
def _build_table(case: Case) -> None:
    with connect(case.folder / "ids.duckdb") as db:
        db.execute("create table ids (event_id varchar primary key)")
        for path in case.stored:
            db.execute(f"insert into ids select event_id from '{path}'")


def _open_table(case: Case) -> Callable[[int], int]:
    db = connect(case.folder / "ids.duckdb")

    def judge(number: int) -> int:
        batch = case.batches[number]
        new = count(db, f"insert into ids select event_id from '{batch}' on conflict do nothing")
        db.execute("checkpoint")  # It must outlive the process, as the others do.
        return new

    return judge


# Nothing kept: each day that the batch touches is grouped again from its first event.
def _open_by_day(case: Case) -> Callable[[int], int]:
    db = connect()

    def judge(number: int) -> int:
        batch, new = case.batches[number], 0
        for (day,) in db.execute(f"select distinct event_day from '{batch}'").fetchall():
            stored = case.events(case.before[number])
            new += count(
                db,
                "select count(*) from (select event_id from ("
                f"select event_id, true as is_old from {stored} where event_day = '{day}' "
                f"union all select event_id, false from '{batch}' where event_day = '{day}') "
                "group by event_id having not bool_or(is_old))",
            )
        return new

    return judge


LAYOUTS = {
    "our index: keys and days, merged runs": Layout(_build_index, _open_index),
    "a run of keys for each batch": Layout(_build_runs, _open_runs),
    "anti join on the event's own day": Layout(_nothing, _open_anti_join(is_pruned=True)),
    "anti join with all ids": Layout(_nothing, _open_anti_join(is_pruned=False)),
    "group each touched day again": Layout(_nothing, _open_by_day),
    "DuckDB table with a primary key": Layout(_build_table, _open_table),
}
assert sorted_runs.ENTRY == 12  # What docs/deduplication.md says of its size.
