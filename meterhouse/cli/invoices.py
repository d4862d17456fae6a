"""Invoices and credit notes: list, show, approve, issue; documents.py writes them as files."""

import json
from datetime import date
from typing import Any

import click

from meterhouse.cli import credit, documents, voiding
from meterhouse.cli.app import App, Group, pass_app
from meterhouse.cli.billing import CHECKS_FAILED, held_of, is_blocked, print_issued
from meterhouse.cli.issuing import planned, show_planned, sums_text
from meterhouse.cli.options import DAY, DRAFT, NUMBER
from meterhouse.errors import UsageError

STATES = ("blocked", "waiting", "approved", "issued", "void")


@click.group(cls=Group)
def invoices() -> None:
    """Drafts of the last run and issued documents."""


@invoices.command("list")
@click.option("--customer", metavar="ID", help="Only this customer.")
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="Repeatable.")
@click.option("--through", type=DAY, help="Only what was due up to this day.")
@pass_app
def list_invoices(
    app: App, customer: str | None, states: tuple[str, ...], through: date | None
) -> None:
    """Drafts with their state, then issued documents."""
    from meterhouse.cli.drafts import listed, with_money_text
    from meterhouse.cli.reading import derived

    with derived(app.lake) as db:
        found = with_money_text(listed(db, customer, states, through))
    app.show({"invoices": found}, lambda console: _render_list(console, found))


def _render_list(console: Any, found: list[dict[str, Any]]) -> None:
    from meterhouse.cli.tables import table
    from meterhouse.cli.values import grouped

    if not found:
        console.print("There is nothing here. `meterhouse run --through DATE` makes drafts.")
        return
    columns = ["number", "state", "kind", "customer", "date", "due", "total>", "", "reason"]
    rows = [
        (
            row["number"] or row["id"][:8],
            row["state"],
            row["kind"].replace("_", " "),
            row["customer"] or row["customer_id"],
            row["invoice_date"],
            row["due_date"],
            grouped(row["total"] or "-"),
            row["currency"],
            row["reason"],
        )
        for row in found
    ]
    console.print(table(columns, rows))


@invoices.command()
@click.argument("name", metavar="NUMBER|DRAFT", type=NUMBER)
@pass_app
def show(app: App, name: str) -> None:
    """A document as a person reads it; --json prints its canonical bytes."""
    from meterhouse.cli.drafts import find
    from meterhouse.cli.reading import derived

    with derived(app.lake) as db:
        found = find(db, name)
    if app.as_json:
        # No newline: what is printed is what was hashed.
        click.echo(found["content"], nl=False)
        return
    from meterhouse.cli.paper import print_document
    from meterhouse.cli.tables import console

    title = found["number"] or f"draft {found['id'][:8]}"
    print_document(console(), title, json.loads(found["content"]))


@invoices.command()
@click.argument("drafts", nargs=-1, metavar="DRAFT...", type=DRAFT)
@click.option("--all", "is_all", is_flag=True, help="Every draft that waits for approval.")
@click.option("--reason", help="Why; stays on record.")
@click.option("--dry-run", is_flag=True, help="Show what would be approved and approve nothing.")
@pass_app
def approve(
    app: App, drafts: tuple[str, ...], is_all: bool, reason: str | None, dry_run: bool
) -> None:
    """Approve drafts as they stand now; a later change needs a new approval."""
    from meterhouse.run.issuing import approve as approve_drafts

    if bool(drafts) == is_all:
        raise UsageError("Name the drafts to approve, or give --all. Nothing was approved.")
    if dry_run:
        show_planned(app, planned(app, drafts, ("waiting",)), "approved")
        return
    names = _waiting(app) if is_all else list(drafts)
    approved = approve_drafts(app.lake, names, reason) if names else []
    app.show(
        {"approved": approved},
        lambda console: console.print(f"Approved {len(approved)}. `invoices issue` issues them."),
    )


def _waiting(app: App) -> list[str]:
    from meterhouse.cli.drafts import listed
    from meterhouse.cli.reading import derived

    with derived(app.lake) as db:
        return [row["id"] for row in listed(db, None, ("waiting",), None)]


@invoices.command()
@click.argument("drafts", nargs=-1, metavar="DRAFT...", type=DRAFT)
@click.option("--dry-run", is_flag=True, help="Show what would be issued and issue nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.pass_context
def issue(context: click.Context, drafts: tuple[str, ...], dry_run: bool, yes: bool) -> None:
    """Issue approved drafts, or only those named; each gets its number and its entries.

    An issued document stays, so it asks first, with their number and sums.

    Ends with 3 if a check or a missing decision held a draft back, with 1 if a draft that was
    named still waits for approval.
    """
    from meterhouse.run.issuing import issue as issue_drafts

    app = context.find_object(App) or App()
    if dry_run or not yes:
        approved = planned(app, drafts, ("approved",))
        if dry_run:
            show_planned(app, approved, "issued")
            return
        if approved:
            what = f"{sums_text(approved)} would be issued for good"
            app.ask(what, yes=False, question="Issue them?")
    with app.working("Issuing", "Documents are issued all at once, or none of them is."):
        result = issue_drafts(app.lake, drafts)
    held = held_of(app, result)
    payload = {"batch_seq": result.batch_seq, "issued": list(result.numbers), "held": held}
    app.show(payload, lambda console: print_issued(console, result.numbers, held))
    if is_blocked(held):
        context.exit(CHECKS_FAILED)
    if drafts and held:
        context.exit(1)


for command in (
    *(documents.pdf, documents.html, documents.xml, documents.usage, documents.pack),
    *(credit.credit, voiding.void, voiding.mark_sent),
):
    invoices.add_command(command)
