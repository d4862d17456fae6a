"""Correct usage events: amend and void them by key, replace the day of a source."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from meterhouse.cli.app import App, Command, pass_app
from meterhouse.cli.names import refuse_unknown_source
from meterhouse.cli.options import DAY, SOURCE
from meterhouse.cli.values import counted
from meterhouse.errors import UsageError

if TYPE_CHECKING:
    import polars as pl

    from meterhouse.run.correcting import Corrected

STATE = "nothing was changed"
LEFT = "Nothing was changed."
REASON = click.option("--reason", required=True, metavar="TEXT", help="Why; stays on record.")
DRY_RUN = click.option(
    "--dry-run", is_flag=True, help="Show what would change, also in billed windows."
)
YES = click.option("--yes", "-y", is_flag=True, help="Do not ask.")
OF = click.option("--source", metavar="NAME", type=SOURCE, help="Source of the events.")
IDS = click.option("--id", "ids", multiple=True, metavar="ID", help="Id of an event; repeatable.")
PATH = click.Path(path_type=Path)


@click.command(cls=Command, short_help="Give events other values.")
@OF
@IDS
@click.option(
    "--set", "values", multiple=True, metavar="NAME=VALUE", help="Property to set; repeatable."
)
@click.option("--time", metavar="INSTANT", help="When it happened, with an offset.")
@click.option(
    "--file", type=PATH, metavar="FILE", help="CSV: id, source, time and a column per property."
)
@REASON
@DRY_RUN
@YES
@pass_app
def amend(
    app: App,
    source: str | None,
    ids: tuple[str, ...],
    values: tuple[str, ...],
    time: str | None,
    file: Path | None,
    reason: str,
    dry_run: bool,
    yes: bool,
) -> None:
    """Give events other values, named by their ids or in a file.

    NAME= takes a property away. An event that was void comes back. The old version stays on record,
    and the next run bills the difference.
    """
    from meterhouse.run.amending import amend as amend_events

    if file is not None and (values or time):
        raise UsageError(f"Give either --file or --set and --time; {STATE}.")
    asked = _asked(app, source, ids, file, time, _values(values))
    _carry_out(
        app, lambda dry: amend_events(app.lake, asked, reason, is_dry=dry), dry_run=dry_run, yes=yes
    )


@click.command(cls=Command, short_help="Take events away.")
@OF
@IDS
@click.option("--file", type=PATH, metavar="FILE", help="CSV: id and source.")
@REASON
@DRY_RUN
@YES
@pass_app
def void(
    app: App,
    source: str | None,
    ids: tuple[str, ...],
    file: Path | None,
    reason: str,
    dry_run: bool,
    yes: bool,
) -> None:
    """Take events away, named by their ids or in a file; they stay on record.

    The same event delivered again stays void; `events amend` brings it back.
    """
    from meterhouse.run.amending import void as void_events

    asked = _asked(app, source, ids, file, None, {}, takes_values=False)
    _carry_out(
        app, lambda dry: void_events(app.lake, asked, reason, is_dry=dry), dry_run=dry_run, yes=yes
    )


@click.command("replace-day", cls=Command, short_help="Replace a day of a source by files.")
@click.argument("files", nargs=-1, required=True, type=PATH)
@click.option(
    "--source", metavar="NAME", type=SOURCE, required=True, help="Source whose day it is."
)
@click.option("--day", type=DAY, required=True, metavar="DATE", help="UTC day of the events.")
@REASON
@DRY_RUN
@YES
@pass_app
def replace_day(
    app: App,
    files: tuple[Path, ...],
    source: str,
    day: date,
    reason: str,
    dry_run: bool,
    yes: bool,
) -> None:
    """Make the events of a source on a UTC day those of FILES, which are the whole of it.

    Events that the files lack become void, others are amended or added, equal ones stay as is.
    """
    from meterhouse.run.replacing import replace_day as replace

    refuse_unknown_source(app, source, STATE)
    missing = [str(file) for file in files if not file.is_file()]
    if missing:
        raise UsageError(f"No such file: {', '.join(missing)}. {STATE.capitalize()}.")
    _carry_out(
        app,
        lambda dry: replace(app.lake, source, day, files, reason, is_dry=dry),
        dry_run=dry_run,
        yes=yes,
    )


def _asked(
    app: App,
    source: str | None,
    ids: tuple[str, ...],
    file: Path | None,
    time: str | None,
    values: dict[str, str | None],
    *,
    takes_values: bool = True,
) -> "pl.DataFrame":
    """The events that the options name; a home with one source needs no --source."""
    from meterhouse.run.correction_file import asked_of, read_asked

    known = sorted(app.settings.file.sources)
    if source is not None:
        refuse_unknown_source(app, source, STATE)
    elif len(known) == 1:
        source = known[0]
    if (file is None) == (not ids):
        raise UsageError(f"Give either --id or --file; {STATE}.")
    if file is not None:
        return read_asked(file, source, takes_values=takes_values)
    if source is None:
        raise UsageError(
            f"It is not clear which source the events are of; {STATE}. Give --source NAME. "
            f"Known sources: {', '.join(known) or 'none'}."
        )
    return asked_of(source, ids, time, values)


def _values(given: tuple[str, ...]) -> dict[str, str | None]:
    values: dict[str, str | None] = {}
    for one in given:
        name, sign, value = one.partition("=")
        if not sign or not name:
            raise UsageError(f"--set {one!r} is not NAME=VALUE; {STATE}.")
        if name in values:
            raise UsageError(f"--set gives {name!r} twice; {STATE}.")
        values[name] = value or None
    return values


def _carry_out(app: App, work: "Callable[[bool], Corrected]", *, dry_run: bool, yes: bool) -> None:
    """Show what would change and ask, or record it at once."""
    if dry_run or not yes:
        with app.working("Looking at the events", LEFT):
            found = work(True)
        if dry_run or not found.changes:
            _show(app, found)
            return
        app.ask(_sentence(found), yes=False, question="Record it?")
    with app.working("Recording the correction", "It is recorded whole or not at all."):
        done = work(False)
    _show(app, done)


def _sentence(found: "Corrected") -> str:
    parts = [
        f"{count:,} {word}"
        for count, word in (
            (found.added, "added"),
            (found.amended, "amended"),
            (found.voided, "voided"),
        )
        if count
    ]
    billed = [one for one in found.effects.windows if one["documents"]]
    numbers = sorted({number for one in billed for number in one["documents"]})
    rest = f" and {len(numbers) - 5} more" if len(numbers) > 5 else ""
    what = f" in {counted(len(billed), 'billed window')} ({', '.join(numbers[:5])}{rest})"
    return f"Of the events {', '.join(parts)} would be recorded{what if billed else ''}"


def _show(app: App, found: "Corrected") -> None:
    app.show(found.as_dict(), lambda console: _render(console, found))


def _render(console: Any, found: "Corrected") -> None:
    from meterhouse.cli.tables import clean, table
    from meterhouse.cli.values import number_text

    effects = found.effects
    if effects.events:
        console.print(table(["event", "source", "change", "before", "after"], _events(effects)))
        if found.changes > len(effects.events):
            console.print(f"The first {len(effects.events)} of {found.changes:,} changes.")
    if effects.totals:
        rows = [
            [one["event_type"], one["property"] or "(events)"]
            + [number_text(one[name]) for name in ("taken", "added", "change")]
            for one in effects.totals
        ]
        console.print(table(["type", "number", "taken away>", "added>", "change>"], rows))
    if effects.windows:
        names = ["contract_id", "item_id", "window_start_on", "window_end_on"]
        rows = [
            [*(one[name] for name in names), ", ".join(one["documents"]) or "not billed"]
            for one in effects.windows
        ]
        console.print(table(["contract", "item", "from", "to (exclusive)", "billed by"], rows))
    console.print(clean(_end(found)))


def _events(effects: Any) -> list[list[Any]]:
    def version(one: dict[str, Any], when: str) -> str:
        if one[f"data_{when}"] is None:
            return "-"
        return f"{one[f'time_{when}']:%Y-%m-%d %H:%M:%S} {one[f'data_{when}']}"

    return [
        [
            one["event_id"],
            one["source"],
            one["change"],
            version(one, "before"),
            version(one, "after"),
        ]
        for one in effects.events
    ]


def _end(found: "Corrected") -> str:
    counts = (
        f"{found.added:,} added, {found.amended:,} amended, {found.voided:,} voided, "
        f"{found.unchanged:,} unchanged"
    )
    if found.is_dry and found.changes:
        return f"Dry run, nothing was changed: {counts}."
    if found.batch_seq is None:
        return f"Nothing to change: {counts}."
    return f"Recorded as batch {found.batch_seq}: {counts}. The next run bills accordingly."
