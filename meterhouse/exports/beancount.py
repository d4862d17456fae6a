"""The journal as a ledger of Beancount: `bean-check ledger.beancount` accepts it to the last cent.

The tolerance is set to zero, because Beancount by itself lets half a cent pass.
"""

from decimal import Decimal
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


def write(ledger: Ledger, path: Path) -> None:
    """Write the ledger and wait for the disk."""
    path.write_text(text(ledger), encoding="utf-8")
    fsync(path)


def text(ledger: Ledger) -> str:
    """The whole file."""
    blocks = [
        "\n".join(_options(ledger)),
        "\n".join(_declarations(ledger)),
        *_opening(ledger),
        *transactions(postings(ledger.entries), _head(), _posting()),
        "\n".join(_assertions(ledger)),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _options(ledger: Ledger) -> list[str]:
    control = ledger.control
    return [
        f"; Meterhouse: journal of {control.entity}, {control.first} to {control.last}, "
        f"as of batch {control.batch_seq}.",
        f'option "title" "{control.entity} {control.period}"',
        'option "tolerance_multiplier" "0"',
        *(f'option "operating_currency" "{code}"' for code in ledger.currencies),
        *(f'option "display_precision" "{code}:{_unit(code)}"' for code in ledger.currencies),
    ]


def _unit(currency: str) -> str:
    return format(Decimal(1).scaleb(-places(currency)), "f")


def _declarations(ledger: Ledger) -> list[str]:
    day, codes = ledger.day_before, ",".join(ledger.currencies)
    return [
        *(f"{day} commodity {code}" for code in ledger.currencies),
        *(f"{day} open {name} {codes}".rstrip() for name in sorted(NAMES.values())),
    ]


def _opening(ledger: Ledger) -> list[str]:
    """One transaction per currency with all balances before the first day."""
    rows = balances(ledger.opening.sort("currency", "account"))
    line = pl.format("  {}  {} {}", "account", "amount", "currency")
    grouped = rows.group_by("currency", maintain_order=True).agg(line.str.join("\n").alias("lines"))
    return [
        f'{ledger.day_before} * "Opening balances" "{currency} before {ledger.control.first}" '
        f"#opening\n{lines}"
        for currency, lines in grouped.iter_rows()
    ]


def _head() -> pl.Expr:
    """The first line of a transaction, with payee and narration, and its metadata."""
    payee = _quoted(pl.coalesce("customer", "customer_id").fill_null(""))
    about = pl.concat_str("event", given(" ", pl.col("number")))
    return pl.concat_str(
        pl.format("{} * {} {}", "posted", payee, _quoted(about)),
        _tag("  ", "entry", pl.col("entry_id")),
        _tag("  ", "event", pl.col("event")),
        given("\n  event_date: ", pl.col("happened")),
        _tag("  ", "document", pl.col("number")),
        _tag("  ", "customer", pl.col("customer_id")),
        _tag("  ", "reversal_of", pl.col("reversal_of")),
    )


def _posting() -> pl.Expr:
    return pl.concat_str(
        pl.format("  {}  {} {}", "name", "amount", "currency"),
        _tag("    ", "contract", pl.col("contract_id")),
        _tag("    ", "item", pl.col("item_id")),
        given("\n    service_start: ", pl.col("starts")),
        given("\n    service_end: ", pl.col("ends")),
    )


def _assertions(ledger: Ledger) -> list[str]:
    """Balances at the start of the day after the period; Beancount asserts before a day begins."""
    rows = balances(closing(ledger.entries, ledger.opening))
    day = ledger.control.until
    return [f"{day} balance {name}  {amount} {code}" for name, code, amount in rows.iter_rows()]


def _tag(indent: str, key: str, value: pl.Expr) -> pl.Expr:
    return given(f"\n{indent}{key}: ", _quoted(value))


def _quoted(value: pl.Expr) -> pl.Expr:
    escaped = one_line(value).str.replace_all("\\", "\\\\", literal=True)
    escaped = escaped.str.replace_all('"', '\\"', literal=True)
    return pl.concat_str(pl.lit('"'), escaped, pl.lit('"'))
