"""Real usage of a period under another book, as tables, CSV, JSON and a picture."""

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from meterhouse.cli.app import App, Command, pass_app
from meterhouse.cli.options import DAY
from meterhouse.cli.plan_money import AMOUNTS, rows_of
from meterhouse.cli.values import grouped

if TYPE_CHECKING:
    from rich.console import Console

    from meterhouse.run.whatif import WhatIf

SHOWN = 50
BARS = 20  # customers of each currency in the picture


@click.command(cls=Command, short_help="Real usage under another book.")
@click.argument("book", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--from", "first", type=DAY, metavar="DATE", required=True, help="First day.")
@click.option("--to", "until", type=DAY, metavar="DATE", required=True, help="Day after the last.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="CSV of all items.")
@click.option("--picture", type=click.Path(dir_okay=False, path_type=Path), help="SVG bar chart.")
@pass_app
def whatif(
    app: App, book: Path, first: date, until: date, output: Path | None, picture: Path | None
) -> None:
    """What every customer and item would have cost under the documents of the folder BOOK.

    Charge windows that begin in the period and are due by its end are rated in full, with all
    modifiers, under the recorded book and with the folder recorded over it. Nothing is recorded.
    """
    with app.working("Reading the book", "Nothing was recorded.") as work:
        from meterhouse.run.whatif import whatif as compare

        found = compare(app.lake, book, first, until, work.stage)
        if output is not None:
            from meterhouse.csv_text import csv_bytes

            output.write_bytes(csv_bytes(found.items))
        if picture is not None:
            picture.write_text(_picture(found), encoding="utf-8")
    payload = {
        "from": first,
        "to": until,
        **{name: rows_of(getattr(found, name)) for name in ("totals", "customers", "items")},
        "warnings": found.warnings,
    }
    app.show(payload, lambda console: _render(console, payload))
    for sentence in found.warnings:
        app.tell(f"Warning: {sentence}")


def _picture(found: "WhatIf") -> str:
    from meterhouse.cli.values import money_text
    from meterhouse.rendering.bars import Bar, bars

    changed = found.customers.filter(found.customers["amount_difference"] != 0)
    many = changed["currency"].n_unique() > 1
    rows = [
        Bar(
            one["customer_id"] + (f" ({one['currency']})" if many else ""),
            one["amount_difference"],
            f"{grouped(money_text(one['amount_difference'], one['currency']))} {one['currency']}",
        )
        for part in changed.partition_by("currency", maintain_order=True)
        for one in part.head(BARS).sort("amount_difference").to_dicts()
    ]
    return bars(f"Difference per customer, {found.first} to {found.until}", rows)


def _render(console: "Console", found: dict[str, Any]) -> None:
    from meterhouse.cli.tables import table

    ends = ["old>", "new>", "difference>", "currency"]
    names = ("customer_id", "contract_id", "item_id", "component")
    changed = [one for one in found["items"] if one["amount_old"] != one["amount_new"]]
    rows = [
        [*(one[name] for name in names), *(grouped(one[name]) for name in AMOUNTS), one["currency"]]
        for one in changed[:SHOWN]
    ]
    if rows:
        console.print(table(["customer", "contract", "item", "component", *ends], rows))
    if len(changed) > SHOWN:
        console.print(f"{len(changed) - SHOWN:,} more; --output and --json have them all.")
    sums = [
        [*(grouped(one[name]) for name in AMOUNTS), one["currency"], one["winners"],
         one["losers"], one["unchanged"]]
        for one in found["totals"]
    ]  # fmt: skip
    console.print(table([*ends, "pay less>", "pay more>", "the same>"], sums, title="In all"))
