"""One event id with two contents: see both, keep the first or take the new one."""

from typing import Any, Literal

import click

from meterhouse.cli.app import App, Group, pass_app
from meterhouse.cli.values import counted
from meterhouse.errors import UsageError


@click.group(cls=Group, short_help="Event ids with two contents.")
def conflicts() -> None:
    """Event ids that came with two contents; open ones hold back their windows."""


@conflicts.command("list")
@click.option("--limit", default=50, show_default=True, help="Rows to show.")
@pass_app
def list_conflicts(app: App, limit: int) -> None:
    """Open conflicts with the values that hold and the values that came later."""
    from meterhouse.cli.reading import rows_of
    from meterhouse.run.conflicts import OPEN

    with app.lake.reading() as db:
        total = rows_of(db, f"select count(*) as count from ({OPEN})")[0]["count"]
    found = _found(app, "", limit)
    app.show({"total": total, "conflicts": found}, lambda console: _render(console, found))
    if total > len(found):
        app.tell(f"{len(found)} of {total} conflicts are shown; give --limit for more.")


def _found(app: App, where: str, limit: int) -> list[dict[str, Any]]:
    """Open conflicts with both values."""
    from meterhouse.cli.reading import rows_of
    from meterhouse.run.conflicts import OPEN

    with app.lake.reading() as db:
        return rows_of(
            db,
            "select later.batch_seq || '-' || later.row_no as reference, later.source, "
            "later.event_id, later.customer_id, first.occurred_at as first_time, "
            "first.data as first_data, later.occurred_at as new_time, later.data as new_data "
            f"from ({OPEN}) as later left join facts.usage_events as first "
            "on first.batch_seq = later.first_seq and first.row_no = later.first_row "
            f"{where} order by later.batch_seq, later.row_no limit ?",
            [limit],
        )


def _render(console: Any, found: list[dict[str, Any]]) -> None:
    from meterhouse.cli.tables import table

    if not found:
        console.print("No conflict is open.")
        return
    columns = ["reference", "event_id", "customer_id", "first_time", "first_data"]
    columns += ["new_time", "new_data"]
    console.print(table(columns, [[row[name] for name in columns] for row in found]))


@conflicts.command()
@click.argument("references", nargs=-1, required=True, metavar="REFERENCE...")
@click.option("--reason", required=True, help="Why; stays on record.")
@click.option("--dry-run", is_flag=True, help="Show the conflicts and decide nothing.")
@pass_app
def keep(app: App, references: tuple[str, ...], reason: str, dry_run: bool) -> None:
    """Keep the first values; a REFERENCE is batch-row, like 12-3."""
    _resolve(app, references, "kept_first", reason, dry_run)


@conflicts.command()
@click.argument("references", nargs=-1, required=True, metavar="REFERENCE...")
@click.option("--reason", required=True, help="Why; stays on record.")
@click.option("--dry-run", is_flag=True, help="Show the conflicts and decide nothing.")
@pass_app
def take(app: App, references: tuple[str, ...], reason: str, dry_run: bool) -> None:
    """Take the new values, under a new batch; a REFERENCE is batch-row, like 12-3."""
    _resolve(app, references, "took_new", reason, dry_run)


def _resolve(
    app: App,
    references: tuple[str, ...],
    decision: Literal["kept_first", "took_new"],
    reason: str,
    dry_run: bool,
) -> None:
    from meterhouse.run.conflicts import resolve

    if dry_run:
        _show_dry(app, references, decision)
        return
    batch_seq = resolve(app.lake, [_parsed(one) for one in references], decision, reason)
    app.show(
        {"batch_seq": batch_seq, "decision": decision, "references": list(references)},
        lambda console: console.print(
            f"Decided {len(references)} as batch {batch_seq}. The next run bills accordingly."
        ),
    )


def _show_dry(app: App, references: tuple[str, ...], decision: str) -> None:
    wanted = {_parsed(one): one for one in references}
    listed = ", ".join(f"({batch}, {row})" for batch, row in wanted)
    found = _found(app, f"where (later.batch_seq, later.row_no) in ({listed})", len(wanted))
    missing = sorted({*wanted.values()} - {row["reference"] for row in found})
    if missing:
        raise UsageError(
            f"{', '.join(missing)} names no open conflict; nothing was changed. "
            "`meterhouse conflicts list` shows them."
        )
    held = "the first values would be kept" if decision == "kept_first" else "the new ones taken"

    def render(console: Any) -> None:
        _render(console, found)
        console.print(f"Dry run, nothing was decided: of {counted(len(found), 'conflict')} {held}.")

    app.show({"is_dry": True, "decision": decision, "conflicts": found}, render)


def _parsed(reference: str) -> tuple[int, int]:
    batch, _, row = reference.partition("-")
    if not (batch.isdecimal() and row.isdecimal()):
        raise UsageError(
            f"{reference!r} is not a reference to a conflict; give batch-row, like 12-3. "
            "Nothing was changed."
        )
    return int(batch), int(row)
