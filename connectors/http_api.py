"""Usage from a JSON API: all pages of a list in one delivery, or nothing."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import date
from itertools import chain
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import pyarrow as pa

from connectors.formats import Reading
from connectors.http_asked import Asked, auth_headers
from connectors.http_calls import Calls, origin
from connectors.http_cursor import Cursor, CursorField
from connectors.http_pages import pages
from connectors.http_totals import statements
from connectors.json_answer import Listing, WrongAnswer
from connectors.origin import Origin
from connectors.protocols import SourceFile, Statement
from connectors.spool import Spool
from meterhouse.errors import UsageError
from meterhouse.source_settings import Completeness, HttpPlace

SUFFIX = ".ndjson"
Pages = Iterator[tuple[Asked, Listing]]


class HttpSource:
    """Reads a list from its cursor on, or all of it where the settings name no cursor."""

    def __init__(
        self,
        name: str,
        place: HttpPlace,
        spool: Path,
        *,
        secret: str | None,
        reading: Reading,
        completeness: Completeness | None = None,
    ) -> None:
        auth_headers(name, place.auth, secret)
        if reading.format not in (None, "ndjson"):
            raise UsageError(
                f"Source {name!r} cannot have format {reading.format!r}: an API answers with JSON. "
                "Take the format out."
            )
        self.name = name
        self._place = place
        self._secret = secret
        self._spool = Spool(spool)
        self._reading = replace(reading, format="ndjson")
        self._totals_url = completeness.url if completeness is not None else None
        self._adds_up = completeness is not None and completeness.property is not None
        if self._totals_url is not None and origin(self._totals_url) != origin(place.url):
            raise UsageError(
                f"Source {name!r} cannot state its totals at another server than its records: "
                "the secret is sent to one only. Correct completeness.url."
            )

    def pending(self, committed: Sequence[str] = ()) -> Iterator[SourceFile]:
        """One delivery with every record since the last cursor; none where there is no record."""
        before = self._before(committed)
        with closing(self._pages(before)) as found:
            first = next(found, None)
            if first is None:
                return
            every = chain([first], found)
            del first  # or the first page would be held until the last has come
            yield from self._spool.fetched(
                self._origin(), SUFFIX, self._reading, lambda out: self._written(out, every, before)
            )

    def read(self, file: SourceFile) -> Iterator[pa.RecordBatch]:
        """The records of a delivery as text; they count only when the last batch has come."""
        yield from self._reading.records(Origin(self.name, file.name), file)

    def stated(self, first: date, last: date) -> Iterator[Statement]:
        """What the API states for each day from first to last, apart from the records it lists."""
        if self._totals_url is None:
            raise UsageError(
                f"Source {self.name!r} states no totals: its settings have no completeness.url."
            )
        with Calls(self.name, self._place, self._secret) as calls:
            yield from statements(
                calls, self._totals_url, self._place.items, first, last, adds_up=self._adds_up
            )

    def _origin(self) -> Origin:
        last = urlsplit(self._place.url).path.rstrip("/").rpartition("/")[2]
        return Origin(self.name, f"{last or 'answer'}{SUFFIX}")

    def _before(self, committed: Sequence[str]) -> Cursor | None:
        if self._place.since_parameter is None or not committed:
            return None
        try:
            return Cursor.of_stored(committed[-1])
        except WrongAnswer:
            # Of another connector: the source moved here, and all is asked for once more.
            return None

    def _pages(self, before: Cursor | None) -> Generator[tuple[Asked, Listing], None, None]:
        since = None
        if before is not None:
            since = before.before(self._place.overlap_seconds).text()
        with Calls(self.name, self._place, self._secret) as calls:
            yield from pages(calls, self._place, since)

    def _written(self, out: IO[bytes], every: Pages, before: Cursor | None) -> str | None:
        """Write one record per line; returns the cursor after them."""
        field = CursorField(self._place.cursor) if self._place.cursor else None
        most = self._reading.limits.max_bytes_unpacked
        for asked, page in every:
            out.write(b"\n".join(page.records) + b"\n")
            if out.tell() > most:
                raise asked.rejected(
                    f"is too much: the list is longer than {most} bytes; ask for less at a time or "
                    "raise max_bytes_unpacked"
                )
            if field is not None:
                before = _later(asked, field, page, before)
        return before.stored() if before is not None else None


def _later(asked: Asked, field: CursorField, page: Listing, before: Cursor | None) -> Cursor:
    try:
        found = field.greatest(page.items)
    except WrongAnswer as error:
        raise asked.rejected(str(error)) from error
    if before is None:
        return found
    if found.kind != before.kind:
        raise asked.rejected(
            f"has a cursor field {field.path!r} of kind {found.kind}; before it was of kind "
            f"{before.kind}"
        )
    return max(before, found, key=lambda cursor: cursor.value)
