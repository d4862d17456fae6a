from dataclasses import replace
from pathlib import Path

import pytest

from meterhouse.canonical import canonical_json, sha256_text
from meterhouse.catalog.plan import FieldChange, Version, changes_to_record, plan, union
from meterhouse.catalog.references import check

EXAMPLE = Path(__file__).parents[2] / "examples" / "azure" / "book"


def recorded(documents, batch_seq=1):
    return [
        Version(*one.slot, one.content, sha256_text(canonical_json(one.content)), batch_seq)
        for one in documents
    ]


def test_an_empty_book_takes_every_document_as_new_in_order_of_reference(book):
    documents = book()
    changes = plan([], documents)
    assert {change.action for change in changes} == {"new"}
    assert [change.kind for change in changes] == [
        "entity",
        "payment_terms",
        "event_type",
        "meter",
        "meter",
        "customer",
        "contract",
    ]
    assert changes_to_record(changes) == changes
    assert all(c.content_sha256 == sha256_text(canonical_json(c.content)) for c in changes)


def test_applying_the_same_folder_again_records_nothing(book):
    documents = book()
    changes = plan(recorded(documents), documents)
    assert {change.action for change in changes} == {"same"}
    assert changes_to_record(changes) == []


def test_absence_from_the_folder_keeps_what_is_recorded(book):
    documents = book()
    changes = plan(recorded(documents), [])
    assert {change.action for change in changes} == {"kept"}
    assert changes_to_record(changes) == []
    assert check(union(recorded(documents), [])) == []


def test_a_changed_term_names_its_path_before_and_after(book):
    before = recorded(book())
    terms = "kind: payment_terms\nid: net30\ndescription: Due later\nnet_days: 45\n"
    seller = (EXAMPLE / "seller.yaml").read_text().partition("---\n")[0] + "---\n" + terms
    (change,) = changes_to_record(plan(before, book(seller=seller)))
    assert (change.action, change.kind, change.id) == ("changed", "payment_terms", "net30")
    assert change.fields == (
        FieldChange("$.description", "Due 30 days after the invoice date", "Due later"),
        FieldChange("$.net_days", 30, 45),
    )


def test_an_added_item_is_one_difference_of_the_list(book):
    before = book()
    contract = next(one for one in before if one.kind == "contract")
    first = contract.content["items"][0]
    dearer = {**first, "price": {**first["price"], "unit_amount": "4"}}
    added = {**first, "id": "third"}
    items = [dearer, contract.content["items"][1], added]
    after = replace(contract, content={**contract.content, "items": items})
    (change,) = changes_to_record(plan(recorded(before), [after]))
    assert change.fields == (
        FieldChange("$.items[0].price.unit_amount", "3", "4"),
        FieldChange("$.items[2]", None, added),
    )


@pytest.mark.parametrize("order", [1, -1])
def test_the_newest_version_of_a_slot_is_compared_whatever_the_order(order, book):
    documents = book()
    stale = [
        replace(one, content={**one.content, "net_days": 1}, batch_seq=0)
        for one in recorded(documents)
        if one.kind == "payment_terms"
    ]
    versions = [*stale, *recorded(documents)][::order]
    assert changes_to_record(plan(versions, documents)) == []
    assert len(union(versions, [])) == len(documents)
