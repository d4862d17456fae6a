"""Rebill: everything rated again under the present code, and what it would change."""

from typing import TYPE_CHECKING, Any

import click

from meterhouse.cli.app import App, Command, pass_app

if TYPE_CHECKING:
    from meterhouse.run.rerating import Rebilled

LEFT = "Nothing was billed; what was kept of the last run stands or is rated again by the next one."
SHOWN = 50


@click.command(cls=Command, short_help="Rate everything again and show what would change.")
@click.option("--contract", "contracts", multiple=True, metavar="ID", help="Only this contract.")
@click.option("--dry-run", is_flag=True, help="Show the differences and change nothing.")
@pass_app
def rebill(app: App, contracts: tuple[str, ...], dry_run: bool) -> None:
    """Rate all billed windows again under the present code and show which cost something else.

    A run rates only what changed since the last one. This forgets what was kept, so that the next
    run rates all of it (or the contracts named) and drafts the differences. It issues nothing.
    """
    with app.working("Opening the home", LEFT) as work:
        from meterhouse.run.rerating import rebill as rate_again

        result = rate_again(app.lake, contracts, dry_run=dry_run, tell=work.stage)
    app.show(_payload(result, dry_run), lambda console: _render(console, result, dry_run))
    for sentence in result.warnings:
        app.tell(f"Warning: {sentence}")


def _payload(result: "Rebilled", dry_run: bool) -> dict[str, Any]:
    return {
        "is_dry": dry_run,
        "through": result.through,
        "rated_windows": result.windows,
        "lines": result.lines.to_dicts(),
        "totals": _totals(result),
        "warnings": result.warnings,
    }


def _totals(result: "Rebilled") -> list[dict[str, Any]]:
    """Number of lines and sum of their differences by currency."""
    import polars as pl

    by_currency = result.lines.group_by("currency")
    return (
        by_currency.agg(pl.len().alias("lines"), pl.col("difference").sum())
        .sort("currency")
        .to_dicts()
    )


def _render(console: Any, result: "Rebilled", dry_run: bool) -> None:
    from meterhouse.cli.tables import table
    from meterhouse.cli.values import grouped, money_text

    def money(row: dict[str, Any], name: str) -> str:
        return grouped(money_text(row[name], row["currency"]))

    console.print(f"Rated {result.windows:,} windows again, due through {result.through}.")
    rows = [
        (
            *(row["contract_id"], row["item_id"], row["window_start_on"], row["window_end_on"]),
            *(money(row, name) for name in ("billed", "amount", "difference")),
            row["currency"],
        )
        for row in result.lines.head(SHOWN).iter_rows(named=True)
    ]
    if not rows:
        console.print("All that was billed is what it costs now.")
    else:
        heads = ["contract", "item", "from", "until", "billed>", "now>", "difference>", "currency"]
        console.print(table(heads, rows))
    if result.lines.height > SHOWN:
        console.print(f"... and {result.lines.height - SHOWN:,} more: --json shows all.")
    if dry_run:
        console.print("Dry run, nothing was changed.")
    else:
        through = result.through
        console.print(f"The next run rates all of it: `meterhouse run --through {through}`.")
