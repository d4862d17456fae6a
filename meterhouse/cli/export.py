"""Export a period to files, and compare exported files with their manifests."""

import re
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from meterhouse.cli.app import App, Command, Group
from meterhouse.cli.options import DAY
from meterhouse.errors import UsageError

if TYPE_CHECKING:
    from meterhouse.run.exporting import Exported, ExportedFolder
    from meterhouse.run.focus import Focus

DAMAGED = 6


def _json_after(context: click.Context, _: click.Parameter, value: bool) -> None:
    """A group does not take `--json` after its name by itself."""
    if value:
        context.ensure_object(App).as_json = True


@click.group(cls=Group, invoke_without_command=True, short_help="Files for finance, of a period.")
@click.option("--period", metavar="YYYY-MM", help="A month.  [default: the last full one]")
@click.option("--from", "first", type=DAY, help="First day, instead of a month.")
@click.option("--until", type=DAY, help="First day after the period.")
@click.option("--entity", metavar="ID", help="Only this entity.  [default: all]")
@click.option(
    "--format",
    "formats",
    metavar="NAMES",
    help="Of csv,xlsx,parquet,beancount,hledger.  [default: all]",
)
@click.option(
    "--to",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Folder of all exports.  [default: exports/ of the home]",
)
@click.option("--dry-run", is_flag=True, help="Say what would change; write nothing.")
@click.option(
    "--json",
    is_flag=True,
    expose_value=False,
    callback=_json_after,
    help="Print JSON instead of tables.",
)
@click.pass_context
def export(
    context: click.Context,
    period: str | None,
    first: date | None,
    until: date | None,
    entity: str | None,
    formats: str | None,
    folder: Path | None,
    dry_run: bool,
) -> None:
    """Write invoices, lines and entries of a period to DIR/ENTITY/PERIOD/.

    Done again with nothing new, it changes nothing. A folder is replaced as a whole.

    \b
    meterhouse export --period 2026-10
    meterhouse export --from 2026-10-01 --until 2026-10-16 --entity us --format xlsx
    meterhouse export verify --all
    """
    if context.invoked_subcommand is not None:
        return
    from meterhouse.run.exporting import FORMATS, export_period

    app = context.find_object(App) or App()
    options: dict[str, Any] = {"folder": folder, "dry_run": dry_run}
    options["formats"] = [one.strip() for one in formats.split(",")] if formats else FORMATS
    done = [
        export_period(app.lake, entity=name, first=start, until=end, **options)
        for name, start, end in _periods(app, period, first, until, entity)
    ]
    folders = [one for exported in done for one in exported.folders]
    app.show({"exports": [_payload(one) for one in done]}, lambda c: _render(c, folders))
    for one in folders:
        _tell(app, one)


def _periods(
    app: App, period: str | None, first: date | None, until: date | None, entity: str | None
) -> list[tuple[str | None, date, date]]:
    """The periods to export: the one asked for, or the last month of each entity's own zone."""
    from meterhouse.run.exporting import last_months

    if (first is None) != (until is None) or (period and first):
        raise UsageError("Give --period, or --from and --until together. Nothing was exported.")
    if first is not None and until is not None:
        return [(entity, first, until)]
    if period:
        return [(entity, *_month(period))]
    return [*last_months(app.lake, entity)]


def _month(text: str) -> tuple[date, date]:
    if not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", text) or text.startswith("0000"):
        raise UsageError(
            f"{text!r} is not a month; write year-month, like 2026-10. Nothing was exported."
        )
    first = date.fromisoformat(f"{text}-01")
    return first, (first + timedelta(days=32)).replace(day=1)


def _payload(done: "Exported") -> dict[str, Any]:
    return {
        "first": done.first,
        "until": done.until,
        "is_dry": done.is_dry,
        "folders": [vars(one) for one in done.folders],
    }


def _tell(app: App, one: "ExportedFolder") -> None:
    if one.damaged:
        now = "would be" if one.status == "would change" else "were"
        app.tell(
            f"Files of {one.path} were not what their manifest said and {now} written anew: "
            f"{' '.join(one.damaged)}"
        )
    if one.drafts_waiting:
        noun = "draft waits" if one.drafts_waiting == 1 else "drafts wait"
        app.tell(
            f"{one.drafts_waiting:,} {noun} in the period of {one.entity}; only what is issued "
            "was exported. `meterhouse invoices list` shows them."
        )


def _render(console: Any, folders: "list[ExportedFolder]") -> None:
    from meterhouse.cli.tables import table

    for one in folders:
        console.print(f"{one.entity}: {one.status}, as of batch {one.batch_seq}: {one.path}")
        rows = [
            (file or "(not written)", name, held.get("rows", held.get("entries")), _sums(held))
            for file, said in one.files.items()
            for name, held in said.get("tables", said).items()
        ]
        console.print(table(["file", "table", "rows>", "totals"], rows))


def _sums(held: dict[str, Any]) -> str:
    """`USD net 1,000.00 tax 88.75`; for a ledger how many balances it ends with."""
    from meterhouse.cli.values import grouped

    if "balances" in held:
        count = sum(len(accounts) for accounts in held["balances"].values())
        return f"{count} balances at the end"
    return "; ".join(
        " ".join([currency, *(f"{name} {grouped(text)}" for name, text in sums.items())])
        for currency, sums in held["totals"].items()
    )


@export.command()
@click.argument("folders", nargs=-1, metavar="DIR...", type=click.Path(path_type=Path))
@click.option("--all", "is_all", is_flag=True, help="Every export in exports/ of the home.")
@click.pass_context
def verify(context: click.Context, folders: tuple[Path, ...], is_all: bool) -> None:
    """Compare exported files with their manifest; ends with 6 on any difference."""
    from meterhouse.exports.verify import differences

    app = context.find_object(App) or App()
    if bool(folders) == is_all:
        raise UsageError("Name the folders to compare, or give --all. Nothing was compared.")
    found = {str(one): differences(one) for one in (_exported(app) if is_all else folders)}
    app.show({"folders": found}, lambda console: _render_verified(console, found))
    if any(found.values()):
        app.tell("What differs was changed after it was exported; export the period again.")
        context.exit(DAMAGED)


def _exported(app: App) -> list[Path]:
    from meterhouse.run.exporting import default_folder

    places = sorted(default_folder(app.settings).glob("*/*"))
    return [one for one in places if one.is_dir() and not one.name.startswith(".")]


def _render_verified(console: Any, found: dict[str, list[str]]) -> None:
    for folder, sentences in found.items():
        console.print(f"{folder}: {' '.join(sentences) or 'as its manifest says'}")
    if not found:
        console.print("There is nothing exported yet. `meterhouse export` does it.")


@export.command(cls=Command)
@click.option("--period", metavar="YYYY-MM", help="A month.")
@click.option("--from", "first", type=DAY, help="First day, instead of a month.")
@click.option("--until", type=DAY, help="First day after the period.")
@click.option("--customer", metavar="ID", help="Only what this customer pays.  [default: all]")
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "parquet"]),
    default="csv",
    show_default=True,
    help="Text, or typed columns.",
)
@click.option(
    "--to",
    "folder",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write to.  [default: exports/focus of the home]",
)
@click.pass_context
def focus(
    context: click.Context,
    period: str | None,
    first: date | None,
    until: date | None,
    customer: str | None,
    form: Literal["csv", "parquet"],
    folder: Path | None,
) -> None:
    """Write what was invoiced in a period as a FOCUS 1.2 file, for customers' FinOps tools.

    One row per line and per tax; the costs of an InvoiceId add up to its total.
    """
    from meterhouse.run.exporting import default_folder
    from meterhouse.run.focus import write_focus

    app = context.find_object(App) or App()
    if not period and first is None:
        raise UsageError("Give --period, or --from and --until. Nothing was exported.")
    ((_, start, end),) = _periods(app, period, first, until, None)
    target = (folder or default_folder(app.settings) / "focus").resolve()
    done = write_focus(app.lake, start, end, target, customer, form)
    app.show(vars(done), lambda console: _render_focus(console, done))


def _render_focus(console: Any, done: "Focus") -> None:
    from meterhouse.cli.values import grouped

    sums = ", ".join(f"{currency} {grouped(cost)}" for currency, cost in done.billed.items())
    console.print(f"Wrote {done.rows:,} rows of {sums or 'nothing'} to {done.path}.")
