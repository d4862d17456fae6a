"""Load usage: files into the landing folder of a source, and from there into the lake."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from meterhouse.cli.app import App, Command, pass_app
from meterhouse.cli.names import refuse_unknown_source
from meterhouse.cli.options import SOURCE
from meterhouse.cli.values import counted
from meterhouse.errors import UsageError

if TYPE_CHECKING:
    from meterhouse.cli.progress import Work
    from meterhouse.run.ingest import Loaded
    from meterhouse.run.waiting import Waiting

LEFT = "Files that were loaded stay; nothing was loaded of the one at hand."

COUNTS = (
    *("received", "released", "accepted", "duplicate"),
    *("conflict", "quarantined", "refused"),
)


@click.command(cls=Command, short_help="Load files of usage.")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--source", metavar="NAME", type=SOURCE, help="The source, as named in meterhouse.yaml."
)
@click.option("--dry-run", is_flag=True, help="Show what would be loaded and load nothing.")
@pass_app
def ingest(app: App, files: tuple[Path, ...], source: str | None, dry_run: bool) -> None:
    """Load FILES of a source, or all that waits in the landing folders.

    A file is loaded once, whatever its name; each file is one batch.
    """
    name = _source_of(app, source) if files or source else None
    if name:
        _refuse_unusable(app, name, files)
    with app.working("Looking at what waits", LEFT) as work:
        if dry_run:
            found = _looked_at(app, name, files)
        else:
            loaded = _loaded(app, name, files, work)
    if dry_run:
        _show_waiting(app, found)
        return
    show_batches(app, loaded)
    if not loaded:
        app.tell("No file is waiting.")
    if sum(one.quarantined for one in loaded):
        app.tell("Some records wait in quarantine: `meterhouse quarantine list`.")
    if sum(one.conflict for one in loaded):
        app.tell("Some ids came with other values: `meterhouse conflicts list`.")


def _loaded(app: App, name: str | None, files: tuple[Path, ...], work: "Work") -> "list[Loaded]":
    from meterhouse.run.ingest import ingest as load
    from meterhouse.run.ingest import land

    if name and files:
        land(app.lake, name, list(files))
    work.stage("Loading")

    def tell(one: "Loaded") -> None:
        if one.note:
            work.message(f"{one.source} {one.name}: {one.note}")
        else:
            work.rows(f"{one.source} {one.name}: {one.accepted:,} accepted", one.received)

    return load(app.lake, [name] if name else None, tell)


def _refuse_unusable(app: App, name: str, files: tuple[Path, ...]) -> None:
    missing = [str(file) for file in files if not file.is_file()]
    if missing:
        raise UsageError(f"No such file: {', '.join(missing)}. Nothing was loaded.")
    connector = app.settings.source(name).connector
    if files and connector != "files":
        raise UsageError(
            f"Source {name!r} is read by its connector {connector!r}, so files cannot be given "
            "for it; nothing was loaded. Leave the files out, or name a source of files."
        )


def _looked_at(app: App, name: str | None, files: tuple[Path, ...]) -> "list[Waiting]":
    from meterhouse.run.waiting import offered, waiting

    found = waiting(app.lake, [name] if name else None)
    return [*offered(app.lake, name, files), *found] if name and files else found


def _show_waiting(app: App, found: "list[Waiting]") -> None:
    new = [one for one in found if one.status == "new"]
    totals = {"files": len(new), "bytes": sum(one.bytes or 0 for one in new)}
    words = {"known": "loaded as batch {}", "not_read": "not read", "remote": "asked when loading"}

    def render(console: Any) -> None:
        from meterhouse.cli.tables import table

        rows = [
            (
                one.source,
                one.name,
                "-" if one.bytes is None else f"{one.bytes:,}",
                words.get(one.status, "new").format(one.batch_seq or "another file here"),
            )
            for one in found
        ]
        if rows:
            console.print(table(["source", "file", "bytes>", "would be"], rows))
        count, size = totals["files"], totals["bytes"]
        console.print(
            f"Dry run, nothing was loaded: {counted(count, 'new file')} of {size:,} bytes."
        )

    app.show({"is_dry": True, "files": found, "totals": totals}, render)


def show_batches(app: App, loaded: "Sequence[Loaded]") -> None:
    """A table of batches with their counts."""
    totals = {name: sum(getattr(one, name) for one in loaded) for name in COUNTS}
    payload = {"batches": [one.as_dict() for one in loaded], "totals": totals}
    app.show(payload, lambda console: print_batches(console, loaded))


def print_batches(console: Any, loaded: "Sequence[Loaded]") -> None:
    """The same for a person; prints nothing where nothing was loaded."""
    from meterhouse.cli.tables import table

    if loaded:
        columns = ["batch>", "source", "file", *(f"{name}>" for name in COUNTS), "note"]
        rows = [
            [one.batch_seq or "-", one.source, one.name]
            + [f"{getattr(one, name):,}" for name in COUNTS]
            + [one.note]
            for one in loaded
        ]
        console.print(table(columns, rows))


def _source_of(app: App, source: str | None) -> str:
    if source is not None:
        refuse_unknown_source(app, source)
        return source
    names = sorted(app.settings.file.sources)
    if len(names) != 1:
        known = ", ".join(names) or "none"
        raise UsageError(
            "It is not clear which source these files belong to; nothing was loaded. "
            f"Give --source NAME. Known sources: {known}."
        )
    return names[0]
