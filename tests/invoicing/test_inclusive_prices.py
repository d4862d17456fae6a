"""Prices that hold their tax: the table of docs/tax.md, held figure by figure."""

import re
from decimal import Decimal

import polars as pl
import pytest

from meterhouse.invoicing.drafts import at_one_rate
from meterhouse.invoicing.taxed_lines import by_document, decided, line_tax, netted
from meterhouse.money import AMOUNT
from tests.invoicing.test_tax_rules import (
    BOOKS,
    CA,
    CERTIFICATE,
    DE,
    GST,
    LESSONS,
    PAGE,
    PST,
    QST,
    VAT,
    book,
    document,
)

D = Decimal
JCT = {"country": "JP", "name": "JCT", "rate": D("0.10")}
JP = [{"country": "JP"}]
# What each case of the page is made of: rules, registrations, buyer, options, exemptions, currency.
CASES = {
    "one price": ([VAT], DE, {"country": "DE"}, {}, (), "EUR"),
    "three prices": ([VAT], DE, {"country": "DE"}, {}, (), "EUR"),
    "by line": ([VAT], DE, {"country": "DE"}, {"rounding": "line"}, (), "EUR"),
    "two rates": ([VAT, BOOKS], DE, {"country": "DE"}, {}, (), "EUR"),
    "two taxes of one price": ([GST, PST], CA, {"country": "CA", "region": "BC"}, {}, (), "CAD"),
    "one on the other": (
        [GST, QST | {"is_compound": True}], CA, {"country": "CA", "region": "QC"}, {}, (), "CAD",
    ),
    "exempt category": ([VAT, LESSONS], DE, {"country": "DE"}, {}, (), "EUR"),
    "exempt in a region": (
        [GST, PST], CA, {"country": "CA", "region": "BC"}, {}, (CERTIFICATE,), "CAD",
    ),
    "reverse charge": ([VAT], DE, {"country": "FR", "buyer_vat": "FR2"}, {}, (), "EUR"),
    "no places": ([JCT], JP, {"country": "JP"}, {}, (), "JPY"),
    "something off": ([VAT], DE, {"country": "DE"}, {}, (), "EUR"),
    "beside net prices": ([VAT], DE, {"country": "DE"}, {}, (), "EUR"),
}  # fmt: skip


def table():
    """Cases of the page: name, prices, net of each line, taxes, total."""
    cells = [
        [cell.strip() for cell in line.strip("|\n").split("|")]
        for line in PAGE.splitlines()
        if line.startswith("| ") and line.count("|") == 6
    ]
    return {name: rest for name, *rest in cells[1:]}


def priced(told, currency):
    """Heads and lines of a case; a line of `net` says its amount without tax."""
    asked = [one.split(" ") for one in told.split(", ")]
    heads, lines = document([(category, amount) for amount, category, *_ in asked])
    is_net = pl.Series([one[-1] == "net" for one in asked])
    lines = lines.with_columns(is_inclusive=~is_net, currency=pl.lit(currency))
    head = {"currency": pl.lit(currency), "tax_rate": pl.lit(None, pl.String)}
    return heads.with_columns(**head), lines


def told(value):
    text = format(value.normalize(), "f")
    whole, _, rest = text.partition(".")
    return f"{whole}.{rest.ljust(2, '0')}"


def test_the_page_and_this_file_have_the_same_cases():
    assert set(table()) == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_a_case_of_the_page_comes_out_as_it_says(name):
    prices, nets, taxes, total = table()[name]
    *parties, currency = CASES[name]
    heads, lines = priced(prices, currency)
    categories = sorted(set(lines["item_id"]))
    made = decided(heads, lines, book(*parties, categories))
    own, parts = netted(made.heads, lines, made.lines)
    [head] = own.to_dicts()
    assert head["tax_fault"] is None
    assert ", ".join(told(amount) for amount in parts["amount"]) == nets
    shown = [
        f"{told(one['base'])}: {told(one['tax'])}" for one in by_document(made.lines).to_dicts()
    ]
    assert shown == re.split(r"; ", taxes)
    assert told(head["total"]) == total
    # What the customer pays is the prices, and the tax of those that say theirs without it.
    outside = made.lines.join(lines.filter(~pl.col("is_inclusive")), on="line_no", how="semi")
    assert head["total"] == lines["amount"].sum() + outside["tax"].sum()
    assert head["net"] == parts["amount"].sum()


@pytest.mark.parametrize(
    ("treatment", "rate", "nets", "tax"),
    [
        ("taxed", "0.19", ["8.39", "8.39", "8.40"], "4.79"),
        ("exempt", None, ["9.99", "9.99", "9.99"], "0"),
        ("reverse_charge", None, ["9.99", "9.99", "9.99"], "0"),
    ],
)
def test_a_decision_of_the_customer_takes_its_tax_out_once(treatment, rate, nets, tax):
    heads, lines = priced(", ".join(["9.99 standard"] * 3), "EUR")
    said = {"tax_treatment": treatment, "tax_rate": rate, "tax_name": "VAT", "tax_reason": None}
    customers = pl.DataFrame([said | {"customer_id": "acme"}], infer_schema_length=None)
    plain = heads.drop("tax_treatment", "tax_rate", "tax", "total")
    plain = plain.with_columns(untaxed=pl.lit(0).cast(AMOUNT))
    decided_heads = at_one_rate(plain, customers.cast({"tax_rate": pl.String}))
    own, parts = netted(decided_heads, lines, made_of_nothing())
    [head] = own.to_dicts()
    assert parts["amount"].to_list() == [D(one) for one in nets]
    assert (head["tax"], head["total"]) == (D(tax), D("29.97"))
    # What a note takes back of a line is its own share, not one by amounts.
    documents = pl.DataFrame(
        {"document_id": ["d"], "currency": ["EUR"], "tax": [head["tax"]]},
        schema_overrides={"tax": AMOUNT},
    )
    shares = line_tax(documents, parts.rename({"draft_id": "document_id"}))
    assert shares["tax"].to_list() == parts["tax_included"].to_list()


def made_of_nothing():
    """No taxes of rules (LINE_TAXES)."""
    heads, lines = document([("standard", "1.00")])
    return decided(heads, lines, book([VAT], DE, {}, {})).lines
