"""History of the system before: import it at the cut-over, and say what was imported."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from meterhouse.cli.app import App, Group, pass_app
from meterhouse.cli.values import counted, grouped, money_text

if TYPE_CHECKING:
    from rich.console import Console

    from meterhouse.run.history import Imported


@click.group(cls=Group)
def history() -> None:
    """What the system before billed, and what is open of it."""


@history.command("import")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Check everything, show it and import nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.pass_context
def import_files(context: click.Context, folder: Path, dry_run: bool, yes: bool) -> None:
    """Import the files of a folder, all of them or none, in one commit.

    Old documents, open items, entries, what is deferred, lots of credit, the day each item is
    billed through, and the last number of each series. Facts stay, so it asks first, with counts
    and totals; the same files again change nothing.
    """
    from meterhouse.run.history import import_history

    app = context.find_object(App) or App()
    with app.working("Checking the files", "Nothing was imported."):
        planned = import_history(app.lake, folder, dry=True)
    if dry_run or planned.is_known:
        _show(app, planned, is_dry=True)
        return
    rows = sum(one["rows"] for one in planned.counts)
    what = f"{counted(rows, 'row')} of {counted(len(_files(planned)), 'file')} would be imported"
    if not yes and not app.as_json:
        _show(app, planned, is_dry=True)
    app.ask(f"{what} for good", yes=yes, question="Import them?")
    with app.working("Importing", "The files are imported whole, or not at all."):
        done = import_history(app.lake, folder)
    _show(app, done, is_dry=False)


@history.command()
@pass_app
def report(app: App) -> None:
    """Imports on record, and what of each account was told in detail."""
    from meterhouse.run.history_report import history_report

    found = history_report(app.lake)
    sums = ("at_cut_over", "left")
    found["open"] = [
        {**one, **{name: _money(one[name], one["currency"]) for name in sums}}
        for one in found["open"]
    ]
    app.show(found, lambda console: _render_report(console, found))


def _files(found: "Imported") -> set[str]:
    return {one["file"] for one in found.counts}


def _show(app: App, found: "Imported", *, is_dry: bool) -> None:
    counts = [{**one, "total": _money(one["total"], one["currency"])} for one in found.counts]
    control = [
        {**one, **{name: _money(one[name], one["currency"]) for name in ("detail", "journal")}}
        for one in found.control
    ]
    payload = {
        "is_dry": is_dry,
        "import_id": found.import_id,
        "batch_seq": found.batch_seq,
        "is_known": found.is_known,
        "counts": counts,
        "control": control,
        "entries": found.entries,
    }
    app.show(payload, lambda console: _render(console, payload))


def _render(console: "Console", told: dict[str, Any]) -> None:
    from meterhouse.cli.tables import table

    if told["is_known"]:
        console.print(
            f"These files were imported before, in batch {told['batch_seq']}; nothing was changed."
        )
        return
    rows = [
        (one["file"].replace("_", " "), f"{one['rows']:,}", grouped(one["total"] or ""),
         one["currency"] or "")
        for one in told["counts"]
    ]  # fmt: skip
    console.print(table(["file", "rows>", "total>", ""], rows))
    if told["control"]:
        sides = [
            (one["account"], one["entity"], grouped(one["detail"]),
             "-" if one["journal"] is None else grouped(one["journal"]), one["currency"])
            for one in told["control"]
        ]  # fmt: skip
        console.print(table(["account", "entity", "in detail>", "journal>", ""], sides))
    entries = counted(told["entries"], "entry").replace("entrys", "entries")
    done = "Dry run, nothing was imported; it" if told["is_dry"] else "Imported: it"
    console.print(f"{done} posts {entries}.")


def _render_report(console: "Console", found: dict[str, Any]) -> None:
    from meterhouse.cli.tables import table

    if not found["imports"]:
        console.print("Nothing was imported. `meterhouse history import FOLDER` does.")
        return
    rows = [
        (one["import_id"][:8], one["given_at"], one["actor"], f"{one['rows']:,}")
        for one in found["imports"]
    ]
    console.print(table(["import", "at", "by", "rows>"], rows))
    open_rows = [
        (one["what"], one["entity_id"], grouped(one["at_cut_over"]), grouped(one["left"]),
         one["currency"])
        for one in found["open"]
    ]  # fmt: skip
    console.print(table(["what", "entity", "at cut-over>", "left now>", ""], open_rows))


def _money(amount: Any, currency: str | None) -> str | None:
    return None if amount is None or currency is None else money_text(amount, currency)
