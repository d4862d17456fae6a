"""What every connector must do; a connector's tests subclass Conformance and give a `bench`."""

from typing import Protocol

import pyarrow as pa
import pytest

from connectors.protocols import SourceFile, UsageSource
from meterhouse.errors import SourceRejected, SourceUnavailable

Rows = list[dict[str, str]]


class Bench(Protocol):
    """A system that stands behind a connector, and how a test fills it."""

    def source(self) -> UsageSource:
        """A new source, without memory of others."""
        ...

    def put(self, name: str, rows: Rows) -> None:
        """One file with these records; a second put of the same name replaces it."""
        ...

    def put_broken(self, name: str) -> None:
        """One file with good records, then a fault that refuses the file."""
        ...


ROWS: Rows = [
    {"id": "1", "time": "2026-01-31T23:59:59.1234567Z", "tokens": "1.10"},
    {"id": "2", "time": "2026-02-01T00:00:00Z", "tokens": "1234567890123456789012345"},
]


def records(source: UsageSource, file: SourceFile) -> pa.Table | None:
    batches = list(source.read(file))
    return pa.Table.from_batches(batches).combine_chunks() if batches else None


class Conformance:
    @pytest.fixture
    def bench(self) -> Bench:
        raise NotImplementedError("a connector's tests give the bench")

    def test_batches_are_numbered_from_one_and_all_else_is_text(self, bench: Bench) -> None:
        bench.put("a", ROWS)
        [file] = bench.source().pending()
        found = records(bench.source(), file)
        assert found is not None
        assert found["source_row"].to_pylist() == [1, 2]
        assert found.schema.field("source_row").type == pa.int64()
        assert {f.type for f in found.schema if f.name != "source_row"} == {pa.string()}

    def test_files_come_in_one_order_with_distinct_hashes(self, bench: Bench) -> None:
        for name in ("b", "c", "a"):
            bench.put(name, [{**ROWS[0], "id": name}])
        files = list(bench.source().pending())
        assert [file.name for file in files] == sorted(file.name for file in files)
        assert len({file.content_sha256 for file in files}) == 3
        assert files == list(bench.source().pending())

    def test_a_second_read_gives_the_same_records(self, bench: Bench) -> None:
        bench.put("a", ROWS)
        source = bench.source()
        [file] = source.pending()
        assert records(source, file) == records(bench.source(), file)

    def test_a_read_that_was_cut_off_starts_again_from_the_first_record(self, bench: Bench) -> None:
        bench.put("a", ROWS)
        source = bench.source()
        [file] = source.pending()
        cut = source.read(file)
        next(cut)
        del cut
        again = records(source, file)
        assert again is not None
        assert again["source_row"].to_pylist() == [1, 2]

    def test_a_new_source_resumes_by_hashes_that_are_known(self, bench: Bench) -> None:
        bench.put("a", ROWS)
        known = {file.content_sha256 for file in bench.source().pending()}
        bench.put("b", ROWS[:1])
        fresh = [f for f in bench.source().pending() if f.content_sha256 not in known]
        assert len(fresh) == 1

    def test_nothing_to_read_is_no_error(self, bench: Bench) -> None:
        assert list(bench.source().pending()) == []

    def test_a_file_without_records_gives_no_rows(self, bench: Bench) -> None:
        bench.put("a", [])
        source = bench.source()
        assert [records(source, file) for file in source.pending()] == [None]

    def test_a_file_changed_since_it_was_listed_is_unavailable(self, bench: Bench) -> None:
        bench.put("a", ROWS)
        source = bench.source()
        [file] = source.pending()
        bench.put("a", ROWS[:1])
        with pytest.raises(SourceUnavailable, match="still being written"):
            records(source, file)

    def test_a_fault_in_the_middle_refuses_that_file_and_no_other(self, bench: Bench) -> None:
        bench.put_broken("a")
        bench.put("b", ROWS)
        source = bench.source()
        broken, good = source.pending()
        with pytest.raises(SourceRejected, match=broken.name):
            records(source, broken)
        assert records(source, good) is not None
