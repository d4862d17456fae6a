"""Balances of customers: what they have to their credit, put in, pay back, end."""

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from meterhouse.cli.app import App, Command, pass_app
from meterhouse.cli.options import DAY
from meterhouse.cli.values import amount_of, counted, grouped, money_text

if TYPE_CHECKING:
    from meterhouse.run.balance_commands import Moved

LOTS = """
with moves as (
    select *, case when kind in ('lot', 'return') then amount else -amount end as signed
    from facts.balance_moves
    where coalesce(customer_id = ?::varchar, true)
),
sums as (
    select lot_id, cast(sum(signed) as decimal(38, 18)) as remaining from moves group by lot_id
)
select lots.lot_id, lots.entity_id, lots.customer_id, lots.currency, lots.source,
    documents.number as credit_note, lots.moved_on as added_on, lots.expires_on, lots.priority,
    lots.amount, sums.remaining, lots.reason
from moves as lots join sums using (lot_id)
left join facts.documents as documents using (document_id)
where lots.kind = 'lot' and (? or sums.remaining > 0)
order by lots.customer_id, lots.currency, lots.priority, lots.expires_on nulls last,
    lots.moved_on, lots.lot_id
"""
MOVES = """
select moves.moved_on, moves.kind, moves.customer_id, moves.currency, moves.amount, moves.lot_id,
    documents.number as document, moves.reason, commands.actor
from facts.balance_moves as moves
left join facts.documents as documents using (document_id)
left join facts.commands as commands using (command_id)
where coalesce(moves.customer_id = ?::varchar, true)
order by moves.batch_seq, moves.row_no
"""
_CUSTOMER = click.argument("customer", metavar="CUSTOMER")
_CURRENCY = click.argument("currency", metavar="CURRENCY")
_ENTITY = click.option("--entity", metavar="ID", help="Who owes it, where there are several.")
_REASON = click.option("--reason", required=True, help="Why; stays on record.")
_ON = click.option("--on", type=DAY, help="Day of it.  [default: today, where the seller is]")
_DRY = click.option("--dry-run", is_flag=True, help="Show what would be done and do nothing.")
_YES = click.option("--yes", "-y", is_flag=True, help="Do not ask.")


@click.group(short_help="What customers have to their credit.")
def balance() -> None:
    """What customers have to their credit: money of credit notes, deposits and adjustments.

    It pays their next invoices after tax, lot by lot; the invoice says so.
    """


@balance.command(cls=Command, short_help="List lots and what is left of them.")
@click.argument("customer", metavar="CUSTOMER", required=False)
@click.option("--all", "with_used", is_flag=True, help="Also lots that are used up.")
@click.option("--moves", "with_moves", is_flag=True, help="Each move instead, in its order.")
@pass_app
def show(app: App, customer: str | None, with_used: bool, with_moves: bool) -> None:
    """What is left of each lot, in the order in which they are used, and the sum of each wallet."""
    from meterhouse.cli.reading import rows_of

    with app.lake.reading() as db:
        if with_moves:
            moves = _money(rows_of(db, MOVES, [customer]), ("amount",))
            app.show({"moves": moves}, lambda console: _moves(console, moves))
            return
        lots = rows_of(db, LOTS, [customer, with_used])
    sums: dict[tuple[str, str], Decimal] = {}
    for lot in lots:
        wallet = (lot["customer_id"], lot["currency"])
        sums[wallet] = sums.get(wallet, Decimal(0)) + lot["remaining"]
    wallets = [
        {"customer_id": who, "currency": currency, "remaining": money_text(amount, currency)}
        for (who, currency), amount in sums.items()
    ]
    lots = _money(lots, ("amount", "remaining"))
    app.show({"lots": lots, "wallets": wallets}, lambda console: _lots(console, lots, wallets))


@balance.command(cls=Command, short_help="Put money into a balance.")
@_CUSTOMER
@click.argument("amount", metavar="AMOUNT")
@_CURRENCY
@click.option(
    "--source",
    type=click.Choice(["deposit", "adjustment"]),
    required=True,
    help="Money that came, or that is given for nothing.",
)
@click.option("--expires", type=DAY, help="First day on which it is used no more.")
@click.option("--priority", type=click.IntRange(0, 100), default=50, show_default=True,
              help="Order of use, lower ones first.")  # fmt: skip
@_ENTITY
@_REASON
@_ON
@_DRY
@_YES
@click.pass_context
def add(
    context: click.Context,
    customer: str,
    amount: str,
    currency: str,
    source: Any,
    expires: date | None,
    priority: int,
    entity: str | None,
    reason: str,
    on: date | None,
    dry_run: bool,
    yes: bool,
) -> None:
    """Put money into a customer's balance: it pays the next invoices.

    A deposit is owed and may be paid back; an adjustment is a discount, used first and never paid
    back.
    """
    from meterhouse.run.balance_commands import Wallet
    from meterhouse.run.balance_commands import add as add_lot

    app = context.find_object(App) or App()
    wallet, money = Wallet(customer, currency, entity), amount_of(amount)

    def act(*, dry: bool) -> "Moved":
        return add_lot(
            app.lake, wallet, money, source, reason,
            on=on, expires_on=expires, priority=priority, dry=dry,
        )  # fmt: skip

    _do(app, act, "would be put into the balance", "Put into the balance", dry_run, yes)


@balance.command(cls=Command, short_help="Record that money was paid back.")
@_CUSTOMER
@click.argument("amount", metavar="AMOUNT|all")
@_CURRENCY
@_ENTITY
@_REASON
@_ON
@_DRY
@_YES
@click.pass_context
def refund(
    context: click.Context,
    customer: str,
    amount: str,
    currency: str,
    entity: str | None,
    reason: str,
    on: date | None,
    dry_run: bool,
    yes: bool,
) -> None:
    """Record that money of a balance was paid back; what was given for nothing never is.

    Meterhouse moves no money: pay it where you pay, and record it here.
    """
    from meterhouse.run.balance_commands import Wallet
    from meterhouse.run.balance_commands import refund as refund_lots

    app = context.find_object(App) or App()
    wallet = Wallet(customer, currency, entity)
    money = None if amount == "all" else amount_of(amount)

    def act(*, dry: bool) -> "Moved":
        return refund_lots(app.lake, wallet, money, reason, on=on, dry=dry)

    _do(app, act, "would be recorded as paid back", "Recorded as paid back", dry_run, yes)


@balance.command(cls=Command, short_help="End a lot: what is left is used no more.")
@click.argument("lot", metavar="LOT")
@_REASON
@_ON
@_DRY
@_YES
@click.pass_context
def end(
    context: click.Context, lot: str, reason: str, on: date | None, dry_run: bool, yes: bool
) -> None:
    """End a lot by its id or how it begins; what is left of it is earned, or no discount."""
    from meterhouse.run.balance_commands import end as end_lot

    app = context.find_object(App) or App()

    def act(*, dry: bool) -> "Moved":
        return end_lot(app.lake, lot, reason, on=on, dry=dry)

    _do(app, act, "would be used no more", "Used no more", dry_run, yes)


def _do(app: App, act: Any, would: str, done: str, dry_run: bool, yes: bool) -> None:
    planned = act(dry=True)
    if dry_run:
        show_moved(app, planned, f"Dry run, nothing was done: {_sentence(planned)} {would}.")
        return
    app.ask(f"{_sentence(planned)} {would}", yes=yes, question="Do it?")
    made = act(dry=False)
    show_moved(app, made, f"{done}: {_sentence(made)}.")


def _sentence(found: "Moved") -> str:
    """How much, whose, and of how many lots."""
    kind = found.moves[-1]["kind"]
    moves = [one for one in found.moves if one["kind"] == kind]
    currency = moves[0]["currency"]
    total = sum((one["amount"] for one in moves), Decimal(0))
    of = "" if len(moves) == 1 else f" of {counted(len(moves), 'lot')}"
    return f"{grouped(money_text(total, currency))} {currency}{of} of {moves[0]['customer_id']}"


def show_moved(app: App, found: "Moved", said: str) -> None:
    """The moves as JSON, or a sentence."""
    hidden = ("posting_date", "command_id")
    moves = [
        {
            **{name: value for name, value in one.items() if name not in hidden},
            "amount": money_text(one["amount"], one["currency"]),
        }
        for one in found.moves
    ]
    payload = {"is_dry": found.batch_seq is None, "batch_seq": found.batch_seq, "moves": moves}
    app.show(payload, lambda console: console.print(said))


def _money(rows: list[dict[str, Any]], names: tuple[str, ...]) -> list[dict[str, Any]]:
    return [
        {**row, **{name: money_text(row[name], row["currency"]) for name in names}} for row in rows
    ]


def _lots(console: Any, lots: list[dict[str, Any]], wallets: list[dict[str, Any]]) -> None:
    from meterhouse.cli.tables import table

    if not lots:
        console.print("Nobody has a balance; `meterhouse balance show --all` lists used lots.")
        return
    columns = ["lot", "customer", "from", "of", "on", "expires", "amount>", "left>", ""]
    rows = [
        (one["lot_id"][:8], one["customer_id"], one["source"].replace("_", " "),
         one["credit_note"] or "", one["added_on"], one["expires_on"] or "never",
         grouped(one["amount"]), grouped(one["remaining"]), one["currency"])
        for one in lots
    ]  # fmt: skip
    console.print(table(columns, rows))
    for one in wallets:
        left = grouped(one["remaining"])
        console.print(f"{one['customer_id']}: {left} {one['currency']} left")


def _moves(console: Any, moves: list[dict[str, Any]]) -> None:
    from meterhouse.cli.tables import table

    if not moves:
        console.print("Nothing was moved.")
        return
    rows = [
        (one["moved_on"], one["kind"], one["customer_id"], grouped(one["amount"]), one["currency"],
         one["lot_id"][:8], one["document"] or "", one["actor"] or "", one["reason"] or "")
        for one in moves
    ]  # fmt: skip
    columns = ["on", "what", "customer", "amount>", "", "lot", "document", "who", "why"]
    console.print(table(columns, rows))
