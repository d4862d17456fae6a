"""How commitments of contracts burn down: committed, used, left, and what they will come to."""

from typing import TYPE_CHECKING, Any

import click

from meterhouse.cli.app import App, Command, pass_app
from meterhouse.cli.values import counted, grouped, money_text

if TYPE_CHECKING:
    from rich.console import Console

BURNT = """
select contract_id, commitment_id, period, span_start_on, span_end_on, currency, committed, used,
    remaining, projected, is_over
from billing.commitments
where (?::varchar is null or contract_id = ?) and (? or not is_over)
order by contract_id, commitment_id, span_start_on
"""


@click.command(cls=Command, short_help="What commitments come to so far.")
@click.option("--contract", metavar="ID", help="Only those of one contract.")
@click.option("--all", "with_past", is_flag=True, help="Also spans that are over.")
@pass_app
def commitments(app: App, contract: str | None, with_past: bool) -> None:
    """How the commitments of contracts burn down, as of the last run.

    Each span with what is committed, what counts of it so far, what is left, and what it will come
    to if it goes on so.
    """
    from meterhouse.cli.reading import derived, last_run, rows_of

    with derived(app.lake) as db:
        run = last_run(db)
        found = rows_of(db, BURNT, [contract, contract, with_past])
    payload = {"run": run, "commitments": found}
    app.show(payload, lambda console: _render(console, found, run, contract))


def _render(
    console: "Console", found: list[dict[str, Any]], run: dict[str, Any], contract: str | None
) -> None:
    from meterhouse.cli.tables import table

    if not found:
        of = "" if contract is None else f" of contract {contract}"
        console.print(
            f"No commitment{of} for a quarter, year or term is open through {run['through']}; "
            "`--all` lists those that are over."
        )
        return
    columns = ["contract", "of", "from", "committed>", "used>", "left>", "projected>", ""]
    rows = [_row(one) for one in found]
    console.print(table(columns, rows, title=f"{counted(len(rows), 'span')} of commitments"))


def _row(one: dict[str, Any]) -> list[Any]:
    amounts = [
        grouped(money_text(one[name], one["currency"]))
        for name in ("committed", "used", "remaining", "projected")
    ]
    state = "over" if one["is_over"] else f"to {one['span_end_on']}"
    named = (one[name] for name in ("contract_id", "commitment_id", "span_start_on"))
    return [*named, *amounts, f"{one['currency']}, {state}"]
