"""Exchange rates: import what a bank publishes, and ask which one holds on a day."""

from datetime import date
from pathlib import Path
from typing import Any

import click

from meterhouse.cli.app import App, Group, pass_app
from meterhouse.cli.options import DAY
from meterhouse.cli.values import counted, number_text

LAYOUTS = ("csv", "ecb")


@click.group(cls=Group)
def rates() -> None:
    """Exchange rates, in which entities tell their taxes in another currency."""


@rates.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--source", required=True, help="Who published them, as entities name it: ecb.")
@click.option(
    "--layout", type=click.Choice(LAYOUTS), default="csv", show_default=True,
    help="csv: date, base, quote, rate. ecb: the bank's files, a column for each currency.",
)  # fmt: skip
@click.option("--restate", is_flag=True, help="Record rates that differ from those on record.")
@click.option("--dry-run", is_flag=True, help="Check everything and import nothing.")
@pass_app
def import_file(
    app: App,
    file: Path,
    source: str,
    layout: str,
    restate: bool,
    dry_run: bool,
) -> None:
    """Import the rates of FILE, all or none; rates that are on record already change nothing.

    Documents use the newest rate on or before their date. What is restated holds for documents to
    come; issued ones keep the rate they were told at.
    """
    from meterhouse.run.exchange import import_rates

    done = import_rates(app.lake, file, source, layout, restate=restate, dry=dry_run)
    payload = {
        "is_dry": dry_run,
        "import_id": done.import_id,
        "source": done.source,
        "batch_seq": done.batch_seq,
        "new": done.new,
        "known": done.known,
        "restated": done.restated,
        "first_on": done.first_on.isoformat(),
        "last_on": done.last_on.isoformat(),
    }
    verb = "would be imported" if dry_run else "imported"
    said = (
        f"{counted(done.new, 'rate')} of {source} {verb}, {done.restated:,} restated, "
        f"{done.known:,} known already ({done.first_on} to {done.last_on})."
    )
    app.show(payload, lambda console: console.print(said))


@rates.command()
@click.argument("currency")
@click.argument("wanted", metavar="IN")
@click.option("--source", required=True, help="Who published it.")
@click.option("--on", "day", type=DAY, help="Day of the document; default: today.")
@click.option("--max-age", type=click.IntRange(0, 366), default=5, show_default=True,
              help="Days that the rate may be older.")  # fmt: skip
@pass_app
def show(app: App, currency: str, wanted: str, source: str, day: date | None, max_age: int) -> None:
    """Show what one unit of CURRENCY costs IN another on a day, and when that was published."""
    from meterhouse.run.exchange import rate_of

    asked_on = day or app.lake.settings.now().date()
    found = rate_of(app.lake, currency, wanted, source, asked_on, max_age)
    payload: dict[str, Any] = {
        **found,
        "rate": number_text(str(found["rate"])),
        "on": asked_on.isoformat(),
        "rate_on": found["rate_on"].isoformat(),
    }
    said = f"1 {currency} = {payload['rate']} {wanted}, {source} of {payload['rate_on']}"
    app.show(payload, lambda console: console.print(said))
