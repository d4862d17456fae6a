"""Where an invoice comes from, and the proof that it can be made again."""

from typing import TYPE_CHECKING, Literal

import click

from meterhouse.cli.app import App, Command, pass_app
from meterhouse.cli.names import refuse_unknown_numbers
from meterhouse.cli.options import NUMBER
from meterhouse.cli.values import counted
from meterhouse.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from meterhouse.run.rebuild import Rebuilt

DIFFERENT = 6
Level = Literal["determinants", "events", "both"]


@click.command(cls=Command, short_help="Show where each line comes from.")
@click.argument("number", metavar="NUMBER", type=NUMBER)
@click.option("--line", type=int, metavar="N", help="Only this line.")
@click.option("--events", "with_events", is_flag=True, help="Down to the single events.")
@click.option("--limit", default=100, show_default=True, help="Events to show per line.")
@pass_app
def explain(app: App, number: str, line: int | None, with_events: bool, limit: int) -> None:
    """Each line of a document: its price's steps, its determinant, its days, its events."""
    from meterhouse.run.explain import events
    from meterhouse.run.explain import explain as explain_document

    refuse_unknown_numbers(app, [number], "Nothing was explained.")
    found = explain_document(app.lake, number, line)
    if with_events:
        for one in found["lines"]:
            one["events"] = events(app.lake, number, one["line_no"], limit)

    def render(console: "Console") -> None:
        from meterhouse.cli.tree import tree_of

        console.print(tree_of(found))

    app.show(found, render)


@click.command(cls=Command, short_help="Make documents again and compare.")
@click.argument("numbers", nargs=-1, metavar="NUMBER...", type=NUMBER)
@click.option("--all", "is_all", is_flag=True, help="Every issued document.")
@click.option(
    "--from",
    "level",
    type=click.Choice(["determinants", "events", "both"]),
    default="both",
    show_default=True,
    help="What to start from.",
)
@click.pass_context
def rebuild(context: click.Context, numbers: tuple[str, ...], is_all: bool, level: Level) -> None:
    """Make documents again from the facts known then, and compare them byte for byte.

    Ends with 6 if one is different.
    """
    app = context.find_object(App) or App()
    if bool(numbers) == is_all:
        raise UsageError("Name the documents to rebuild, or give --all. Nothing was compared.")
    what = "every document" if is_all else counted(len(numbers), "document")
    with app.working(f"Rebuilding {what}", "Nothing was changed.") as work:
        from meterhouse.run.rebuild import rebuild as rebuild_documents

        if numbers:
            refuse_unknown_numbers(app, numbers, "Nothing was compared.")
        results = rebuild_documents(app.lake, None if is_all else numbers, level)
        work.rows("Rebuilt and compared", len(results), "documents")
    different = [one for one in results if not one.is_identical]
    payload = {"compared": len(results), "different": len(different), "documents": results}

    def render(console: "Console") -> None:
        from meterhouse.cli.tables import clean

        for one in results:
            console.print(clean(_sentence(one)))

    app.show(payload, render)
    if different:
        context.exit(DIFFERENT)


def _sentence(one: "Rebuilt") -> str:
    if one.is_identical:
        return f"{one.number}: identical" + (f" ({one.note})" if one.note else "")
    note = f" ({one.note})" if one.note else ""
    if one.path is None:
        return f"{one.number}: different{note}"
    return (
        f"{one.number}: different at {one.path}: stored {one.stored}, rebuilt {one.rebuilt}{note}"
    )
