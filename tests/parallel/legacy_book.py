"""An old system's book made of our own documents, with one fault planted for each customer."""

import csv
from decimal import Decimal
from typing import NamedTuple

from ruamel.yaml import YAML

from tests.truth.harness import SETTINGS, Home

D = Decimal
FIELDS = (
    *("number", "kind", "date", "customer", "product", "quantity", "price", "net", "tax", "rate"),
    *("inclusive", "currency", "from", "to", "total"),
)
MAPPING = """\
system: before
columns:
  number: number
  kind: kind
  date: date
  customer: customer
  product: product
  quantity: quantity
  unit_price: price
  amount: net
  tax: tax
  tax_rate: rate
  inclusive: inclusive
  currency: currency
  from: from
  to: to
  document_total: total
to_is: exclusive
"""
TIERS = [
    {"up_to": "1000", "unit_amount": "0.02"},
    {"up_to": None, "unit_amount": "0.01"},
]
ITEMS = [
    {"id": "seat", "description": "Seats", "timing": "advance", "quantity": "3",
     "price": {"model": "flat", "amount": "100.00"}},
    {"id": "api", "description": "Calls", "timing": "advance", "quantity": "400",
     "price": {"model": "per_unit", "unit_amount": "0.125"}},
    {"id": "tiers", "description": "Tiers", "timing": "advance", "quantity": "1500",
     "price": {"model": "graduated", "tiers": TIERS}},
]  # fmt: skip


class Fault(NamedTuple):
    """What was changed of a customer's old rows, and what a comparison must say of it."""

    customer: str
    change: object
    causes: dict  # Cause to the amount with tax that it explains.


def book(customers):
    """A seller, and customers with three items each; those named late begin on the 12th."""
    yield {
        "kind": "entity", "id": "eu", "legal_name": "Lantern GmbH", "base_currency": "EUR",
        "address": {"line1": "Hauptstr. 1", "city": "Berlin", "country": "DE"},
        "zone": "Europe/Berlin", "approval": "automatic",
    }  # fmt: skip
    yield {"kind": "payment_terms", "id": "net30", "description": "Thirty days", "net_days": 30}
    for name in customers:
        yield {
            "kind": "customer", "id": name, "name": f"Customer {name}",
            "tax": {"treatment": "taxed", "rate": "0.19", "name": "VAT"},
        }  # fmt: skip
        yield {
            "kind": "contract", "id": f"{name}-1", "customer": name, "entity": "eu",
            "currency": "EUR", "zone": "Europe/Berlin", "anchor_day": 1, "payment_terms": "net30",
            "start": "2025-10-12" if name.startswith("late") else "2025-10-01", "items": ITEMS,
        }  # fmt: skip


def home_of(path, customers):
    """A home in which October was issued to all customers, by the steps of a run."""
    path.mkdir(parents=True)
    with (path / "meterhouse.yaml").open("w") as file:
        YAML().dump(SETTINGS, file)
    home = Home(path.resolve(), {})
    home.lake.create()
    home.record(*book(customers))
    return home


LINES = """
select d.number, d.invoice_date::varchar as date, d.customer_id as customer, l.item_id as product,
    l.quantity, l.amount as net, d.net as document_net, d.tax as document_tax,
    l.window_start_on::varchar as "from", l.window_end_on::varchar as "to"
from facts.standing_lines as l join facts.documents as d using (document_id)
where l.window_start_on >= '2025-10-01' and l.window_start_on < '2025-11-01'
order by d.customer_id, d.number, l.line_no
"""


def old_rows(home):
    """Our lines of October by customer, as the old system would have billed them."""
    found = {}
    with home.lake.reading() as db:
        names = [one[0] for one in db.execute(f"describe {LINES}").fetchall()]
        for values in db.execute(LINES).fetchall():
            row = dict(zip(names, values, strict=True))
            tax = (row["net"] * D("0.19")).quantize(D("0.01"))
            row |= {"number": f"OLD-{row['customer']}", "tax": tax, "currency": "EUR"}
            found.setdefault(row["customer"], []).append(row)
    return found


def write(path, rows):
    """The rows as a CSV with the columns FIELDS; what a row does not say is empty."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
