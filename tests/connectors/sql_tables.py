"""Tables of a test in PostgreSQL, sources that read them and what their pulls give."""

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from connectors.formats import Reading
from connectors.sql import SqlSource
from meterhouse.errors import SourceRejected
from meterhouse.source_settings import SqlPlace
from tests.connectors.conformance import Rows, records, wide_row
from tests.servers.postgres import Postgres

SCRIPT = """
from pathlib import Path
from connectors.formats import Reading
from connectors.sql import SqlSource
from meterhouse.source_settings import SqlPlace
place = SqlPlace(uri_variable="URI", query=sys.argv[2], cursor=sys.argv[3])
source = SqlSource("sql", place, Path(sys.argv[4]), uri=sys.argv[1], reading=Reading())
"""


def place_of(query: str, cursor: str = "id", **more: Any) -> SqlPlace:
    return SqlPlace(
        **{"uri_variable": "URI", "attempts": 1, "query": query, "cursor": cursor, **more}
    )


class Table:
    """A new table in PostgreSQL, and sources that read it as the role."""

    read_again = ("2",)

    def __init__(self, postgres: Postgres, spool: Path, columns: str) -> None:
        self.postgres, self.spool = postgres, spool
        self.name = f"usage_{secrets.token_hex(6)}"
        self.query = f"select * from {self.name}"
        postgres.run(f"create table {self.name} ({columns})")

    def source(self, query: str | None = None, **more: Any) -> SqlSource:
        uri = more.pop("uri", self.postgres.uri())
        kept = {k: more.pop(k) for k in ("completeness", "time_column", "sum_column") if k in more}
        place = place_of(query or self.query, **more)
        return SqlSource("sql", place, self.spool, uri=uri, reading=Reading(), **kept)

    def insert(self, *rows: str) -> None:
        self.postgres.run(f"insert into {self.name} values {', '.join(rows)}")


class SqlBench(Table):
    """Records of the suite in one table of texts; `put_broken` adds one that cannot be computed."""

    def __init__(self, postgres: Postgres, spool: Path) -> None:
        super().__init__(postgres, spool, "put text, id text, time text, tokens text")
        self.query = f"select *, 1 / length(id) as computed from {self.name}"

    def put(self, name: str, rows: Rows) -> None:
        self.postgres.run(f"delete from {self.name} where put = '{name}'")
        for column in {column for row in rows for column in row}:
            self.postgres.run(f"alter table {self.name} add column if not exists {column} text")
        for row in rows:
            values = ", ".join(f"'{value}'" for value in row.values())
            self.postgres.run(
                f"insert into {self.name} (put, {', '.join(row)}) values ('{name}', {values})"
            )

    def put_broken(self, name: str) -> None:
        self.put(name, [{"id": "1"}, {"id": ""}, {"id": "2"}])

    def put_many(self, count: int) -> None:
        self.postgres.run(f"alter table {self.name} add column pad text")
        for start in range(0, count, 10_000):
            batch = pa.Table.from_pylist(
                [wide_row(n) for n in range(start, min(start + 10_000, count))]
            )
            with self.postgres.connected() as connection, connection.cursor() as cursor:
                cursor.adbc_ingest(self.name, batch, mode="append")

    def script(self) -> tuple[str, list[str]]:
        return SCRIPT, [self.postgres.uri(), self.query, "id", str(self.spool)]

    def source_at(self, port: int) -> SqlSource:
        return self.source(uri=self.postgres.uri(port=port), timeout_seconds=1, attempts=2)


def pulled(source: SqlSource, *committed: str) -> tuple[Rows, list[str]]:
    """The rows of all deliveries beyond a cursor, and their cursors."""
    rows, cursors = [], []
    for file in source.pending(committed):
        table = records(source, file)
        assert table is not None
        rows += table.drop_columns("source_row").to_pylist()
        cursors.append(str(file.cursor))
    return rows, cursors


def ids(source: SqlSource, *committed: str) -> list[str]:
    return [row["id"] for row in pulled(source, *committed)[0]]


def refusal(source: SqlSource, *committed: str) -> str:
    with pytest.raises(SourceRejected) as caught:
        list(source.pending(committed))
    return str(caught.value)


class Gate:
    """Holds whoever reads the view of a table, until it is opened."""

    def __init__(self, table: Table) -> None:
        self.postgres = table.postgres
        self.key = secrets.randbelow(2**31)
        self.query = (
            f"select t.* from {table.name} t, (select pg_advisory_lock_shared({self.key})) as gate"
        )

    @contextmanager
    def closed(self) -> Iterator[None]:
        with self.postgres.connected() as connection, connection.cursor() as cursor:
            cursor.execute(f"select pg_advisory_lock({self.key})::text")
            cursor.fetchall()
            yield

    def waiting(self) -> int:
        """The process id of the reader, once it stands before the gate."""
        for _ in range(3000):
            found = self.postgres.rows(
                "select pid from pg_locks where locktype = 'advisory' and not granted "
                f"and objid = {self.key}"
            )
            if found:
                return int(found[0][0])
            time.sleep(0.01)
        raise AssertionError("nobody reads")


def behind(source: SqlSource) -> tuple[threading.Thread, list[Any]]:
    """A pull in a thread, and what comes of it: its rows and cursor or its error."""
    outcome: list[Any] = []

    def pull() -> None:
        try:
            outcome.extend(pulled(source))
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=pull)
    thread.start()
    return thread, outcome
