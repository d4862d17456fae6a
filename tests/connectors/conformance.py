"""What every connector must do; a connector's tests subclass a suite and give a `bench`.

`Conformance` is for all. `SeparateFiles` adds what holds where every put is a delivery of its own
(a folder, a bucket; not a query or an API, whose records come in one delivery). `Remote` adds what
holds where deliveries are fetched into a spool over a network; a local folder has neither spool nor
server, so nothing of it is skipped in silence: its claims are simply not about folders.
"""

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import duckdb
import pyarrow as pa
import pytest

from connectors.protocols import SourceFile, UsageSource
from meterhouse.errors import SourceRejected, SourceUnavailable
from tests.servers.silent import silent_server

Rows = list[dict[str, str]]


class Bench(Protocol):
    """A system that stands behind a connector, and how a test fills it.

    ROWS, LATER and DRIFTED rise in `id` and in `time`: either may be the cursor.
    """

    # Ids of ROWS that a resumed pull may read again, because it reads from its cursor and not
    # behind it; the loader knows them by their ids. () where a pull reads only what is new.
    read_again: tuple[str, ...]

    def source(self) -> UsageSource:
        """A new source, without memory of others."""
        ...

    def put(self, name: str, rows: Rows) -> None:
        """Records under a name; a second put of the same name replaces them."""
        ...

    def put_broken(self, name: str) -> None:
        """Good records, then a fault in the middle; `put` of the same name mends it."""
        ...

    def put_many(self, count: int) -> None:
        """So many records of about 1 KB each (`wide_row`), without holding them all."""
        ...

    def script(self) -> tuple[str, list[str]]:
        """Python that makes the same `source` in another process, and its sys.argv[1:]."""
        ...


class RemoteBench(Bench, Protocol):
    """A Bench of a connector that fetches."""

    spool: Path  # the folder given to the source

    def source_at(self, port: int) -> UsageSource:
        """A source of a server on 127.0.0.1 that waits one second and tries twice."""
        ...


ROWS: Rows = [
    {"id": "1", "time": "2026-01-31T23:59:59.1234567Z", "tokens": "1.10"},
    {"id": "2", "time": "2026-02-01T00:00:00Z", "tokens": "1234567890123456789012345"},
]
LATER: Rows = [{"id": "3", "time": "2026-02-02T00:00:00Z", "tokens": "3.30"}]
DRIFTED: Rows = [{"id": "4", "time": "2026-02-03T00:00:00Z", "region": "eu"}]
MANY = 110_000


def wide_row(number: int) -> dict[str, str]:
    """One of many records, about 1 KB."""
    pad = f"{number * 2654435761 % 2**64:016x}" * 56
    return {"id": f"{number:09}", "time": "2026-02-01T00:00:00Z", "tokens": "1.10", "pad": pad}


def records(source: UsageSource, file: SourceFile) -> pa.Table | None:
    batches = list(source.read(file))
    return pa.Table.from_batches(batches).combine_chunks() if batches else None


def column(table: pa.Table | None, name: str) -> list[str | None]:
    """The texts of one field, of columns or of NDJSON; null where the records have none."""
    if table is None:
        return []
    if "line" in table.column_names:
        assert table["bad_line"].null_count == table.num_rows
        with duckdb.connect() as db:
            db.register("lines", table)
            found = db.execute(f"select line ->> '$.{name}' from lines order by source_row")
            return [text for (text,) in found.fetchall()]
    if name not in table.column_names:
        return [None] * table.num_rows
    return table[name].cast(pa.string()).to_pylist()  # type: ignore[no-any-return]


def is_exact(type: pa.DataType) -> bool:
    """Text, or one of the types whose values are what the source has."""
    whole = pa.types.is_integer(type) or pa.types.is_boolean(type) or pa.types.is_decimal128(type)
    return whole or type in (pa.string(), pa.timestamp("us"), pa.timestamp("us", "UTC"))


class Loader:
    """What the loader remembers of a source: committed cursors, and hashes it passes over."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.cursors: list[str] = []
        self.hashes: set[str] = set()

    def pull(self, *, commit: bool = True) -> list[tuple[SourceFile, pa.Table | None]]:
        """The deliveries whose content is not known, each read while its file is there."""
        source = self.bench.source()
        found = []
        for file in source.pending(tuple(self.cursors)):
            if file.content_sha256 not in self.hashes:
                found.append((file, records(source, file)))
            if commit:
                self.hashes.add(file.content_sha256)
                if file.cursor is not None and file.cursor not in self.cursors:
                    self.cursors.append(file.cursor)
        return found

    def ids(self, *, commit: bool = True) -> list[str | None]:
        """The ids of one pull, in order."""
        return [i for _, table in self.pull(commit=commit) for i in column(table, "id")]


def ends(call: Callable[[], None]) -> None:
    """Run a call that must come to an end by itself; a call that hangs fails the test."""
    failure: list[BaseException] = []

    def run() -> None:
        try:
            call()
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(60)
    if thread.is_alive():
        pytest.fail("the call hangs: nothing bounds how long it waits")
    if failure:
        raise failure[0]


# VmHWM and not ru_maxrss: the latter begins with the peak of the process that started this one.
MEASURE = """
import re, sys
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) // 1024
{script}
before = peak()
rows = sum(batch.num_rows for file in source.pending() for batch in source.read(file))
print(rows, peak() - before)
"""


def measured(script: str, arguments: list[str]) -> tuple[int, int]:
    """Records read in a process of its own, and by how many MiB its memory grew at its peak."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE.format(script=script), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows, megabytes = map(int, done.stdout.split())
    return rows, megabytes


class Conformance:
    """Claims about every connector."""

    # For MANY records, 100 MB; NDJSON takes 190 for its blocks in several forms (measured, also
    # for three times as many). A connector that takes less says so.
    megabytes = 300

    @pytest.fixture
    def bench(self) -> Bench:
        raise NotImplementedError("a connector's tests give the bench")

    def test_batches_are_numbered_from_one_and_all_else_is_text_or_exact(
        self, bench: Bench
    ) -> None:
        bench.put("a", ROWS)
        [(_, found)] = Loader(bench).pull()
        assert found is not None
        assert found["source_row"].to_pylist() == [1, 2]
        assert found.schema.field("source_row").type == pa.int64()
        assert [f for f in found.schema if not is_exact(f.type)] == []
        for name in ROWS[0]:
            assert column(found, name) == [row[name] for row in ROWS]

    def test_deliveries_come_in_one_order_with_distinct_hashes(self, bench: Bench) -> None:
        for number, name in enumerate(("b", "c", "a")):
            bench.put(name, [{**ROWS[0], "id": str(number)}])
        pulled = Loader(bench).pull()
        names = [file.name for file, _ in pulled]
        assert names == sorted(names)
        assert len({file.content_sha256 for file, _ in pulled}) == len(pulled)
        assert sorted(i for _, t in pulled for i in column(t, "id") if i) == ["0", "1", "2"]
        assert Loader(bench).pull() == pulled

    def test_a_second_pull_without_a_commit_repeats_the_first(self, bench: Bench) -> None:
        bench.put("a", ROWS)
        loader = Loader(bench)
        first = loader.pull(commit=False)
        assert loader.pull(commit=False) == first
        assert [i for _, table in first for i in column(table, "id")] == ["1", "2"]

    def test_a_second_read_gives_the_same_records(self, bench: Bench) -> None:
        bench.put("a", ROWS)
        source = bench.source()
        tables = [
            (records(source, file), records(bench.source(), file)) for file in source.pending()
        ]
        [(first, second)] = tables
        assert first == second

    def test_a_read_that_was_cut_off_starts_again_from_the_first_record(self, bench: Bench) -> None:
        bench.put("a", ROWS)
        source = bench.source()
        seen = []
        for file in source.pending():
            cut = source.read(file)
            next(cut)
            del cut
            seen.append(records(source, file))
        [again] = seen
        assert again is not None
        assert again["source_row"].to_pylist() == [1, 2]

    def test_a_new_source_resumes_after_what_was_committed(self, bench: Bench) -> None:
        bench.put("a", ROWS)
        loader = Loader(bench)
        assert loader.ids() == ["1", "2"]
        assert [i for i in loader.ids() if i not in bench.read_again] == []
        bench.put("b", LATER)
        assert [i for i in loader.ids() if i not in bench.read_again] == ["3"]

    def test_nothing_to_read_is_no_delivery_and_no_error(self, bench: Bench) -> None:
        assert Loader(bench).pull() == []

    def test_a_delivery_without_records_gives_no_rows(self, bench: Bench) -> None:
        bench.put("a", [])
        assert all(table is None for _, table in Loader(bench).pull())

    def test_a_later_delivery_reads_with_the_columns_it_has(self, bench: Bench) -> None:
        bench.put("a", ROWS)
        loader = Loader(bench)
        loader.pull()
        bench.put("b", DRIFTED)
        pulled = [
            (i, region, tokens)
            for _, table in loader.pull()
            for i, region, tokens in zip(
                column(table, "id"), column(table, "region"), column(table, "tokens"), strict=True
            )
        ]
        assert [row for row in pulled if row[0] not in bench.read_again] == [("4", "eu", None)]

    def test_a_fault_in_the_middle_delivers_nothing_and_the_next_try_works(
        self, bench: Bench
    ) -> None:
        bench.put_broken("a")
        loader = Loader(bench)
        with pytest.raises((SourceRejected, SourceUnavailable)):
            loader.pull()
        assert (loader.cursors, loader.hashes) == ([], set())
        bench.put("a", ROWS)
        assert loader.ids() == ["1", "2"]

    @pytest.mark.slow
    def test_memory_does_not_follow_the_size_of_a_delivery(self, bench: Bench) -> None:
        bench.put_many(MANY)
        rows, megabytes = measured(*bench.script())
        assert rows == MANY
        assert megabytes < self.megabytes


class SeparateFiles(Conformance):
    """Claims where every put is a delivery of its own."""

    def test_a_fault_refuses_that_delivery_and_no_other(self, bench: Bench) -> None:
        bench.put_broken("a")
        bench.put("b", ROWS)
        source = bench.source()
        outcomes: list[list[str | None]] = []
        for file in source.pending():
            try:
                outcomes.append(column(records(source, file), "id"))
            except SourceRejected as error:
                outcomes.append([str(error)])
                broken = file.name
        [[sentence], ids] = outcomes
        assert f"file {broken!r}" in str(sentence)
        assert ids == ["1", "2"]


class Remote(Conformance):
    """Claims where deliveries are fetched over a network into a spool."""

    @staticmethod
    def left(bench: RemoteBench) -> list[str]:
        return sorted(path.name for path in bench.spool.rglob("*") if not path.is_dir())

    def test_a_delivery_is_gone_from_the_spool_when_the_next_is_asked_for(
        self, bench: RemoteBench
    ) -> None:
        bench.put("a", ROWS)
        for file in bench.source().pending():
            assert self.left(bench) == [file.path.name]
        assert self.left(bench) == []

    def test_a_fault_in_the_middle_leaves_no_file(self, bench: RemoteBench) -> None:
        bench.put_broken("a")
        with pytest.raises((SourceRejected, SourceUnavailable)):
            Loader(bench).pull()
        assert self.left(bench) == []

    def test_a_cancelled_pull_leaves_no_file_and_the_next_starts_again(
        self, bench: RemoteBench
    ) -> None:
        bench.put("a", ROWS)
        source = bench.source()
        pending = source.pending()
        reading = source.read(next(pending))
        next(reading)
        reading.close()  # type: ignore[attr-defined]
        pending.close()  # type: ignore[attr-defined]
        assert self.left(bench) == []
        assert Loader(bench).ids() == ["1", "2"]

    @pytest.mark.slow
    def test_a_server_that_never_answers_is_unavailable_and_not_waited_for(
        self, bench: RemoteBench
    ) -> None:
        def pull() -> None:
            with silent_server() as port, pytest.raises(SourceUnavailable):
                list(bench.source_at(port).pending())

        ends(pull)
        assert self.left(bench) == []
