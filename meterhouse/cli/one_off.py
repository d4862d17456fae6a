"""Invoices with no contract behind them, and billing one customer now."""

from datetime import date
from pathlib import Path
from typing import Any

import click

from meterhouse.cli.app import App, Command, pass_app
from meterhouse.cli.billing import CHECKS_FAILED, LEFT_BY_RUN, held_of, is_blocked, print_issued
from meterhouse.cli.options import DAY
from meterhouse.errors import Rejected, UsageError


@click.command("one-off", cls=Command, short_help="Record invoices without a contract.")
@click.argument(
    "file", required=False, type=click.Path(path_type=Path, exists=True, dir_okay=False)
)
@click.option("--withdraw", metavar="ID", help="Take back one that is not issued.")
@click.option("--reason", help="Why it is withdrawn; stays on record.")
@click.option("--dry-run", is_flag=True, help="Check the file and record nothing.")
@pass_app
def one_off(
    app: App, file: Path | None, withdraw: str | None, reason: str | None, dry_run: bool
) -> None:
    """Record the one-off invoices of FILE, YAML or JSON, all of them or none.

    The next run drafts them; they are approved, taxed, issued and posted as every other. Their ids
    make them the same: given again they are there once.
    """
    from meterhouse.catalog.one_offs import read_one_offs
    from meterhouse.run.one_offs import record_one_offs, withdraw_one_off

    if (file is None) == (withdraw is None) or (withdraw is not None and not reason):
        raise UsageError("Give a FILE, or --withdraw ID with --reason. Nothing was recorded.")
    if withdraw is not None:
        batch = withdraw_one_off(app.lake, withdraw, reason or "")
        said = f"One-off {withdraw} is withdrawn; the next run drafts it no more."
        app.show({"withdrawn": withdraw, "batch_seq": batch}, lambda one: one.print(said))
        return
    given, faults = read_one_offs(file) if file is not None else ([], [])
    if faults:
        raise Rejected("\n".join([*faults, "Nothing was recorded."]))
    done = record_one_offs(app.lake, given, dry=dry_run)
    payload = {
        "is_dry": dry_run,
        "batch_seq": done.batch_seq,
        "recorded": list(done.recorded),
        "known": list(done.known),
    }
    app.show(payload, lambda console: console.print(_said(payload)))


def _said(done: dict[str, Any]) -> str:
    first = "Dry run, would record" if done["is_dry"] else "Recorded"
    rest = f" {len(done['known']):,} had been recorded before." if done["known"] else ""
    after = "" if done["is_dry"] else " `meterhouse run --through DATE` drafts them."
    return f"{first} {len(done['recorded']):,}: {', '.join(done['recorded'][:20])}.{rest}{after}"


@click.command(cls=Command, short_help="Bill one customer now.")
@click.argument("customer", metavar="CUSTOMER")
@click.option("--through", type=DAY, required=True, help="Bill what is due up to this day.")
@click.pass_context
def bill(context: click.Context, customer: str, through: date) -> None:
    """Run through a day and issue, of all approved drafts, only those that CUSTOMER pays.

    Drafts of other customers are made and stay. A run through an earlier day issues nothing
    afterwards, as after every run. Ends with 3 if a check or a missing decision held one back.
    """
    app = context.find_object(App) or App()
    with app.working("Opening the home", LEFT_BY_RUN) as work:
        from meterhouse.run.on_demand import bill_customer

        result = bill_customer(app.lake, customer, through, tell=work.stage)
        held = held_of(app, result.issued)
    issued = result.issued
    payload = {
        "customer": customer,
        "run_id": result.run_id,
        "through": result.through,
        "is_dry": result.is_dry,
        "why_dry": result.why_dry or None,
        "issued": list(issued.numbers) if issued else [],
        "held": held,
        "failed_checks": result.failed_checks,
    }

    def render(console: Any) -> None:
        if result.is_dry:
            console.print(f"Nothing was issued: {result.why_dry}.")
        if issued:
            print_issued(console, issued.numbers, held)

    app.show(payload, render)
    for sentence in result.failed_checks:
        click.echo(sentence, err=True)
    if is_blocked(held):
        context.exit(CHECKS_FAILED)
