"""The columns of old invoices as they are read, and of the lines that are compared."""

import polars as pl

from meterhouse.money import AMOUNT, QUANTITY

Schema = dict[str, pl.DataType | type[pl.DataType]]

# What a mapping may name. Money is in the currency's major unit unless the mapping says otherwise.
FIELDS = {
    "number": "number of the invoice or credit note",
    "kind": "what the document is; `credit_notes` says which texts are credit notes",
    "customer": "who is billed, in the words of the old system",
    "currency": "ISO 4217 code",
    "date": "date of the document",
    "product": "what is billed",
    "description": "text of the line",
    "quantity": "units billed",
    "unit_price": "price of a unit, before tax",
    "amount": "amount of the line",
    "discount": "discount of the line that `amount` still has in it",
    "tax": "tax of the line",
    "tax_rate": "rate of the line's tax, in percent",
    "inclusive": "whether the line's amount has its tax in it",
    "from": "first day of service",
    "to": "last day of service, or the day after it (`to_is`)",
    "document_tax": "tax of the whole document, repeated on each of its rows",
    "document_total": "total of the whole document with tax, repeated on each of its rows",
    "status": "state of the document; `skip` says which are left out",
}
REQUIRED = ("number", "customer", "currency", "date", "amount")

# One row per line of an old document. Credit notes are negative. `fault` says why it is kept out.
LINES: Schema = {
    "number": pl.String,
    "kind": pl.String,
    "customer": pl.String,
    "currency": pl.String,
    "invoice_date": pl.Date,
    "line_no": pl.Int64,
    "source_line": pl.Int64,
    "product": pl.String,
    "description": pl.String,
    "quantity": QUANTITY,
    "unit_price": AMOUNT,
    "amount": AMOUNT,
    "tax": AMOUNT,
    "tax_rate": AMOUNT,
    "is_inclusive": pl.Boolean,
    "from_on": pl.Date,
    "until_on": pl.Date,
    "fault": pl.String,
    "raw": pl.String,
}

# One row per line that is compared, old or new. `product` is the name that both sides share, null
# where it is not mapped; `period` counts months from the compared one. `is_linear`: twice the
# quantity costs twice as much.
SIDE: Schema = {
    "customer_id": pl.String,
    "customer": pl.String,
    "currency": pl.String,
    "product": pl.String,
    "text": pl.String,
    "period": pl.Int64,
    "from_on": pl.Date,
    "until_on": pl.Date,
    "quantity": QUANTITY,
    "unit_price": AMOUNT,
    "amount": AMOUNT,
    "tax": AMOUNT,
    "number": pl.String,
    "line_no": pl.Int64,
    "line_key": pl.String,
    "is_linear": pl.Boolean,
}
ROUNDING = "(rounding)"

CAUSES = (
    *("missing", "extra", "usage", "price", "proration", "rounding", "tax", "timing", "currency"),
    "other",
)
MEANINGS = {
    "missing": "The old system billed it and Meterhouse does not.",
    "extra": "Meterhouse bills it and the old system did not.",
    "usage": "Other quantities, at the old unit price.",
    "price": "The same quantity at another price.",
    "proration": "The same price for another share of a period.",
    "rounding": "No more than one minor unit for each line.",
    "tax": "Another rate, or tax that one side has in its amounts.",
    "timing": "The same amount is in the month before or after.",
    "currency": "The same product is billed in another currency.",
    "other": "Not explained: a name that is not mapped.",
}

# One row per variance: what differs, why, and the net and tax that this explains (new less old).
VARIANCES: Schema = {
    "customer_id": pl.String,
    "currency": pl.String,
    "product": pl.String,
    "from_on": pl.Date,
    "until_on": pl.Date,
    "cause": pl.String,
    "net": AMOUNT,
    "tax": AMOUNT,
    "amount": AMOUNT,
    "old_quantity": QUANTITY,
    "new_quantity": QUANTITY,
    "old_amount": AMOUNT,
    "new_amount": AMOUNT,
    "old_tax": AMOUNT,
    "new_tax": AMOUNT,
    "old_numbers": pl.String,
    "new_numbers": pl.String,
    "line_key": pl.String,
    "detail": pl.String,
}
