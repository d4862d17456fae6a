"""What an ingest would load: files that wait or that are offered, known or new; nothing changes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import Literal

from connectors.files import FilesSource
from connectors.protocols import UsageSource
from meterhouse.lake import Lake
from meterhouse.run.sources import open_source, reading_of


@dataclass(frozen=True)
class Waiting:
    """One file; `bytes` are unpacked. A remote source is one row without a name."""

    source: str
    name: str
    status: Literal["new", "known", "not_read", "remote"]
    bytes: int | None = None
    batch_seq: int | None = None


def waiting(lake: Lake, sources: Sequence[str] | None = None) -> list[Waiting]:
    """What waits in the landing folders; remote sources are not called."""
    names = sources or sorted(lake.settings.file.sources)
    return [one for name in names for one in _waiting(lake, name)]


def offered(lake: Lake, source: str, files: Sequence[Path]) -> list[Waiting]:
    """What would become of files that are not landed yet."""
    reading = reading_of(lake.settings, lake.settings.source(source))
    known = _loaded(lake, source)
    found: list[Waiting] = []
    for file in files:
        # A folder of the user's own: only the file that was named is looked at.
        one = FilesSource(source, file.parent, pattern=escape(file.name), reading=reading)
        found += list(_looked_at(source, one, known)) or [Waiting(source, file.name, "not_read")]
    return found


def _waiting(lake: Lake, name: str) -> Iterator[Waiting]:
    if lake.settings.source(name).connector != "files":
        yield Waiting(name, "", "remote")
        return
    yield from _looked_at(name, open_source(lake.settings, name), _loaded(lake, name))


def _looked_at(name: str, source: UsageSource, known: dict[str, int | None]) -> Iterator[Waiting]:
    for file in source.pending():
        is_known = file.content_sha256 in known
        batch = known.get(file.content_sha256)
        # Twice the same content in one go is loaded once.
        known.setdefault(file.content_sha256, None)
        yield Waiting(name, file.name, "known" if is_known else "new", file.bytes, batch)


def _loaded(lake: Lake, name: str) -> dict[str, int | None]:
    with lake.reading() as db:
        rows = db.execute(
            "select content_sha256, batch_seq from facts.batches "
            "where source = ? and content_sha256 is not null",
            [name],
        ).fetchall()
    return dict(rows)
