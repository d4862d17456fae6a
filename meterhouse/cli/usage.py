"""Load usage: files into the landing folder of a source, and from there into the lake."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from meterhouse.cli.app import App, Command, pass_app
from meterhouse.errors import UsageError

if TYPE_CHECKING:
    from meterhouse.run.ingest import Loaded

COUNTS = (
    *("received", "released", "accepted", "duplicate"),
    *("conflict", "quarantined", "refused"),
)


@click.command(cls=Command, short_help="Load files of usage.")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--source", metavar="NAME", help="The source, as named in meterhouse.yaml.")
@pass_app
def ingest(app: App, files: tuple[Path, ...], source: str | None) -> None:
    """Load FILES of a source, or all that waits in the landing folders.

    A file is loaded once, whatever its name; each file is one batch.
    """
    from meterhouse.run.ingest import ingest as load
    from meterhouse.run.ingest import land

    name = _source_of(app, source) if files or source else None
    if name and files:
        missing = [str(file) for file in files if not file.is_file()]
        if missing:
            raise UsageError(f"No such file: {', '.join(missing)}. Nothing was loaded.")
        land(app.lake, name, list(files))
    loaded = load(app.lake, [name] if name else None, lambda one: app.progress(_line(one)))
    show_batches(app, loaded)
    if not loaded:
        app.tell("No file is waiting.")
    if sum(one.quarantined for one in loaded):
        app.tell("Some records wait in quarantine: `meterhouse quarantine list`.")
    if sum(one.conflict for one in loaded):
        app.tell("Some ids came with other values: `meterhouse conflicts list`.")


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
        app.settings.source(source)
        return source
    names = sorted(app.settings.file.sources)
    if len(names) != 1:
        known = ", ".join(names) or "none"
        raise UsageError(
            "It is not clear which source these files belong to; nothing was loaded. "
            f"Give --source NAME. Known sources: {known}."
        )
    return names[0]


def _line(one: "Loaded") -> str:
    what = one.note or f"{one.received:,} records, {one.accepted:,} accepted"
    return f"{one.source} {one.name}: {what}"
