"""The chart of accounts and the posting rules, as data."""

from typing import NamedTuple

import polars as pl


class Account(NamedTuple):
    """An account: its key, what it is, and the side on which it grows."""

    account: str
    type: str
    normal_side: str


class Rule(NamedTuple):
    """Which account a leg of an event moves, and on which side when its amount is positive."""

    event: str
    leg: str
    account: str
    side: str


# Money that customers bought as credit and have not used.
PREPAYMENTS = "customer_prepayments"
# Credit that customers bought with its tax and have not used, without the tax.
VOUCHERS = "prepaid_credits"
# Money that customers have to their credit: of credit notes, deposits and adjustments.
CREDITS = "customer_credits"
ACCOUNTS = (
    Account("accounts_receivable", "asset", "debit"),
    Account("unbilled_receivable", "asset", "debit"),
    Account("deferred_revenue", "liability", "credit"),
    Account("cash", "asset", "debit"),
    Account(PREPAYMENTS, "liability", "credit"),
    Account(VOUCHERS, "liability", "credit"),
    Account(CREDITS, "liability", "credit"),
    Account("tax_payable", "liability", "credit"),
    Account("revenue", "income", "credit"),
    Account("sales_discounts", "income", "debit"),
    Account("breakage_revenue", "income", "credit"),
    Account("opening_balances", "equity", "credit"),
)

DOCUMENT_ISSUED = "document.issued"
PREPAID_APPLIED = "prepaid.applied"
BALANCE_ADDED = "balance.added"
BALANCE_DEPOSITED = "balance.deposited"
BALANCE_ADJUSTED = "balance.adjusted"
BALANCE_APPLIED = "balance.applied"
BALANCE_REFUNDED = "balance.refunded"
BALANCE_EXPIRED = "balance.expired"
ADJUSTMENT_EXPIRED = "balance.adjustment_expired"
REVENUE_RECOGNISED = "revenue.recognised"
USAGE_ACCRUED = "usage.accrued"
ACCRUAL_CLEARED = "usage.accrual_cleared"
HISTORY_OPENED = "history.opened"

# What an event is called when it is taken back.
REVERSED = {
    DOCUMENT_ISSUED: "document.voided",
    PREPAID_APPLIED: "prepaid.returned",
    BALANCE_APPLIED: "balance.returned",
    BALANCE_ADDED: "balance.taken_back",
    REVENUE_RECOGNISED: "revenue.unrecognised",
}

RULES = (
    Rule(DOCUMENT_ISSUED, "total", "accounts_receivable", "debit"),
    Rule(DOCUMENT_ISSUED, "accrued", "unbilled_receivable", "credit"),
    Rule(DOCUMENT_ISSUED, "earned", "revenue", "credit"),
    Rule(DOCUMENT_ISSUED, "advance", "deferred_revenue", "credit"),
    Rule(DOCUMENT_ISSUED, "sold", PREPAYMENTS, "credit"),
    Rule(DOCUMENT_ISSUED, "voucher", VOUCHERS, "credit"),
    Rule(DOCUMENT_ISSUED, "tax", "tax_payable", "credit"),
    Rule(PREPAID_APPLIED, "applied", PREPAYMENTS, "debit"),
    Rule(PREPAID_APPLIED, "settled", "accounts_receivable", "credit"),
    # What a note, a deposit or a kindness puts to a customer's credit, and what becomes of it.
    Rule(BALANCE_ADDED, "from", "accounts_receivable", "debit"),
    Rule(BALANCE_ADDED, "to", CREDITS, "credit"),
    Rule(BALANCE_DEPOSITED, "from", "cash", "debit"),
    Rule(BALANCE_DEPOSITED, "to", CREDITS, "credit"),
    Rule(BALANCE_ADJUSTED, "from", "sales_discounts", "debit"),
    Rule(BALANCE_ADJUSTED, "to", CREDITS, "credit"),
    Rule(BALANCE_APPLIED, "from", CREDITS, "debit"),
    Rule(BALANCE_APPLIED, "to", "accounts_receivable", "credit"),
    Rule(BALANCE_REFUNDED, "from", CREDITS, "debit"),
    Rule(BALANCE_REFUNDED, "to", "cash", "credit"),
    Rule(BALANCE_EXPIRED, "from", CREDITS, "debit"),
    Rule(BALANCE_EXPIRED, "to", "breakage_revenue", "credit"),
    Rule(ADJUSTMENT_EXPIRED, "from", CREDITS, "debit"),
    Rule(ADJUSTMENT_EXPIRED, "to", "sales_discounts", "credit"),
    Rule(REVENUE_RECOGNISED, "deferred", "deferred_revenue", "debit"),
    Rule(REVENUE_RECOGNISED, "earned", "revenue", "credit"),
    Rule(USAGE_ACCRUED, "accrued", "unbilled_receivable", "debit"),
    Rule(USAGE_ACCRUED, "earned", "revenue", "credit"),
    Rule(ACCRUAL_CLEARED, "earned", "revenue", "debit"),
    Rule(ACCRUAL_CLEARED, "accrued", "unbilled_receivable", "credit"),
    # What an imported journal says in sum is told in detail; without one there is no more to say.
    Rule(HISTORY_OPENED, "owed", "accounts_receivable", "debit"),
    Rule(HISTORY_OPENED, "owed_before", "accounts_receivable", "credit"),
    Rule(HISTORY_OPENED, "owed_opening", "opening_balances", "credit"),
    Rule(HISTORY_OPENED, "unearned", "deferred_revenue", "credit"),
    Rule(HISTORY_OPENED, "unearned_before", "deferred_revenue", "debit"),
    Rule(HISTORY_OPENED, "unearned_opening", "opening_balances", "debit"),
    Rule(HISTORY_OPENED, "unused", PREPAYMENTS, "credit"),
    Rule(HISTORY_OPENED, "unused_before", PREPAYMENTS, "debit"),
    Rule(HISTORY_OPENED, "unused_opening", "opening_balances", "debit"),
)


def accounts() -> pl.DataFrame:
    """One row per account: account, type, normal_side."""
    return pl.DataFrame(ACCOUNTS, schema=list(Account._fields), orient="row")


def rules() -> pl.DataFrame:
    """One row per posting rule: event, leg, account, side, place (its order in an entry)."""
    table = pl.DataFrame(RULES, schema=list(Rule._fields), orient="row")
    return table.with_row_index("place")
