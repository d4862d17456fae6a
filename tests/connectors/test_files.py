"""Files of a folder: what is read, what is refused, and in which words."""

import datetime as dt
import gzip
import hashlib
import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from connectors.delimited import CsvDialect
from connectors.files import FilesSource
from connectors.formats import Reading
from connectors.limits import Limits
from connectors.protocols import SourceFile
from meterhouse.duck import identifier
from meterhouse.errors import SourceRejected, SourceUnavailable, UsageError
from meterhouse.run.mapping import text_of
from tests.connectors.conformance import (
    ROWS,
    Bench,
    Rows,
    SeparateFiles,
    column,
    records,
    wide_row,
)

FORMATS = ["csv", "csv.gz", "ndjson", "ndjson.gz", "parquet"]
LITERALS: Rows = [
    {"id": "1", "time": "2026-01-31T23:59:59.1234567Z", "tokens": "1.10", "note": 'a "b", c'},
    {"id": "2", "time": "2026-02-01T00:00:00Z", "tokens": "1.1", "note": "é😀"},
    {"id": "3", "time": "x", "tokens": "1234567890123456789012345", "note": ""},
    {"id": "4", "time": "-1", "tokens": "-0.000000000000000001", "note": "two\nlines \\ 5, -7"},
]


def encode(rows: Rows, kind: str) -> bytes:
    if kind.endswith(".gz"):
        return gzip.compress(encode(rows, kind.removesuffix(".gz")))
    if kind == "csv":
        quoted = [[v.replace('"', '""') for v in row.values()] for row in rows]
        names = ",".join(rows[0] if rows else ROWS[0])
        return "\n".join([names, *('"' + '","'.join(q) + '"' for q in quoted)]).encode()
    if kind == "ndjson":
        return "\n".join(_json_line(row) for row in rows).encode()
    sink = pa.BufferOutputStream()
    schema = pa.schema([(name, pa.string()) for name in ROWS[0]]) if not rows else None
    pq.write_table(pa.Table.from_pylist(rows, schema), sink, write_page_checksum=True)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def _json_line(row: dict[str, str]) -> str:
    """Tokens as a bare number, as senders write it."""
    texts = [f"{json.dumps(k)}:{v if k == 'tokens' else json.dumps(v)}" for k, v in row.items()]
    return "{" + ",".join(texts) + "}"


def only(folder: Path, **settings: Any) -> pa.Table | None:
    source = FilesSource("test", folder, reading=Reading(**settings))
    [file] = source.pending()
    return records(source, file)


def refused(folder: Path, name: str, content: bytes, **settings: Any) -> str:
    (folder / name).write_bytes(content)
    with pytest.raises(SourceRejected) as caught:
        only(folder, **settings)
    sentence = str(caught.value)
    assert sentence.startswith("Source 'test' was refused: file ")
    assert name in sentence
    return sentence


def as_rows(table: pa.Table, names: list[str]) -> list[dict[str, str | None]]:
    columns = [column(table, name) for name in names]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def as_texts(table: pa.Table) -> list[dict[str, str | None]]:
    """The rows as a load reads them: exact types spelled by DuckDB, all others as they came."""
    with duckdb.connect() as db:
        db.execute("set timezone = 'UTC'")
        db.register("given", table)
        kinds = db.execute("describe given").fetchall()
        texts = ", ".join(f'{text_of(identifier(n), kind)} as "{n}"' for n, kind, *_ in kinds)
        return db.execute(f"select {texts} from given").to_arrow_table().to_pylist()


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_the_same_text(tmp_path: Path, kind: str) -> None:
    (tmp_path / f"usage.{kind}").write_bytes(encode(LITERALS, kind))
    table = only(tmp_path)
    assert table is not None
    assert table["source_row"].to_pylist() == [1, 2, 3, 4]
    assert as_rows(table, list(LITERALS[0])) == LITERALS


class FolderBench:
    read_again = ()

    def __init__(self, folder: Path, kind: str) -> None:
        self.folder, self.kind = folder, kind

    def source(self) -> FilesSource:
        return FilesSource("folder", self.folder)

    def put(self, name: str, rows: Rows) -> None:
        (self.folder / f"{name}.{self.kind}").write_bytes(encode(rows, self.kind))

    def put_broken(self, name: str) -> None:
        good = encode(ROWS, self.kind.removesuffix(".gz"))
        if self.kind == "parquet":
            at = good.index(ROWS[0]["time"].encode())
            bad = good[:at] + b"X" + good[at + 1 :]
        else:
            bad = good + b"\n\xff,\xff,\xff\n"
        packed = gzip.compress(bad) if self.kind.endswith(".gz") else bad
        (self.folder / f"{name}.{self.kind}").write_bytes(packed)

    def put_many(self, count: int) -> None:
        path = self.folder / f"many.{self.kind}"
        if self.kind == "parquet":
            schema = pa.schema([(name, pa.string()) for name in wide_row(0)])
            with pq.ParquetWriter(path, schema) as writer:
                for start in range(0, count, 10_000):
                    rows = [wide_row(i) for i in range(start, min(count, start + 10_000))]
                    writer.write_table(pa.Table.from_pylist(rows, schema))
            return
        opened = gzip.open if self.kind.endswith(".gz") else open
        with opened(path, "wt") as file:
            for number in range(count):
                text = encode([wide_row(number)], self.kind.removesuffix(".gz")).decode()
                header_is_known = number > 0 and self.kind.startswith("csv")
                file.write((text.partition("\n")[2] if header_is_known else text) + "\n")

    def script(self) -> tuple[str, list[str]]:
        return FOLDER_SCRIPT, [str(self.folder)]


FOLDER_SCRIPT = """
from pathlib import Path
from connectors.files import FilesSource
source = FilesSource("folder", Path(sys.argv[1]))
"""


class TestFilesConform(SeparateFiles):
    @pytest.fixture(params=FORMATS)
    def bench(self, tmp_path: Path, request: pytest.FixtureRequest) -> Bench:
        return FolderBench(tmp_path, request.param)

    def test_a_file_changed_since_it_was_listed_is_unavailable(self, bench: Bench) -> None:
        bench.put("a", ROWS)
        source = bench.source()
        [file] = source.pending()
        bench.put("a", ROWS[:1])
        with pytest.raises(SourceUnavailable, match="still being written"):
            records(source, file)

    def test_a_new_source_resumes_by_hashes_that_are_known(self, bench: Bench) -> None:
        bench.put("a", ROWS)
        known = {file.content_sha256 for file in bench.source().pending()}
        bench.put("b", ROWS[:1])
        fresh = [f for f in bench.source().pending() if f.content_sha256 not in known]
        assert len(fresh) == 1


def test_a_renamed_or_gzipped_copy_is_the_same_file(tmp_path: Path) -> None:
    text = encode(ROWS, "csv")
    (tmp_path / "a.csv").write_bytes(text)
    (tmp_path / "b.csv").write_bytes(text)
    (tmp_path / "c.csv.gz").write_bytes(gzip.compress(text[:30]) + gzip.compress(text[30:]))
    files = list(FilesSource("test", tmp_path).pending())
    assert [file.name for file in files] == ["a.csv", "b.csv", "c.csv.gz"]
    assert {file.content_sha256 for file in files} == {hashlib.sha256(text).hexdigest()}
    assert {file.bytes for file in files} == {len(text)}
    tables = [records(FilesSource("test", tmp_path), file) for file in files]
    assert tables[0] == tables[1] == tables[2]


CSV_REFUSALS: list[tuple[bytes, list[str]]] = [
    (b'a,b\n1\n\n"p\nq",2,3\n1,2\n', ["line 2 has 1 column\n", "line 4 has 3 columns"]),
    (b'a,b\n1,2\n3,"4\n5,6\n', ["line 3 opens a quote that is never closed"]),
    (b'a,b\n1\n3,"4', ["line 2 has 1 column\n", "line 3 opens a quote that is never closed"]),
    (b'"a,b\n1,2\n', ["the header", "never closed"]),
    (b"a,a,\n1,2,3\n", ["names twice: 'a'", "a column without a name"]),
    (b"a,source_row\n1,2\n", ["'source_row', which is reserved"]),
    (b"a;b\n1;2\n", ["set the delimiter to ';'"]),
    (b"a\tb\n1\t2\n", ["set the delimiter to '\\t'"]),
    (b"a,b\n1,2\n1,\x00\n", ["line 3 holds a NUL byte"]),
    (b"a,b\n1,2\n1,\xe9\n", ["line 3 is not UTF-8 text (byte 0xe9); save it as UTF-8"]),
    (b"a,b\n1,\xc3", ["line 2 is not UTF-8"]),
    ("a,b\n1,2\n".encode("utf-16"), ["is UTF-16 text; save it as UTF-8"]),
    (gzip.compress(b"a,b\n1,2\n", mtime=0), ["does not end in .gz; rename it"]),
]


@pytest.mark.parametrize(("content", "sentences"), CSV_REFUSALS)
def test_csv_that_would_be_misread_is_refused(
    tmp_path: Path, content: bytes, sentences: list[str]
) -> None:
    message = refused(tmp_path, "a.csv", content)
    assert all(sentence in message for sentence in sentences), message


def test_ragged_rows_beyond_twenty_are_counted(tmp_path: Path) -> None:
    message = refused(tmp_path, "a.csv", b"a,b\n" + b"1\n" * 50)
    assert message.count("has 1 column") in (19, 20)
    assert message.count("\n  - ") <= 21
    assert "more" in message


def test_a_ragged_file_with_a_field_too_long_to_locate_names_its_records(tmp_path: Path) -> None:
    message = refused(tmp_path, "a.csv", b"a,b\n1,2\n3\n" + b"x" * 200_000 + b",1\n")
    assert "record 2 has 1 column" in message


def test_csv_keeps_empty_fields_marks_and_line_ends(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b'\xef\xbb\xbfa,"b\nc"\r\n NA,\r\n"",x\r\nnull,"1\r\n2"')
    table = only(tmp_path)
    assert table is not None
    assert table.column_names == ["source_row", "a", "b\nc"]
    assert table["a"].to_pylist() == [" NA", "", "null"]
    assert table["b\nc"].to_pylist() == ["", "x", "1\r\n2"]


def test_another_delimiter_may_be_set_and_one_that_cannot_work_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"a;b\n1;2,3\n")
    table = only(tmp_path, csv=CsvDialect(";"))
    assert table is not None
    assert table["b"].to_pylist() == ["2,3"]
    with pytest.raises(UsageError, match="cannot work"):
        CsvDialect('"')


GOOD_LINES = {
    '{"a":1.10,"b":[1,-2e10,"x1\\" 2"],"c":{"d":true}}': (
        '{"a":"1.10","b":["1","-2e10","x1\\" 2"],"c":{"d":true}}'
    ),
    ' {"a" :\t0.0 } ': ' {"a" :\t"0.0" } ',
    '{"a":{"b":1},"b":{"b":2}}': '{"a":{"b":"1"},"b":{"b":"2"}}',
    '{"sv":"v:s,}"}': '{"sv":"v:s,}"}',
    '{"a":' + "[" * 63 + "]" * 63 + "}": '{"a":' + "[" * 63 + "]" * 63 + "}",
    '{"a":[' + "[]," * 99 + "[]]}": '{"a":[' + "[]," * 99 + "[]]}",
}
BAD_LINES = [
    *("plain", "[1]", "null", "5", '"x"', '{"a":1', '{"a":1}x', '{"a":1}{"b":2}', "{a:1}"),
    *('{"a":01}', '{"a":1.}', '{"a":.5}', '{"a":+1}', '{"a":1-2}', '{"a":1e}', '{"a":5 6}'),
    *('{"a":NaN}', '{"a":-Infinity}', '{"a":1,}', '{"a":[1,]}', "{5:1}", "{true:1}", '{"a":s}'),
    *('{"a":"x"5}', '{"a":5"x"}', '{"a":"\\ud800"}', '{"a":"\\x"}', '{"a":"\t"}', '{"a":"\x01"}'),
    *('{"a":1\x01}', '{"a":"\0"}', '{"a":1,"a":2}', '{"a":1,"\\u0061":2}', '{"a":/*1*/1}'),
    '{"a":' + "[" * 64 + "]" * 64 + "}",
    "[" * 100_000,
]


def test_ndjson_numbers_keep_their_text(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_text("\ufeff" + "\r\n\r\n".join(GOOD_LINES))
    table = only(tmp_path)
    assert table is not None
    assert table["line"].to_pylist() == list(GOOD_LINES.values())
    assert table["bad_line"].null_count == len(GOOD_LINES)


def test_a_bad_line_is_kept_apart_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("\n".join([*BAD_LINES, "", '{"a":1}']))
    table = only(tmp_path)
    assert table is not None
    assert table["bad_line"].to_pylist() == [*BAD_LINES, None]
    assert table["line"].to_pylist() == [None] * len(BAD_LINES) + ['{"a":"1"}']
    assert table["source_row"].to_pylist() == list(range(1, len(BAD_LINES) + 2))


def test_ndjson_of_many_blocks_is_numbered_through(tmp_path: Path) -> None:
    count = 40_000
    (tmp_path / "a.ndjson").write_text(
        "".join(f'{{"n":{i},"x":"{"y" * 80}"}}\n' for i in range(count))
    )
    table = only(tmp_path)
    assert table is not None
    assert table["source_row"].to_pylist() == list(range(1, count + 1))
    assert table["line"][-1].as_py().startswith(f'{{"n":"{count - 1}"')


@pytest.mark.parametrize("name", ["a.csv", "a.ndjson"])
def test_a_line_past_the_limit_is_refused(tmp_path: Path, name: str) -> None:
    content = b"a\n1\n" + b"x" * 5_000
    message = refused(tmp_path, name, content, limits=Limits(max_line_bytes=2_000))
    assert "line 3 is longer than 2000 bytes" in message


def test_a_csv_record_of_many_lines_past_the_limit_is_refused(tmp_path: Path) -> None:
    content = b'a\n1\n"' + b"x\n" * 5_000 + b'"\n'
    message = refused(tmp_path, "a.csv", content, limits=Limits(max_line_bytes=2_000))
    assert "holds a record longer than 2000 bytes; a quote may be left open" in message


def test_too_many_columns_and_bytes_are_refused(tmp_path: Path) -> None:
    message = refused(tmp_path, "a.csv", b"a,b,c\n", limits=Limits(max_columns=2))
    assert "has 3 columns, more than 2" in message
    message = refused(tmp_path, "a.csv", b"a\n" * 50, limits=Limits(max_bytes_unpacked=99))
    assert "longer than 99 bytes unpacked; split it or raise max_bytes_unpacked" in message
    with pytest.raises(UsageError, match="max_columns"):
        Limits(max_columns=0)


def test_gzip_that_is_damaged_cut_or_nested_is_refused(tmp_path: Path) -> None:
    packed = gzip.compress(encode(ROWS, "csv") * 9)
    assert "ends too early" in refused(tmp_path, "a.csv.gz", packed[:-9])
    flipped = packed[:-6] + bytes([packed[-6] ^ 1]) + packed[-5:]
    assert "is damaged gzip (CRC check failed" in refused(tmp_path, "a.csv.gz", flipped)
    assert "is damaged gzip" in refused(tmp_path, "a.csv.gz", b"a,b\n")
    assert "packed with gzip twice" in refused(tmp_path, "a.csv.gz", gzip.compress(packed))
    (tmp_path / "a.csv.gz").unlink()
    assert "packed with gzip twice" in refused(tmp_path, "a.csv.gz.gz", packed)


def test_a_gzip_bomb_is_refused_long_before_its_end(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "a.csv.gz", "wb", compresslevel=1) as packed:
        for _ in range(200):
            packed.write(bytes(1024 * 1024))
    read: list[int] = []
    with pytest.raises(SourceRejected, match="unpacks to more than 100 times"):
        read.extend(file.bytes for file in FilesSource("test", tmp_path).pending())
    assert read == []


@pytest.mark.parametrize("name", ["a.csv", "a.ndjson", "a.parquet", "a.csv.gz"])
def test_an_empty_file_has_no_records(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(b"", mtime=0) if name.endswith("gz") else b"")
    assert only(tmp_path) is None


def test_a_header_alone_and_blank_lines_alone_have_no_records(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"a,b")
    assert only(tmp_path) is None
    (tmp_path / "a.csv").rename(tmp_path / "a.ndjson")
    (tmp_path / "a.ndjson").write_bytes(b"\n \r\n\n")
    assert only(tmp_path) is None


def test_typed_parquet_columns_have_one_plain_spelling(tmp_path: Path) -> None:
    instant = dt.datetime(2026, 1, 31, 23, 59, 59, 120000)  # noqa: DTZ001 (zoned below)
    columns: dict[str, tuple[pa.Array, str]] = {
        "i": (pa.array([-5], pa.int64()), "-5"),
        "u": (pa.array([2**64 - 1], pa.uint64()), "18446744073709551615"),
        "b": (pa.array([True]), "true"),
        "tiny": (pa.array([Decimal("0.00000001")], pa.decimal128(38, 8)), "0.00000001"),
        "less": (pa.array([Decimal("-1.10")], pa.decimal128(9, 2)), "-1.10"),
        "half": (pa.array([Decimal("-0.5")], pa.decimal128(3, 1)), "-0.5"),
        "wide": (
            pa.array([Decimal("1e30")], pa.decimal256(60, 20)),
            "1" + "0" * 30 + "." + "0" * 20,
        ),
        "whole": (pa.array([Decimal(70)], pa.decimal128(38, 0)), "70"),
        "f": (pa.array([0.1]), "0.1"),
        "f32": (pa.array([0.1], pa.float32()), "0.1"),
        "d": (pa.array([instant.date()]), "2026-01-31"),
        "ms": (pa.array([instant], pa.timestamp("ms")), "2026-01-31 23:59:59.120000"),
        "us": (
            pa.array([instant], pa.timestamp("us", "Europe/Paris")),
            "2026-01-31 23:59:59.120000+00:00",
        ),
        "ns": (pa.array([1], pa.timestamp("ns")), "1970-01-01 00:00:00.000000001"),
        "cat": (pa.array(["x"]).dictionary_encode(), "x"),
    }
    table = pa.table(
        {name: pa.concat_arrays([a, pa.nulls(1, a.type)]) for name, (a, _) in columns.items()}
    )
    pq.write_table(table, tmp_path / "a.parquet")
    found = only(tmp_path)
    assert found is not None
    expected = {name: text for name, (_, text) in columns.items()}
    assert as_texts(found.drop_columns("source_row")) == [expected, dict.fromkeys(expected)]
    exact = {f.name for f in found.schema if f.type != pa.string()} - {"source_row"}
    assert exact == {"i", "u", "b", "tiny", "less", "half", "whole", "ms", "us"}


def test_parquet_columns_without_a_text_are_all_named(tmp_path: Path) -> None:
    table = pa.table(
        {
            "s": pa.array([{"x": 1}]),
            "l": pa.array([[1]]),
            "bytes": pa.array([b"x"]),
            "length": pa.array([1], pa.duration("s")),
            "source_row": pa.array([1]),
            "fine": pa.array([1]),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    message = refused(tmp_path, "a.parquet", (tmp_path / "a.parquet").read_bytes())
    for fault in ("'s' is nested", "'l' is nested", "'bytes' holds bytes", "'length' is a length"):
        assert fault in message
    assert "'source_row' has a reserved name" in message
    assert "fine" not in message


def test_parquet_that_is_damaged_or_too_large_is_refused(tmp_path: Path) -> None:
    good = encode(ROWS, "parquet")
    at = good.index(ROWS[0]["time"].encode())
    message = refused(tmp_path, "a.parquet", good[:at] + b"X" + good[at + 1 :])
    assert "is damaged Parquet" in message
    assert "CRC" in message
    assert "send it again" in refused(tmp_path, "a.parquet", good[:-20])
    limited = refused(tmp_path, "a.parquet", good, limits=Limits(max_row_group_bytes=50))
    assert "row group 0 holds" in limited
    assert "write smaller row groups" in limited
    (tmp_path / "a.parquet").unlink()
    assert "gzipped Parquet" in refused(tmp_path, "a.parquet.gz", gzip.compress(good))


def test_only_whole_regular_files_of_the_folder_are_listed(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "below.csv").mkdir()
    for name in (".a.csv", "~a.csv", "a.csv~", "a.csv.tmp", "a.csv.PART", "b.csv", "c.ndjson"):
        (folder / name).write_bytes(b"")
    assert [f.name for f in FilesSource("test", folder).pending()] == ["b.csv", "c.ndjson"]
    assert [f.name for f in FilesSource("test", folder, pattern="*.csv").pending()] == ["b.csv"]


def test_links_pipes_and_unknown_suffixes_are_refused_together_after_the_good(
    tmp_path: Path,
) -> None:
    (tmp_path / "z.csv").write_bytes(b"a\n1\n")
    (tmp_path / "link.csv").symlink_to(tmp_path / "z.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "a.pdf").write_bytes(b"")
    listed: list[str] = []
    with pytest.raises(SourceRejected) as caught:
        listed.extend(file.name for file in FilesSource("test", tmp_path).pending())
    assert listed == ["z.csv"]
    message = str(caught.value)
    assert "'link.csv' is a symbolic link" in message
    assert "'pipe.csv' is not a regular file" in message
    assert "'a.pdf' has no known suffix" in message


@pytest.mark.parametrize("name", ["../secret.csv", "/secret.csv", ".hidden.csv"])
def test_a_name_that_leaves_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "secret.csv").write_bytes(b"a\n1\n")
    file = SourceFile(name, folder / name, "0" * 64, 4)
    with pytest.raises(SourceRejected, match="not a file of the folder"):
        list(FilesSource("test", folder).read(file))


def test_a_file_swapped_for_a_link_is_refused_and_a_lost_one_is_unavailable(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.csv").write_bytes(b"a\n1\n")
    source = FilesSource("test", folder)
    [file] = source.pending()
    (folder / "a.csv").rename(tmp_path / "a.csv")
    with pytest.raises(SourceUnavailable, match="cannot be read"):
        list(source.read(file))
    (folder / "a.csv").symlink_to(tmp_path / "a.csv")
    with pytest.raises(SourceRejected, match="symbolic link"):
        list(source.read(file))


@pytest.mark.parametrize("kind", ["csv", "ndjson"])
def test_a_file_written_while_it_is_read_is_unavailable(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"a.{kind}"
    path.write_bytes(encode([{**ROWS[0], "pad": "x" * 1000}] * 30_000, kind))
    source = FilesSource("test", tmp_path)
    [file] = source.pending()
    reading = source.read(file)
    next(reading)
    with path.open("ab") as more:
        more.write(b"\nhalf a rec")
    with pytest.raises(SourceUnavailable, match="still being written"):
        list(reading)


def test_a_missing_folder_is_unavailable_and_bad_settings_are_said(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match="cannot be listed"):
        list(FilesSource("test", tmp_path / "none").pending())
    with pytest.raises(UsageError, match="choose one of csv, ndjson, parquet"):
        FilesSource("test", tmp_path, reading=Reading(format="xml"))
    with pytest.raises(UsageError, match="pattern"):
        FilesSource("test", tmp_path, pattern="../*")


def test_a_format_may_be_set_for_names_without_a_known_suffix(tmp_path: Path) -> None:
    (tmp_path / "usage.log.gz").write_bytes(gzip.compress(b'{"a":1}'))
    table = only(tmp_path, format="ndjson")
    assert table is not None
    assert table["line"].to_pylist() == ['{"a":"1"}']
