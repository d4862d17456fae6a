"""A contract with every modifier, from its book to documents, entries, rebuild and late usage."""

from datetime import date
from decimal import Decimal

import pytest
from rich.console import Console

from meterhouse.cli.tree import tree_of
from meterhouse.run.close import close
from meterhouse.run.explain import explain
from meterhouse.run.rebuild import rebuild
from meterhouse.warehouse import Warehouse
from tests.truth.events import request

pytestmark = [pytest.mark.slow]
CUSTOMER = {
    "kind": "customer",
    "id": "mod",
    "name": "Mod Ltd",
    "tax": {"treatment": "taxed", "rate": "0.04", "name": "Tax"},
}
CONTRACT = {
    "kind": "contract",
    "id": "mod-main",
    "customer": "mod",
    "entity": "us",
    "currency": "USD",
    "zone": "UTC",
    "start": "2025-10-01",
    "payment_terms": "net30",
    "items": [
        {"id": "seat", "description": "Seat", "price": {"model": "flat", "amount": "100"}},
        {
            "id": "api",
            "description": "API",
            "meter": "tokens",
            "price": {"model": "per_unit", "unit_amount": "1"},
            "modifiers": {
                "included_quantity": {"quantity": "10"},
                "discounts": [{"percentage": "0.1"}],
                "maximum": {"amount": "300"},
                "minimum": {"amount": "20"},
            },
        },
    ],
    "modifiers": {
        "discounts": [{"id": "partner", "description": "Partner", "percentage": "0.1"}],
        "commitments": [
            {"id": "annual", "amount": "3000", "start": "2025-01-01", "prorate": False}
        ],
        "credits": [{"id": "welcome", "description": "Welcome", "amount": "100"}],
        "service_fee": {"percentage": "0.02"},
    },
}
NEW_YEAR = date(2026, 1, 1)
BILLED = """
select due_on::varchar, item_id, component, dimensions->>'$.item', sum(amount)::decimal(12, 2)
from facts.billed_lines where contract_id = 'mod-main' and amount <> 0 and {when}
group by all having sum(amount) <> 0 order by all
"""
REVENUE = """
select item_id, sum(credit - debit)::decimal(12, 2)::varchar from facts.journal_lines
where contract_id = 'mod-main' and account = '{account}'
group by all having sum(credit - debit) <> 0 order by all
"""
# By hand: 639.00 of 3000.00 committed are net of the three months, 270.00 of them for seats.
EXPECTED = [
    ("2025-10-01", "partner", "discount", "seat", "-10.00"),
    ("2025-10-01", "seat", "fee", None, "100.00"),
    ("2025-10-01", "welcome", "credit", "seat", "-90.00"),
    # 110 tokens, 10 of them included, less 10 %, less 10 %; the credit's last 10.00.
    ("2025-11-01", "api", "discount", None, "-10.00"),
    ("2025-11-01", "api", "usage", None, "100.00"),
    ("2025-11-01", "partner", "discount", "api", "-9.00"),
    ("2025-11-01", "partner", "discount", "seat", "-10.00"),
    ("2025-11-01", "seat", "fee", None, "100.00"),
    ("2025-11-01", "service_fee", "service_fee", "api", "1.42"),
    ("2025-11-01", "service_fee", "service_fee", "seat", "1.80"),
    ("2025-11-01", "welcome", "credit", "api", "-10.00"),
    # 1010 tokens: 1000.00 less 10 % are 900.00, at most 300.00.
    ("2025-12-01", "api", "discount", None, "-100.00"),
    ("2025-12-01", "api", "maximum", None, "-600.00"),
    ("2025-12-01", "api", "usage", None, "1000.00"),
    ("2025-12-01", "partner", "discount", "api", "-30.00"),
    ("2025-12-01", "partner", "discount", "seat", "-10.00"),
    ("2025-12-01", "seat", "fee", None, "100.00"),
    ("2025-12-01", "service_fee", "service_fee", "api", "5.40"),
    ("2025-12-01", "service_fee", "service_fee", "seat", "1.80"),
    # Nothing used: at least 20.00. The year is over: 3000.00 - 639.00 are short.
    ("2026-01-01", "annual", "true_up", None, "2361.00"),
    ("2026-01-01", "api", "minimum", None, "20.00"),
    ("2026-01-01", "partner", "discount", "api", "-2.00"),
    ("2026-01-01", "partner", "discount", "seat", "-10.00"),
    ("2026-01-01", "seat", "fee", None, "100.00"),
    ("2026-01-01", "service_fee", "service_fee", "annual", "47.22"),
    ("2026-01-01", "service_fee", "service_fee", "api", "0.36"),
    ("2026-01-01", "service_fee", "service_fee", "seat", "1.80"),
]
# 60 tokens of December: 50.00 - 5.00 instead of the minimum of 20.00, and 10 % of it.
LATE = [
    ("2026-01-01", "annual", "true_up", None, "-22.50"),
    ("2026-01-01", "api", "discount", None, "-5.00"),
    ("2026-01-01", "api", "minimum", None, "-20.00"),
    ("2026-01-01", "api", "usage", None, "50.00"),
    ("2026-01-01", "partner", "discount", "api", "-2.50"),
    ("2026-01-01", "service_fee", "service_fee", "annual", "-0.45"),
    ("2026-01-01", "service_fee", "service_fee", "api", "0.45"),
]


@pytest.fixture(scope="module")
def modified(book_home, tmp_path_factory):
    """The contract billed to the end of the year, then once more with late usage."""
    home = book_home.copy(tmp_path_factory.mktemp("modified") / "home")
    home.record(CUSTOMER, CONTRACT)
    home.load([request("m1", "mod", "2025-10-05T10:00:00Z", 110)])
    home.load([request("m2", "mod", "2025-11-05T10:00:00Z", 1010)])
    home.outcomes = [home.issue(NEW_YEAR)]
    home.load([request("m3", "mod", "2025-12-05T10:00:00Z", 60)])
    home.outcomes += [home.issue(date(2026, 1, 15)), home.issue(date(2026, 1, 15))]
    return home


def billed(home, when):
    rows = home.rows(BILLED.format(when=when))
    return [(*row[:4], str(row[4])) for row in rows]


def test_every_line_is_what_was_worked_out_by_hand(modified):
    assert billed(modified, "not is_correction") == EXPECTED
    assert modified.outcomes[0].failed == set()


def test_late_usage_after_the_true_up_nets_to_nothing(modified):
    assert billed(modified, "is_correction") == LATE
    (net,) = modified.rows(
        "select net from facts.documents where customer_id = 'mod' and boundary_on > '2026-01-01'"
    )
    assert net[0] == 0
    assert modified.outcomes[1].failed == set()
    # The third run knew nothing new.
    assert modified.outcomes[2].issued.numbers == ()


def test_the_invoice_of_the_year_end_adds_up(modified):
    """2518.38 and 4 % of it."""
    head = "select net, tax, total from facts.documents where customer_id = 'mod' and "
    (sums,) = modified.rows(head + "boundary_on = '2026-01-01'")
    assert sums == (Decimal("2518.38"), Decimal("100.74"), Decimal("2619.12"))


@pytest.mark.soak
def test_its_documents_can_be_rebuilt_from_determinants_and_from_events(modified):
    numbers = [
        row[0]
        for row in modified.rows("select number from facts.documents where customer_id = 'mod'")
    ]
    assert len(numbers) == 5
    assert [one for one in rebuild(modified.lake, numbers, "both") if not one.is_identical] == []


def test_discounts_and_true_ups_are_revenue_of_their_items(modified):
    """Deferred: the seats of January, of which 90.00 and the fee on them are not earned yet."""
    assert modified.rows(REVENUE.format(account="deferred_revenue")) == [
        ("seat", "270.00"),
        ("service_fee", "5.40"),
    ]
    assert modified.rows(REVENUE.format(account="revenue")) == [
        ("annual", "2338.50"),
        ("api", "381.50"),
        ("service_fee", "54.40"),
    ]
    close(modified.lake, NEW_YEAR, "us")
    assert modified.rows(REVENUE.format(account="deferred_revenue")) == [
        ("seat", "90.00"),
        ("service_fee", "1.80"),
    ]


def test_a_commitment_burns_down(modified):
    """639.00 and the 22.50 that came late; what is short is not used."""
    with Warehouse(modified.lake).connect(modified.lake.head()) as db:
        found = db.sql("from billing.commitments where contract_id = 'mod-main'").pl()
    rows = found.filter(commitment_id="annual").sort("span_start_on")
    shown = rows.select("committed", "used", "remaining", "is_over").rows()
    assert shown[0] == (3000, Decimal("661.5"), Decimal("2338.5"), True)
    # January has begun: its seats are paid in advance.
    assert shown[1] == (3000, 90, 2910, False)


def test_explain_tells_the_steps_of_a_modifier(modified):
    (number,) = modified.rows(
        "select number from facts.documents where customer_id = 'mod' "
        "and boundary_on = '2026-01-01'"
    )[0]
    (content,) = [one for one in modified.documents() if one["issue"]["number"] == number]
    (line,) = [one for one in content["lines"] if one["component"] == "true_up"]
    assert line["price"] == {"model": "true_up"}
    assert line["steps"][0]["owed"] == "3000"
    assert line["steps"][0]["of"] == "639"
    console = Console(width=250)
    with console.capture() as shown:
        console.print(tree_of(explain(modified.lake, number)))
    told = shown.get()
    assert "operation 11 of 16, true_up: What a commitment is short of." in told
    assert "step contract_commitment of 639, owed 3000 = 2361" in told
