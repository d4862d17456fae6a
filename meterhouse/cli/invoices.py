"""Invoices and credit notes: list, show, approve, issue; documents.py writes them as files."""

import json
from datetime import date
from typing import Any

import click

from meterhouse.cli import approval, credit, documents, voiding
from meterhouse.cli.app import App, Group, pass_app
from meterhouse.cli.billing import CHECKS_FAILED, held_of, is_blocked, print_issued
from meterhouse.cli.edit import edit, edits, edits_of, print_edits
from meterhouse.cli.filters import EVERYTHING, Filter, filter_option, refuse_unknown
from meterhouse.cli.issuing import planned, show_approved, show_planned, sums_text
from meterhouse.cli.one_off import bill, one_off
from meterhouse.cli.options import DAY, DRAFT, NUMBER
from meterhouse.cli.upcoming import upcoming
from meterhouse.cli.written_off import written_off
from meterhouse.errors import UsageError

STATES = ("blocked", "waiting", "grace", "approved", "discarded", "issued", "void")


@click.group(cls=Group)
def invoices() -> None:
    """Drafts of the last run and issued documents."""


@invoices.command("list")
@click.option("--customer", metavar="ID", help="Only this customer.")
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="Repeatable.")
@click.option("--through", type=DAY, help="Only what was due up to this day.")
@click.option("--imported", "is_imported", is_flag=True, help="Those of the system before instead.")
@filter_option
@pass_app
def list_invoices(
    app: App,
    customer: str | None,
    states: tuple[str, ...],
    through: date | None,
    is_imported: bool,
    chosen: Filter,
) -> None:
    """Drafts with their state, then issued documents."""
    if is_imported:
        from meterhouse.cli.imported import show_imported

        show_imported(app, customer, through)
        return
    from meterhouse.cli.drafts import listed, with_money_text
    from meterhouse.cli.reading import derived

    with derived(app.lake) as db:
        refuse_unknown(db, chosen)
        found = with_money_text(listed(db, customer, states, through, chosen))
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
        changed = [] if app.as_json else edits_of(db, found["id"])
    if app.as_json:
        # No newline: what is printed is what was hashed.
        click.echo(found["content"], nl=False)
        return
    from meterhouse.cli.paper import print_document
    from meterhouse.cli.tables import console

    title = found["number"] or f"draft {found['id'][:8]}"
    print_document(console(), title, json.loads(found["content"]))
    if changed:
        print_edits(console(), changed)


@invoices.command()
@click.argument("drafts", nargs=-1, metavar="DRAFT...", type=DRAFT)
@click.option("--all", "is_all", is_flag=True, help="Every draft that waits for approval.")
@filter_option
@click.option("--reason", help="Why; stays on record.")
@click.option("--dry-run", is_flag=True, help="Show what would be approved and approve nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask, for --all and --filter.")
@pass_app
def approve(
    app: App,
    drafts: tuple[str, ...],
    is_all: bool,
    chosen: Filter,
    reason: str | None,
    dry_run: bool,
    yes: bool,
) -> None:
    """Approve drafts as they stand now; a later change needs a new approval.

    With --all or --filter it asks first, with their number and sums, and approves what it showed.
    """
    from meterhouse.run.approving import approve as approve_drafts
    from meterhouse.run.approving import approve_shown

    if bool(drafts) == (is_all or chosen != EVERYTHING):
        raise UsageError(
            "Name the drafts to approve, or give --all or --filter. Nothing was approved."
        )
    if drafts and not dry_run:
        show_approved(app, approve_drafts(app.lake, drafts, reason), {})
        return
    waiting = planned(app, drafts, ("waiting",), chosen)
    if dry_run:
        show_planned(app, waiting, "approved")
        return
    if waiting:
        app.ask(f"{sums_text(waiting)} would be approved", yes=yes, question="Approve them?")
    shown = {row["id"]: row["content_hash"] for row in waiting}
    approved, left = approve_shown(app.lake, shown, reason)
    show_approved(app, approved, left)


@invoices.command()
@click.argument("drafts", nargs=-1, metavar="DRAFT...", type=DRAFT)
@filter_option
@click.option("--dry-run", is_flag=True, help="Show what would be issued and issue nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.pass_context
def issue(
    context: click.Context, drafts: tuple[str, ...], chosen: Filter, dry_run: bool, yes: bool
) -> None:
    """Issue approved drafts, or only those named; each gets its number and its entries.

    One that is named is issued also while late usage may still change it.

    An issued document stays, so it asks first, with their number and sums.

    Ends with 3 if a check or a missing decision held a draft back, with 1 if a draft that was
    named still waits for approval.
    """
    from meterhouse.run.issuing import issue as issue_drafts

    app = context.find_object(App) or App()
    if chosen != EVERYTHING or dry_run or not yes:
        states = ("approved", "grace") if drafts else ("approved",)
        approved = planned(app, drafts, states, chosen)
        if dry_run:
            show_planned(app, approved, "issued")
            return
        if approved:
            what = f"{sums_text(approved)} would be issued for good"
            app.ask(what, yes=yes, question="Issue them?")
        if chosen != EVERYTHING:
            drafts = tuple(row["id"] for row in approved)
            if not drafts:
                raise UsageError("No approved draft fits the filter. Nothing was issued.")
    with app.working("Issuing", "Documents are issued all at once, or none of them is."):
        result = issue_drafts(app.lake, drafts)
    held = held_of(app, result)
    payload = {"batch_seq": result.batch_seq, "issued": list(result.numbers), "held": held}
    app.show(payload, lambda console: print_issued(console, result.numbers, held))
    if is_blocked(held):
        context.exit(CHECKS_FAILED)
    if held and (drafts or any(row["state"] == "approved" for row in held)):
        context.exit(1)


for command in (
    *(documents.pdf, documents.html, documents.xml, documents.usage, documents.pack),
    *(credit.credit, credit.give, voiding.void, voiding.mark_sent),
    *(approval.discard, approval.reopen, approval.history, approval.diff),
    *(upcoming, one_off, bill, edit, edits, written_off),
):
    invoices.add_command(command)
