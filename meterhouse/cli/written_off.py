"""Corrections that were written off, as a list with their sum by payer and currency."""

from datetime import date
from typing import Any

import click

from meterhouse.cli.app import App, pass_app
from meterhouse.cli.options import DAY

SQL = """
select lines.entity_id, lines.payer_id, lines.contract_id, lines.item_id, lines.currency,
    lines.window_start_on, lines.window_end_on, lines.amount, lines.original_number,
    lines.written_on, lines.draft_id
from facts.standing_write_offs as lines
where coalesce(lines.payer_id = ?::varchar, true) and coalesce(lines.written_on >= ?::date, true)
order by all
"""


@click.command("written-off")
@click.option("--customer", metavar="ID", help="Only of this payer.")
@click.option("--since", type=DAY, help="Only from this day on.")
@pass_app
def written_off(app: App, customer: str | None, since: date | None) -> None:
    """Small corrections that nobody was asked to pay, and never will be."""
    from meterhouse.cli.reading import rows_of
    from meterhouse.cli.values import money_text

    with app.lake.reading() as db:
        found = rows_of(db, SQL, [customer, since])
        sums = rows_of(
            db,
            "select payer_id, currency, cast(sum(amount) as decimal(38, 18)) as amount, "
            f"count(*) as lines from ({SQL.replace('order by all', '')}) group by all order by all",
            [customer, since],
        )
    for row in (*found, *sums):
        row["amount"] = money_text(row["amount"], row["currency"])
    app.show({"written_off": found, "sums": sums}, lambda console: _render(console, found, sums))


def _render(console: Any, found: list[dict[str, Any]], sums: list[dict[str, Any]]) -> None:
    from meterhouse.cli.tables import table
    from meterhouse.cli.values import grouped

    if not found:
        console.print("Nothing was written off.")
        return
    columns = ["on", "payer", "item", "from", "to", "of", "amount>", ""]
    keys = ("written_on", "payer_id", "item_id", "window_start_on", "window_end_on")
    rows = [
        (*(one[key] for key in keys), one["original_number"], grouped(one["amount"]),
         one["currency"])
        for one in found
    ]  # fmt: skip
    console.print(table(columns, rows))
    for one in sums:
        console.print(f"{one['payer_id']}: {grouped(one['amount'])} {one['currency']}")
