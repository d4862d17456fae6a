"""The success criteria of a pilot, as a table, as Markdown and as a page."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from meterhouse.cli.app import App, Group, pass_app

if TYPE_CHECKING:
    from meterhouse.run.pilot import Outcome

NOT_MET = 4
HEADS = ("criterion", "measure", "target", "owner", "result", "met", "by", "on")


@click.group(cls=Group)
def pilot() -> None:
    """What must be true before the old system is left, and what came of it."""


@pilot.command()
@click.option("--html", "page", type=click.Path(path_type=Path), help="Write it as a page.")
@click.option("--markdown", type=click.Path(path_type=Path), help="Write it as Markdown.")
@click.pass_context
def report(context: click.Context, page: Path | None, markdown: Path | None) -> None:
    """Every criterion with measure, target, owner, result, name and date.

    Ends with code 4 as long as one is not met.
    """
    from meterhouse.parallel.page import pilot_page
    from meterhouse.run.pilot import outcomes

    app = context.find_object(App) or App()
    found = outcomes(app.lake)
    if page is not None:
        page.write_bytes(pilot_page(HEADS, [_cells(one) for one in found]))
    if markdown is not None:
        markdown.write_text(_markdown(found), encoding="utf-8")
    is_met = bool(found) and all(one.is_met for one in found)
    rows = [
        dict(zip(("id", *HEADS), (one.criterion_id, *_cells(one)), strict=True)) for one in found
    ]
    app.show({"is_met": is_met, "criteria": rows}, lambda console: _render(console, found))
    if not is_met:
        context.exit(NOT_MET)


@pilot.command()
@click.argument("criterion")
@click.option("--result", required=True, metavar="TEXT", help="What was found.")
@click.option("--met/--not-met", "is_met", required=True, help="Whether that meets it.")
@pass_app
def result(app: App, criterion: str, result: str, is_met: bool) -> None:
    """Record what came of a criterion that a person measures; the newest result counts."""
    from meterhouse.run.pilot import record_result

    batch = record_result(app.lake, criterion, result, is_met=is_met)
    payload = {"criterion": criterion, "is_met": is_met, "batch_seq": batch}
    app.show(payload, lambda console: console.print(f"Recorded as batch {batch}."))


def _cells(one: "Outcome") -> tuple[str, ...]:
    met = "open" if one.is_met is None else "yes" if one.is_met else "no"
    day = "" if one.on is None else one.on.isoformat()
    measure = one.measure.replace("_", " ")
    return (one.criterion, measure, one.target, one.owner, one.result, met, one.by, day)


def _render(console: Any, found: "list[Outcome]") -> None:
    from meterhouse.cli.tables import table

    if not found:
        console.print("The book has no criteria: documents of kind criterion.")
        return
    console.print(table(list(HEADS), [_cells(one) for one in found]))


def _markdown(found: "list[Outcome]") -> str:
    rows = [HEADS, tuple("---" for _ in HEADS), *(_cells(one) for one in found)]
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(["# Pilot", "", *lines, ""])
