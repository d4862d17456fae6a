"""One query of a database, read from its cursor on as one delivery."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import IO

import pyarrow as pa

from connectors.columnar import read_parquet
from connectors.formats import Reading
from connectors.origin import Origin
from connectors.protocols import SourceFile, Statement
from connectors.retrying import repeated
from connectors.spool import Spool
from connectors.sql_pull import Pull
from connectors.sql_snapshot import as_table, snapshot
from connectors.sql_totals import Counted, totals
from meterhouse.source_settings import Completeness, SqlPlace


class _NothingNew(Exception):
    """The query holds what it held at the last commit."""


class SqlSource:
    """Reads all rows from the last committed cursor on, less the overlap, in one snapshot.

    Rows *at* the last cursor are read again, never skipped: one that shares it may have been
    written since. The loader knows the others by their event ids. A committed cursor counts these
    rows, so that a query with nothing new gives no delivery.
    """

    def __init__(
        self,
        name: str,
        place: SqlPlace,
        spool: Path,
        *,
        uri: str,
        reading: Reading,
        completeness: Completeness | None = None,
        time_column: str | None = None,
        sum_column: str | None = None,
    ) -> None:
        self._name = name
        self._place = place
        self._spool = Spool(spool)
        self._uri = uri
        self._reading = reading
        own = None if completeness is None else completeness.query
        self._counted = Counted(own, time_column, sum_column)
        self._query = as_table(place.query, "source")

    @property
    def name(self) -> str:
        """The name of the source."""
        return self._name

    def pending(self, committed: Sequence[str] = ()) -> Iterator[SourceFile]:
        """What lies beyond the last cursor, as one delivery; none where nothing does."""
        last = committed[-1] if committed else None
        since = self._since(last)

        def write(opened: IO[bytes]) -> str:
            cursor = repeated(lambda: self._pull(opened, since, last), self._place.attempts)
            if cursor is None:
                raise _NothingNew
            return cursor

        origin = Origin(self._name, f"{self._name}-{since or 'start'}")
        try:
            for file in self._spool.fetched(origin, ".parquet", self._reading, write):
                to = json.loads(str(file.cursor))["at"]
                yield replace(file, name=f"{file.name}..{to}")
        except _NothingNew:
            return

    def read(self, file: SourceFile) -> Iterator[pa.RecordBatch]:
        """The records of a fetched delivery."""
        yield from read_parquet(Origin(self._name, file.name), file, self._reading.limits)

    def stated(self, first: date, last: date) -> Iterator[Statement]:
        """What the database itself counts and adds up per UTC day."""

        def ask() -> list[Statement]:
            with snapshot(self._name, self._place, self._uri) as opened:
                return totals(opened, self._query, self._counted, first, last)

        yield from repeated(ask, self._place.attempts)

    def _since(self, last: str | None) -> str | None:
        """The text of a committed cursor; None to begin, also where it is of another column or of
        another connector: a source may move, and the loader knows by their ids what it has."""
        try:
            found = json.loads(last or "null")
            at, column = str(found["at"]), found["column"]
        except (ValueError, KeyError, TypeError):
            return None
        return at if column == self._place.cursor else None

    def _pull(self, opened: IO[bytes], since: str | None, last: str | None) -> str | None:
        """Write one delivery from its start; its cursor, or None where nothing is new."""
        opened.seek(0)
        opened.truncate()
        with snapshot(self._name, self._place, self._uri) as asked:
            pull = Pull(asked, self._place, self._query)
            columns = pull.columns()
            bounds = pull.bounds(since)
            if bounds is None:
                return None
            cursor = bounds.cursor(self._place.cursor)
            if cursor == last:
                return None
            pull.write(opened, columns, bounds)
            return cursor
