"""Deliveries of a source, read ahead: while one is committed the next is read and checked.

The thread that reads ahead works on a connection without the lake, with the tables of the book
that checking needs. Several threads on DuckLake in one process have crashed it, so the lake is
attached by whoever commits.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from connectors.protocols import SourceFile, UsageSource
from meterhouse.duck import connect, usable_cores
from meterhouse.failpoints import failpoint
from meterhouse.lake import Lake
from meterhouse.run.book import flatten
from meterhouse.run.mapping import load_raw
from meterhouse.run.staging import BOOK_TABLES, stage

# The documents that BOOK_TABLES are made of; contracts are most of a book, and not needed.
WHO_AND_WHAT = "from lake.facts.book_versions where kind in ('customer', 'event_type')"


@dataclass(frozen=True)
class Book:
    """The tables of the book that checking reads, as of a batch."""

    batch_seq: int
    tables: dict[str, pa.Table]

    @classmethod
    def of(cls, lake: Lake) -> "Book":
        """The book as it is recorded now."""
        with lake.session() as db:
            db.execute("create schema facts")
            db.execute(f"create view facts.book_versions as {WHO_AND_WHAT}")
            flatten(db, BOOK_TABLES)
            tables = {name: db.sql(f"from book.{name}").to_arrow_table() for name in BOOK_TABLES}
            return cls(recorded_to(db), tables)

    def put_into(self, db: duckdb.DuckDBPyConnection) -> None:
        """Make schema `book` with these tables."""
        db.execute("create schema if not exists book")
        for name, table in self.tables.items():
            db.register("book_table", table)
            db.execute(f"create or replace table book.{name} as from book_table")
            db.unregister("book_table")


@dataclass(frozen=True)
class Delivery:
    """One file, read and checked as the book of `book_seq` says; `db` is None where its content
    was known already."""

    file: SourceFile
    records: int
    book_seq: int
    db: duckdb.DuckDBPyConnection | None

    def close(self) -> None:
        """Give the memory back."""
        if self.db is not None:
            self.db.close()


def recorded_to(db: duckdb.DuckDBPyConnection) -> int:
    """The last batch that changed the book."""
    row = db.execute("select coalesce(max(batch_seq), 0) from lake.facts.book_versions").fetchone()
    return int(row[0]) if row else 0


def deliveries(
    lake: Lake, name: str, source: UsageSource, known: dict[str, int], cursors: list[str]
) -> Iterator[Delivery]:
    """Every pending delivery of a source, in order; the next is prepared while one is used.

    All are checked by the book as it is when the first is found; without one it is not read.
    """
    pending = source.pending(cursors)
    book: Book | None = None

    def prepared() -> Delivery | None:
        nonlocal book
        file = next(pending, None)
        if file is None:
            return None
        book = book or Book.of(lake)
        if file.content_sha256 in known:
            return Delivery(file, 0, book.batch_seq, None)
        return checked(lake, name, source, file, book)

    with ThreadPoolExecutor(max_workers=1) as pool:
        ahead = pool.submit(prepared)
        try:
            while (delivery := ahead.result()) is not None:
                ahead = pool.submit(prepared)
                try:
                    yield delivery
                finally:
                    delivery.close()
        finally:
            _leave(ahead)


def checked(lake: Lake, name: str, source: UsageSource, file: SourceFile, book: Book) -> Delivery:
    """Read a file and check its records on a connection of its own."""
    settings = lake.settings
    db = connect(settings)
    try:
        if settings.file.threads is None:
            # Two connections work at a time; more threads than cores cost a quarter more CPU.
            db.execute(f"set threads = {max(1, usable_cores() // 2)}")
        records = load_raw(db, source.read(file))
        if records:
            book.put_into(db)
            now = settings.now()
            stage(db, name, settings.source(name), now, now + settings.future_tolerance)
        failpoint("ingest.staged")
        return Delivery(file, records, book.batch_seq, db)
    except BaseException:
        db.close()
        raise


def _leave(ahead: "Future[Delivery | None]") -> None:
    """Wait for what is being prepared and let it go; its fault will come again when it is due."""
    with suppress(Exception):
        delivery = ahead.result()
        if delivery is not None:
            delivery.close()
