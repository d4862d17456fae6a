"""Events kept out with a reason: look at them, try them again, refuse them for good."""

import json
from typing import Any

import click

from meterhouse.cli.app import App, Group, pass_app
from meterhouse.cli.names import refuse_unknown, source_names
from meterhouse.cli.options import SOURCE
from meterhouse.cli.values import counted

COUNTS = """
select source, reason, count(*) as events, min(received_at) as oldest_at,
    date_diff('day', min(received_at), ?::timestamptz) as oldest_days
from open group by all order by all
"""
# An event whose record could not be read has no subject and no type.
WHERE = """
where (?::varchar is null or source = ?) and (?::varchar is null or reason = ?)
    and (?::varchar is null or event_type = ?) and (?::varchar is null or subject = ?)
    and (?::bigint is null or batch_seq = ?)
"""


@click.group(cls=Group)
def quarantine() -> None:
    """Events kept out with a reason; every run tries them again."""


@quarantine.command("list")
@click.option("--source", metavar="NAME", type=SOURCE, help="Only this source.")
@click.option("--reason", metavar="WORD", help="Only this reason.")
@click.option("--type", "event_type", metavar="NAME", help="Only this event type.")
@click.option("--subject", metavar="ID", help="Only this subject.")
@click.option("--batch", type=int, metavar="N", help="Only what came with this batch.")
@click.option("--limit", default=50, show_default=True, help="Rows to show.")
@pass_app
def list_events(app: App, /, limit: int, **filters: Any) -> None:
    """Open events with their references, and how many for each source and reason."""
    from meterhouse.cli.reading import rows_of
    from meterhouse.run.quarantine import OPEN

    wanted = [filters[name] for name in ("source", "reason", "event_type", "subject", "batch")]
    with app.lake.reading() as db:
        _refuse_unknown(app, rows_of(db, f"select distinct source, reason from ({OPEN})"), filters)
        db.execute(
            f"create temp table open as select * from ({OPEN}) {WHERE}",
            [value for value in wanted for _ in range(2)],
        )
        counts = rows_of(db, COUNTS, [app.settings.now()])
        events = rows_of(
            db,
            "select batch_seq || '-' || row_no as reference, source, event_id, event_type, "
            "subject, time_text as time, reason, detail, data "
            "from open order by batch_seq, row_no limit ?",
            [limit],
        )
    total = sum(row["events"] for row in counts)
    payload = {"total": total, "counts": counts, "events": events}
    app.show(payload, lambda console: _render_list(console, counts, events))
    if total > len(events):
        app.tell(f"{len(events)} of {total} events are shown; give --limit for more.")


def _refuse_unknown(app: App, there: list[dict[str, Any]], filters: dict[str, Any]) -> None:
    """A misspelt filter would look like an empty quarantine."""
    if filters["source"] is not None:
        known = {*source_names(app), *(row["source"] for row in there)}
        refuse_unknown("Source", filters["source"], known, "nothing was listed")
    if filters["reason"] is not None and there:
        known = {row["reason"] for row in there}
        refuse_unknown("Reason", filters["reason"], known, "nothing was listed")


def _render_list(console: Any, counts: list[dict[str, Any]], events: list[dict[str, Any]]) -> None:
    from meterhouse.cli.tables import table

    if not counts:
        console.print("Quarantine is empty.")
        return
    rows = [
        (
            *(row["source"], row["reason"], f"{row['events']:,}", f"{row['oldest_at']:%Y-%m-%d}"),
            f"{row['oldest_days']:,} days",
        )
        for row in counts
    ]
    console.print(table(["source", "reason", "events>", "oldest", "age>"], rows))
    columns = ["reference", "source", "event_id", "subject", "time", "reason", "detail"]
    console.print(table(columns, [[row[name] for name in columns] for row in events]))


@quarantine.command()
@click.argument("reference", metavar="REFERENCE")
@pass_app
def show(app: App, reference: str) -> None:
    """One record whole: every fault, what the book knows that is near, and what to do.

    A REFERENCE is batch-row, like 12-3.
    """
    from meterhouse.run.quarantined import show as show_event

    found = show_event(app.lake, reference)
    app.show(found, lambda console: _render_event(console, found))


def _render_event(console: Any, found: dict[str, Any]) -> None:
    from meterhouse.cli.tables import clean, table

    console.print(f"Event {found['reference']}, {found['status']}", style="bold")
    where = f"{found['file']} row {found['source_row']}, received {found['received_at']:%Y-%m-%d}"
    fields = {"from": f"{found['source']} {where}"}
    fields |= {name: found[name] for name in ("event_id", "event_type", "subject", "time")}
    data = json.dumps(found["data"], ensure_ascii=False, indent=2)
    for name, value in fields.items():
        console.print(clean(f"{name:<11}{'-' if value is None else value}"))
    console.print(clean(f"{'data':<11}{data}"))
    console.print()
    for fault in found["faults"]:
        console.print(clean(f"fault      {fault}"))
    for fault in [one for one in found["faults_now"] if one not in found["faults"]]:
        console.print(clean(f"now        {fault}"))
    for hint in _hints(found["book"]):
        console.print(clean(f"book       {hint}"))
    console.print(clean(f"to do      {found['remedy']}"))
    if found["book"]["properties"]:
        rows = [list(one.values()) for one in found["book"]["properties"]]
        console.print(table(["property", "type", "decimals>", "required"], rows))


def _hints(book: dict[str, Any]) -> list[str]:
    hints = []
    if not book["is_type_known"]:
        near = ", ".join(book["near_types"]) or "none"
        hints.append(f"The event type is not in the book; near names: {near}.")
    if not book["customers"]:
        near = ", ".join(book["near_subjects"]) or "none"
        hints.append(f"The subject names no customer; near names: {near}.")
    hints += [
        f"The subject is customer {one['customer_id']} from {one['from_on']} "
        f"to before {one['until_on']}."
        for one in book["customers"]
    ]
    return hints


@quarantine.command()
@click.option("--dry-run", is_flag=True, help="Show how many would be released and release none.")
@pass_app
def retry(app: App, dry_run: bool) -> None:
    """Check every open event again; what is good now is released as late usage."""
    if dry_run:
        _show_releasable(app)
        return
    with app.working("Checking open events again", "What was released stays."):
        from meterhouse.run.quarantine import retry as retry_all

        loaded = retry_all(app.lake)
    from meterhouse.cli.usage import show_batches

    show_batches(app, loaded)
    if not loaded:
        app.tell("No event could be released.")


def _show_releasable(app: App) -> None:
    from meterhouse.run.quarantined import releasable

    found = releasable(app.lake)
    count = sum(row["releasable"] for row in found)
    total = sum(row["open"] for row in found)
    app.show(
        {"is_dry": True, "open": total, "releasable": count, "sources": found},
        lambda console: console.print(
            f"Dry run, nothing was released: {count:,} of {total:,} open events would be."
        ),
    )


@quarantine.command()
@click.argument("references", nargs=-1, required=True, metavar="REFERENCE...")
@click.option("--reason", required=True, help="Why; stays on record.")
@click.option("--dry-run", is_flag=True, help="Show the events and refuse none.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@pass_app
def refuse(app: App, references: tuple[str, ...], reason: str, dry_run: bool, yes: bool) -> None:
    """Refuse events for good; a REFERENCE is batch-row, like 12-3."""
    from meterhouse.run.quarantine import refuse as refuse_events
    from meterhouse.run.quarantined import open_events

    found = open_events(app.lake, references)
    if dry_run:
        app.show(
            {"is_dry": True, "events": found},
            lambda console: console.print(
                f"Dry run, nothing was refused: {counted(len(found), 'open event')} would be."
            ),
        )
        return
    listed = ", ".join(f"{row['reference']} ({row['reason']})" for row in found[:5])
    rest = f" and {len(found) - 5} more" if len(found) > 5 else ""
    what = f"{counted(len(found), 'event')} would be refused for good: {listed}{rest}"
    app.ask(what, yes=yes, question="Refuse them?")
    batch_seq = refuse_events(app.lake, references, reason)
    app.show(
        {"batch_seq": batch_seq, "refused": list(references)},
        lambda console: console.print(f"Refused {len(references)} as batch {batch_seq}."),
    )
