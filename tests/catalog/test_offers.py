"""Products, list prices and plans hang together, and attributes have the types the book says."""

import textwrap

import pytest

from meterhouse.catalog.attributes import typed
from meterhouse.catalog.loading import load_folder
from meterhouse.catalog.plan import Version
from meterhouse.catalog.references import check
from meterhouse.errors import BookFault

PRODUCTS = """\
kind: product
id: api
name: API
---
kind: product
id: sso
name: Single sign-on
type: add_on
parent: api
---
kind: price
id: api-list
until: 2024-06-01
product: api
currency: USD
price: {model: flat, amount: "1"}
---
kind: price
id: api-list
valid_from: 2024-06-01
product: api
currency: USD
price: {model: flat, amount: "2"}
"""
ATTRIBUTES = """\
kind: attribute
id: region
type: string
kinds: [customer]
values: [emea, apac]
required: true
---
kind: attribute
id: seats
type: integer
kinds: [customer]
---
kind: attribute
id: share
type: decimal
kinds: [customer]
---
kind: attribute
id: key_account
type: boolean
kinds: [customer]
---
kind: attribute
id: since
type: date
kinds: [customer, payment_terms]
"""


@pytest.fixture
def faults_of(tmp_path):
    """All faults of texts of YAML: of each document, or else across documents."""

    def of(*texts):
        (tmp_path / "a.yaml").write_text("---\n".join(map(textwrap.dedent, texts)))
        try:
            return check(load_folder(tmp_path))
        except BookFault as fault:
            return list(fault.faults)

    return of


def test_products_prices_and_plans_that_agree_have_no_fault(faults_of):
    plan = "kind: plan\nid: p\nname: P\ncurrency: USD\nproducts: [api]\nitems: "
    assert faults_of(PRODUCTS, plan + "[{id: a, product: api}]\n") == []


PRICE = 'kind: price\nid: {}\nproduct: api\ncurrency: USD\nprice: {{model: flat, amount: "1"}}\n'
CASES = {
    "a gap": (
        PRODUCTS.replace("until: 2024-06-01", "until: 2024-05-01"),
        "the days from 2024-05-01 to before 2024-06-01 have no price. Say `until: 2024-06-01`",
    ),
    "an overlap": (
        PRODUCTS.replace("until: 2024-06-01", "until: 2024-07-01"),
        "the days from 2024-06-01 to before 2024-07-01 have two prices",
    ),
    "an end before the beginning": (
        PRODUCTS + "until: 2024-06-01\n",
        "`until` (2024-06-01) must be later than its `valid_from` (2024-06-01)",
    ),
    "a price that changes its currency": (
        PRODUCTS.replace("currency: USD", "currency: EUR", 1),
        "`currency` is 'USD', but 'EUR' in a.yaml:11",
    ),
    "a price of no product": (
        PRODUCTS + "---\n" + PRICE.format("x").replace("api", "apy"),
        "`product` names product 'apy', which is neither in the folder nor recorded; did you mean",
    ),
    "a parent that is not there": (
        PRODUCTS.replace("parent: api", "parent: apy"),
        "`parent` names product 'apy'",
    ),
    "a component that is not there": (
        PRODUCTS + "---\nkind: product\nid: b\nname: B\ntype: bundle\n"
        "components: [{product: apy, price: api-lst}]\n",
        "`components[0].price` names price 'api-lst'",
    ),
    "a ring of bundles": (
        "kind: product\nid: a\nname: A\ntype: bundle\ncomponents: [{product: b}]\n---\n"
        "kind: product\nid: b\nname: B\ntype: bundle\ncomponents: [{product: a}]\n",
        "product 'a': it belongs to itself",
    ),
    "components without a bundle": (
        "kind: product\nid: a\nname: A\ncomponents: [{product: b}]\n",
        "`components` is needed for type bundle and refused for all others",
    ),
    "a sub-product of nothing": (
        "kind: product\nid: a\nname: A\ntype: sub_product\n",
        "`parent` is needed for type sub_product",
    ),
    "a meter that is not there": (
        "kind: product\nid: a\nname: A\nmeter: m\n",
        "`meter` names meter 'm'",
    ),
    "two versions of one name": (
        "kind: plan\nid: p\nname: P\nversion: x\ncurrency: USD\nitems: &i\n"
        "  - {id: a, description: A, price: {model: flat, amount: '1'}}\n---\n"
        "kind: plan\nid: p\nvalid_from: 2024-01-01\nversion: x\nname: P\ncurrency: USD\nitems:\n"
        "  - {id: a, description: A, price: {model: flat, amount: '1'}}\n",
        "`version` is 'x', as in a.yaml:1; contracts could not tell the two apart",
    ),
    "an item of a plan without id": (
        "kind: plan\nid: p\nname: P\ncurrency: USD\nitems:\n"
        "  - {description: A, price: {model: flat, amount: '1'}}\n",
        "every item of a plan needs an `id`",
    ),
    "an item of a plan twice": (
        "kind: plan\nid: p\nname: P\ncurrency: USD\nitems:\n"
        "  - {id: a, description: A, price: {model: flat, amount: '1'}}\n"
        "  - {id: a, description: A, price: {model: flat, amount: '1'}}\n",
        "item ids are used more than once: a",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_does_not_agree_is_told(case, faults_of):
    text, sentence = CASES[case]
    found = faults_of(text)
    assert any(sentence in fault for fault in found), found


CUSTOMER = "kind: customer\nid: c\nname: C\ncustom: {}\n"


def test_values_of_attributes_are_recorded_in_one_form(tmp_path):
    given = CUSTOMER.format(
        "{region: emea, seats: 5, share: 0.10, key_account: true, since: 2024-01-31}"
    )
    (tmp_path / "a.yaml").write_text(ATTRIBUTES + "---\n" + given)
    as_texts = CUSTOMER.format(
        '{region: emea, seats: "5", share: "0.1", key_account: "TRUE", since: "2024-01-31"}'
    )
    [customer] = [one for one in load_folder(tmp_path) if one.kind == "customer"]
    (tmp_path / "a.yaml").write_text(ATTRIBUTES + "---\n" + as_texts)
    [same] = [one for one in load_folder(tmp_path) if one.kind == "customer"]
    assert customer.content == same.content
    assert customer.content["custom"] == {
        "region": "emea", "seats": 5, "share": "0.1", "key_account": True, "since": "2024-01-31"
    }  # fmt: skip


WRONG = {
    "{region: eema}": "`custom.region` is none of its values (given: 'eema'); did you mean `emea`?",
    "{regoin: emea, region: emea}": "`custom.regoin` is no attribute of kind customer; did you",
    "{}": "the key `custom.region` is missing; every customer needs it",
    "{region: emea, seats: 1.5}": "`custom.seats` is a whole number (given: '1.5')",
    "{region: emea, seats: true}": "`custom.seats` is a whole number (given: True)",
    "{region: emea, share: 1e3}": "`custom.share` is a decimal with digits and a point only",
    "{region: emea, key_account: 'yes'}": "`custom.key_account` is true or false",
    "{region: emea, since: 31.1.2024}": "`custom.since` is a date, written YYYY-MM-DD",
    "{region: 5}": "`custom.region` is a text: write it in quotes",
    "{region: [emea]}": "`custom.region` is a text, a whole number, a date, true or false",
}


@pytest.mark.parametrize("custom", WRONG)
def test_a_value_that_an_attribute_does_not_allow_is_refused(custom, faults_of):
    [fault] = faults_of(ATTRIBUTES, CUSTOMER.format(custom))
    assert WRONG[custom] in fault


def test_an_attribute_is_for_its_kinds_only_and_keeps_its_type(tmp_path, faults_of):
    terms = "kind: payment_terms\nid: n\nnet_days: 1\ncustom: {seats: 5}\n"
    [fault] = faults_of(ATTRIBUTES, terms)
    assert "`custom.seats` is no attribute of kind payment_terms; did you mean" in fault or (
        "valid are `since`" in fault
    )
    (tmp_path / "a.yaml").write_text(ATTRIBUTES)
    documents = load_folder(tmp_path)
    before = [
        Version(one.kind, one.id, None, {**one.content, "type": "date"}, "", 1) for one in documents
    ]
    _, faults = typed(documents, documents, before)
    assert len(faults) == 4
    assert "`type` is string, but documents are recorded with date" in faults[0]


def test_a_book_may_define_an_attribute_without_using_it(faults_of):
    assert (
        faults_of(ATTRIBUTES.replace("required: true", "required: false"), CUSTOMER.format("{}"))
        == []
    )
