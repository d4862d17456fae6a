"""Plan and apply: what the folder `book/` would change in the recorded book."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from meterhouse.cli.app import App, Command, is_interactive, pass_app
from meterhouse.cli.options import DAY
from meterhouse.cli.values import counted
from meterhouse.errors import UsageError

if TYPE_CHECKING:
    from datetime import date

    from meterhouse.catalog.plan import Change

LEFT = "The documents are recorded only if all of them are, in one commit."


@click.command(cls=Command)
@click.option("--all", "with_same", is_flag=True, help="List unchanged documents too.")
@click.option("--no-money", is_flag=True, help="Leave out windows, documents and entries.")
@click.option("--through", type=DAY, metavar="DATE", help="Default: as the last run.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Only the invoice impact, Markdown.")
@pass_app
def plan(
    app: App, with_same: bool, no_money: bool, through: "date | None", as_markdown: bool
) -> None:
    """Show what `apply` would record and what it does to invoices; changes nothing."""
    if as_markdown and (no_money or app.as_json):
        raise UsageError("Give --markdown alone, without --no-money and --json. Nothing was done.")
    changes, warnings = _planned(app)
    money = None if no_money else _money(app, changes, through)
    if as_markdown:
        from meterhouse.cli.plan_money import markdown

        click.echo(markdown(money), nl=False)
        return
    _show(app, changes, with_same, warnings, money=money)
    app.tell("`meterhouse apply` records this." if _to_record(changes) else "Nothing to record.")


@click.command(cls=Command, short_help="Record new and changed documents.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.option("--dry-run", is_flag=True, help="Show the plan and record nothing.")
@pass_app
def apply(app: App, yes: bool, dry_run: bool) -> None:
    """Record new and changed documents of `book/` as versions, in one commit."""
    changes, warnings = _planned(app)
    planned = _to_record(changes)
    if dry_run or not planned:
        _show(app, changes, False, warnings, money=_money(app, changes, None))
        app.tell("Nothing was recorded." if planned else "Nothing to record.")
        return
    if not yes and is_interactive() and not app.as_json:
        _show(app, changes, False, warnings, money=_money(app, changes, None))
    app.ask(
        f"{counted(len(planned), 'document')} would be recorded", yes=yes, question="Record them?"
    )
    with app.working(f"Recording {counted(len(planned), 'document')}", LEFT):
        from meterhouse.run.applying import apply_book

        done, batch_seq = apply_book(app.lake)
    if [c.content_sha256 for c in _to_record(done)] != [c.content_sha256 for c in planned]:
        app.tell("The folder changed meanwhile; this was recorded:")
    if yes or app.as_json:
        _show(app, done, False, warnings, batch_seq)
    app.tell(f"Recorded {len(_to_record(done))} documents as batch {batch_seq}.")


def refuse_empty(folder: Path) -> None:
    """An empty folder is a slip of --home or a fresh home, not a plan."""
    if not any(path.suffix in {".yaml", ".yml", ".csv"} for path in folder.rglob("*")):
        raise UsageError(
            f"The book {folder} holds no documents (*.yaml, *.csv); nothing was planned or "
            "recorded. Write some, or start from an example: "
            "`meterhouse --home NEW init --example azure`."
        )


def _planned(app: App) -> "tuple[list[Change], list[str]]":
    """The changes, and a sentence for each thing that is doubtful and still recorded."""
    refuse_empty(app.settings.book)
    with app.working("Reading the book", "Nothing was recorded.") as work:
        from meterhouse.run.applying import planned

        work.stage("Comparing meters with the recorded events")
        changes, warnings = planned(app.lake)
        return changes, warnings


def _money(app: App, changes: "list[Change]", through: "date | None") -> dict[str, Any] | None:
    """What the change does to invoices; None, with a sentence, where there is no run yet."""
    if not _to_record(changes):
        return None
    from meterhouse.cli.plan_money import NOTHING, payload

    with app.working("Pricing the change", "Nothing was recorded.") as work:
        from meterhouse.run.previewing import preview

        found = preview(app.lake, changes, through, work.stage)
    if found is None:
        app.tell(NOTHING)
        return None
    return payload(found)


def _to_record(changes: "list[Change]") -> "list[Change]":
    return [change for change in changes if change.action in {"new", "changed"}]


def _show(
    app: App,
    changes: "list[Change]",
    with_same: bool,
    warnings: list[str],
    batch_seq: int | None = None,
    money: dict[str, Any] | None = None,
) -> None:
    counts = dict.fromkeys(("new", "changed", "same", "kept"), 0)
    for change in changes:
        counts[change.action] += 1
    listed = changes if with_same or app.as_json else _to_record(changes)

    def render(console: Any) -> None:
        from meterhouse.cli.tables import table

        if listed:
            rows = [row for change in listed for row in _rows(change)]
            console.print(table(["action", "kind", "id", "from", "field", "old", "new"], rows))
        console.print(", ".join(f"{count} {action}" for action, count in counts.items()))
        if money is not None:
            from meterhouse.cli.plan_money import render as render_money

            render_money(console, money)

    payload = {
        "counts": counts,
        "batch_seq": batch_seq,
        "changes": [_as_dict(change) for change in listed],
        "warnings": warnings,
        "money": money,
    }
    app.show(payload, render)
    for sentence in [*warnings, *(money or {}).get("warnings", [])]:
        app.tell(f"Warning: {sentence}")


def _rows(change: "Change") -> list[list[Any]]:
    head = [change.action, change.kind, change.id, change.valid_from or "always"]
    if not change.fields:
        return [[*head, "", "", ""]]
    rows = [[one.path, _short(one.old), _short(one.new)] for one in change.fields]
    return [[*(head if first else ["", "", "", ""]), *row] for first, row in _with_first(rows)]


def _with_first(rows: list[list[Any]]) -> list[tuple[bool, list[Any]]]:
    return [(index == 0, row) for index, row in enumerate(rows)]


def _as_dict(change: "Change") -> dict[str, Any]:
    return {
        "action": change.action,
        "kind": change.kind,
        "id": change.id,
        "valid_from": change.valid_from,
        "content_sha256": change.content_sha256,
        "fields": [one._asdict() for one in change.fields],
    }


def _short(value: Any) -> str:
    text = "-" if value is None else value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
