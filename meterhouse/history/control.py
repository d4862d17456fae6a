"""What is told in detail against what the journal says of its account: both sides, and faults."""

from collections.abc import Mapping

import polars as pl

from meterhouse.history.reading import FAULTS
from meterhouse.money import AMOUNT

Files = Mapping[str, pl.DataFrame]
# The file that tells an account in detail, its amount, and the side on which the account grows.
CONTROLS = {
    "accounts_receivable": ("open_items", "open_amount", "debit"),
    "deferred_revenue": ("deferred_schedules", "amount", "credit"),
    "customer_prepayments": ("wallet_lots", "amount", "credit"),
}
_KEY = ("entity", "currency")


def control_totals(files: Files) -> pl.DataFrame:
    """One row per account, entity and currency of which either side says something: `detail`, the
    sum of the file, and `journal`, the balance (null where the entity has no journal)."""
    return pl.concat([_one(files, account) for account in CONTROLS]).sort("account", *_KEY)


def _one(files: Files, account: str) -> pl.DataFrame:
    name, amount, side = CONTROLS[account]
    detail = files[name].group_by(_KEY).agg(detail=pl.col(amount).sum())
    other = "credit" if side == "debit" else "debit"
    balance = pl.col(side).fill_null(0) - pl.col(other).fill_null(0)
    told = files["journal"].filter(pl.col("account") == account)
    journal = told.group_by(_KEY).agg(journal=balance.sum())
    has_journal = files["journal"].select("entity").unique().with_columns(has_journal=True)
    nothing = pl.lit(0).cast(AMOUNT)
    return (
        detail.join(journal, on=_KEY, how="full", coalesce=True)
        .join(has_journal, on="entity", how="left")
        .select(
            *_KEY,
            account=pl.lit(account),
            file=pl.lit(name),
            detail=pl.col("detail").fill_null(nothing).cast(AMOUNT),
            journal=pl.when("has_journal").then(pl.col("journal").fill_null(nothing)).cast(AMOUNT),
        )
    )


def control_faults(totals: pl.DataFrame) -> pl.DataFrame:
    """The totals of which the two sides differ, as faults; an entity without a journal has one."""
    off = totals.filter(pl.col("detail") != pl.col("journal"))
    rows = [
        (
            "journal.csv",
            None,
            f"{account} of {entity} is {_text(journal)} {currency}, and {file} adds up to "
            f"{_text(detail)}",
        )
        for entity, currency, account, file, detail, journal in off.select(
            *_KEY, "account", "file", "detail", "journal"
        ).iter_rows()
    ]
    return pl.DataFrame(rows, schema=FAULTS, orient="row")


def _text(amount: object) -> str:
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") or "0"
