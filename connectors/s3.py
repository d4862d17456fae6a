"""Usage in objects of an S3 bucket: listed, fetched whole, verified, then read as files."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

import pyarrow as pa

from connectors.control import newest, read_control
from connectors.faults import Faults
from connectors.files import is_skipped
from connectors.formats import Reading
from connectors.origin import Origin
from connectors.protocols import SourceFile, Statement
from connectors.retrying import repeated
from connectors.s3_bodies import Bodies
from connectors.s3_bucket import Bucket, Listed
from connectors.spool import Spool
from meterhouse.errors import SourceUnavailable, UsageError
from meterhouse.source_settings import S3Place


class S3Source:
    """Reads the objects below one prefix, in order of key; each version of an object once."""

    def __init__(
        self,
        name: str,
        place: S3Place,
        spool: Path,
        *,
        credentials: tuple[str, str] | None,
        pattern: str,
        reading: Reading,
        control: str | None = None,
    ) -> None:
        for given in (pattern, control):
            if given is not None and ("/" in given or given == ""):
                raise UsageError(
                    f"Source {name!r} cannot have pattern {given!r}; give what the last part of a "
                    "key looks like, with * or ?, and the rest as prefix."
                )
        self.name = name
        self._attempts = place.attempts
        self._pattern = pattern
        self._control = control
        self._spool = Spool(spool)
        self._reading = reading.checked(name)
        self._bucket = Bucket(name, place, credentials)
        self._bodies = Bodies(name, self._bucket, place.attempts)

    def pending(self, committed: Sequence[str] = ()) -> Iterator[SourceFile]:
        """Every object whose fingerprint was not committed; those with a fault are refused
        together at the end."""
        faults = Faults(self.name)
        for found in self._objects(self._is_usage, frozenset(committed)):
            with faults.collected():
                yield from self._fetched(found, None)
        faults.raised()

    def stated(self, first: date, last: date) -> Iterator[Statement]:
        """What the control files state, of each day the last one by key."""
        if self._control is None:
            raise UsageError(
                f"Source {self.name!r} has no control files; set completeness.control to a "
                "pattern of their names."
            )
        yield from newest(self._controls(), first, last)

    def _controls(self) -> Iterator[list[Statement]]:
        faults = Faults(self.name)
        for found in self._objects(self._is_control):
            with faults.collected():
                for file in self._fetched(found, "csv"):
                    origin = Origin(self.name, file.name)
                    yield read_control(origin, file.path, self._reading.limits)
        faults.raised()

    def read(self, file: SourceFile) -> Iterator[pa.RecordBatch]:
        """The records of a fetched object as text; they count when the last batch has come."""
        yield from self._reading.records(Origin(self.name, file.name), file)

    def _objects(
        self, is_wanted: Callable[[str], bool], committed: frozenset[str] = frozenset()
    ) -> list[Listed]:
        """Objects by key; only those that are to be fetched are held, however many there are."""
        return sorted(
            one
            for page in self._pages()
            for one in page
            if is_wanted(one.key.rpartition("/")[2]) and one.fingerprint not in committed
        )

    def _pages(self) -> Iterator[list[Listed]]:
        token: str | None = None
        seen: set[str | None] = set()
        while token not in seen:
            seen.add(token)
            page, token = repeated(partial(self._bucket.page, token), self._attempts)
            yield page
            if token is None:
                return
        raise SourceUnavailable(self.name, "its listing runs in a circle")

    def _is_usage(self, name: str) -> bool:
        fits = name != "" and not is_skipped(name) and fnmatchcase(name, self._pattern)
        return fits and not self._is_control(name)

    def _is_control(self, name: str) -> bool:
        wanted = self._control is not None and fnmatchcase(name, self._control)
        return wanted and not is_skipped(name)

    def _fetched(self, found: Listed, format: str | None) -> Iterator[SourceFile]:
        origin = Origin(self.name, found.key)
        if not found.key.isprintable():
            raise origin.rejected("has unprintable characters in its key; rename it")
        # The name in the spool is made of known words: a key never becomes a path.
        packed = ".gz" if found.key.lower().endswith(".gz") else ""
        suffix = f".{format or self._reading.format_of(origin)}{packed}"
        limit = self._reading.limits.max_bytes_unpacked
        if found.size > limit:
            raise origin.rejected(
                f"has {found.size} bytes, more than {limit}; split it or raise max_bytes_unpacked"
            )
        write = self._bodies.writer(origin, found)
        yield from self._spool.fetched(origin, suffix, self._reading, write)
