"""Look at meters: which there are, what reads them, how their definitions changed."""

from typing import TYPE_CHECKING, Any

import click

from meterhouse.cli.app import App, Command, pass_app

if TYPE_CHECKING:
    from rich.console import Console

SHOWN = 3  # contract items that are named in a cell


@click.command("list", cls=Command, short_help="All meters, and what reads them.")
@pass_app
def list_meters(app: App) -> None:
    """All meters of the book as they are in force on the last day of usage."""
    from meterhouse.run.meter_catalog import list_meters as find

    found = find(app.lake)
    app.show({"meters": found}, lambda console: _render(console, found))


@click.command("show", cls=Command, short_help="All versions of one meter.")
@click.argument("meter", metavar="METER")
@pass_app
def show_meter(app: App, meter: str) -> None:
    """All versions of a meter: from when each holds, and what it changed."""
    from meterhouse.run.meter_catalog import show_meter as find

    found = find(app.lake, meter)
    app.show(found, lambda console: _render_one(console, found))


def _render(console: "Console", meters: list[dict[str, Any]]) -> None:
    from meterhouse.cli.tables import table

    if not meters:
        console.print("The book has no meter.")
        return
    columns = ["meter", "version>", "event type", "aggregation", "filter", "unit", "read by"]
    rows = [
        [one["meter_id"], one["meter_version"], one["event_type"] or "-", _measures(one),
         _filter(one), one["unit"], _readers(one)]
        for one in meters
    ]  # fmt: skip
    console.print(table(columns, rows))


def _filter(meter: dict[str, Any]) -> str:
    found = meter["filter"] or "-"
    if isinstance(found, str):
        return found
    return " and ".join(f"{name} in {values}" for name, values in found.items())


def _measures(meter: dict[str, Any]) -> str:
    parts = [meter["aggregation"], meter["property"] or meter["model"] or ""]
    by = f" by {', '.join(meter['dimensions'])}" if meter["dimensions"] else ""
    return " ".join(part for part in parts if part) + by


def _readers(meter: dict[str, Any]) -> str:
    if meter["shadow_of"]:
        return f"nothing: shadow of {meter['shadow_of']}"
    if not meter["item_count"]:
        return "nothing"
    named = ", ".join(meter["items"][:SHOWN])
    rest = meter["item_count"] - SHOWN
    return named + (f" and {rest:,} more" if rest > 0 else "")


def _render_one(console: "Console", found: dict[str, Any]) -> None:
    from meterhouse.cli.tables import clean, table

    console.print(clean(f"{found['meter_id']}: {_measures(found)}, in {found['unit']}"))
    console.print(clean(f"read by {_readers(found)}"))
    rows = [
        [one["version"], one["state"], one["valid_from"] or "always", one["valid_to"] or "-",
         one["batch_seq"], _changes(one)]
        for one in found["versions"]
    ]  # fmt: skip
    console.print(table(["version>", "state", "from", "to", "batch>", "changed"], rows))


def _changes(version: dict[str, Any]) -> str:
    if version["compared_with"] is None:
        return "first definition"
    told = [
        f"{one['path'].removeprefix('$.')}: {_text(one['old'])} -> {_text(one['new'])}"
        for one in version["changed"]
    ]
    return f"to version {version['compared_with']}: " + ("; ".join(told) or "nothing")


def _text(value: Any) -> str:
    return "-" if value is None else str(value)
