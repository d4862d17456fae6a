"""NDJSON as text: numbers keep their digits, and a bad line stops nothing.

DuckDB and Arrow read JSON numbers as doubles, so bare numbers are put into quotes before anything
parses them. All checks are set-based over a block of lines.
"""

from collections.abc import Iterator

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from connectors.limits import MIB, Limits
from connectors.origin import Origin
from connectors.protocols import SourceFile
from connectors.text import utf8
from connectors.unpacking import verified

BLOCK_BYTES = 2 * MIB

# `skeleton` has s for each string and v for each other scalar. DuckDB's own json_valid takes NaN,
# trailing commas, and (once quoted) 01 or {5: 1}; the skeleton shows them. Control characters are
# refused first, so chr(1) is free to mark the numbers.
_CHECKED = r"""
with texts as (
    select
        source_row,
        raw,
        not regexp_matches(raw, '[\x00-\x08\x0a-\x1f]') as is_clean,
        regexp_replace(
            regexp_replace(raw, '"(?:[^"\\]|\\.)*"', 's', 'g'),
            '-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null', 'v', 'g'
        ) as skeleton,
    from lines
),

shaped as (
    select
        *,
        is_clean
        and starts_with(ltrim(skeleton, e' \t'), '{')
        and not regexp_matches(
            skeleton,
            '[^{}\[\]:,sv \t]|[sv][ \t]*[sv]|,[ \t]*[}\]]|v[ \t]*:'
        ) as is_shaped,
        case
            when length(skeleton) - length(replace(replace(skeleton, '{', ''), '[', '')) > $depth
                then regexp_replace(skeleton, '[^{}\[\]]', '', 'g')
            else ''
        end as brackets,
    from texts
),

quoted as (
    select
        *,
        case when is_shaped then replace(
            replace(
                regexp_replace(
                    raw,
                    '("(?:[^"\\]|\\.)*")|(-?\d[0-9.eE+-]*)',
                    '\1' || chr(1) || '\2' || chr(1),
                    'g'
                ),
                chr(1) || chr(1),
                ''
            ),
            chr(1),
            '"'
        ) end as line,
    from shaped
)

select * from quoted
"""

# Runs only on lines known to be flat enough: a parser may recurse.
_PARSED = """
select
    source_row,
    case when is_good then line end as line,
    case when is_good then null else raw end as bad_line,
from (
    select
        source_row,
        raw,
        line,
        case
            when line is null or is_deep then false
            when not json_valid(line) then false
            else len(json_keys(line)) = len(list_distinct(json_keys(line)))
        end as is_good,
    from checked
)
"""

SCHEMA = pa.schema([("source_row", pa.int64()), ("line", pa.string()), ("bad_line", pa.string())])


def read_ndjson(origin: Origin, file: SourceFile, limits: Limits) -> Iterator[pa.RecordBatch]:
    """One row per line that is not blank: `line` with numbers quoted, or `bad_line` as it came."""
    pieces = utf8(origin, verified(origin, file, limits), limits, refuse_nul=False)
    row = 1
    with duckdb.connect() as db:
        for block in _blocks(pieces):
            lines = _lines(block, row)
            if lines.num_rows:
                row += lines.num_rows
                yield from _judged(db, lines, limits.max_json_depth)


def _blocks(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Whole lines, some 2 MiB of them at a time."""
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        end = piece.rfind(b"\n") + 1
        if end and size + end >= BLOCK_BYTES:
            yield b"".join([*held, piece[:end]])
            held, size, piece = [], 0, piece[end:]
        held.append(piece)
        size += len(piece)
    yield b"".join(held)


def _lines(block: bytes, first: int) -> pa.Table:
    raw = pc.utf8_rtrim(pa.array(block.decode().split("\n"), pa.string()), "\r")
    raw = raw.filter(pc.not_equal(pc.utf8_trim(raw, " \t"), ""))
    rows = pa.arange(first, first + len(raw))
    return pa.table({"source_row": rows, "raw": raw})


def _judged(
    db: duckdb.DuckDBPyConnection, lines: pa.Table, max_depth: int
) -> Iterator[pa.RecordBatch]:
    db.register("lines", lines)
    checked = db.execute(_CHECKED, {"depth": max_depth}).to_arrow_table()
    is_deep = _is_deeper(checked["brackets"], max_depth)
    db.register("checked", checked.append_column("is_deep", is_deep))
    judged = db.execute(_PARSED).to_arrow_table().cast(SCHEMA).combine_chunks()
    db.unregister("lines")
    db.unregister("checked")
    yield from judged.to_batches()


def _is_deeper(brackets: pa.ChunkedArray, max_depth: int) -> pa.ChunkedArray:
    """Taking the innermost pairs away once per level leaves something only of deeper lines."""
    for _ in range(max_depth):
        if pc.max(pc.binary_length(brackets)).as_py() == 0:
            break
        brackets = pc.replace_substring_regex(brackets, r"[\[{][\]}]", "")
    return pc.not_equal(brackets, "")
