"""Look at single events: what they say, which meters take them, where they were billed."""

from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import click

from meterhouse.cli.app import App, Command, pass_app
from meterhouse.cli.options import DAY, SOURCE
from meterhouse.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

FATES = {
    "not_run": "no run yet",
    "waiting": "waits for the next run",
    "no_meter": "no meter reads it",
    "excluded": "left out by filters",
    "not_in_contract": "no item of a contract reads it",
    "no_contract": "no contract in force",
    "voided": "taken away",
    "void": "takes another away",
    "superseded": "replaced by a newer version",
}


@click.command("list", cls=Command, short_help="Events, newest first.")
@click.option("--customer", metavar="ID", help="Only this customer.")
@click.option("--meter", metavar="ID", help="Only its type; shows whether it takes them, and what.")
@click.option("--source", metavar="NAME", type=SOURCE, help="Only this source.")
@click.option("--type", "event_type", metavar="NAME", help="Only this event type.")
@click.option("--from", "first", type=DAY, metavar="DATE", help="From this day of the customer.")
@click.option("--to", "until", type=DAY, metavar="DATE", help="Before this day of the customer.")
@click.option("--id", "event_id", metavar="ID", help="Only this id of a source.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Events.")
@click.option("--all-versions", is_flag=True, help="Also replaced and voided versions.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV instead of tables.")
@pass_app
def list_events(app: App, /, as_csv: bool, **filters: Any) -> None:
    """Events as they stand, the newest first, with what became of each.

    Days are those of the customer's zone; without --customer those of UTC.
    """
    from meterhouse.cli.names import refuse_unknown_source
    from meterhouse.run.event_list import Asked, find_events

    if as_csv and app.as_json:
        raise UsageError("Give one of --json and --csv. Nothing was listed.")
    if filters["source"] is not None:
        refuse_unknown_source(app, filters["source"], "nothing was listed")
    _refuse_empty(filters["first"], filters["until"])
    found = find_events(app.lake, Asked(**filters))
    if as_csv:
        click.echo(_csv(found["events"], filters["meter"]), nl=False)
    else:
        app.show(found, lambda console: _render(console, found["events"], filters["meter"]))
    if found["is_more"]:
        app.tell(f"The newest {filters['limit']} events are shown; give --limit for more.")


def _refuse_empty(first: date | None, until: date | None) -> None:
    if first is not None and until is not None and until <= first:
        raise UsageError(
            f"No day lies from {first} to before {until}: --to is the first day that is left out. "
            "Nothing was listed."
        )


@click.command("show", cls=Command, short_help="All versions of one event.")
@click.argument("source", metavar="SOURCE", type=SOURCE)
@click.argument("event_id", metavar="ID")
@pass_app
def show_event(app: App, source: str, event_id: str) -> None:
    """All versions of one event: what replaced what, what it says, where each was billed."""
    from meterhouse.run.event_history import history_of

    found = history_of(app.lake, source, event_id)
    app.show(found, lambda console: _render_history(console, found))


def _render(console: "Console", events: list[dict[str, Any]], meter: str | None) -> None:
    from meterhouse.cli.tables import table

    if not events:
        console.print("No event fits.")
        return
    columns = ["time", "local time", "source", "id", "type", "customer"]
    columns += [] if meter is None else [f"{meter}>"]
    columns += ["properties", "came with", "received", "fate"]
    console.print(table(columns, [_cells(event, meter) for event in events]))


def _cells(event: dict[str, Any], meter: str | None) -> list[Any]:
    value = [] if meter is None else [_value(event)]
    return [
        _instant(event["time"]),
        f"{event['local_time'].isoformat(sep=' ', timespec='seconds')} {event['zone']}",
        *(event[name] for name in ("source", "event_id", "event_type", "customer_id")),
        *value,
        _properties(event),
        f"batch {event['batch_seq']}, {event['file']} row {event['source_row']}",
        _instant(event["received_at"]),
        _fate(event),
    ]


def _value(event: dict[str, Any]) -> str:
    if not event["is_taken"]:
        return "not taken"
    return "nothing" if event["value"] is None else str(event["value"])


def _instant(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d %H:%M:%S}Z"


def _properties(event: dict[str, Any]) -> str:
    return " ".join(f"{name}={_text(value)}" for name, value in event["properties"].items())


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _fate(event: dict[str, Any]) -> str:
    if event["fate"] != "read":
        return FATES[event["fate"]]
    windows = dict.fromkeys(_window(one) for one in event["reads"] if one["contract_id"])
    return "; ".join(windows) + ("; late" if event["is_late"] else "")


def _window(read: dict[str, Any]) -> str:
    billed = f"billed on {read['number']}" if read["number"] else "not billed yet"
    return f"{read['contract_id']} {read['item_id']} from {read['window_start_on']}, {billed}"


def _csv(events: list[dict[str, Any]], meter: str | None) -> str:
    """One row per event; the windows that read it in one cell, each property in its own column."""
    import polars as pl

    from meterhouse.csv_text import csv_bytes

    names = sorted({name for event in events for name in event["properties"]})
    plain = ["source", "event_id", "event_type", "customer_id", "batch_seq", "file", "source_row"]
    plain += ["status", "fate", "is_late", *(["is_taken", "value"] if meter else [])]
    rows = [
        {
            "time": event["time"].strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "local_time": event["local_time"].isoformat(),
            "zone": event["zone"],
            "received_at": event["received_at"].strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            **{name: None if event[name] is None else _text(event[name]) for name in plain},
            "read_by": "; ".join(_window(one) for one in event["reads"] if one["contract_id"]),
            **{
                f"property_{name}": _text(event["properties"][name])
                for name in names
                if name in event["properties"]
            },
        }
        for event in events
    ]
    columns = ["time", "local_time", "zone", "received_at", *plain, "read_by"]
    columns += [f"property_{name}" for name in names]
    frame = pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String))
    return csv_bytes(frame).decode()


def _render_history(console: "Console", found: dict[str, Any]) -> None:
    from meterhouse.cli.tables import clean, table

    for event in found["versions"]:
        console.print(clean(f"Version {event['reference']}: {event['status']}"), style="bold")
        fields = {
            "replaced by": event["replaced_by"] or "-",
            "time": f"{_instant(event['time'])}, {event['local_time']} {event['zone']}",
            "customer": f"{event['customer_id']} (as {event['subject']})",
            "type": event["event_type"],
            "properties": _properties(event) or "-",
            "came with": f"batch {event['batch_seq']}, {event['file']} row {event['source_row']}, "
            f"received {_instant(event['received_at'])}",
            "fate": _fate(event),
        }
        for name, value in fields.items():
            console.print(clean(f"  {name:<12} {value}"))
        if event["reads"]:
            rows = [
                [one["meter_id"], "-" if one["value"] is None else one["value"],
                 _window(one) if one["contract_id"] else "-"]
                for one in event["reads"]
            ]  # fmt: skip
            console.print(table(["meter", "value>", "window"], rows))
