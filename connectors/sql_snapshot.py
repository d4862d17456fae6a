"""One read-only transaction of a database: its answers batch by batch, its errors as ours."""

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import adbc_driver_manager
import pyarrow as pa
from adbc_driver_manager import dbapi
from adbc_driver_manager._reader import AdbcRecordBatchReader

from connectors.origin import listing
from connectors.sql_dialects import DIALECTS, Dialect
from connectors.sql_faults import fault
from meterhouse.errors import SourceRejected
from meterhouse.source_settings import SqlPlace


class Snapshot:
    """Asks one database as it was at the first question."""

    def __init__(self, source: str, dialect: Dialect, cursor: Any) -> None:
        self.source = source
        self.dialect = dialect
        self._cursor = cursor

    def batches(self, query: str, values: Sequence[str] = ()) -> Iterator[pa.RecordBatch]:
        """The answer, at least one batch; the values are those that `parameter` names."""
        self._cursor.execute(query, self.dialect.bound(self._cursor, values))
        # Not fetch_record_batch: its reader says nothing of why an answer was cut off.
        handle = self._cursor.fetch_arrow()
        reader = AdbcRecordBatchReader._import_from_c(handle.address)
        yield pa.RecordBatch.from_pylist([], schema=reader.schema)
        yield from reader

    def table(self, query: str, values: Sequence[str] = ()) -> pa.Table:
        """A small answer."""
        return pa.Table.from_batches(self.batches(query, values))

    def rejected(self, reason: str) -> SourceRejected:
        """A final fault of what was asked or answered."""
        return SourceRejected(self.source, reason)

    def unreadable(self, faults: Sequence[str]) -> SourceRejected:
        """All faults of the columns of the query."""
        return self.rejected(f"its query cannot be read as usage:{listing(faults)}\n")


@contextmanager
def snapshot(source: str, place: SqlPlace, uri: str) -> Iterator[Snapshot]:
    """A connection and its transaction, closed at the end."""
    dialect, seconds = DIALECTS[place.driver], place.timeout_seconds
    # `from None` twice: the driver's own error may carry the URI.
    try:
        connection = dbapi.connect(dialect.driver(), dialect.uri(uri, seconds))
    except adbc_driver_manager.Error as error:
        raise fault(source, uri, error, variable=place.uri_variable) from None
    with closing(connection):
        try:
            with connection.cursor() as cursor:
                cursor.adbc_statement.set_options(**dialect.statement_options())
                for statement in dialect.session(seconds):
                    cursor.execute(statement)
                yield Snapshot(source, dialect, cursor)
        except adbc_driver_manager.Error as error:
            raise fault(source, uri, error) from None


def as_table(query: str, name: str) -> str:
    """A query of the settings as a table; it may end in a comment, so it ends its line."""
    return f"(\n{query.strip().rstrip(';')}\n) as {name}"
