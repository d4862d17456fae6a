"""5,000 customers with 40 faults of 12 kinds: one report, and nothing is recorded."""

import re

import pytest

from meterhouse.catalog.csv_columns import columns
from meterhouse.errors import BookFault
from meterhouse.lake import Lake
from meterhouse.run.applying import apply_book, planned, recorded_versions
from meterhouse.settings import Settings

HEADER = list(columns("customer"))
GOOD = {
    "id": "c{n}",
    "name": "Customer {n}",
    "external_id": "ext-{n}",
    "aliases.1.value": "alias-{n}",
    "address.line1": "Street {n}",
    "address.city": "Berlin",
    "address.postal_code": "01067",
    "address.country": "DE",
    "email": "a{n}@example.com",
    "tax.treatment": "taxed",
    "tax.rate": "0.19",
    "custom": '{{"region": "emea"}}',
}
# What is written instead, the column that the fault names, and words of its sentence.
KINDS = (
    ({"name": ""}, "name", "the key `name` is missing"),
    ({"address.country": "Germany"}, "address.country", "`address.country` is wrong"),
    ({"email": "nobody"}, "email", "`email` is wrong"),
    ({"tax.rate": "19"}, "tax.rate", "is a fraction from 0 to 1"),
    ({"tax.treatment": "taxd"}, "tax.treatment", "`tax.treatment` is wrong"),
    ({"valid_from": "1.2.2024"}, "valid_from", "is a date, written YYYY-MM-DD"),
    ({"id": "a b"}, "id", "`id` is wrong"),
    ({"id": "c0"}, "id", "is already given in customers.csv:2; keep one of the two"),
    ({"aliases": "x"}, "aliases", "write it as JSON"),
    ({"external_id": "ext-1"}, "external_id", "also names customer 'c1'"),
    ({"custom": '{{"regoin": "emea"}}'}, "custom", "did you mean `region`?"),
    ({"locale": "xx-YY"}, "locale", "is no language tag of BCP 47"),
)
FAULTY = [97 + 113 * index for index in range(40)]
TERMS = "kind: payment_terms\nid: n\nnet_days: 30\n---\n"
REGION = "kind: attribute\nid: region\ntype: string\nkinds: [customer]\n"


@pytest.fixture
def lake(tmp_path):
    (tmp_path / "meterhouse.yaml").write_text("{}\n")
    made = Lake(Settings.load(tmp_path))
    made.create()
    (tmp_path / "book").mkdir(exist_ok=True)
    (tmp_path / "book" / "a.yaml").write_text(TERMS + REGION)
    return made


def write(lake, faulty, count=5000):
    header = [*HEADER, "aliases"]
    rows = []
    for number in range(count):
        wrong = KINDS[faulty.index(number) % len(KINDS)][0] if number in faulty else {}
        values = {**GOOD, **wrong}
        if "aliases" in wrong:
            del values["aliases.1.value"]
        cells = [values.get(column, "").format(n=number) for column in header]
        rows.append(",".join('"' + cell.replace('"', '""') + '"' for cell in cells))
    path = lake.settings.book / "customers.csv"
    path.write_text("\n".join([",".join(header), *rows]) + "\n")
    return header


def test_forty_faults_of_twelve_kinds_give_one_report_and_nothing_is_recorded(lake):
    header = write(lake, FAULTY)
    with pytest.raises(BookFault) as caught:
        apply_book(lake)
    told = caught.value.faults
    assert len(told) == 40
    by_line = {int(re.match(r"customers\.csv:(\d+): ", one)[1]): one for one in told}
    for index, number in enumerate(FAULTY):
        _, column, words = KINDS[index % len(KINDS)]
        sentence = by_line[number + 2]
        assert words in sentence
        assert re.search(rf": column [A-Z]+ `{re.escape(column)}`: ", sentence), sentence
        assert column in header
    with lake.reading() as db:
        assert recorded_versions(db) == []


@pytest.mark.slow
def test_a_list_without_faults_is_recorded_and_a_second_time_nothing_changes(lake):
    write(lake, [], count=500)
    changes, batch_seq = apply_book(lake)
    assert len(changes) == 502
    assert batch_seq is not None
    assert {change.action for change in planned(lake).changes} == {"same"}
    assert apply_book(lake)[1] is None


def test_a_document_with_a_fault_is_not_told_as_missing_by_those_that_name_it(lake):
    (lake.settings.book / "b.yaml").write_text(
        "kind: customer\nid: c\n---\nkind: contract\nid: k\ncustomer: c\nentity: e\ncurrency: USD\n"
        "zone: UTC\nstart: 2024-01-01\npayment_terms: m\n"
        "items: [{id: a, description: A, price: {model: flat, amount: '1'}}]\n"
    )
    with pytest.raises(BookFault) as caught:
        apply_book(lake)
    missing, entity, terms = caught.value.faults
    assert missing == "b.yaml:1: customer 'c': the key `name` is missing."
    assert "`entity` names entity 'e'" in entity
    assert "`payment_terms` names payment_terms 'm'" in terms
    assert "did you mean" in terms or "valid are `n`" in terms
