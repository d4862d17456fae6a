"""Contracts whose term ends soon: until when notice is given, and what happens then."""

from datetime import date
from typing import TYPE_CHECKING, Any

import click

from meterhouse.cli.app import App, Command, pass_app
from meterhouse.cli.options import DAY
from meterhouse.cli.values import counted, money_text

if TYPE_CHECKING:
    from rich.console import Console

HAPPENS = {
    ("renews", "same"): "renewed on the same terms",
    ("renews", "list_prices"): "renewed at list prices",
    ("renews", "uplift"): "renewed at raised prices",
    ("declined", None): "ends: notice was given",
    ("last", None): "ends: it was the last term",
    ("cancelled", None): "ends: it was cancelled",
}


@click.command(cls=Command, short_help="Contracts that end or are renewed soon.")
@click.option("--through", type=DAY, required=True, metavar="DATE", help="Day to look from.")
@click.option("--within", type=click.IntRange(1, 3660), default=90, show_default=True,
              metavar="DAYS", help="How many days ahead.")  # fmt: skip
@pass_app
def renewals(app: App, through: date, within: int) -> None:
    """Contracts whose term ends within so many days, in bands of 30, 60 and 90 days.

    Each with the last day for notice, what happens without one, and what its fees of a year cost
    before and after. Renewal needs no command: `meterhouse run` bills it by its date.
    """
    with app.working("Reading the book", "Nothing was recorded."):
        from meterhouse.run.renewals import renewals as find

        found = find(app.lake, through, within).to_dicts()
    payload = {"through": through, "within": within, "renewals": found}
    app.show(payload, lambda console: _render(console, found, through, within))


def _render(console: "Console", found: list[dict[str, Any]], through: date, within: int) -> None:
    from meterhouse.cli.tables import table

    if not found:
        console.print(f"No contract's term ends within {counted(within, 'day')} of {through}.")
        return
    columns = ["days>", "ends on", "contract", "customer", "notice by", "then", "a year>", "then>"]
    columns.append("currency")
    for band in sorted({one["band"] for one in found}):
        rows = [_row(one) for one in found if one["band"] == band]
        title = f"Within {band} days: {counted(len(rows), 'contract')}"
        console.print(table(columns, rows, title=title))


def _row(one: dict[str, Any]) -> list[Any]:
    outcome = one["outcome"]
    then = HAPPENS.get((outcome, one["renewal_kind"] if outcome == "renews" else None), "ends")
    is_over = one["is_notice_over"] or outcome != "renews"
    values = [money_text(one[name], one["currency"]) for name in ("annual_value",
                                                                 "next_annual_value")]  # fmt: skip
    return [
        *(one[name] for name in ("days_left", "ends_on", "contract_id", "customer_id")),
        "over" if is_over else one["notice_by"],
        then,
        *values,
        one["currency"],
    ]
