"""From records of a file to the fields of an event: SQL expressions over `raw`, by the settings.

`raw` has the columns of the connector: text, or types that are exact. Where both exist, an
expression of a type and the text of the same value say the same.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

import duckdb
import pyarrow as pa

from meterhouse.duck import identifier, literal
from meterhouse.errors import SourceRejected
from meterhouse.source_settings import FieldFrom, Source

TEXT = "VARCHAR"
ZONED = "TIMESTAMP WITH TIME ZONE"
NAIVE = "TIMESTAMP"
# Decimals without a digit before the point, which DuckDB writes as .5.
FRACTIONS = re.compile(r"DECIMAL\((\d+),\1\)")
RECORD = {"source_row", "line", "bad_line"}


class Value(NamedTuple):
    """One value of a record: its text, and where its column is typed, itself and the column's type.

    The time of an event is an instant whatever the type of its column.
    """

    text: str
    typed: str | None = None
    type: str = TEXT


class Mapped(NamedTuple):
    """The fields of an event as SQL over `raw`; `keys` are those of `data`, in order, with the
    value of each, or None where only the record knows them."""

    event_type: str
    subject: str
    time: Value
    data: str
    keys: dict[str, Value] | None
    broken: str
    own_id: str | None
    action: str | None  # what a record does to a known event; None where the source says nothing
    time_suffix: str  # what the text of a typed time ends with

    def value(self, *keys: str) -> Value:
        """The value below these keys, whatever `data` holds; columns hold nothing deeper."""
        if self.keys is None:
            return Value(f"(data->>{literal(key_path(*keys))})")
        absent = Value("cast(null as varchar)")
        return self.keys.get(keys[0], absent) if len(keys) == 1 else absent


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


def mapped(db: duckdb.DuckDBPyConnection, name: str, source: Source) -> Mapped:
    """The expressions for a source over the columns that `raw` has now."""
    columns = {row[0]: row[1] for row in db.execute("describe raw").fetchall()}
    record = _Record(name, columns)
    mapping = source.map
    keys = record.keys(source)
    time = _time(record, mapping.time)
    return Mapped(
        record.field(mapping.type).text,
        record.field(mapping.subject).text,
        time,
        "coalesce((line->'$.data')::varchar, '{}')" if keys is None else _object(keys),
        keys,
        "bad_line" if "bad_line" in columns else "cast(null as varchar)",
        record.identity(source),
        None if mapping.action is None else f"lower({trimmed(record.field(mapping.action).text)})",
        "Z" if time.type == NAIVE else "+00:00",
    )


class _Record:
    """SQL for one field of a record: a column of CSV and Parquet, a key path of NDJSON."""

    def __init__(self, source: str, columns: dict[str, str]) -> None:
        self._source = source
        self._columns = columns
        self._is_json = "line" in columns and set(columns) <= RECORD

    def column(self, name: str) -> Value:
        if self._is_json:
            return Value(f"(line->>{literal(key_path(*name.split('.')))})")
        if name not in self._columns:
            listed = ", ".join(c for c in self._columns if c != "source_row") or "none"
            raise SourceRejected(
                self._source,
                f"the mapping reads column {name!r}, but the file has the columns {listed}",
            )
        return _value(identifier(name), self._columns[name])

    def field(self, field: FieldFrom) -> Value:
        if field.value is not None:
            return Value(literal(field.value))
        found = self.column(str(field.column))
        return found if found.typed else Value(trimmed(found.text))

    def keys(self, source: Source) -> dict[str, Value] | None:
        mapping = source.map
        if mapping.data is not None:
            return {key: self.column(name) for key, name in sorted(mapping.data.items())}
        if self._is_json:
            return None
        used = {f.column for f in (mapping.type, mapping.subject, mapping.time)}
        used |= set() if mapping.action is None else {mapping.action.column}
        used |= set(source.id.columns or ()) | {"source_row"}
        return {name: self.column(name) for name in sorted(self._columns) if name not in used}

    def identity(self, source: Source) -> str | None:
        if source.id.row:
            return None
        found = [self.column(name) for name in source.id.columns or ()]
        parts = [trimmed(value.text) for value in found]
        if len(parts) == 1:
            return parts[0]
        return " || '|' || ".join(f"coalesce({part}, '')" for part in parts)


def trimmed(text: str) -> str:
    """Text without the spaces around it, null if nothing is left.

    trim() costs three times what the look at both ends does, which tells for plain ASCII.
    """
    is_trimmed = (
        f"strlen({text}) = length({text}) and not starts_with({text}, ' ') "
        f"and not ends_with({text}, ' ')"
    )
    return f"nullif(case when {is_trimmed} then {text} else trim({text}) end, '')"


def key_path(*keys: str) -> str:
    """A path of keys as DuckDB's JSON functions take it."""
    return "$." + ".".join('"' + key.replace('"', "") + '"' for key in keys)


def spelled(instant: str, suffix: str = "+00:00") -> str:
    """The text of a typed time, as connectors/spelling.py writes it."""
    return f"(strftime({instant}, '%Y-%m-%d %H:%M:%S.%f') || {literal(suffix)})"


def text_of(column: str, kind: str) -> str:
    """SQL for the text of a column of `raw`, whatever its type."""
    return _value(column, kind).text


def _value(column: str, kind: str) -> Value:
    """A column with its text in the spelling of connectors/spelling.py."""
    if kind == TEXT:
        return Value(column)
    if kind == ZONED:
        return Value(spelled(column), column, kind)
    if kind == NAIVE:
        return Value(spelled(column, ""), column, kind)
    text = f"cast({column} as varchar)"
    if FRACTIONS.fullmatch(kind):
        text = rf"regexp_replace({text}, '^(-?)\.', '\10.')"
    return Value(text, column, kind)


def _time(record: _Record, field: FieldFrom) -> Value:
    """The time of an event; one without an offset is in the zone that the settings name."""
    found = record.field(field)
    if found.typed is not None and found.type == ZONED:
        return found
    if field.zone is None:
        return Value(found.text)
    if found.typed is not None and found.type == NAIVE:
        return Value(f"({found.text} || 'Z')", f"cast({found.typed} as timestamptz)", NAIVE)
    has_offset = r"'(Z|[+-][0-9]{2}(:?[0-9]{2})?)$'"
    text = found.text
    return Value(
        f"case when regexp_matches({text}, {has_offset}) then {text} else {text} || 'Z' end"
    )


def _object(keys: dict[str, Value]) -> str:
    listed = ", ".join(f"{literal(key)}, {value.text}" for key, value in keys.items())
    return f"json_object({listed})::varchar"
