"""The journal for hledger and Ledger: `hledger check -s -f ledger.hledger` accepts it.

Accounts, commodities with their places, and every balance at the end are declared in the file.
"""

from pathlib import Path

import polars as pl

from meterhouse.durable import fsync
from meterhouse.exports.chart import NAMES
from meterhouse.exports.postings import (
    Ledger,
    balances,
    closing,
    given,
    one_line,
    postings,
    transactions,
)
from meterhouse.money import places

# The letter by which hledger knows what an account is.
TYPES = {"Assets": "A", "Liabilities": "L", "Equity": "E", "Income": "R", "Expenses": "X"}


def write(ledger: Ledger, path: Path) -> None:
    """Write the ledger and wait for the disk."""
    path.write_text(text(ledger), encoding="utf-8")
    fsync(path)


def text(ledger: Ledger) -> str:
    """The whole file."""
    blocks = [
        "\n".join(_declarations(ledger)),
        *_opening(ledger),
        *transactions(postings(ledger.entries), _head(), _posting()),
        *_assertions(ledger),
    ]
    return "\n\n".join(blocks) + "\n"


def _declarations(ledger: Ledger) -> list[str]:
    control = ledger.control
    return [
        f"; Meterhouse: journal of {control.entity}, {control.first} to {control.last}, "
        f"as of batch {control.batch_seq}.",
        *(f"commodity 1000.{'0' * places(code)} {code}" for code in ledger.currencies),
        *(f"account {name}  ; type:{_type(name)}" for name in sorted(NAMES.values())),
    ]


def _type(name: str) -> str:
    return TYPES[name.partition(":")[0]]


def _opening(ledger: Ledger) -> list[str]:
    rows = balances(ledger.opening.sort("currency", "account"))
    if not rows.height:
        return []
    line = pl.format("    {}    {} {}", "account", "amount", "currency")
    lines = rows.select(line.str.join("\n")).item()
    title = f"Opening balances before {ledger.control.first}"
    return [f"{ledger.day_before} * (opening) {title}\n{lines}"]


def _head() -> pl.Expr:
    """The first line, with the document's number as code, and what else is known as tags."""
    payee = _plain(pl.coalesce("customer", "customer_id").fill_null(""))
    code = _plain(pl.coalesce("number", pl.lit("entry"))).str.replace_all(r"[()]", " ")
    return pl.concat_str(
        pl.format("{} * ({}) {} | {}\n    ; entry:", "posted", code, payee, "event"),
        _tag_value(pl.col("entry_id")),
        given(", event:", _tag_value(pl.col("event"))),
        given(", event_date:", pl.col("happened")),
        given(", document:", _tag_value(pl.col("number"))),
        given(", customer:", _tag_value(pl.col("customer_id"))),
        given(", reversal_of:", _tag_value(pl.col("reversal_of"))),
    )


def _posting() -> pl.Expr:
    tags = pl.concat_str(
        given(", contract:", _tag_value(pl.col("contract_id"))),
        given(", item:", _tag_value(pl.col("item_id"))),
        given(", service_start:", pl.col("starts")),
        given(", service_end:", pl.col("ends")),
    )
    shown = tags.str.strip_prefix(", ")
    comment = pl.when(shown != "").then(pl.concat_str(pl.lit("  ; "), shown)).otherwise(pl.lit(""))
    return pl.concat_str(pl.format("    {}    {} {}", "name", "amount", "currency"), comment)


def _assertions(ledger: Ledger) -> list[str]:
    """A last transaction that moves nothing and asserts every balance, dated the last day."""
    rows = balances(closing(ledger.entries, ledger.opening))
    lines = [f"    {name}    0 {code} = {amount} {code}" for name, code, amount in rows.iter_rows()]
    title = f"{ledger.control.last} * (closing) Balances at the end of {ledger.control.last}"
    return ["\n".join([title, *lines])] if lines else []


def _tag_value(value: pl.Expr) -> pl.Expr:
    """A tag's value ends at a comma."""
    return one_line(value).str.replace_all(",", " ", literal=True)


def _plain(value: pl.Expr) -> pl.Expr:
    """A semicolon begins a comment, and a bar divides payee from note."""
    return (
        one_line(value)
        .str.replace_all(";", ",", literal=True)
        .str.replace_all("|", "/", literal=True)
    )
