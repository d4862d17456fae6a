"""Events kept out with a reason: look at them, try them again, refuse them for good."""

from typing import Any

import click

from meterhouse.cli.app import App, Group, pass_app


@click.group(cls=Group)
def quarantine() -> None:
    """Events kept out with a reason; every run tries them again."""


@quarantine.command("list")
@click.option("--source", metavar="NAME", help="Only this source.")
@click.option("--reason", metavar="WORD", help="Only this reason.")
@click.option("--limit", default=50, show_default=True, help="Rows to show.")
@pass_app
def list_events(app: App, source: str | None, reason: str | None, limit: int) -> None:
    """Open events with the reference that `refuse` takes, and how many per reason."""
    from meterhouse.cli.reading import rows_of
    from meterhouse.run.quarantine import OPEN

    with app.lake.reading() as db:
        db.execute(
            f"create temp table open as select * from ({OPEN}) "
            "where (?::varchar is null or source = ?) and (?::varchar is null or reason = ?)",
            [source, source, reason, reason],
        )
        counts = rows_of(
            db, "select source, reason, count(*) as events from open group by all order by all"
        )
        events = rows_of(
            db,
            "select batch_seq || '-' || row_no as reference, source, event_id, event_type, "
            "subject, time_text as time, reason, detail, data "
            "from open order by batch_seq, row_no limit ?",
            [limit],
        )
    total = sum(row["events"] for row in counts)

    def render(console: Any) -> None:
        from meterhouse.cli.tables import table

        if not counts:
            console.print("Quarantine is empty.")
            return
        console.print(
            table(["source", "reason", "events>"], [list(row.values()) for row in counts])
        )
        columns = ["reference", "source", "event_id", "subject", "time", "reason", "detail"]
        console.print(table(columns, [[row[name] for name in columns] for row in events]))

    app.show({"total": total, "counts": counts, "events": events}, render)
    if total > len(events):
        app.tell(f"{len(events)} of {total} events are shown; give --limit for more.")


@quarantine.command()
@pass_app
def retry(app: App) -> None:
    """Check every open event again; what is good now is released as late usage."""
    from meterhouse.cli.usage import show_batches
    from meterhouse.run.quarantine import retry as retry_all

    loaded = retry_all(app.lake)
    show_batches(app, loaded)
    if not loaded:
        app.tell("No event could be released.")


@quarantine.command()
@click.argument("references", nargs=-1, required=True, metavar="REFERENCE...")
@click.option("--reason", required=True, help="Why; stays on record.")
@pass_app
def refuse(app: App, references: tuple[str, ...], reason: str) -> None:
    """Refuse events for good; a REFERENCE is batch-row, like 12-3."""
    from meterhouse.run.quarantine import refuse as refuse_events

    batch_seq = refuse_events(app.lake, references, reason)
    app.show(
        {"batch_seq": batch_seq, "refused": list(references)},
        lambda console: console.print(f"Refused {len(references)} as batch {batch_seq}."),
    )
