"""Drafts off the table and back, what happened to a document, and what changed since approval."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from meterhouse.cli.app import App, Command, pass_app
from meterhouse.cli.options import DRAFT, NUMBER
from meterhouse.cli.values import counted

if TYPE_CHECKING:
    from meterhouse.invoicing.content_diff import Difference

REASON = click.option("--reason", required=True, help="Why; stays on record.")
DRY = click.option("--dry-run", is_flag=True, help="Check it, and change nothing.")
DRAFTS = click.argument("drafts", nargs=-1, required=True, metavar="DRAFT...", type=DRAFT)


@click.command(cls=Command, short_help="Take drafts off the table.")
@DRAFTS
@REASON
@DRY
@pass_app
def discard(app: App, drafts: tuple[str, ...], reason: str, dry_run: bool) -> None:
    """Keep drafts from being issued while they say what they say now.

    Their lines stay unbilled; one that a run makes in another way is a draft again.
    """
    from meterhouse.run.discarding import discard as discard_drafts

    done = discard_drafts(app.lake, drafts, reason, dry=dry_run)
    _show(app, "discarded", done, is_dry=dry_run)


@click.command(cls=Command, short_help="Take the discarding of drafts back.")
@DRAFTS
@REASON
@DRY
@pass_app
def reopen(app: App, drafts: tuple[str, ...], reason: str, dry_run: bool) -> None:
    """Make drafts of discarded ones again; they need their approvals anew."""
    from meterhouse.run.discarding import reopen as reopen_drafts

    done = reopen_drafts(app.lake, drafts, reason, dry=dry_run)
    _show(app, "reopened", done, is_dry=dry_run)


@click.command(cls=Command, short_help="What happened to a document.")
@click.argument("name", metavar="NUMBER|DRAFT", type=NUMBER)
@pass_app
def history(app: App, name: str) -> None:
    """Every step of a draft or document: who, when, why, and on which content."""
    from meterhouse.cli.drafts import find
    from meterhouse.cli.reading import derived
    from meterhouse.run.document_history import history as steps_of

    with derived(app.lake) as db:
        found = find(db, name)
        steps = steps_of(db, found)
    payload = {"id": found["id"], "number": found["number"], "steps": steps}
    app.show(payload, lambda console: _render_steps(console, steps))


@click.command(cls=Command, short_help="What changed since approval.")
@click.argument("name", metavar="NUMBER|DRAFT", type=NUMBER)
@pass_app
def diff(app: App, name: str) -> None:
    """What a draft says now and did not say when it was approved last: lines, amounts, heads."""
    from meterhouse.cli.drafts import find
    from meterhouse.cli.reading import derived
    from meterhouse.run.document_history import approved_difference

    with derived(app.lake) as db:
        found = approved_difference(db, find(db, name))
    payload = {
        "fields": [one._asdict() for one in found.fields],
        "lines": [
            {**one._asdict(), "fields": [field._asdict() for field in one.fields]}
            for one in found.lines
        ],
    }
    app.show(payload, lambda console: _render_difference(console, found))


def _show(app: App, verb: str, drafts: Sequence[str], *, is_dry: bool) -> None:
    said = f"{counted(len(drafts), 'draft')} {'would be ' if is_dry else ''}{verb}."
    app.show({"is_dry": is_dry, verb: list(drafts)}, lambda console: console.print(said))


def _render_steps(console: Any, steps: list[dict[str, Any]]) -> None:
    from meterhouse.cli.tables import table

    rows = [
        (
            "-" if one["batch_seq"] is None else one["batch_seq"],
            f"{one['given_at']:%Y-%m-%d %H:%M}" if one["given_at"] else "",
            one["who"] or "",
            one["step"],
            one["why"] or "",
            one["what"] or "",
            (one["content_hash"] or "")[:8],
        )
        for one in steps
    ]
    console.print(table(["batch>", "when", "who", "step", "why", "what", "content"], rows))


def _render_difference(console: Any, found: "Difference") -> None:
    from meterhouse.cli.tables import table

    rows = [("document", one.path, _text(one.old), _text(one.new)) for one in found.fields]
    for line in found.lines:
        name = f"{line.line['contract']} {line.line['item']}: {line.line['description']}"
        if line.change == "changed":
            rows += [(name, one.path, _text(one.old), _text(one.new)) for one in line.fields]
        else:
            amount = _text(line.line["amount"])
            pair = ("", amount) if line.change == "came" else (amount, "")
            rows.append((name, f"line {line.change}", *pair))
    if rows:
        console.print(table(["of", "what", "approved>", "now>"], rows))
    else:
        console.print("It says what it said when it was approved.")


def _text(value: Any) -> str:
    from meterhouse.cli.values import json_text

    return value if isinstance(value, str) else "" if value is None else json_text(value)
