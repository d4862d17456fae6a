"""Who belongs to whom, whose usage an item counts, and what of it is refused."""

from datetime import date

import pytest

from meterhouse.catalog.known import read
from meterhouse.catalog.parents import reads
from meterhouse.catalog.references import check
from tests.catalog.test_references import contract, customer, meter

LEVEL = {"aggregation": "latest", "property": "context_tokens", "recurring": "true"}


def usage(usage_of, meter="m"):
    price = '{model: per_unit, unit_amount: "1"}'
    return f"meter: {meter}, price: {price}, usage_of: {usage_of}"


GROUP = [
    customer("group"),
    customer("north", "parent: group"),
    customer("south", "parent: north"),
]
POOL = contract("pool", usage("children"), customer="group")
FINE = {
    "a pool of children and grandchildren": [*GROUP, meter(), POOL],
    "a pool of named customers beside one of a third": [
        *GROUP,
        meter(),
        contract("a", usage("[group, {customer: north, until: 2024-05-01}]"), customer="group"),
        contract("b", usage("[north, south]"), customer="north", start="2024-05-01"),
    ],
    "usage that two pools share": [
        *GROUP,
        meter(),
        contract("a", usage("children") + ", shared: true", customer="group"),
        contract("b", usage("children") + ", shared: true", customer="north"),
    ],
    "items of which one ends where the other begins": [
        *GROUP,
        meter(**LEVEL),
        contract(
            "a",
            usage("[group, north]")
            + ", until: 2024-07-01}\n- {id: b, description: B, "
            + usage("[group]")
            + ", from: 2024-07-01",
            customer="group",
        ),
    ],
    "contracts of which one is cancelled when the other begins": [
        customer("group"),
        meter(),
        contract("a", usage("[group]"), customer="group", cancellation="{on: 2024-07-01}"),
        contract("b", usage("[group]"), customer="group", start="2024-07-01"),
    ],
    "a level of customers who stay": [*GROUP, meter(**LEVEL), POOL],
    "a customer who was sold and has its own contract since": [
        *GROUP,
        customer("south", "valid_from: 2024-07-01"),
        meter(),
        POOL,
        contract("b", usage("[south]"), customer="south", start="2024-07-01"),
    ],
    "a ring that never holds on one day": [
        customer("a", "parent: b"),
        customer("a", "valid_from: 2024-07-01"),
        customer("b"),
        customer("b", "valid_from: 2024-07-01", "parent: a"),
    ],
    "a parent that pays": [
        customer("group"),
        customer("north", "parent: group", "billing: parent"),
    ],
}
WRONG = {
    "a parent that nobody is": (
        [customer("a", "parent: grup"), customer("group")],
        "did you mean `group`?",
    ),
    "its own parent": ([customer("a", "parent: a")], "it belongs to itself: a is above a."),
    "a ring of three": (
        [customer("a", "parent: b"), customer("b", "parent: c"), customer("c", "parent: a")],
        "it belongs to itself: a is above c is above b is above a.",
    ),
    "a member that nobody is": (
        [*GROUP, meter(), contract("k", usage("[nroth]"))],
        "`items[0].usage_of` names customer 'nroth'",
    ),
    "a child that is billed twice": (
        [*GROUP, meter(), POOL, contract("own", usage("[south]"), customer="south")],
        "reads meter 'm' for customer 'south'",
    ),
    "the holding's own usage twice": (
        [*GROUP, meter(), POOL, contract("own", usage("[group]"), customer="group")],
        "reads meter 'm' for customer 'group'",
    ),
    "a level of a customer who leaves": (
        [*GROUP, meter(**LEVEL), customer("south", "valid_from: 2024-07-01"), POOL],
        "customer 'south' is in the pool only from or until 2024-07-01",
    ),
    "a model that reads customers by itself": (
        [*GROUP, "kind: meter\nid: m\naggregation: sql\nmodel: my_model\nunit: u\n", POOL],
        "`usage_of` cannot pool meter 'm'",
    ),
}


def found(book, documents):
    return check(book(more="---\n".join(documents)))


@pytest.mark.parametrize("case", FINE)
def test_the_book_holds_together_with(case, book):
    assert found(book, FINE[case]) == []


@pytest.mark.parametrize("case", WRONG)
def test_one_sentence_tells(case, book):
    documents, sentence = WRONG[case]
    (fault,) = found(book, documents)
    assert sentence in fault


def test_a_customer_reached_on_two_ways_counts_on_the_days_of_each(book):
    documents = [
        *GROUP,
        customer("west", "parent: group"),
        customer("south", "valid_from: 2024-07-01", "parent: west"),
        meter(),
        POOL,
    ]
    known, _ = read(book(more="---\n".join(documents)))
    spans = [one[1:] for _, item, one in reads(known) if one.customer == "south"]
    assert spans == [(date.min, date(2024, 7, 1)), (date(2024, 7, 1), date.max)]
