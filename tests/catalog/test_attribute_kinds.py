"""Every kind of document may carry attributes of the book, and each is held to their types."""

import json

import pytest

from meterhouse.catalog.kinds import KINDS
from meterhouse.catalog.loading import load_folder
from meterhouse.catalog.references import check
from meterhouse.errors import BookFault

ADDRESS = {"line1": "1 High St", "city": "Dublin", "postal_code": "D01", "country": "IE"}
FLAT = {"model": "flat", "amount": "1"}
DOCUMENTS = {
    "attribute": {"type": "string", "kinds": ["customer"]},
    "entity": {"legal_name": "E", "address": ADDRESS, "base_currency": "EUR", "zone": "UTC"},
    "payment_terms": {"net_days": 30},
    "tax_rule": {"name": "VAT", "country": "IE", "rate": "0.23"},
    "event_type": {"properties": {"units": {"type": "integer"}}},
    "meter": {"event_type": "x", "aggregation": "count", "decimals": 0, "unit": "x"},
    "product": {"name": "P"},
    "price": {"product": "x", "currency": "EUR", "price": FLAT},
    "plan": {
        "name": "P", "currency": "EUR", "products": ["x"], "items": [{"id": "a", "product": "x"}],
    },
    "customer": {"name": "C"},
    "contract": {
        "customer": "x", "entity": "x", "currency": "EUR", "zone": "UTC", "start": "2024-01-01",
        "payment_terms": "x", "items": [{"id": "a", "description": "A", "price": FLAT}],
    },
    "criterion": {"criterion": "All agrees", "measure": "by_hand", "owner": "Finance"},
}  # fmt: skip


def book(folder, kind, custom):
    """A folder with one document of each kind, of which one carries attributes."""
    seats = {"kind": "attribute", "id": "seats", "type": "integer", "kinds": list(KINDS)}
    made = [{"kind": one, "id": "x", **content} for one, content in DOCUMENTS.items()]
    for one in made:
        if one["kind"] == kind:
            one["custom"] = custom
    texts = [json.dumps(one) for one in (seats, *made)]
    (folder / "a.yaml").write_text("\n---\n".join(texts) + "\n")


def faults(folder):
    try:
        return check(load_folder(folder))
    except BookFault as fault:
        return list(fault.faults)


def test_every_kind_is_tried():
    assert list(DOCUMENTS) == list(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_carries_attributes_and_is_held_to_their_types(kind, tmp_path):
    book(tmp_path, kind, {"seats": "5"})
    assert faults(tmp_path) == []
    [one] = [one for one in load_folder(tmp_path) if one.kind == kind and one.id == "x"]
    assert one.content["custom"] == {"seats": 5}
    book(tmp_path, kind, {"seats": "many"})
    [fault] = faults(tmp_path)
    assert f"{kind} 'x'" in fault
    assert "`custom.seats` is a whole number (given: 'many')" in fault
    book(tmp_path, kind, {"seat": 5})
    [fault] = faults(tmp_path)
    assert f"`custom.seat` is no attribute of kind {kind}; did you mean `seats`?" in fault
