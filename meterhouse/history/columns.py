"""The files of a history: which columns each has, what they hold, and what names a row."""

from typing import NamedTuple

TEXT, DAY, MONEY, NUMBER, WHOLE = "text", "day", "money", "number", "whole"
DOCUMENT_KINDS = ("invoice", "credit_note")


class Column(NamedTuple):
    """One column: its type, what it holds, and whether each row has a value there."""

    name: str
    type: str
    about: str
    is_required: bool = True
    choices: tuple[str, ...] = ()


class Kind(NamedTuple):
    """One file: the columns that name a row (none: rows have no name), and all columns."""

    name: str
    about: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]


def _may(name: str, kind: str, about: str, choices: tuple[str, ...] = ()) -> Column:
    return Column(name, kind, about, is_required=False, choices=choices)


_ENTITY = Column("entity", TEXT, "business entity of the book")
_CUSTOMER = Column("customer", TEXT, "customer of the book who pays")
_CONTRACT = Column("contract", TEXT, "contract of the book")
_ITEM = Column("item", TEXT, "item of the contract")
_CURRENCY = Column("currency", TEXT, "ISO 4217 code")
_NUMBER = Column("number", TEXT, "number of the old document")
_KIND = _may("kind", TEXT, "`invoice` (also where empty) or `credit_note`", DOCUMENT_KINDS)
_DATED = Column("invoice_date", DAY, "date of the document, before the cut-over")

KINDS = {
    kind.name: kind
    for kind in (
        Kind("cut_over", "from which day Meterhouse bills, one row per entity", ("entity",), (
            _ENTITY,
            Column("cut_over_on", DAY, "first day of the new books; opening entries have its date"),
        )),
        Kind("invoices", "old invoices and credit notes", ("entity", "number"), (
            _NUMBER, _KIND, _ENTITY, _CUSTOMER,
            _may("contract", TEXT, "contract of the book"),
            _CURRENCY, _DATED,
            _may("due_date", DAY, "last day to pay without being late"),
            Column("net", MONEY, "sum of the lines; negative of a credit note"),
            Column("tax", MONEY, "tax"),
            Column("total", MONEY, "net and tax"),
            _may("references", TEXT, "number of the invoice that a credit note corrects"),
        )),
        Kind("invoice_lines", "lines of the old documents", ("entity", "number", "line_no"), (
            _NUMBER, _ENTITY,
            Column("line_no", WHOLE, "number of the line in its document"),
            _may("contract", TEXT, "contract of the book"),
            _may("item", TEXT, "item of the contract"),
            Column("description", TEXT, "text of the line"),
            _may("quantity", NUMBER, "quantity in the unit of the old line"),
            Column("amount", MONEY, "net of the line"),
            _may("tax", MONEY, "tax of the line"),
            _may("service_from", DAY, "first day of the service"),
            _may("service_to", DAY, "first day after it"),
        )),
        Kind("payments", "what was paid before", ("entity", "payment"), (
            Column("payment", TEXT, "name of the payment"),
            _ENTITY, _CUSTOMER, _CURRENCY,
            Column("amount", MONEY, "what was paid; negative where it went back"),
            Column("received_on", DAY, "day on which it came"),
            _may("number", TEXT, "old document that it paid"),
        )),
        Kind("open_items", "what is still owed", ("entity", "number"), (
            _NUMBER, _KIND, _ENTITY, _CUSTOMER, _CURRENCY, _DATED,
            Column("due_date", DAY, "last day to pay without being late"),
            Column("total", MONEY, "total of the document; negative of a credit note"),
            Column("open_amount", MONEY, "what is still owed of it, with the sign of its total"),
        )),
        Kind("journal", "entries of the old ledger, or an opening trial balance", (), (
            Column("entry", TEXT, "name of the entry; its lines balance"),
            _ENTITY,
            _may("posting_date", DAY, "day of the entry, not after the cut-over; else that day"),
            _CURRENCY,
            Column("account", TEXT, "account of Meterhouse's chart"),
            _may("debit", MONEY, "amount in debit"),
            _may("credit", MONEY, "amount in credit"),
            _may("customer", TEXT, "customer of the book"),
        )),
        Kind("deferred_schedules", "what was billed and is not earned yet",
             ("contract", "item", "from", "number"), (
            _CONTRACT, _ITEM,
            Column("from", DAY, "first day on which it is earned, not before the cut-over"),
            Column("to", DAY, "first day on which it is earned no more"),
            Column("amount", MONEY, "what is left to earn, in the contract's currency"),
            _may("number", TEXT, "old document that billed it"),
        )),
        Kind("wallet_lots", "what is left of credit that customers bought",
             ("contract", "grant", "lot_on"), (
            _CONTRACT,
            Column("grant", TEXT, "paid grant of the contract, which says priority and expiry"),
            Column("lot_on", DAY, "day on which the lot was sold"),
            Column("amount", MONEY, "what is left of it, in the contract's currency"),
        )),
        Kind("commitments", "what was used of commitments of contracts",
             ("contract", "commitment", "span_start"), (
            _CONTRACT,
            Column("commitment", TEXT, "commitment of the contract, for longer than a window"),
            Column("span_start", DAY, "first day of the quarter, year or term of the cut-over"),
            Column("used", MONEY, "what was counted of it before, in the contract's currency"),
        )),
        Kind("discounts", "what discounts with a `cap_total` have taken off",
             ("contract", "discount"), (
            _CONTRACT,
            Column("discount", TEXT, "discount of the contract (not of an item)"),
            Column("used", MONEY, "what it took off before, in the contract's currency"),
        )),
        Kind("counters", "what items have counted of a period that the cut-over divides",
             ("contract", "item", "period_start"), (
            _CONTRACT, _ITEM,
            Column("period_start", DAY, "first day of the period, or another of it"),
            Column("quantity", NUMBER, "units counted before, as measured, in the meter's unit"),
        )),
        Kind("paid_through", "up to which day items are billed", ("contract", "item"), (
            _CONTRACT,
            _may("item", TEXT, "item or paid grant of the contract; empty: all that are not named"),
            Column("paid_through", DAY, "first day that is not billed yet"),
        )),
        Kind("series", "the last number of each series", ("entity", "kind", "year"), (
            _ENTITY,
            Column("kind", TEXT, "`invoice` or `credit_note`", choices=DOCUMENT_KINDS),
            Column("year", WHOLE, "year of the documents' dates"),
            Column("last_number", WHOLE, "last number that was given"),
            _may("last_date", DAY, "date of the last document; no document gets an earlier one"),
        )),
    )
}  # fmt: skip
