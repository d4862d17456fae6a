"""The examples of docs/book.md are a book that can be applied."""

import re
from pathlib import Path

import pytest

from meterhouse.catalog.csv_columns import LISTS
from meterhouse.catalog.kinds import KINDS
from meterhouse.catalog.loading import load_folder
from meterhouse.catalog.references import check
from meterhouse.errors import BookFault

PAGE = (Path(__file__).parents[2] / "docs" / "book.md").read_text()
REST = """\
kind: entity
id: us
legal_name: Seller Inc
address: {line1: 1 Pine St, city: Albany, country: US}
base_currency: USD
zone: America/New_York
---
kind: payment_terms
id: net30
net_days: 30
---
kind: event_type
id: call
properties: {n: {type: integer}}
---
kind: meter
id: calls
event_type: call
aggregation: count
unit: call
"""


def blocks(language):
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", PAGE)


def items(documents, id):
    [contract] = [one for one in documents if one.kind == "contract" and one.id == id]
    return {
        one["id"]: one["price"].get("amount", one["price"].get("unit_amount"))
        for one in contract.content["items"]
    }


def write(folder, *texts):
    folder.mkdir(exist_ok=True)
    (folder / "a.yaml").write_text("---\n".join([REST, *texts]))


def test_the_examples_of_yaml_and_csv_are_one_book_without_faults(tmp_path):
    write(tmp_path, *blocks("yaml"))
    (tmp_path / "customers.csv").write_text(blocks("csv")[0])
    documents = load_folder(tmp_path)
    assert check(documents) == []
    assert items(documents, "acme-2024") == {"seats": "11", "api": "0.002", "sso": "90"}
    acme = next(one for one in documents if (one.kind, one.id) == ("customer", "acme"))
    assert acme.content["address"]["postal_code"] == "01067"
    assert acme.content["custom"] == {"segment": "enterprise"}


def test_the_example_in_python_writes_what_the_loader_reads(tmp_path):
    catalog, *_ = blocks("yaml")
    write(tmp_path / "book", catalog)
    exec(compile(blocks("python")[0], "book.md", "exec"), {"home": tmp_path})
    documents = load_folder(tmp_path / "book")
    assert check(documents) == []
    assert items(documents, "acme-2024") == {"seats": "12", "api": "0.002", "support": "250"}


def test_the_fault_that_the_page_shows_is_the_one_that_is_told(tmp_path):
    header = "id,name,a,b,c,d,tax.treatment,tax.rate\n"
    named = ["address.line1", "address.city", "email", "locale"]
    for letter, name in zip("abcd", named, strict=True):
        header = header.replace(f",{letter},", f",{name},")
    rows = [f"c{n},C,,,,,taxed,{'19' if n == 16 else '0.19'}\n" for n in range(1, 20)]
    (tmp_path / "customers.csv").write_text(header + "".join(rows))
    with pytest.raises(BookFault) as caught:
        load_folder(tmp_path)
    [shown] = re.findall(r"``(customers\.csv:17.*?)``", PAGE)
    assert caught.value.faults == (shown,)


def test_the_page_names_every_kind_and_every_list():
    assert {kind for kind in KINDS if f"`{kind}`" not in PAGE} == set()
    assert {name for name in LISTS if f"`{name}`" not in PAGE} == set()
