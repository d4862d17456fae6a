"""CSV lists bring the same documents as YAML, with the same checks."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhouse.catalog.csv_columns import LISTS, columns, holds, path_of
from meterhouse.catalog.kinds import KINDS
from meterhouse.catalog.loading import load_folder, read_folder
from meterhouse.errors import BookFault

CUSTOMERS = """\
id,name,external_id,aliases.1.value,aliases.1.until,address.line1,address.city,address.postal_code,\
address.country,tax.treatment,tax.rate,tax_ids
acme,"Acme, Ltd",7,ac,2025-01-01,1 High St,Dresden,01067,DE,taxed,0.190,
bolt,Bolt,,,,,,,,,,"[{""type"": ""eu_vat"", ""value"": ""5""}]"
"""
SAME = """\
kind: customer
id: acme
name: Acme, Ltd
external_id: "7"
aliases: [{value: ac, until: 2025-01-01}]
address: {line1: 1 High St, city: Dresden, postal_code: "01067", country: DE}
tax: {treatment: taxed, rate: 0.19}
---
kind: customer
id: bolt
name: Bolt
tax_ids: [{type: eu_vat, value: "5"}]
"""
BASE = """\
kind: entity
id: e
legal_name: E
address: {line1: a, city: b, country: US}
base_currency: USD
zone: UTC
---
kind: payment_terms
id: n
net_days: 30
---
kind: customer
id: c
name: C
"""


@pytest.fixture
def folder(tmp_path):
    """A folder of a book; called with names and texts, it writes files and loads all."""

    def load(**files):
        for name, text in files.items():
            path = tmp_path / name.replace("__", ".").replace("_DASH_", "-")
            path.write_bytes(text.encode() if isinstance(text, str) else text)
        return load_folder(tmp_path)

    return load


@pytest.fixture
def faults(folder):
    """All faults of a folder."""

    def refused(**files):
        with pytest.raises(BookFault) as caught:
            folder(**files)
        return list(caught.value.faults)

    return refused


def contents(documents):
    return {(one.kind, one.id, one.valid_from): one.content for one in documents}


def test_a_list_brings_the_documents_that_yaml_brings(tmp_path):
    for name, text in (("x/customers.csv", CUSTOMERS), ("y/a.yaml", SAME)):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    listed, written = load_folder(tmp_path / "x"), load_folder(tmp_path / "y")
    assert contents(listed) == contents(written)
    assert [one.place for one in listed] == ["customers.csv:2", "customers.csv:3"]


@pytest.mark.parametrize("change", ["semicolons", "tabs", "windows", "shuffled"])
def test_the_form_of_the_file_and_the_order_of_its_columns_do_not_matter(tmp_path, change):
    rows = list(csv.reader(io.StringIO(CUSTOMERS)))
    if change == "shuffled":
        rows = [row[::-1] for row in rows]
    text = io.StringIO()
    delimiter = {"semicolons": ";", "tabs": "\t"}.get(change, ",")
    csv.writer(text, delimiter=delimiter, lineterminator="\r\n").writerows(rows)
    (tmp_path / "customers-emea.csv").write_bytes(b"\xef\xbb\xbf" + text.getvalue().encode())
    (tmp_path / "y").mkdir()
    (tmp_path / "y" / "a.yaml").write_text(SAME)
    listed = contents(load_folder(tmp_path / "y"))
    (tmp_path / "y" / "a.yaml").unlink()
    assert contents(load_folder(tmp_path)) == listed


def test_contracts_with_items_of_any_price_fit_in_rows(folder):
    text = (
        "id;customer;entity;currency;zone;start;payment_terms;items.1.id;items.1.description;"
        "items.1.price.model;items.1.price.amount;items.1.quantity;items.2.id;"
        "items.2.description;items.2.price;items.2.prorate.end\n"
        'k;c;e;USD;UTC;2024-01-01;n;seat;Seat;flat;9.50;3;fee;Fee;"{""model"": ""flat"", '
        '""amount"": 1.10}";false\n'
    )
    documents = folder(a__yaml=BASE, contracts__csv=text)
    [contract] = [one for one in documents if one.kind == "contract"]
    seat, fee = contract.content["items"]
    assert (seat["price"]["amount"], seat["quantity"], seat["prorate"]["end"]) == ("9.5", "3", True)
    # A JSON number never becomes a float.
    assert (fee["price"]["amount"], fee["prorate"]["end"]) == ("1.1", False)


@pytest.mark.parametrize("name", LISTS)
def test_a_template_has_a_column_for_every_key_and_is_a_list_without_documents(name, tmp_path):
    kind = LISTS[name]
    header = columns(kind)
    assert all(holds(kind, path_of(column)) for column in header)
    keys = {field.alias or key for key, field in KINDS[kind].model_fields.items()}
    assert {str(path_of(column)[0]) for column in header} >= keys - {"pinned"}
    (tmp_path / f"{name}.csv").write_text(",".join(header) + "\r\n")
    assert load_folder(tmp_path) == []


def test_every_kind_has_a_list():
    assert sorted(LISTS.values()) == sorted(KINDS)


REFUSED = {
    "an unknown column": (
        "id,nme\nc,C\n",
        "column B `nme`: unknown column 'nme' of customer; did you mean `name`?",
    ),
    "a deep unknown column": (
        "id,name,adress.city\nc,C,x\n",
        "unknown column 'adress.city' of customer; did you mean `address.city`?",
    ),
    "a column twice": ("id,name,name\nc,C,C\n", "column C `name`: the column 'name' is already"),
    "a nameless column": ("id,name,\nc,C,x\n", "column C ``: the column has no name"),
    "no ids": ("name\nC\n", "the column `id` is missing"),
    "a cell too many": ("id,name\nc,C,D\n", "customers.csv:2: the row has 3 cells"),
    "a cell too few": ("id,name\nc\n", "customers.csv:2: the row has 1 cells"),
    "an open quote": ('id,name\nc,"C\n', "is not CSV"),
    "a quote inside": ('id,name\nc,"C"x"\n', "is not CSV"),
    "no json": ("id,name,aliases\nc,C,[x\n", "column C `aliases`: customer: `aliases` is no JSON"),
    "a plain text as list": ("id,name,aliases\nc,C,x\n", "write it as JSON"),
    "json with a key twice": (
        'id,name,tax\nc,C,"{""rate"": ""1"", ""rate"": ""0""}"\n',
        "names a key twice",
    ),
    "json with NaN": ('id,name,tax\nc,C,"{""rate"": NaN}"\n', "holds NaN"),
    "an entry left out": ("id,name,aliases.2.value\nc,C,x\n", "its entry 1 is empty"),
    "a key said twice": (
        'id,name,tax,tax.rate\nc,C,"{""treatment"": ""taxed""}",0.1\n',
        "fill in one of the two",
    ),
    "a missing value": (
        "id,name\nc,\n",
        "customers.csv:2: column B `name`: customer 'c': the key `name` is missing",
    ),
    "a wrong value": (
        "id,name,address.country,address.line1,address.city\nc,C,Germany,a,b\n",
        "customers.csv:2: column C `address.country`: customer 'c': `address.country` is wrong",
    ),
    "a wrong id": ("id,name\na b,C\n", "customers.csv:2: column A `id`: customer 'a b': `id` is"),
    "an unreal date": ("id,valid_from,name\nc,2023-02-30,C\n", "column B `valid_from`"),
    "an id twice": (
        "id,name\nc,C\nc,D\n",
        "customers.csv:3: column A `id`: customer 'c' is already given in customers.csv:2; keep",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_list_is_refused_with_line_and_column(case, faults):
    text, sentence = REFUSED[case]
    found = faults(customers__csv=text)
    assert all(fault.startswith("customers.csv:") for fault in found)
    assert any(sentence in fault for fault in found), found


def test_a_file_that_nobody_would_read_is_refused_with_the_nearest_name(faults):
    [fault] = faults(custmers__csv="id,name\n")
    assert "did you mean `customers`?" in fault
    [fault] = faults(custmers__csv=b"id,name\n\xff\n")
    assert "line 2 is not UTF-8" in fault


def test_a_text_over_two_lines_does_not_shift_the_lines_of_faults(faults):
    text = 'id,name,tax.reason\na,A,"one\ntwo"\nb,,x\n'
    found = faults(customers__csv=text)
    assert any(fault.startswith("customers.csv:4: column B `name`") for fault in found)


@given(cells=st.lists(st.text(max_size=8), min_size=2, max_size=4), name=st.sampled_from([*LISTS]))
def test_any_text_is_documents_or_sentences_and_never_an_accident(tmp_path_factory, cells, name):
    folder = tmp_path_factory.mktemp("any")
    (folder / f"{name}.csv").write_text("\n".join(["id", *cells]), errors="replace")
    faults = read_folder(folder).faults
    assert all(one.startswith(f"{name}.csv:") for one in faults)
