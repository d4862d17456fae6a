"""Taking back documents that nobody got yet, and saying that some were sent."""

from datetime import date
from typing import TYPE_CHECKING, Any

import click

from meterhouse.cli.app import App, Command
from meterhouse.cli.options import DAY, NUMBER
from meterhouse.cli.values import counted, grouped, money_text

if TYPE_CHECKING:
    from meterhouse.run.voiding import Voided


@click.command(cls=Command, short_help="Take back documents that nobody got yet.")
@click.argument("numbers", nargs=-1, required=True, metavar="NUMBER...", type=NUMBER)
@click.option("--reason", required=True, help="Why; stays on record.")
@click.option("--on", type=DAY, help="Day of the void.  [default: today, where the seller is]")
@click.option("--dry-run", is_flag=True, help="Show what would be voided and void nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.pass_context
def void(
    context: click.Context,
    numbers: tuple[str, ...],
    reason: str,
    on: date | None,
    dry_run: bool,
    yes: bool,
) -> None:
    """Void documents that were neither sent nor paid, credited or corrected since.

    Their numbers stay used, their entries are reversed on the first open day, and the next run
    bills their windows again. What was sent is corrected by a credit note.
    """
    from meterhouse.run.voiding import void as void_documents

    app = context.find_object(App) or App()
    planned = void_documents(app.lake, numbers, reason, on, dry=True)
    if dry_run:
        _show(app, planned, is_dry=True)
        return
    app.ask(f"{_sums(planned)} would be voided", yes=yes, question="Void them?")
    _show(app, void_documents(app.lake, numbers, reason, on), is_dry=False)


@click.command("mark-sent", cls=Command, short_help="Record that documents were sent.")
@click.argument("numbers", nargs=-1, required=True, metavar="NUMBER...", type=NUMBER)
@click.option("--reason", default="sent outside of Meterhouse", show_default=True, help="How.")
@click.pass_context
def mark_sent(context: click.Context, numbers: tuple[str, ...], reason: str) -> None:
    """Record that documents reached their customers: from then on they are not voided."""
    from meterhouse.run.sent import mark_sent as mark

    app = context.find_object(App) or App()
    done = mark(app.lake, numbers, reason)
    said = f"{counted(len(done), 'document')} marked as sent."
    app.show({"sent": done}, lambda console: console.print(said))


def _sums(found: "Voided") -> str:
    sums: dict[str, Any] = {}
    for one in found.documents:
        currency = one["currency"]
        sums[currency] = sums.get(currency, 0) + one["total"]
    told = ", ".join(
        f"{grouped(money_text(total, currency))} {currency}" for currency, total in sums.items()
    )
    return f"{counted(len(found.documents), 'document')} of {told}"


def _show(app: App, found: "Voided", *, is_dry: bool) -> None:
    documents = [
        {**one, "total": money_text(one["total"], one["currency"])} for one in found.documents
    ]
    said = "Dry run, nothing was voided: " if is_dry else "Voided "
    after = "" if is_dry else " `meterhouse run --through DATE` bills their windows again."

    def render(console: Any) -> None:
        console.print(f"{said}{_sums(found)}{' would be.' if is_dry else '.'}{after}")

    app.show({"is_dry": is_dry, "batch_seq": found.batch_seq, "voided": documents}, render)
