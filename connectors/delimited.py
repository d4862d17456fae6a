"""CSV as text: no type is guessed, no row is dropped, no value is changed."""

import csv
import io
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
import pyarrow.csv as pc

from connectors.csv_faults import Ragged, explain
from connectors.limits import Limits
from connectors.origin import Origin
from connectors.protocols import SourceFile
from connectors.text import utf8
from connectors.unpacking import verified
from meterhouse.errors import UsageError

# NUL is refused in the file, so no row of it can be this one. It is put behind the last row; when
# it does not come back as a row, a quote was left open (Arrow itself says nothing then).
END = "\0end"
# Arrow's threads let go within milliseconds of the end; one that hangs must not hang a load.
LETS_GO_SECONDS = 10


@dataclass(frozen=True)
class CsvDialect:
    """How values are separated; quotes are doubled inside quotes, as in RFC 4180."""

    delimiter: str = ","

    def __post_init__(self) -> None:
        if len(self.delimiter) != 1 or self.delimiter in '"\r\n\0' or not self.delimiter.isascii():
            raise UsageError(
                f"CSV delimiter {self.delimiter!r} cannot work; give one ASCII character."
            )


def read_csv(
    origin: Origin, file: SourceFile, limits: Limits, dialect: CsvDialect
) -> Iterator[pa.RecordBatch]:
    """The rows below the header, every column a string; an empty field is the empty string."""
    feed = _Feed(utf8(origin, verified(origin, file, limits), limits, refuse_nul=True))
    header_line = feed.header(origin, limits)
    if header_line is None:
        return
    columns = header(origin, header_line, limits, dialect)
    ragged = Ragged()
    is_closed, row = False, 1
    # One batch is held back: the last row of the last batch is END, not a record.
    for batch in _batches(origin, feed, columns, limits, dialect, ragged):
        if not batch.num_rows:
            continue
        is_closed = batch.column(0)[-1].as_py() == END
        batch = batch.slice(0, batch.num_rows - 1) if is_closed else batch
        if batch.num_rows and not ragged.count and (is_closed or not _swallowed(batch)):
            yield _numbered(batch, row)
        row += batch.num_rows
    if ragged.count or not is_closed:
        raise explain(origin, file.path, dialect.delimiter, len(columns), ragged, is_closed)


def header(origin: Origin, line: str, limits: Limits, dialect: CsvDialect) -> list[str]:
    """The column names of a header line; all faults of them at once."""
    names = next(csv.reader([line], delimiter=dialect.delimiter), [""])
    faults = []
    if any(not name.strip() for name in names):
        faults.append("has a column without a name")
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        faults.append("names twice: " + ", ".join(map(repr, repeated)))
    if "source_row" in names:
        faults.append("names a column 'source_row', which is reserved")
    if len(names) > limits.max_columns:
        faults = [f"has {len(names)} columns, more than {limits.max_columns}"]
    if len(names) == 1 and (others := [mark for mark in ";\t|," if mark in names[0]]):
        faults.append(f"has one column but holds {others[0]!r}; set the delimiter to {others[0]!r}")
    if faults:
        raise origin.rejected(f"(the header) {'; '.join(faults)}", line=1)
    return names


class _Piece(bytearray):
    """Bytes that Arrow holds, and with them what they came from."""

    lent: "_Lent | None" = None


class _Feed:
    """Pieces of text as the file that Arrow reads; keeps the fault that ended it."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""
        self._last = b"\n"
        self._tail: bytes | None = b""
        self.fault: BaseException | None = None
        self.lent: Callable[[], _Lent | None] = lambda: None

    def header(self, origin: Origin, limits: Limits) -> str | None:
        """The first record, taken off the feed; None for a file without a byte."""
        while True:
            if (end := _record_end(self._rest)) is not None:
                line, self._rest = self._rest[:end], self._rest[end:]
                self._last = self._rest[-1:] or b"\n"
                return line.decode().rstrip("\r\n")
            piece = next(self._pieces, b"")
            if not piece:
                break
            self._rest += piece
            if len(self._rest) > limits.max_line_bytes:
                raise origin.rejected("(the header) has no end; is a quote left open?", line=1)
        if self._rest.count(b'"') % 2:
            raise origin.rejected("(the header) opens a quote that is never closed", line=1)
        line, self._rest = self._rest, b""
        return line.decode() or None

    def end_with(self, columns: int, delimiter: str) -> None:
        """Put the END row behind the last one."""
        self._tail = (END + delimiter * (columns - 1) + "\n").encode()

    def readable(self) -> bool:
        return True

    def read(self, size: int) -> _Piece:
        """The next bytes, at most so many; none at the end."""
        try:
            if not self._rest:
                self._rest = self._next()
        except BaseException as error:
            self.fault = error
            raise
        piece = _Piece(self._rest[:size])
        self._rest = self._rest[size:]
        piece.lent = self.lent()
        return piece

    def _next(self) -> bytes:
        if piece := next(self._pieces, b""):
            self._last = piece[-1:]
            return piece
        tail, self._tail = self._tail, None
        return b"" if tail is None else (b"" if self._last == b"\n" else b"\n") + tail


class _Lent(io.RawIOBase):
    """A feed and a handler as Arrow's threads hold them: gone when all is, each piece included.

    No frame of it stands in a traceback, which would keep it.
    """

    def __init__(self, feed: _Feed, ragged: Ragged) -> None:
        self.read = feed.read  # type: ignore[assignment, method-assign]
        self.readable = feed.readable  # type: ignore[method-assign]
        self._ragged = ragged

    def note(self, row: pc.InvalidRow) -> Literal["skip", "error"]:
        return self._ragged.note(row)


def _record_end(text: bytes) -> int | None:
    """Where the first record ends: behind a line end with as many quotes open as closed."""
    start = 0
    while (end := text.find(b"\n", start)) >= 0:
        if text.count(b'"', 0, end) % 2 == 0:
            return end + 1
        start = end + 1
    return None


def _batches(
    origin: Origin,
    feed: _Feed,
    columns: list[str],
    limits: Limits,
    dialect: CsvDialect,
    ragged: Ragged,
) -> Iterator[pa.RecordBatch]:
    """Rows as Arrow cuts them; returns when Arrow's threads have let go of ours.

    They need the interpreter to read, to note and to let go; if it ends meanwhile, they abort the
    process.
    """
    feed.end_with(len(columns), dialect.delimiter)
    own = [_Lent(feed, ragged)]
    feed.lent = held = weakref.ref(own[0])
    reader = None
    try:
        reader = pc.open_csv(
            own[0],
            read_options=pc.ReadOptions(
                column_names=columns,
                # Row numbers reach the handler only without threads.
                use_threads=False,
                # A record must fit into one block.
                block_size=limits.max_line_bytes,
            ),
            parse_options=pc.ParseOptions(
                delimiter=dialect.delimiter,
                newlines_in_values=True,
                invalid_row_handler=own[0].note,
            ),
            convert_options=pc.ConvertOptions(
                column_types={column: pa.string() for column in columns},
                strings_can_be_null=False,
            ),
        )
        with reader:
            yield from reader
    except pa.ArrowException as error:
        if feed.fault is not None:
            raise feed.fault from None
        if "straddl" in str(error):
            raise origin.rejected(
                f"holds a record longer than {limits.max_line_bytes} bytes; "
                "a quote may be left open, or raise max_line_bytes"
            ) from error
        raise origin.rejected(f"is not CSV ({error})") from error
    finally:
        # A traceback holds this frame, and with it whatever it still names.
        own.clear()
        reader = None
        _wait_until_let_go(held)


def _wait_until_let_go(held: weakref.ref[_Lent]) -> None:
    """Asked and not told: what tells would itself be code that Arrow's thread runs at the end."""
    until = time.monotonic() + LETS_GO_SECONDS
    while held() is not None and time.monotonic() < until:
        time.sleep(0.001)


def _swallowed(batch: pa.RecordBatch) -> bool:
    """Whether END ended up inside the last value: the row is no record then."""
    return any(END in column[-1].as_py() for column in batch.columns)


def _numbered(batch: pa.RecordBatch, first: int) -> pa.RecordBatch:
    rows = pa.arange(first, first + batch.num_rows)
    return pa.RecordBatch.from_arrays(
        [rows, *batch.columns], names=["source_row", *batch.schema.names]
    )
