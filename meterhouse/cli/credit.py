"""Credit notes by hand: what of an issued invoice goes back to its customer."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from meterhouse.cli.app import App, Command
from meterhouse.cli.options import DAY, NUMBER
from meterhouse.cli.values import amount_of, counted, grouped, money_text
from meterhouse.errors import UsageError

if TYPE_CHECKING:
    from meterhouse.run.balance_commands import Moved
    from meterhouse.run.crediting import Credited


@click.command(cls=Command, short_help="Credit an issued invoice, whole or in part.")
@click.argument("number", metavar="NUMBER", type=NUMBER, required=False)
@click.option(
    "--from",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Many notes, of a CSV file: number, line, amount, reason, to, on.",
)
@click.option(
    "--line",
    "lines",
    multiple=True,
    metavar="N=AMOUNT",
    help="Net to credit of a line; repeatable.",
)
@click.option("--amount", metavar="AMOUNT", help="Net to credit, spread over what is left of all.")
@click.option("--all", "is_all", is_flag=True, help="All that is left of the invoice.")
@click.option("--to", type=click.Choice(["invoice", "balance", "refund"]), default="invoice",
              show_default=True, help="Where it goes: what is due of the invoice (the rest to the "
              "balance), all to the balance, or all paid back.")  # fmt: skip
@click.option("--balance", metavar="AMOUNT", help="With tax, of it to the balance.")
@click.option("--refund", metavar="AMOUNT", help="With tax, of it paid back.")
@click.option("--reason", help="Why; stays on record.")
@click.option("--on", type=DAY, help="Date of the note.  [default: today, where the seller is]")
@click.option("--dry-run", is_flag=True, help="Show the note and issue nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.pass_context
def credit(
    context: click.Context,
    number: str | None,
    file: Path | None,
    lines: tuple[str, ...],
    amount: str | None,
    is_all: bool,
    to: Literal["invoice", "balance", "refund"],
    balance: str | None,
    refund: str | None,
    reason: str | None,
    on: date | None,
    dry_run: bool,
    yes: bool,
) -> None:
    """Issue a credit note for an invoice: it has a number of its own series and takes its share of
    the tax with it. It lowers what is due of the invoice, goes to the customer's balance, which
    pays later invoices, or is paid back.

    Never more than is left of a line. The last note of an invoice takes what rounding left.
    """
    from meterhouse.run.crediting import Request
    from meterhouse.run.crediting import credit as credit_invoice

    app = context.find_object(App) or App()
    if file is not None:
        _many(app, file, is_dry=dry_run, yes=yes)
        return
    if number is None or reason is None:
        raise UsageError("Give the NUMBER and a --reason, or --from FILE. Nothing was credited.")
    if (bool(lines), amount is not None, is_all).count(True) != 1:
        raise UsageError("Give --line, or --amount, or --all. Nothing was credited.")
    if to != "invoice" and (balance or refund):
        raise UsageError("--balance and --refund are parts; --to is for all. Nothing was credited.")
    asked = Request(
        number, reason, _lines(lines), None if amount is None else amount_of(amount), on,
        to=to, balance=amount_of(balance or "0"), refund=amount_of(refund or "0"),
    )  # fmt: skip
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
        found[int(line)] = amount_of(amount)
    return found or None


def _sentence(one: "Credited") -> str:
    return f"A credit note of {_money(one, -one.total)} for {one.of} ({_where(one)})"


def _where(one: "Credited") -> str:
    """Where the total goes, in words."""
    parts = (
        (one.applied, "lowers its debt"),
        (one.balance, "goes to the balance"),
        (one.refund, "is to be paid back"),
    )
    told = [f"{_money(one, amount)} of it {what}" for amount, what in parts if amount]
    return ", ".join(told) or "nothing of it is due"


def _money(one: "Credited", amount: Decimal) -> str:
    return f"{grouped(money_text(amount, one.currency))} {one.currency}"


def _many(app: App, file: Path, *, is_dry: bool, yes: bool) -> None:
    """Notes of a file: all are looked at before any is issued."""
    from meterhouse.run.credit_file import credit_all, planned

    plan = planned(app.lake, file)
    known = f" {counted(plan.known, 'note')} of this file stand already." if plan.known else ""
    if is_dry or not plan.requests:
        said = f"Dry run, nothing was issued: {counted(len(plan.notes), 'note')} would be."
        _show_many(app, plan.notes, said + known, is_dry=True)
        return
    app.ask(
        f"{counted(len(plan.notes), 'credit note')} would be issued.{known}",
        yes=yes,
        question="Issue them?",
    )
    done = credit_all(app.lake, plan)
    _show_many(app, done, f"Issued {counted(len(done), 'credit note')}.{known}", is_dry=False)


def _show_many(app: App, notes: "tuple[Credited, ...]", said: str, *, is_dry: bool) -> None:
    rows = [{"is_dry": is_dry, **_payload(one)} for one in notes]

    def render(console: Any) -> None:
        from meterhouse.cli.tables import table

        if notes:
            told = [
                (one.number or "", one.of, _money(one, -one.total), _where(one)) for one in notes
            ]
            console.print(table(["note", "of", "total>", "where it goes"], told))
        console.print(said)

    app.show({"is_dry": is_dry, "notes": rows}, render)


def _payload(one: "Credited") -> dict[str, Any]:
    names = ("net", "tax", "total", "applied", "balance", "refund")
    return {
        "number": one.number,
        "of": one.of,
        "currency": one.currency,
        **{name: money_text(getattr(one, name), one.currency) for name in names},
        "lines": [
            {**line, "amount": money_text(line["amount"], one.currency)} for line in one.lines
        ],
    }


def _show(app: App, one: "Credited", *, is_dry: bool) -> None:
    def money(amount: Decimal) -> str:
        return money_text(amount, one.currency)

    payload = {"is_dry": is_dry, **_payload(one)}

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


@click.command(cls=Command, short_help="Give what is left of a credit note.")
@click.argument("number", metavar="NOTE", type=NUMBER)
@click.option("--to-invoice", "invoice", metavar="NUMBER", type=NUMBER, help="It lowers this one.")
@click.option("--to", type=click.Choice(["balance", "refund"]), help="Or all of it goes here.")
@click.option("--amount", metavar="AMOUNT", help="With tax.  [default: all that may be given]")
@click.option("--reason", required=True, help="Why; stays on record.")
@click.option("--on", type=DAY, help="Day of it.  [default: today, where the seller is]")
@click.option("--dry-run", is_flag=True, help="Show what would be given and give nothing.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.pass_context
def give(
    context: click.Context,
    number: str,
    invoice: str | None,
    to: Literal["balance", "refund"] | None,
    amount: str | None,
    reason: str,
    on: date | None,
    dry_run: bool,
    yes: bool,
) -> None:
    """Give what is left of a credit note, also of one that a run made: to an invoice of the same
    customer, to the balance, or back in money."""
    from meterhouse.run.balance_commands import give as give_note

    if (invoice is None) == (to is None):
        raise UsageError("Give --to-invoice NUMBER, or --to. Nothing was done.")
    app = context.find_object(App) or App()
    money = None if amount is None else amount_of(amount)

    def act(*, dry: bool) -> "Moved":
        return give_note(
            app.lake, number, to or "invoice", reason,
            invoice=invoice, amount=money, on=on, dry=dry,
        )  # fmt: skip

    planned = act(dry=True)
    if dry_run:
        _given(app, planned, number, "Dry run, nothing was given: ")
        return
    app.ask(f"{_given_text(planned, number)} would be given", yes=yes, question="Give it?")
    _given(app, act(dry=False), number, "Given: ")


def _given_text(found: "Moved", number: str) -> str:
    one = found.applied or found.moves[0]
    return f"{grouped(money_text(one['amount'], one['currency']))} {one['currency']} of {number}"


def _given(app: App, found: "Moved", number: str, said: str) -> None:
    one = found.applied or found.moves[-1]
    where = "invoice" if found.applied else {"lot": "balance"}.get(one["kind"], one["kind"])
    payload = {
        "is_dry": found.batch_seq is None,
        "number": number,
        "to": where,
        "amount": money_text(one["amount"], one["currency"]),
        "currency": one["currency"],
    }
    text = f"{said}{_given_text(found, number)}, to {where}."
    app.show(payload, lambda console: console.print(text))
