"""One pull of a query: how far it reads, and its rows as Parquet of strings."""

from typing import IO, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.sql_dialects import identifier
from connectors.sql_snapshot import Snapshot
from meterhouse.canonical import canonical_json
from meterhouse.source_settings import SqlPlace

ENDLESS = ("infinity", "-infinity", "NaN", "Infinity", "-Infinity")


class Bounds(NamedTuple):
    """One pull, frozen: the texts of the cursor from and to which it reads, and its SQL type.

    `rows` counts what the next pull would read again: the rows from `to` less the overlap on.
    """

    since: str | None
    to: str
    kind: str
    rows: int

    def cursor(self, column: str) -> str:
        """What is committed with the rows."""
        return canonical_json({"at": self.to, "column": column, "rows": self.rows})


class Pull:
    """Reads one query from its cursor on, in one snapshot."""

    def __init__(self, snapshot: Snapshot, place: SqlPlace, query: str) -> None:
        self._snapshot = snapshot
        self._dialect = snapshot.dialect
        self._place = place
        self._query = query
        self._cursor = identifier(place.cursor)

    def columns(self) -> list[str]:
        """The names of the query's columns; those without a text are refused together."""
        schema = self._snapshot.table(f"select * from {self._query} where 1 = 0").schema
        faults = [
            f"column {field.name!r} {reason}"
            for field in schema
            if (reason := self._dialect.why_not(field))
        ]
        names = list(schema.names)
        faults += [f"column {n!r} is named twice" for n in sorted(set(names)) if names.count(n) > 1]
        faults += ["column 'source_row' has a reserved name"] if "source_row" in names else []
        if self._place.cursor not in names:
            faults.append(f"cursor {self._place.cursor!r} is none of {', '.join(names)}")
        if faults:
            raise self._snapshot.unreadable(faults)
        return names

    def bounds(self, since: str | None) -> Bounds | None:
        """Up to the highest cursor there is now; None where the query has no rows."""
        highest = f"max({self._cursor})"
        top = self._snapshot.table(
            f"select {highest} as top, cast({highest} as text) as text from {self._query}"
        )
        self._refuse_nulls()
        to = top["text"][0].as_py()
        if to is None:
            return None
        found = top.schema.field("top").type
        kind = self._dialect.cursor_kind(found)
        if kind is None or (to in ENDLESS and kind != "text"):
            raise self._snapshot.rejected(
                f"cursor {self._place.cursor!r} must be a whole number, text, date or time that "
                f"rises; its highest value is {to!r} of type {found}"
            )
        counted = self._snapshot.table(
            f"select cast(count(*) as text) as text from {self._query} "
            f"where {self._cursor} >= {self._lower(kind, 1)}",
            [to],
        )
        return Bounds(since, to, kind, int(counted["text"][0].as_py()))

    def write(self, opened: IO[bytes], columns: list[str], bounds: Bounds) -> None:
        """Stream the rows, in an order that equal rows always have."""
        schema = pa.schema([(name, pa.string()) for name in columns])
        query, values = self._rows(columns, bounds)
        with pq.ParquetWriter(
            opened, schema, compression="zstd", use_dictionary=False, write_page_checksum=True
        ) as writer:
            for batch in self._snapshot.batches(query, values):
                # One row group for each batch: write_batch would fill one with a million rows.
                if batch.num_rows:
                    writer.write_table(pa.Table.from_batches([self._texts(batch, schema)]))

    def _rows(self, columns: list[str], bounds: Bounds) -> tuple[str, list[str]]:
        """The query of the rows, and the values that it binds."""
        names = [identifier(name) for name in columns]
        listed = ", ".join(f"{self._dialect.text(name)} as {name}" for name in names)
        values = [bounds.to]
        condition = f"{self._cursor} <= {self._dialect.parameter(1, bounds.kind)}"
        if bounds.since is not None:
            values.append(bounds.since)
            # The highest cursor falls when a database is restored: then read from there.
            condition += f" and {self._cursor} >= {self._lower(bounds.kind, 1, 2)}"
        positions = ", ".join(str(number) for number in range(1, len(columns) + 1))
        return (
            f"select {listed} from {self._query} where {condition} "
            f"order by source.{self._cursor}, {positions}"
        ), values

    def _lower(self, kind: str, *numbers: int) -> str:
        """From where rows are read: the lowest of some bound values, less the overlap."""
        lowest = self._dialect.parameter(numbers[0], kind)
        for number in numbers[1:]:
            lowest = self._dialect.lowest(lowest, self._dialect.parameter(number, kind))
        seconds = self._place.overlap_seconds
        if not seconds:
            return lowest
        earlier = self._dialect.earlier(lowest, kind, seconds)
        if earlier is None:
            raise self._snapshot.rejected(
                f"overlap_seconds is {seconds}, but cursor {self._place.cursor!r} is {kind} and "
                "not a timestamp of the database; set overlap_seconds to 0 or choose another cursor"
            )
        return earlier

    def _refuse_nulls(self) -> None:
        nulls = f"select 1 as n from {self._query} where {self._cursor} is null limit 1"
        if self._snapshot.table(nulls).num_rows:
            raise self._snapshot.rejected(
                f"cursor {self._place.cursor!r} is null in some rows of its query, which no pull "
                "would ever read; fill it, or leave these rows out with `where`"
            )

    def _texts(self, batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
        try:
            batch.validate(full=True)
        except pa.ArrowInvalid as error:
            raise self._snapshot.rejected(
                f"a text of its query is not valid UTF-8 ({error}); repair it in the database"
            ) from error
        found = [self._dialect.texts(column) for column in batch.columns]
        faults = [
            f"column {name!r} {reason}"
            for name, (_, reason) in zip(schema.names, found, strict=True)
            if reason
        ]
        if faults:
            raise self._snapshot.unreadable(faults)
        return pa.RecordBatch.from_arrays([texts for texts, _ in found], schema=schema)
