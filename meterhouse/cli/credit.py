"""Credit notes by hand: what of an issued invoice goes back to its customer."""

from datetime import date
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import click

from meterhouse.cli.app import App, Command
from meterhouse.cli.options import DAY, NUMBER
from meterhouse.cli.values import grouped, money_text
from meterhouse.errors import UsageError

if TYPE_CHECKING:
    from meterhouse.run.crediting import Credited


@click.command(cls=Command, short_help="Credit an issued invoice, whole or in part.")
@click.argument("number", metavar="NUMBER", type=NUMBER)
@click.option(
    "--line",
    "lines",
    multiple=True,
    metavar="N=AMOUNT",
    help="Net to credit of a line; repeatable.",
)
@click.option("--amount", metavar="AMOUNT", help="Net to credit, spread over what is left of all.")
@click.option("--all", "is_all", is_flag=True, help="All that is left of the invoice.")
@click.option("--reason", required=True, help="Why; stays on record.")
@click.option("--on", type=DAY, help="Date of the note.  [default: today, where the seller is]")
@click.option("--dry-run", is_flag=True, help="Show the note and issue nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.pass_context
def credit(
    context: click.Context,
    number: str,
    lines: tuple[str, ...],
    amount: str | None,
    is_all: bool,
    reason: str,
    on: date | None,
    dry_run: bool,
    yes: bool,
) -> None:
    """Issue a credit note for an invoice: it has a number of its own series, takes its share of
    the tax with it and lowers what is due of the invoice.

    Never more than is left of a line. The last note of an invoice takes what rounding left.
    """
    from meterhouse.run.crediting import Request
    from meterhouse.run.crediting import credit as credit_invoice

    if (bool(lines), amount is not None, is_all).count(True) != 1:
        raise UsageError("Give --line, or --amount, or --all. Nothing was credited.")
    asked = Request(number, reason, _lines(lines), None if amount is None else _amount(amount), on)
    app = context.find_object(App) or App()
    planned = credit_invoice(app.lake, asked, dry=True)
    if dry_run:
        _show(app, planned, is_dry=True)
        return
    app.ask(f"{_sentence(planned)} would be issued", yes=yes, question="Issue it?")
    _show(app, credit_invoice(app.lake, asked), is_dry=False)


def _lines(texts: tuple[str, ...]) -> dict[int, Decimal] | None:
    found: dict[int, Decimal] = {}
    for text in texts:
        line, _, amount = text.partition("=")
        if not line.isdecimal() or int(line) in found:
            raise UsageError(f"{text!r} is not a line and its amount: 3=20.00. Nothing was done.")
        found[int(line)] = _amount(amount)
    return found or None


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite():
        raise UsageError(f"{text!r} is not an amount such as 20.00. Nothing was credited.")
    return amount


def _sentence(one: "Credited") -> str:
    total, applied = (
        grouped(money_text(amount, one.currency)) for amount in (-one.total, one.applied)
    )
    return f"A credit note of {total} {one.currency} for {one.of} ({applied} of it lowers its debt)"


def _show(app: App, one: "Credited", *, is_dry: bool) -> None:
    def money(amount: Decimal) -> str:
        return money_text(amount, one.currency)

    payload: dict[str, Any] = {
        "is_dry": is_dry,
        "number": one.number,
        "of": one.of,
        "currency": one.currency,
        **{name: money(getattr(one, name)) for name in ("net", "tax", "total", "applied")},
        "lines": [{**line, "amount": money(line["amount"])} for line in one.lines],
    }

    def render(console: Any) -> None:
        from meterhouse.cli.tables import table

        rows = [
            (str(line["credits_line"]), line["item_description"], grouped(money(line["amount"])))
            for line in one.lines
        ]
        console.print(table(["line#>", "what", "net>"], rows))
        done = "Dry run, nothing was issued: " if is_dry else f"Issued {one.number}: "
        console.print(f"{done}{_sentence(one)}, tax {grouped(money(one.tax))}.")

    app.show(payload, render)
