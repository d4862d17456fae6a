"""Contracts take items from plans, products and list prices, and keep what they were made of."""

import textwrap
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhouse.canonical import canonical_json
from meterhouse.catalog.kinds import KINDS
from meterhouse.catalog.loading import canonical, load_folder, read_folder
from meterhouse.catalog.objects import Book
from meterhouse.catalog.plan import Version, changes_to_record, plan
from meterhouse.catalog.references import check
from meterhouse.catalog.resolving import settle
from meterhouse.errors import BookFault

CATALOG = """\
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
---
kind: product
id: seats
name: Seats
---
kind: product
id: api
name: API calls
meter: calls
---
kind: product
id: suite
name: Suite
type: bundle
components: [{product: seats, quantity: 2}, {product: api}]
---
kind: price
id: seat-list
product: seats
currency: USD
price: {model: flat, amount: "10"}
---
kind: price
id: seat-list
valid_from: 2024-06-01
product: seats
currency: USD
price: {model: flat, amount: "12"}
---
kind: price
id: api-list
product: api
currency: USD
price: {model: per_unit, unit_amount: "0.01"}
---
kind: plan
id: pro
name: Pro
currency: USD
items:
  - {id: seat, product: seats}
  - {id: base, description: Base, price: {model: flat, amount: "100"}}
---
kind: plan
id: pro
valid_from: 2024-06-01
version: second
name: Pro
currency: USD
items:
  - {id: seat, product: seats}
  - {id: base, description: Base, price: {model: flat, amount: "120"}}
"""
HEAD = """\
---
kind: contract
id: {id}
customer: c
entity: e
currency: USD
zone: UTC
start: {start}
payment_terms: n
"""


def terms(more, id="k", start="2024-01-01"):
    return HEAD.format(id=id, start=start) + textwrap.dedent(more)


@pytest.fixture
def folder(tmp_path):
    """A folder with the catalog; called with text of a contract, it holds that too."""

    def write(text="", catalog=CATALOG):
        (tmp_path / "a.yaml").write_text(catalog + text)
        return tmp_path

    return write


@pytest.fixture
def items(folder):
    """Id to item of the contract that a text gives."""

    def of(text, catalog=CATALOG):
        documents = load_folder(folder(text, catalog))
        assert check(documents) == []
        [contract] = [one for one in documents if one.kind == "contract"]
        return {one["id"]: one for one in contract.content["items"]}

    return of


@pytest.fixture
def faults(folder):
    """All faults of a folder with a contract."""

    def of(text, catalog=CATALOG):
        with pytest.raises(BookFault) as caught:
            load_folder(folder(text, catalog))
        return list(caught.value.faults)

    return of


class Record:
    """A record of versions: what applying folders one after the other would leave."""

    def __init__(self):
        self.versions = []

    def apply(self, folder):
        reading = read_folder(folder)
        documents, faults = settle(reading, self.versions)
        assert reading.faults + faults == []
        changes = changes_to_record(plan(self.versions, documents))
        for one in changes:
            self.versions.append(
                Version(
                    one.kind, one.id, one.valid_from, one.content, one.content_sha256,
                    len(self.versions),
                )
            )  # fmt: skip
        return [(one.kind, one.id, one.action) for one in changes]

    def amounts(self, id="k"):
        [*_, last] = [one for one in self.versions if one.kind == "contract" and one.id == id]
        return {one["id"]: one["price"].get("amount") for one in last.content["items"]}


def test_a_contract_has_the_items_of_its_plan_with_product_name_and_list_price(items):
    found = items(terms("plan: pro\n"))
    assert list(found) == ["seat", "base"]
    assert found["seat"]["description"] == "Seats"
    assert found["seat"]["price"] == {"model": "flat", "amount": "10"}
    assert (found["seat"]["list_price"], found["seat"]["from_plan"]) == ("seat-list", "pro")
    assert found["base"]["price"]["amount"] == "100"


def test_a_new_contract_takes_what_is_in_force_when_it_starts(items):
    found = items(terms("plan: pro\n", start="2024-06-01"))
    assert {id: one["price"]["amount"] for id, one in found.items()} == {
        "seat": "12",
        "base": "120",
    }
    found = items(terms("plan: {id: pro, version: first}\n", start="2024-06-01"))
    assert found["base"]["price"]["amount"] == "100"


def test_items_of_a_plan_are_overridden_removed_and_added_by_id(items):
    found = items(
        terms("""\
        plan:
          id: pro
          overrides:
            seat: {quantity: 7, price: {model: flat, amount: 8.50}, description: Chairs}
          remove: [base]
        items:
          - {id: extra, product: api}
          - {id: own, description: Own, price: {ref: seat-list, on: 2024-07-01}}
        """)
    )
    assert list(found) == ["seat", "extra", "own"]
    seat, extra, own = found.values()
    assert (seat["quantity"], seat["price"]["amount"], seat["description"]) == (
        "7",
        "8.5",
        "Chairs",
    )
    assert (extra["meter"], extra["timing"], extra["list_price"]) == (
        "calls",
        "arrears",
        "api-list",
    )
    assert own["price"]["amount"] == "12"


def test_a_bundle_is_its_components_times_their_quantities(items):
    found = items(terms("items: [{id: s, product: suite, quantity: 3}]\n"))
    assert list(found) == ["s.seats", "s.api"]
    assert found["s.seats"]["quantity"] == "6"
    assert (found["s.api"]["quantity"], found["s.api"]["meter"]) == (None, "calls")
    priced = 'items: [{id: s, product: suite, price: {model: flat, amount: "5"}}]\n'
    found = items(terms(priced))
    assert (list(found), found["s"]["description"]) == (["s"], "Suite")


def test_parts_of_a_bundle_in_a_plan_are_overridden_by_their_own_ids(items):
    bundled = CATALOG + (
        "---\nkind: plan\nid: all\nname: All\ncurrency: USD\n"
        "items: [{id: s, product: suite, quantity: 2}, {id: t, product: suite}]\n"
    )
    text = terms(
        "plan: {id: all, remove: [t, s.api], overrides: {s.seats: {description: Chairs}}}\n"
    )
    found = items(text, bundled)
    assert [(one["id"], one["quantity"], one["description"]) for one in found.values()] == [
        ("s.seats", "4", "Chairs")
    ]


def test_recorded_content_given_again_gives_the_same_content(folder):
    text = terms("""\
        plan: {id: pro, overrides: {seat: {quantity: 7}}}
        items: [{id: s, product: suite}, {id: own, product: seats, price: {ref: seat-list}}]
        """)
    record = Record()
    record.apply(folder(text))
    [contract] = [one for one in record.versions if one.kind == "contract"]
    book = Book()
    book.add("contract", "k", contract.content)
    [again], faults = settle(book.reading(), record.versions)
    assert faults == []
    assert canonical_json(again.content) == canonical_json(contract.content)
    model = KINDS["contract"].model_validate(contract.content)
    assert canonical(model) == contract.content


def test_a_newer_version_a_correction_and_a_newer_price_reach_no_contract_untold(folder):
    record = Record()
    text = terms("plan: pro\nitems: [{id: own, product: seats, price: {ref: seat-list}}]\n")
    record.apply(folder(text))
    before = {"seat": "10", "base": "100", "own": "10"}
    assert record.amounts() == before
    corrected = CATALOG.replace('amount: "100"', 'amount: "101"')
    corrected = corrected.replace('amount: "10"', 'amount: "11"')
    assert {kind for kind, _, _ in record.apply(folder(text, corrected))} == {"plan", "price"}
    assert record.amounts() == before
    # A change of the contract itself brings no other price.
    changed = record.apply(folder(text.replace("plan:", "purchase_order: x\nplan:"), corrected))
    assert changed == [("contract", "k", "changed")]
    assert record.amounts() == before
    # A new contract has what holds now.
    record.apply(folder(terms("plan: pro\n", id="new"), corrected))
    assert record.amounts("new") == {"seat": "11", "base": "101"}


def test_a_contract_that_names_another_version_has_that_version(folder):
    record = Record()
    record.apply(folder(terms("plan: pro\n")))
    record.apply(folder(terms("plan: {id: pro, version: second}\n")))
    assert record.amounts() == {"seat": "10", "base": "120"}
    assert record.apply(folder(terms("plan: pro\n"))) == []


def test_a_later_slot_of_a_contract_keeps_the_version_of_the_earlier_one(folder):
    record = Record()
    later = terms("valid_from: 2024-07-01\nplan: {id: pro, overrides: {seat: {quantity: 9}}}\n")
    record.apply(folder(terms("plan: pro\n") + later))
    assert record.amounts() == {"seat": "10", "base": "100"}
    assert record.apply(folder(terms("plan: pro\n") + later)) == []


RAMP = """\
    plan: pro
    phases:
      - {id: begin, items: {seat: {price: {ref: seat-list}}}}
      - id: grow
        after: {every: 1, unit: month}
        items: {seat: {price: {ref: seat-list, on: 2024-06-01}}, base: {quantity: 2}}
    """


def test_a_phase_takes_a_list_price_and_keeps_its_version(folder):
    record = Record()
    record.apply(folder(terms(RAMP)))
    [contract] = [one for one in record.versions if one.kind == "contract"]
    first, second = contract.content["phases"]
    assert first["items"]["seat"]["price"] == {"model": "flat", "amount": "10"}
    assert second["items"]["seat"]["price"] == {"model": "flat", "amount": "12"}
    pins = [(one["id"], one["on"]) for one in contract.content["pinned"] if one["kind"] == "price"]
    assert pins == [("seat-list", None), ("seat-list", "2024-06-01")]
    # Another price of the list reaches it no more than the items do.
    dearer = CATALOG.replace('amount: "10"', 'amount: "11"').replace('"12"', '"13"')
    assert {kind for kind, _, _ in record.apply(folder(terms(RAMP), dearer))} == {"price"}
    book = Book()
    book.add("contract", "k", contract.content)
    [again], faults = settle(book.reading(), record.versions)
    assert faults == []
    assert canonical_json(again.content) == canonical_json(contract.content)


FAULTY = {
    "a price of a phase that is not there": (
        RAMP.replace("ref: seat-list}", "ref: seat-lst}"),
        "`phases[0].items.seat.price` names price 'seat-lst', which is neither in the book nor "
        "recorded; did you mean `seat-list`?",
    ),
    "a price of a phase with ref and amount": (
        RAMP.replace("ref: seat-list}", "ref: seat-list, amount: 5}"),
        "unknown key 'amount'",
    ),
    "a plan that is not there": ("plan: pr\n", "`plan` names plan 'pr', which is neither in the"),
    "a version that is not there": (
        "plan: {id: pro, version: secnd}\n",
        "names version 'secnd' of plan 'pro', which has no such version; did you mean `second`?",
    ),
    "an override of nothing": (
        "plan: {id: pro, overrides: {seet: {quantity: 1}}}\n",
        "`plan.overrides` names item 'seet', which version 'first' of plan 'pro' does not have; "
        "did you mean `seat`?",
    ),
    "a removal of nothing": ("plan: {id: pro, remove: [bse]}\n", "did you mean `base`?"),
    "an override with an unknown key": (
        "plan: {id: pro, overrides: {seat: {quantty: 1}}}\n",
        "unknown key 'quantty'; did you mean `quantity`?",
    ),
    "an override of the id": ("plan: {id: pro, overrides: {seat: {id: x}}}\n", "cannot change"),
    "a misspelt key of the plan": ("plan: {id: pro, verson: x}\n", "did you mean `version`?"),
    "an item of the plan again": (
        "plan: pro\nitems: [{id: seat, product: seats}]\n",
        "item 'seat' is also in the plan",
    ),
    "everything removed": ("plan: {id: pro, remove: [seat, base]}\n", "must not be empty"),
    "a price that is not there": (
        "items: [{id: a, product: seats, price: {ref: seat-lst}}]\n",
        "item 'a' names price 'seat-lst', which is neither in the book nor recorded; did you mean "
        "`seat-list`?",
    ),
    "a product that is not there": ("items: [{id: a, product: seat}]\n", "did you mean `seats`?"),
    "a product without list price": (
        "items: [{id: a, product: suite, price: {ref: api-list}, meter: cals}]\ncurrency: EUR\n",
        "is already given",
    ),
    "a price with ref and model": (
        "items: [{id: a, description: A, price: {ref: api-list, model: flat}}]\n",
        "unknown key 'price.model'",
    ),
    "a usage price without meter": (
        "items: [{id: a, description: A, price: {ref: api-list}}]\n",
        "a usage price needs a `meter`",
    ),
}


@pytest.mark.parametrize("case", FAULTY)
def test_what_a_contract_names_wrongly_is_told_with_its_line(case, faults):
    text, sentence = FAULTY[case]
    found = faults(terms(text))
    assert any(sentence in fault for fault in found), found
    first = CATALOG.count("\n") + 1
    assert all(int(fault.split(":")[1]) >= first for fault in found), found


def test_other_faults_of_the_contract_are_told_with_those_of_its_plan(faults):
    found = faults(terms("plan: pr\nend: soon\nanchor_day: 99\n"))
    assert len(found) == 3
    assert any("`end`" in fault for fault in found)
    assert any("`anchor_day`" in fault for fault in found)


def test_two_list_prices_in_one_currency_must_be_told_apart(faults):
    other = (
        "---\nkind: price\nid: seat-eu\nproduct: seats\ncurrency: USD\n"
        'price: {model: flat, amount: "9"}\n'
    )
    found = faults(terms("items: [{id: a, product: seats}]\n"), CATALOG + other)
    assert any("has several list prices in USD: `seat-eu`, `seat-list`" in one for one in found)


def test_a_list_price_that_begins_later_or_has_ended_is_not_taken(faults):
    late = CATALOG.replace("id: api-list\n", "id: api-list\nvalid_from: 2025-01-01\n")
    [fault] = faults(terms("items: [{id: a, product: api}]\n"), late)
    assert "holds only from 2025-01-01, after the day that needs it (2024-01-01)" in fault
    ended = CATALOG.replace("id: api-list\n", "id: api-list\nuntil: 2024-01-01\n")
    [fault] = faults(terms("items: [{id: a, product: api}]\n"), ended)
    assert "ended on 2024-01-01" in fault


def test_a_faulty_plan_is_told_once_and_not_as_missing(folder):
    broken = CATALOG.replace('{model: flat, amount: "100"}', "{model: flt}")
    broken = broken.replace('{model: flat, amount: "120"}', "{model: flt}")
    reading = read_folder(folder(terms("plan: pro\n"), broken))
    _, faults = settle(reading)
    assert len(reading.faults) == 2
    assert faults == []


def test_a_plan_whose_items_are_not_whole_is_refused_itself(faults):
    bad = CATALOG + (
        "---\nkind: plan\nid: x\nname: X\ncurrency: EUR\nitems:\n"
        "  - {id: a, product: seats}\n  - {id: b, price: {model: flat, amount: '1'}}\n"
        "  - {id: c, product: seats, price: {ref: seat-list}}\n"
    )
    found = faults("", bad)
    assert len(found) == 3
    assert "item 'a' has no price, and product 'seats' has no list price in EUR" in found[0]
    assert "the key `description` is missing" in found[1]
    assert "names price 'seat-list', which is in USD, not in EUR" in found[2]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["p", "i0", "x", "2024-01-01"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "plan", "items", "price", "ref", "on", "model", "product", "overrides",
                 "remove", "version", "pinned", "kind", "from_plan", "quantity", "list_price"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)  # fmt: skip


@given(plan=ANYTHING, items=ANYTHING, pinned=ANYTHING, start=ANYTHING)
def test_whatever_stands_in_a_contract_it_is_made_or_told_in_sentences(plan, items, pinned, start):
    book = Book()
    item = {"id": "i0", "description": "D", "price": {"model": "flat", "amount": "1"}}
    book.add("plan", "p", {"name": "P", "currency": "USD", "items": [item]})
    content = {"plan": plan, "items": items, "pinned": pinned, "start": start, "currency": "USD"}
    book.add("contract", "k", content)
    reading = book.reading()
    _, faults = settle(reading)
    # The customer is missing in any case.
    assert any("the key `customer` is missing" in one for one in [*reading.faults, *faults])


@given(
    quantities=st.lists(st.decimals(0, 10**6, places=3), min_size=1, max_size=4),
    removed=st.sets(st.integers(0, 3)),
)
def test_a_plan_gives_what_the_same_items_written_out_give(quantities, removed):
    base = [
        {"id": f"i{n}", "description": "D", "price": {"model": "flat", "amount": "1"}}
        for n in range(4)
    ]
    overrides = {f"i{n}": {"quantity": q} for n, q in enumerate(quantities)}
    head = {
        "customer": "c",
        "entity": "e",
        "currency": "USD",
        "zone": "UTC",
        "start": date(2024, 1, 1),
        "payment_terms": "n",
    }
    own = {"id": "own", "description": "D", "price": {"model": "flat", "amount": Decimal("2.5")}}
    book = Book()
    book.add("plan", "p", {"name": "P", "currency": "USD", "items": base})
    use = {"id": "p", "overrides": overrides, "remove": [f"i{n}" for n in sorted(removed)]}
    book.add("contract", "by-plan", {**head, "plan": use, "items": [own]})
    written = [
        {**one, **overrides.get(one["id"], {})} for n, one in enumerate(base) if n not in removed
    ]
    book.add("contract", "by-hand", {**head, "items": [*written, own]})
    _, *contracts = book.documents()
    by_id = {one.id: one.content for one in contracts}
    for item in by_id["by-plan"]["items"]:
        item.pop("from_plan", None)
    assert by_id["by-plan"]["items"] == by_id["by-hand"]["items"]
