"""What a meter measures for a customer, from the events that are there now."""

import re
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import click

from meterhouse.cli.app import App, Command, is_interactive, pass_app
from meterhouse.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

PIECES = ["minute", "hour", "day", "month", "window"]
INSTANT = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9:]{5})"
)


class Moment(click.ParamType[date]):
    """A day written 2025-11-01, or an instant of RFC 3339 with its offset."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """The date, or the instant in UTC; a time without an offset means none."""
        if isinstance(value, date):
            return value
        text = str(value)
        try:
            if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
                return date.fromisoformat(text)
            if re.fullmatch(INSTANT, text):
                return datetime.fromisoformat(text).astimezone(UTC)
        except ValueError:
            pass
        raise click.BadParameter(
            f"{text!r} is neither a day nor an instant; write 2025-11-01 for a local midnight, or "
            "2025-11-01T00:00:00Z with Z or an offset.",
            ctx,
            param,
        )


MOMENT = Moment()


@click.command("estimate", cls=Command, short_help="What a meter measures, without a run.")
@click.argument("meter", metavar="METER")
@click.option(
    "--customer", metavar="ID", required=True, help="Id, external id or alias; `all` for everybody."
)
@click.option("--from", "start", type=MOMENT, metavar="DAY|TIME", help="From then on.")
@click.option("--to", "end", type=MOMENT, metavar="DAY|TIME", help="Before then.")
@click.option("--per", type=click.Choice(PIECES), help="One row for each.")
@click.option("--zone", metavar="ZONE", help="Zone of the days; default that of the contract.")
@click.option(
    "--version", type=click.IntRange(1), metavar="N", help="By this version of the meter."
)
@click.option("--known-at", type=click.IntRange(0), metavar="BATCH", help="As known at this batch.")
@click.option(
    "--since-batch", type=click.IntRange(0), default=0, metavar="N", help="Only what came after it."
)
@click.option("--price", "with_price", is_flag=True, help="Value at the contract's price.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV instead of tables.")
@pass_app
def estimate(app: App, /, as_csv: bool, **given: Any) -> None:
    """What a meter measures for a customer: its charge windows now, or any span of time.

    Reads the events as they are, needs no run and waits for none. Days begin at midnight in the
    contract's zone. Levels that are weighed by time relate to the full period of a window, and
    otherwise to the span.
    """
    from meterhouse.run.asked_spans import Asked, refuse_zones
    from meterhouse.run.estimates import estimate as measure

    if as_csv and app.as_json:
        raise UsageError("Give one of --json and --csv. Nothing was measured.")
    if given["start"] is None and given["end"] is not None:
        raise UsageError("--to needs --from. Nothing was measured.")
    can_ask = is_interactive() and not (app.as_json or as_csv)
    found = measure(app.lake, Asked(**given), _choose if can_ask else refuse_zones)
    rows = [_row(row) for row in found["rows"]]
    if as_csv:
        click.echo(_csv(found, rows), nl=False)
    else:
        app.show({**found, "rows": rows}, lambda console: _render(console, found, rows))


def _choose(zones: list[str]) -> str:
    """Ask in which zone the days lie."""
    zone: str = click.prompt(
        "The customer has contracts in several zones. Whose days?",
        type=click.Choice(zones),
        err=True,
    )
    return zone


def _row(row: dict[str, Any]) -> dict[str, Any]:
    """A row with what no contract says left out, and the dimensions as they are read."""
    import json

    plain = {**row, "dimensions": json.loads(row["dimensions"])}
    if row.get("amount") is not None:
        from meterhouse.cli.values import money_text

        plain["amount"] = money_text(row["amount"], row["currency"])
    return plain


def _render(console: "Console", found: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    from meterhouse.cli.tables import table

    has_items = any("contract_id" in row for row in rows)
    has_price = any("amount" in row for row in rows)
    columns = ["customer", *(["contract item"] if has_items else []), "from", "to", "zone"]
    columns += ["dimensions", "quantity>", "unit", "events>"]
    columns += ["unrounded>", "amount>", "currency"] if has_price else []
    shown = [_cells(row, found["unit"], has_items, has_price) for row in rows]
    console.print(table(columns, shown, title=_title(found, rows)))


def _title(found: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    versions = sorted({row["meter_version"] for row in rows})
    numbers = ", ".join(str(one) for one in versions)
    return f"{found['meter']} (version {numbers}), as known at batch {found['known_at']}"


def _cells(row: dict[str, Any], unit: str, has_items: bool, has_price: bool) -> list[Any]:
    from meterhouse.cli.values import grouped, number_text

    items = [f"{row.get('contract_id') or '-'} {row.get('item_id') or ''}".strip()]
    price = []
    if has_price:
        unrounded = row["amount_unrounded"]
        price = ["-" if unrounded is None else number_text(unrounded), row["amount"] or "-"]
        price.append(row["currency"] or "-")
    return [
        row["customer_id"],
        *(items if has_items else []),
        _local(row["window_start"], row["zone"]),
        _local(row["window_end"], row["zone"]),
        row["zone"],
        " ".join(f"{k}={'-' if v is None else v}" for k, v in row["dimensions"].items()) or "-",
        grouped(number_text(row["quantity"])) + ("" if row["is_measured"] else " (nothing)"),
        unit,
        f"{row['event_count']:,}",
        *price,
    ]


def _local(at: datetime, zone: str) -> str:
    from meterhouse.periods import zone_info

    local = at.astimezone(zone_info(zone))
    has_time = (local.hour, local.minute, local.second, local.microsecond) != (0, 0, 0, 0)
    return f"{local:%Y-%m-%d %H:%M:%S}" if has_time else f"{local:%Y-%m-%d}"


def _csv(found: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    """One row as in JSON; each dimension in a column of its own."""
    import polars as pl

    from meterhouse.cli.values import number_text
    from meterhouse.csv_text import csv_bytes

    names = sorted({name for row in rows for name in row["dimensions"]})
    lines = []
    for row in rows:
        line = {"meter_id": found["meter"], "unit": found["unit"]}
        for key, value in row.items():
            if key == "dimensions":
                continue
            if isinstance(value, datetime):
                line[key] = value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            elif key in ("quantity", "amount_unrounded") and value is not None:
                line[key] = number_text(value)
            elif value is not None:
                line[key] = str(value).lower() if isinstance(value, bool) else str(value)
        values = row["dimensions"]
        line |= {f"dimension_{n}": str(values[n]) for n in names if values.get(n) is not None}
        lines.append(line)
    columns = [*["meter_id", "unit"], *(k for k in (rows[0] if rows else {}) if k != "dimensions")]
    columns += [f"dimension_{name}" for name in names]
    frame = pl.DataFrame(lines, schema=dict.fromkeys(columns, pl.String))
    return csv_bytes(frame).decode()
