"""Commitments and service fees from the book to documents: late usage, early ends, burn-down."""

from datetime import date
from decimal import Decimal

import pytest
from ruamel.yaml import YAML

from meterhouse.run.explain import explain
from meterhouse.run.rebuild import rebuild
from meterhouse.warehouse import Warehouse
from tests.cli.conftest import Home as CommandHome
from tests.truth.events import request
from tests.truth.harness import GREAT_EXPECTATIONS, SETTINGS, Home

# Many runs of a home; the cases are held by tests/conformance.
pytestmark = [pytest.mark.slow, pytest.mark.soak, GREAT_EXPECTATIONS]
D = Decimal
PARTIES = """
kind: entity
id: north
legal_name: North Ltd
address: {line1: 1 Quay, city: Dublin, country: IE}
base_currency: EUR
zone: UTC
approval: automatic
---
{kind: payment_terms, id: net14, net_days: 14}
---
kind: event_type
id: request
properties: {tokens: {type: integer}}
---
{kind: meter, id: tokens, event_type: request, aggregation: sum, property: tokens, unit: token,
 decimals: 0}
"""
PER_UNIT = {"model": "per_unit", "unit_amount": "1"}
TOKENS = {
    "id": "tokens",
    "description": "Tokens",
    "meter": "tokens",
    "price": PER_UNIT,
}
SEAT = {"id": "seat", "description": "Seat", "price": {"model": "flat", "amount": "31"}}
QUARTER = {"id": "k", "amount": "500", "period": "quarter"}
YEAR = {"id": "k", "amount": "3650", "period": "year"}
FIXED = {"amount": "31", "description": "Support"}
# Every contract is its customer's: what it has beside 1.00 a token.
CONTRACTS = {
    "under": {"modifiers": {"commitments": [QUARTER]}},
    "over": {"modifiers": {"commitments": [QUARTER]}},
    "early": {"modifiers": {"commitments": [YEAR], "service_fee": FIXED}, "items": [TOKENS, SEAT]},
    "turned": {"modifiers": {"commitments": [YEAR]}},
    "amended": {"modifiers": {"commitments": [YEAR]}, "items": [TOKENS, SEAT]},
    "several": {
        "items": [TOKENS, SEAT],
        "modifiers": {
            "minimum": {"amount": "60"},
            "commitments": [
                {"id": "ours", "amount": "60", "period": "window", "items": ["tokens"]},
                {"id": "all", "amount": "150", "period": "window"},
                {"id": "long", "amount": "600", "period": "quarter"},
            ],
        },
    },
    "risen": {
        "end": "2025-02-01",
        "renewal": {
            "kind": "uplift",
            "percentage": "0.1",
            "uplift_applies_to": "prices_and_modifiers",
        },
        "items": [{**TOKENS, "modifiers": {"minimum": {"amount": "50"}}}],
        "modifiers": {
            "discounts": [{"id": "less", "amount": "5"}],
            "commitments": [{"id": "k", "amount": "100", "period": "term"}],
            "service_fee": {"amount": "20"},
        },
    },
    "capped": {
        "modifiers": {"service_fee": {"percentage": "0.5", "cap": "21", "period": "quarter"}}
    },
    "least": {
        "modifiers": {"service_fee": {"percentage": "0.1", "minimum": "9", "period": "quarter"}}
    },
}
FEBRUARY, APRIL = date(2025, 2, 1), date(2025, 4, 1)
LINES = """
select due_on::varchar, item_id, role, sum(amount) from facts.billed_lines
where contract_id = ? group by all having sum(amount) <> 0 order by all
"""
BURNT = """
select commitment_id, span_start_on::varchar, span_end_on::varchar, committed, used, remaining,
    projected, is_over
from billing.commitments where contract_id = ? order by 1, 2
"""


BASE = {
    "kind": "contract",
    "entity": "north",
    "currency": "EUR",
    "zone": "UTC",
    "start": "2025-01-01",
    "payment_terms": "net14",
    "items": [TOKENS],
}


def contract(id, **more):
    return BASE | {"id": id, "customer": id} | CONTRACTS[id] | more


def use(customer, month, tokens, day=10):
    at = f"2025-{month:02}-{day:02}T12:00:00Z"
    return request(f"{customer}-{month}-{day}-{tokens}", customer, at, tokens)


def billed(home, contract):
    return [tuple(row) for row in home.rows(LINES, [contract])]


def burnt(home, contract):
    with Warehouse(home.lake).connect(home.lake.head()) as db:
        return [tuple(row) for row in db.execute(BURNT, [contract]).fetchall()]


def total(lines):
    return sum(row[-1] for row in lines)


def settled(home, through):
    """Issue through a day: nothing fails and nothing is held."""
    done = home.issue(through)
    assert (done.failed, done.held) == (set(), {})
    return done


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A quarter of all contracts, of which three were changed in February; then late usage."""
    path = tmp_path_factory.mktemp("committed") / "home"
    path.mkdir()
    with (path / "meterhouse.yaml").open("w") as file:
        YAML().dump(SETTINGS, file)
    home = Home(path.resolve(), {})
    home.lake.create()
    taxed = {"treatment": "taxed", "rate": "0.20", "name": "VAT"}
    home.record(
        *YAML(typ="safe").load_all(PARTIES),
        *({"kind": "customer", "id": id, "name": id.title(), "tax": taxed} for id in CONTRACTS),
        *(contract(id) for id in CONTRACTS),
    )
    home.land([use(id, month, 10 * month) for id in CONTRACTS for month in (1, 2, 3)])
    settled(home, FEBRUARY)
    home.begun = {id: burnt(home, id) for id in CONTRACTS}
    ended = {"early": "at_once", "turned": "period_end"}
    dearer = {
        **TOKENS,
        "prices": [{"from": "2025-02-01", "price": PER_UNIT | {"unit_amount": "2"}}],
    }
    raised = {"commitments": [{**YEAR, "amount": "7300"}]}
    home.record(
        *(
            contract(id, cancellation={"on": "2025-02-15", "effective": effective})
            for id, effective in ended.items()
        ),
        contract("amended", items=[dearer, SEAT], modifiers=raised),
    )
    settled(home, APRIL)
    home.lines = {id: billed(home, id) for id in CONTRACTS}
    home.burnt = {id: burnt(home, id) for id in CONTRACTS}
    # 50 more of January: below the commitments, but for one of which the rest was 440.
    home.land([use(id, 1, 50, day=20) for id in ("under", "early", "several", "capped", "least")])
    home.land([use("over", 3, 700, day=20)])
    settled(home, APRIL)
    return home


def test_late_usage_below_a_commitment_takes_back_of_the_true_up_what_it_adds(home):
    before, after = home.lines["under"], billed(home, "under")
    assert before[-2] == ("2025-04-01", "k", "true_up", D(440))
    assert after[-2] == ("2025-04-01", "k", "true_up", D(390))
    assert total(before) == total(after) == 500
    nothing = "select contract_id, net from facts.documents where net <= 0 order by 1"
    assert home.rows(nothing) == [("early", D(0)), ("several", D(0)), ("under", D(0))]


def test_of_late_usage_that_passes_a_commitment_only_the_excess_is_billed(home):
    """60.00 and 700.00 that came late, where 500.00 are committed."""
    assert total(home.lines["over"]) == 500
    assert total(billed(home, "over")) == 760
    assert [row for row in billed(home, "over") if row[1] == "k"] == []
    (row,) = home.rows(
        "select net from facts.documents where contract_id = 'over' order by batch_seq desc limit 1"
    )
    assert row == (D(260),)


def test_an_early_termination_trues_up_at_the_termination_and_late_usage_nets_after_it(home):
    """45 of 365 days of 3650.00; 31.00 and 15.50 for seats, 10.00 and 20.00 for tokens."""
    assert home.lines["early"] == [
        ("2025-01-01", "seat", "fee", D(31)),
        ("2025-01-01", "service_fee", "service_fee", D(31)),
        ("2025-02-01", "seat", "fee", D("15.5")),
        # Paid for February, of which 14 of 28 days are left.
        ("2025-02-01", "service_fee", "service_fee", D("15.5")),
        ("2025-02-01", "tokens", "usage", D(10)),
        ("2025-02-15", "k", "true_up", D("373.5")),
        ("2025-02-15", "tokens", "usage", D(20)),
    ]
    assert total(billed(home, "early")) == total(home.lines["early"]) == 450 + 31 + D("15.5")


def test_a_contract_that_is_cancelled_with_its_period_is_trued_up_at_its_end(home):
    """59 days of 365, due on the day on which February is over."""
    assert home.lines["turned"] == [
        ("2025-02-01", "tokens", "usage", D(10)),
        ("2025-03-01", "k", "true_up", D(560)),
        ("2025-03-01", "tokens", "usage", D(20)),
    ]


def test_what_an_earlier_commitment_charges_counts_for_later_ones(home):
    """February: 20.00 and 31.00, 9.00 to the minimum of 60.00; 20.00 of 60.00 for tokens; then
    100.00 of 150.00; and 450.00 of 600.00 in the quarter."""
    february = [row[1:] for row in home.lines["several"] if row[0] == "2025-03-01"]
    assert february == [
        ("all", "true_up", D(50)),
        ("minimum", "minimum", D(9)),
        ("ours", "true_up", D(40)),
        ("seat", "fee", D(31)),
        ("tokens", "usage", D(20)),
    ]
    assert ("2025-04-01", "long", "true_up", D(150)) in home.lines["several"]
    # 50 tokens more in January: other lines, the same sum; 31.00 are the seats of April.
    assert total(home.lines["several"]) == total(billed(home, "several")) == 600 + 31
    assert home.lines["several"] != billed(home, "several")


def test_a_commitment_burns_down_in_the_middle_of_its_term(home):
    """10.00 in 31 days; the seats of January and February in 59."""
    assert home.begun["under"] == [
        ("k", "2025-01-01", "2025-04-01", D(500), D(10), D(490), D("29.03"), False)
    ]
    assert home.begun["early"] == [
        ("k", "2025-01-01", "2026-01-01", D(3650), D(72), D(3578), D("501.30"), False)
    ]


def test_after_an_amendment_it_burns_down_at_the_new_price_and_amount(home):
    """40.00 and 60.00 at the double price from February; 7300.00 instead of 3650.00."""
    assert home.burnt["amended"] == [
        ("k", "2025-01-01", "2026-01-01", D(7300), D(234), D(7066), D("823.28"), False)
    ]
    assert home.burnt["turned"] == [
        ("k", "2025-01-01", "2025-03-01", D(590), D(30), D(560), D(30), True)
    ]


def test_the_command_lists_what_is_open_and_with_all_what_is_over(home):
    shell = CommandHome(home.path)
    (one,) = shell.json("commitments", "--contract", "amended")["commitments"]
    assert (one["commitment_id"], one["is_over"]) == ("k", False)
    assert [D(one[name]) for name in ("committed", "used", "remaining", "projected")] == [
        *(7300, 234, 7066, D("823.28")),
    ]
    assert shell.json("commitments", "--contract", "turned")["commitments"] == []
    assert len(shell.json("commitments", "--contract", "turned", "--all")["commitments"]) == 1
    assert "7,066.00" in shell.call("commitments").stdout
    nothing = shell.call("commitments", "--contract", "capped").stdout
    assert "No commitment of contract capped" in nothing


def test_a_service_fee_stops_at_its_cap_and_is_filled_up_to_its_minimum(home):
    """Half of 10, 20 and 30, at most 21 a quarter; a tenth of them, at least 9."""
    fees = {
        id: [(row[0], row[3]) for row in home.lines[id] if row[2] == "service_fee"]
        for id in ("capped", "least")
    }
    assert fees["capped"] == [
        ("2025-02-01", D(5)), ("2025-03-01", D(10)), ("2025-04-01", D(6)),
    ]  # fmt: skip
    assert fees["least"] == [
        ("2025-02-01", D(1)), ("2025-03-01", D(2)), ("2025-04-01", D(3 + 3)),
    ]  # fmt: skip
    # Late usage moves the cap to January and takes back what was filled up.
    late = [(row[0], row[3]) for row in billed(home, "capped") if row[2] == "service_fee"]
    assert late == [("2025-02-01", D(21))]
    assert sum(row[3] for row in billed(home, "least") if row[2] == "service_fee") == 11


def test_modifiers_rise_with_the_prices_where_the_renewal_says_so(home):
    """10 % each month: 50.00 at least less 5.00, 100.00 committed, and a fee of 20.00."""
    assert home.lines["risen"] == [
        ("2025-02-01", "k", "true_up", D(55)),
        ("2025-02-01", "less", "discount", D(-5)),
        ("2025-02-01", "service_fee", "service_fee", D(20)),
        ("2025-02-01", "tokens", "minimum", D(40)),
        ("2025-02-01", "tokens", "usage", D(10)),
        ("2025-03-01", "k", "true_up", D("60.5")),
        ("2025-03-01", "less", "discount", D("-5.5")),
        ("2025-03-01", "service_fee", "service_fee", D(22)),
        ("2025-03-01", "tokens", "minimum", D(33)),
        ("2025-03-01", "tokens", "usage", D(22)),
        ("2025-04-01", "k", "true_up", D("66.55")),
        ("2025-04-01", "less", "discount", D("-6.05")),
        ("2025-04-01", "service_fee", "service_fee", D("24.2")),
        ("2025-04-01", "tokens", "minimum", D("24.2")),
        ("2025-04-01", "tokens", "usage", D("36.3")),
    ]


def test_explain_tells_cap_and_period_of_a_fee(home):
    (number,) = home.rows(
        "select number from facts.documents where contract_id = 'capped' "
        "and boundary_on = '2025-04-01' order by batch_seq limit 1"
    )[0]
    (line,) = [
        one for one in explain(home.lake, number)["lines"] if one["price"]["model"] == "service_fee"
    ]
    (step,) = line["steps"]
    assert (step["cap"], step["limit"], step["total"], step["amount"]) == ("21", "21", "15", "6")


def test_nothing_is_billed_twice_and_documents_can_be_rebuilt(home):
    assert home.issue(APRIL).drafts == []
    numbers = home.rows(
        "select number from facts.documents where net <= 0 or contract_id in ('over', 'capped') "
        "order by batch_seq desc limit 5"
    )
    found = rebuild(home.lake, [row[0] for row in numbers], "determinants")
    assert [one.is_identical for one in found] == [True] * 5
