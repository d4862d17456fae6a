"""Our accounts under the names that text ledgers take: five roots, parts in capitals."""

import polars as pl

from meterhouse.errors import UsageError
from meterhouse.ledger.accounts import ACCOUNTS

ROOTS = {
    "asset": "Assets",
    "liability": "Liabilities",
    "equity": "Equity",
    "income": "Income",
    "expense": "Expenses",
}
# Account key to its name: accounts_receivable is Assets:AccountsReceivable.
NAMES = {
    one.account: f"{ROOTS[one.type]}:{one.account.title().replace('_', '')}" for one in ACCOUNTS
}


def named(accounts: pl.Expr) -> pl.Expr:
    """The names of account keys that are in the chart."""
    return accounts.replace_strict(NAMES, return_dtype=pl.String)


def refuse_unknown(accounts: pl.Series) -> None:
    """Raise if an account is not in the chart: its root would be a guess."""
    unknown = sorted(set(accounts.unique().to_list()) - set(NAMES))
    if unknown:
        raise UsageError(
            f"The journal moves accounts that are not in the chart: {', '.join(unknown)}. Nothing "
            "was exported. Add them to the chart, or leave beancount and hledger out."
        )
