"""From records of a file to the fields of an event, as text: `mapped` in the session.

One row per record: source_row, event_id, event_type, subject, time_text, data (JSON text),
broken (why the record could not be read, else null).
"""

from collections.abc import Iterator

import duckdb
import pyarrow as pa

from meterhouse.duck import identifier, literal
from meterhouse.errors import SourceRejected
from meterhouse.source_settings import FieldFrom, Source

SEPARATOR = "chr(31)"


def load_raw(db: duckdb.DuckDBPyConnection, batches: Iterator[pa.RecordBatch]) -> int:
    """Stream the batches into temp table `raw`; returns the number of records."""
    first = next(batches, None)
    if first is None:
        db.execute("create or replace temp table raw (source_row bigint)")
        return 0

    def chained() -> Iterator[pa.RecordBatch]:
        yield first
        yield from batches

    reader = pa.RecordBatchReader.from_batches(first.schema, chained())
    db.register("raw_reader", reader)
    db.execute("create or replace temp table raw as select * from raw_reader")
    db.unregister("raw_reader")
    counted = db.execute("select count(*) from raw").fetchone()
    return int(counted[0]) if counted else 0


def map_raw(db: duckdb.DuckDBPyConnection, name: str, source: Source) -> None:
    """Make temp table `mapped` from `raw` by the mapping of the source."""
    columns = [row[0] for row in db.execute("describe raw").fetchall()]
    record = _Record(name, columns)
    mapping = source.map
    fields = {
        "event_type": record.field(mapping.type),
        "subject": record.field(mapping.subject),
        "time_text": _time(record, mapping.time),
        "data": record.data(source),
    }
    broken = "bad_line" if "bad_line" in columns else "cast(null as varchar)"
    selected = ", ".join(f"{sql} as {field}" for field, sql in fields.items())
    db.execute(
        "create or replace temp table mapped as "
        f"with fields as (select source_row, {selected}, {broken} as broken, "
        f"{record.identity(source)} as own_id from raw) "
        f"select * exclude (own_id), {_event_id(source)} as event_id, "
        "cast(null as bigint) as original_seq, cast(null as bigint) as original_row from fields"
    )


class _Record:
    """SQL for one field of a record: a column of CSV and Parquet, a key path of NDJSON."""

    def __init__(self, source: str, columns: list[str]) -> None:
        self._source = source
        self._columns = columns
        self._is_json = "line" in columns and set(columns) <= {"source_row", "line", "bad_line"}

    def column(self, name: str) -> str:
        if self._is_json:
            path = ".".join('"' + part.replace('"', "") + '"' for part in name.split("."))
            return f"line->>{literal('$.' + path)}"
        if name not in self._columns:
            listed = ", ".join(c for c in self._columns if c != "source_row") or "none"
            raise SourceRejected(
                self._source,
                f"the mapping reads column {name!r}, but the file has the columns {listed}",
            )
        return identifier(name)

    def field(self, field: FieldFrom) -> str:
        if field.value is not None:
            return literal(field.value)
        return f"nullif(trim({self.column(str(field.column))}), '')"

    def data(self, source: Source) -> str:
        mapping = source.map
        if mapping.data is not None:
            pairs = sorted(mapping.data.items())
        elif self._is_json:
            return "coalesce((line->'$.data')::varchar, '{}')"
        else:
            used = {f.column for f in (mapping.type, mapping.subject, mapping.time)}
            used |= set(source.id.columns or ()) | {"source_row"}
            pairs = sorted((name, name) for name in self._columns if name not in used)
        listed = ", ".join(f"{literal(key)}, {self.column(name)}" for key, name in pairs)
        return f"json_object({listed})::varchar"

    def identity(self, source: Source) -> str:
        if source.id.row:
            return "cast(null as varchar)"
        parts = [f"nullif(trim({self.column(name)}), '')" for name in source.id.columns or ()]
        if len(parts) == 1:
            return parts[0]
        return " || '|' || ".join(f"coalesce({part}, '')" for part in parts)


def _time(record: _Record, field: FieldFrom) -> str:
    text = record.field(field)
    if field.zone is None:
        return text
    has_offset = r"'(Z|[+-][0-9]{2}(:?[0-9]{2})?)$'"
    return f"case when regexp_matches({text}, {has_offset}) then {text} else {text} || 'Z' end"


def _event_id(source: Source) -> str:
    """The id a record brings, or the hash of its fields and its ordinal among equal records.

    The ordinal makes two equal rows of one file count twice, and the same file again count
    nothing, whatever its order, name or packing.
    """
    row_hash = (
        f"md5(concat_ws({SEPARATOR}, coalesce(event_type, ''), coalesce(subject, ''), "
        f"coalesce(time_text, ''), coalesce(data, ''), coalesce(broken, '')))"
    )
    ordinal = f"row_number() over (partition by {row_hash} order by source_row)"
    if source.id.row:
        return f"{row_hash} || '-' || {ordinal}"
    # A record without its id still needs an identity, to be quarantined once.
    return f"coalesce(own_id, 'no-id-' || {row_hash} || '-' || {ordinal})"
