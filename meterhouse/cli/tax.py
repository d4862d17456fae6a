"""Tax engines: what they are asked about a document, and telling them what was issued."""

from typing import Any

import click

from meterhouse.cli.app import App, Command, Group, pass_app
from meterhouse.cli.billing import CHECKS_FAILED


@click.group(cls=Group)
def tax() -> None:
    """Tax engines: what they are asked, and what they are told."""


@tax.command(cls=Command, short_help="Show what an engine is asked about a document.")
@click.argument("name", metavar="DRAFT|NUMBER")
@pass_app
def show(app: App, name: str) -> None:
    """Show the question about a draft of the last run, or about a document, as JSON; asks nobody.

    DRAFT is a draft's id or its beginning.
    """
    from meterhouse.canonical import canonical_json
    from meterhouse.run.tax_sending import question_of

    found = question_of(app.lake, name)

    def render(console: Any) -> None:
        console.print(f"Engine {found['engine']} about {found['name']}:")
        console.print(canonical_json(found["question"]), markup=False, soft_wrap=True)
        said = found["answer"] or found["fault"]
        if said:
            console.print(str(said), markup=False, soft_wrap=True)

    app.show(found, render)


@tax.command(cls=Command, short_help="Tell engines of issued and voided documents.")
@click.option("--dry-run", is_flag=True, help="Show what would be sent and send nothing.")
@click.pass_context
def send(context: click.Context, dry_run: bool) -> None:
    """Have engines keep what was issued and take back what was voided; safe to repeat.

    A document whose tax is another one there is not committed. Ends with 3 if anything was not
    delivered; the next call tries it again.
    """
    from meterhouse.run import tax_sending

    app = context.find_object(App) or App()
    if dry_run:
        keys = ("number", "kind", "engine", "attempt", "tax")
        due = [{key: row[key] for key in keys} for row in tax_sending.pending(app.lake)]
        rows = [f"{one['number']}: {one['kind']}" for one in due]
        lines = "\n".join([f"{len(due):,} to send.", *rows])
        app.show({"is_dry": True, "pending": due}, lambda console: console.print(lines))
        return
    done = tax_sending.send(app.lake)
    left = [one for one in done if one.result != tax_sending.DELIVERED]
    payload = {
        "is_dry": False,
        "delivered": len(done) - len(left),
        "left": [
            {"number": one.number, "kind": one.kind, "engine": one.engine, "why": one.result}
            for one in left
        ],
    }
    said = f"{len(done) - len(left):,} delivered, {len(left):,} left."
    app.show(payload, lambda console: console.print(said))
    for one in left:
        click.echo(f"{one.number} was not delivered to {one.engine}: {one.result}.", err=True)
    if left:
        context.exit(CHECKS_FAILED)
