"""Export a period: files of each entity in a folder of its own, written as a whole or not at all.

`<folder>/<entity>/<YYYY-MM>/` has the same names each month: invoices, lines and entries as CSV and
Parquet, one workbook, two text ledgers and a manifest. Equal facts give equal bytes, and a folder
that is what it would become is left alone.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import polars as pl

from meterhouse.canonical import canonical_json, sha256_text
from meterhouse.durable import file_sha256
from meterhouse.errors import Corrupt, UsageError
from meterhouse.exports import beancount, csv_file, hledger, manifest, parquet_file, workbook
from meterhouse.exports.control import Control
from meterhouse.exports.postings import Ledger, closing
from meterhouse.exports.tables import INVOICES, LAYOUTS, Frames, total_text
from meterhouse.exports.verify import differences, strange
from meterhouse.failpoints import failpoint
from meterhouse.lake import Lake
from meterhouse.locks import FileLock
from meterhouse.periods import zone_info
from meterhouse.run.export_folder import replacing, settle
from meterhouse.run.export_reading import Facts, read_facts, zones
from meterhouse.settings import Settings

FORMATS = ("csv", "xlsx", "parquet", "beancount", "hledger")
# Folders of a home that only Meterhouse writes.
OWN = ("lake", "warehouse", "landing", "book", "published", "spool", "locks", "tmp")


@dataclass(frozen=True)
class ExportedFolder:
    """One entity's folder: status is written, replaced, unchanged or would change."""

    entity: str
    path: str
    status: str
    batch_seq: int
    files: dict[str, Any]
    drafts_waiting: int
    damaged: tuple[str, ...] = ()


@dataclass(frozen=True)
class Exported:
    """What an export did, one folder per entity."""

    first: date
    until: date
    is_dry: bool
    folders: tuple[ExportedFolder, ...]


@dataclass(frozen=True)
class _Part:
    """What one entity's folder is made of."""

    control: Control
    frames: Frames
    opening: pl.DataFrame
    formats: tuple[str, ...]

    @property
    def content_sha256(self) -> str:
        """The hash of all that decides the files but the pin: the pin moves with every batch."""
        c = self.control
        texts = [csv_file.text_bytes(self.frames[one.name]) for one in LAYOUTS]
        tables = [hashlib.sha256(text).hexdigest() for text in texts]
        rows = [[*map(str, row)] for row in self.opening.iter_rows()]
        about = [manifest.VERSION, c.entity, str(c.first), str(c.until), c.is_closed]
        return sha256_text(canonical_json([about, list(self.formats), tables, rows]))


def export_period(
    lake: Lake,
    *,
    first: date,
    until: date,
    entity: str | None = None,
    formats: Sequence[str] = FORMATS,
    folder: Path | None = None,
    dry_run: bool = False,
) -> Exported:
    """Export the days from `first` to before `until`, of one entity or of all in the book."""
    if first >= until:
        raise UsageError(f"The period ends at {until} before it begins; nothing was exported.")
    wanted = chosen_formats(formats)
    target = (folder or default_folder(lake.settings)).expanduser().resolve()
    facts = read_facts(lake, first, until)
    entities = [entity] if entity is not None else list(facts.entities)
    for name in entities:
        known_entity(name, facts.entities)
    parts = [_part(facts, name, first, until, wanted) for name in entities]
    places = [(target / one.control.entity / one.control.period).resolve() for one in parts]
    for place in places:
        refuse_own(lake.settings, place)
    lock = FileLock(
        lake.settings.home / "locks" / "export.lock", "export", lake.settings.lock_wait_seconds
    )
    with lock.held():
        folders = [
            _export(part, place, dry_run, facts.drafts.get(part.control.entity, 0))
            for part, place in zip(parts, places, strict=True)
        ]
    return Exported(first, until, dry_run, tuple(folders))


def default_folder(settings: Settings) -> Path:
    """Where exports go unless somebody says otherwise."""
    return settings.home / "exports"


def last_months(lake: Lake, entity: str | None) -> list[tuple[str, date, date]]:
    """Each entity (or the one named) with the last month that is over in its zone."""
    with lake.reading() as db:
        found = zones(db)
    if entity is not None:
        known_entity(entity, tuple(found))
        found = {entity: found[entity]}
    now = lake.settings.now()
    return [(name, *last_month(now, zone)) for name, zone in found.items()]


def last_month(now: datetime, zone: str) -> tuple[date, date]:
    """First day of the month before the one it is in the zone, and the first day after it."""
    until = now.astimezone(zone_info(zone)).date().replace(day=1)
    return (until - timedelta(days=1)).replace(day=1), until


def chosen_formats(formats: Sequence[str]) -> tuple[str, ...]:
    """The formats in their own order, each once; an unknown one lists the valid ones."""
    unknown = sorted(set(formats) - set(FORMATS))
    if unknown or not formats:
        raise UsageError(
            f"{', '.join(unknown) or 'No format'} is no format of an export; nothing was exported. "
            f"Formats: {', '.join(FORMATS)}."
        )
    return tuple(name for name in FORMATS if name in formats)


def known_entity(name: str, entities: Sequence[str]) -> None:
    """Refuse an entity that the book does not have, with the nearest name."""
    if name not in entities:
        nearest = get_close_matches(name, entities, n=1)
        hint = f"Did you mean {nearest[0]!r}?" if nearest else f"Known: {', '.join(entities)}."
        raise UsageError(f"Entity {name!r} is not in the book; nothing was exported. {hint}")


def refuse_own(settings: Settings, target: Path) -> None:
    """Refuse a folder inside one that holds facts, inputs or what is derived."""
    own = {(settings.home / name).resolve() for name in OWN}
    own |= {settings.landing(source) for source in settings.file.sources}
    for one in sorted(own):
        if target.resolve().is_relative_to(one):
            raise UsageError(
                f"{target} lies inside {one}, which Meterhouse keeps for itself. Nothing was "
                "exported. Name another folder with --to."
            )


def _part(facts: Facts, entity: str, first: date, until: date, formats: tuple[str, ...]) -> _Part:
    mine = pl.col("entity_id") == entity
    frames = {name: frame.filter(mine) for name, frame in facts.frames.items()}
    opening = facts.opening.filter(mine).drop("entity_id")
    newest = frames[INVOICES.name].sort("batch_seq", "number").tail(1)["run_id"].to_list()
    closed = facts.closed_until.get(entity)
    control = Control(
        *(entity, first, until, facts.pin.batch_seq, facts.pin.snapshot),
        run_id=newest[0] if newest else None,
        is_closed=closed is not None and closed >= until,
    )
    return _Part(control, frames, opening, formats)


def _export(part: _Part, place: Path, dry_run: bool, drafts: int) -> ExportedFolder:
    """Write one entity's folder unless it is already what it would become."""
    control = part.control
    if not dry_run:
        settle(place)
    _refuse_strange(place)
    known = manifest.read(place)
    is_same = known is not None and known.get("content_sha256") == part.content_sha256
    damaged = tuple(differences(place)) if is_same else ()

    def done(status: str, values: dict[str, Any]) -> ExportedFolder:
        batch, files = values["batch_seq"], values["files"]
        return ExportedFolder(control.entity, str(place), status, batch, files, drafts, damaged)

    if known is not None and is_same and not damaged:
        return done("unchanged", known)
    if dry_run:
        tables = manifest.tables_of(part.frames)
        return done("would change", {"batch_seq": control.batch_seq, "files": {"": tables}})
    is_there = (place / manifest.NAME).is_file()
    previous = file_sha256(place / manifest.NAME) if is_there else None
    with replacing(place) as made:
        values = _write(part, made, previous)
    return done("replaced" if is_there else "written", values)


def _refuse_strange(place: Path) -> None:
    """Refuse to replace a folder with files of somebody else: they would be gone."""
    names = strange(place)
    if names:
        raise UsageError(
            f"{place} holds files that no export wrote: {', '.join(names)}. Nothing of it was "
            "changed. Move them elsewhere (if manifest.json is damaged: the whole folder), then "
            "export again."
        )


def _write(part: _Part, made: Path, previous: str | None) -> dict[str, Any]:
    """Write all files and the manifest, and read them back."""
    files = _files(part)
    for name, (write, _) in files.items():
        write(made / name)
    entries = {name: manifest.file_entry(made / name, said) for name, (_, said) in files.items()}
    values = manifest.content(part.control, entries, part.content_sha256, previous)
    manifest.write(made, values)
    failpoint("export.written")
    found = differences(made)
    if found:
        raise Corrupt(str(made), " ".join(found))
    return values


Writer = Callable[[Path], None]


def _files(part: _Part) -> dict[str, tuple[Writer, dict[str, Any]]]:
    """Each file's name, how it is written, and the rows and totals it is to hold."""
    tables = manifest.tables_of(part.frames)
    ledger = Ledger(part.control, part.frames["entries"], part.opening)
    files: dict[str, tuple[Writer, dict[str, Any]]] = {}
    for suffix, write in (("csv", csv_file.write), ("parquet", parquet_file.write)):
        for name, frame in part.frames.items():
            if suffix in part.formats:
                files[f"{name}.{suffix}"] = (_with(write, frame), {name: tables[name]})
    if "xlsx" in part.formats:
        files["export.xlsx"] = (
            lambda path: workbook.write(part.control, part.frames, path),
            tables,
        )
    for suffix, write_ledger in (("beancount", beancount.write), ("hledger", hledger.write)):
        if suffix in part.formats:
            files[f"ledger.{suffix}"] = (_with(write_ledger, ledger), {"ledger": _balances(ledger)})
    return files


def _with(write: Callable[[Any, Path], None], what: Any) -> Writer:
    return lambda path: write(what, path)


def _balances(ledger: Ledger) -> dict[str, Any]:
    """Entries of a text ledger, and the balances that it must end with."""
    found: dict[str, dict[str, str]] = {}
    for account, currency, amount in closing(ledger.entries, ledger.opening).iter_rows():
        found.setdefault(currency, {})[account] = total_text(amount, currency)
    return {"entries": ledger.entries["entry_id"].n_unique(), "balances": found}
