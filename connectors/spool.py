"""Where a remote source puts what it has fetched: whole files, each with its hash, or nothing."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from connectors.formats import Reading
from connectors.origin import Origin
from connectors.protocols import SourceFile
from connectors.unpacking import content_of
from meterhouse.durable import fsync

PART = ".part"


class Spool:
    """One folder of one source; only one process fills it at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def fetched(
        self,
        origin: Origin,
        suffix: str,
        reading: Reading,
        write: Callable[[IO[bytes]], str | None],
    ) -> Iterator[SourceFile]:
        """One delivery: what `write` puts into the file it is given, deleted when the caller
        comes back.

        `write` returns the cursor of the delivery. When it raises, its part is deleted and
        nothing was fetched. `suffix` (like .csv.gz) says how the file is read.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"delivery{suffix}"
        part = path.with_name(path.name + PART)
        try:
            with part.open("wb") as opened:
                cursor = write(opened)
            fsync(part)
            os.replace(part, path)
            yield SourceFile(
                origin.file, path, *content_of(origin, path, reading.limits), cursor=cursor
            )
        finally:
            part.unlink(missing_ok=True)
            path.unlink(missing_ok=True)
