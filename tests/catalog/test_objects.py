"""Documents made in Python are those that YAML gives, with the same checks."""

from datetime import date
from decimal import Decimal

import pytest

from meterhouse.catalog.documents import Customer, Tax
from meterhouse.catalog.loading import load_folder
from meterhouse.catalog.objects import Book
from meterhouse.catalog.payment_terms import PaymentTerms
from meterhouse.catalog.products import Product, ProductPrice
from meterhouse.contracts.prices import PerUnit
from meterhouse.errors import BookFault
from meterhouse.lake import Lake
from meterhouse.run.applying import apply_book, plan_book
from meterhouse.settings import Settings


def filled():
    book = Book()
    tax = Tax(treatment="taxed", rate=Decimal("0.190"))
    book.add("customer", "no", Customer(name="5", external_id="2024-01-01", tax=tax))
    book.add("payment_terms", "net30", {"net_days": 30, "description": "Ünïcode: #30"})
    book.add("payment_terms", "net30", PaymentTerms(net_days=60), valid_from=date(2025, 1, 1))
    book.add("product", "api", Product(name="API"))
    price = PerUnit(model="per_unit", unit_amount=Decimal("0.0000020"))
    book.add("price", "api", ProductPrice(product="api", currency="USD", price=price))
    return book


def test_what_is_written_is_read_again_as_the_same_documents(tmp_path):
    book = filled()
    book.write(tmp_path / "a.yaml")
    read = {one.slot: one.content for one in load_folder(tmp_path)}
    assert read == {one.slot: one.content for one in book.documents()}
    assert read["customer", "no", None]["tax"]["rate"] == "0.19"


def test_what_is_applied_from_python_is_the_same_as_applied_from_the_folder(tmp_path):
    (tmp_path / "meterhouse.yaml").write_text("{}\n")
    (tmp_path / "book").mkdir()
    lake = Lake(Settings.load(tmp_path))
    lake.create()
    changes, batch_seq = apply_book(lake, filled().reading())
    assert (len(changes), batch_seq is not None) == (5, True)
    filled().write(tmp_path / "book" / "a.yaml")
    assert {one.action for one in plan_book(lake)} == {"same"}


def test_faults_are_those_of_the_loader_and_nothing_is_written(tmp_path):
    book = filled()
    book.add("customer", "x", {"nme": "X"})
    book.add("customer", "no", {"name": "again"})
    with pytest.raises(BookFault) as caught:
        book.write(tmp_path / "a.yaml")
    unknown, missing, repeated = sorted(caught.value.faults, key=lambda one: "nme" not in one)
    assert unknown == "document 6: customer 'x': unknown key 'nme'; did you mean `name`?"
    assert missing == "document 6: customer 'x': the key `name` is missing."
    assert repeated.endswith("'no' is already given in document 1; keep one of the two.")
    assert not (tmp_path / "a.yaml").exists()
    with pytest.raises(BookFault, match="did you mean `customer`"):
        book.add("custmer", "x", {})
