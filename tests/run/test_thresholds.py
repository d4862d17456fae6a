"""Thresholds in runs: usage is billed as soon as it reaches an amount, and its sum is the same."""

from datetime import date
from decimal import Decimal

import pytest
from ruamel.yaml import YAML

from meterhouse.run.close import close
from meterhouse.run.explain import explain
from meterhouse.run.rebuild import rebuild
from meterhouse.warehouse import Warehouse
from tests.cli.conftest import Home as CommandHome
from tests.run.test_commitments_whole import BASE, PARTIES
from tests.truth.events import request
from tests.truth.harness import GREAT_EXPECTATIONS, SETTINGS, Home

# Many runs of a home; the cases are held by tests/conformance.
pytestmark = [pytest.mark.slow, pytest.mark.soak, GREAT_EXPECTATIONS]
D = Decimal
# The first 100 cost 1.00, all others 0.50.
TOKENS = {
    "id": "tokens",
    "description": "Tokens",
    "meter": "tokens",
    "price": {
        "model": "graduated",
        "tiers": [
            {"up_to": "100", "unit_amount": "1"},
            {"up_to": None, "unit_amount": "0.5"},
        ],
    },
}
SEAT = {"id": "seat", "description": "Seat", "price": {"model": "flat", "amount": "31"}}
STEPS = {"amounts": ["100", "200"], "every": "300"}
CONTRACTS = {
    "stepped": {"items": [TOKENS, SEAT], "thresholds": STEPS},
    # 10 % off, 500.00 at least, and 1000.00 a quarter.
    "modified": {
        "items": [{**TOKENS, "modifiers": {"minimum": {"amount": "500"}}}],
        "thresholds": {"amounts": ["100"]},
        "modifiers": {
            "discounts": [{"id": "less", "percentage": "0.1"}],
            "commitments": [{"id": "k", "amount": "1000", "period": "quarter"}],
            "credits": [{"id": "welcome", "amount": "20"}],
        },
    },
    "plain": {"items": [TOKENS]},
}
DOCUMENTS = """
select boundary_on::varchar, invoice_date::varchar, kind, net
from facts.documents where contract_id = ? order by batch_seq
"""
LINES = """
select item_id, role, quantity::double::bigint, lines.amount, is_correction
from facts.billed_lines as lines join facts.documents as documents using (document_id)
where documents.contract_id = ? and boundary_on = ? order by item_id, role, window_start_on
"""
BALANCES = """
select account, sum(debit - credit) from facts.journal_lines
where contract_id = ? and (item_id = 'tokens' or account = 'unbilled_receivable')
group by 1 order by 1
"""


def contract(id):
    return BASE | {"id": id, "customer": id} | CONTRACTS[id]


def use(customer, day, tokens, month=1):
    at = f"2025-{month:02}-{day:02}T08:00:00Z"
    return request(f"{customer}-{month}-{day}-{tokens}", customer, at, tokens)


def all_use(day, tokens, month=1):
    return [use(id, day, tokens, month) for id in CONTRACTS]


def settled(home, through):
    """Issue through a day: nothing fails and nothing is held."""
    done = home.issue(through)
    assert (done.failed, done.held) == (set(), {})
    return done


def documents(home, contract):
    return [tuple(row) for row in home.rows(DOCUMENTS, [contract])]


def lines(home, contract, on):
    return [tuple(row) for row in home.rows(LINES, [contract, on])]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """January and a part of February, a run every few days, closed in the middle."""
    path = tmp_path_factory.mktemp("thresholds") / "home"
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
    for day, tokens in ((9, 90), (11, 30)):
        home.land(all_use(day, tokens))
        settled(home, date(2025, 1, day + 1))
    home.again = home.issue(date(2025, 1, 12))
    home.land(all_use(19, 80))
    home.below = settled(home, date(2025, 1, 20))
    close(home.lake, date(2025, 1, 22))
    home.land(all_use(24, 200))
    settled(home, date(2025, 1, 25))
    home.land(all_use(28, 100))
    settled(home, date(2025, 2, 1))
    home.january = {id: documents(home, id) for id in CONTRACTS}
    # 40 tokens of January come late, and 420 of February reach 500.00 in all.
    home.land([use("stepped", 30, 40), *all_use(9, 420, month=2)])
    settled(home, date(2025, 2, 10))
    return home


def test_reaching_a_threshold_bills_the_usage_so_far(home):
    """120 tokens are 110.00; 90 were not enough, nor were 200 for the next one."""
    assert home.january["stepped"] == [
        ("2025-01-01", "2025-01-01", "invoice", D(31)),
        ("2025-01-12", "2025-01-12", "invoice", D(110)),
        ("2025-01-25", "2025-01-25", "invoice", D(140)),
        ("2025-02-01", "2025-02-01", "invoice", D(81)),
    ]
    assert lines(home, "stepped", "2025-01-12") == [("tokens", "usage", 120, D(110), False)]


def test_a_run_in_which_no_threshold_is_reached_bills_nothing_early(home):
    assert (home.again.failed, home.again.drafts) == (set(), [])
    assert home.below.drafts == []


def test_the_next_threshold_bills_what_was_added_with_tiers_going_on(home):
    """400 tokens are 250.00, of which 110.00 are billed."""
    assert lines(home, "stepped", "2025-01-25") == [("tokens", "usage", 400, D(140), False)]


def test_the_end_of_the_period_bills_the_rest_with_what_else_is_due(home):
    assert lines(home, "stepped", "2025-02-01") == [
        ("seat", "fee", 1, D(31), False),
        ("tokens", "usage", 500, D(50), False),
    ]


def test_a_contract_without_thresholds_is_billed_at_the_end_of_its_period(home):
    assert home.january["plain"] == [("2025-02-01", "2025-02-01", "invoice", D(300))]


def test_minimums_and_commitments_wait_until_their_time_is_over(home):
    """110.00 less 10 %, of which 20.00 are given; at the end 500.00 less 10 %."""
    assert lines(home, "modified", "2025-01-12") == [
        ("less", "discount", 1, D(-11), False),
        ("tokens", "usage", 120, D(110), False),
        ("welcome", "credit", 1, D(-20), False),
    ]
    assert home.january["modified"] == [
        ("2025-01-12", "2025-01-12", "invoice", D(79)),
        ("2025-02-01", "2025-02-01", "invoice", D(450 - 20 - 79)),
    ]


def test_a_step_counts_from_the_highest_threshold_and_late_usage_corrects_its_own_period(home):
    """320.00 of January with 40 tokens that came late, and 260.00 of February."""
    assert documents(home, "stepped")[4:] == [("2025-02-10", "2025-02-10", "invoice", D(280))]
    assert lines(home, "stepped", "2025-02-10") == [
        ("tokens", "usage", 540, D(20), True),
        ("tokens", "usage", 420, D(260), False),
    ]


def test_the_books_hold_each_amount_once(home):
    """200 tokens were worth 150.00 at the close, of which 110.00 were billed."""
    (accrued,) = home.rows(
        "select sum(debit) from facts.journal_lines "
        "where account = 'unbilled_receivable' and contract_id = 'stepped'"
    )[0]
    assert accrued == 40
    left = dict(home.rows(BALANCES, ["stepped"]))
    assert left.get("unbilled_receivable", 0) == 0
    assert sum(-amount for account, amount in left.items() if account.startswith("rev")) == 580


@pytest.mark.soak
def test_every_document_can_be_rebuilt_from_determinants_and_from_events(home):
    numbers = home.rows(
        "select number from facts.documents "
        "where boundary_on in ('2025-01-12', '2025-02-01', '2025-02-10')"
    )
    found = rebuild(home.lake, [row[0] for row in numbers])
    assert [(one.number, one.path) for one in found if not one.is_identical] == []
    assert len(found) == 6


def test_the_invoice_says_what_was_billed_before_and_why(home):
    numbers = home.rows(
        "select number from facts.documents where contract_id = 'stepped' order by batch_seq"
    )
    first, second, last = ((explain(home.lake, row[0])["lines"]) for row in numbers[1:4])
    assert first[0]["progress"] == {
        "already_billed": "0.00",
        "desired": "110.00",
        "goes_on": True,
        "original_date": None,
        "original_number": None,
    }
    assert second[0]["progress"]["already_billed"] == "110.00"
    rest = next(line for line in last if line["item"] == "tokens")
    assert (rest["progress"]["goes_on"], rest["progress"]["already_billed"]) == (False, "250.00")
    assert rest["progress"]["original_number"] == numbers[1][0]
    shell = CommandHome(home.path)
    assert "usage reached a threshold" in shell.call("explain", numbers[2][0]).stdout
    assert "(so far 250.00, 110.00 of it billed before)" in " ".join(
        shell.call("invoices", "show", numbers[2][0]).stdout.split()
    )


def test_the_warehouse_lists_what_is_billed_early(home):
    """320.00 and 260.00 have reached 100.00, 200.00 and 500.00."""
    with Warehouse(home.lake).connect(home.lake.head()) as db:
        rows = db.execute(
            "select contract_id, due_on::varchar, is_reached, usage_amount, level "
            "from billing.early_windows"
        ).fetchall()
    assert rows == [("stepped", "2025-03-01", True, D(580), 3)]


@pytest.mark.soak
def test_a_plan_shows_what_a_new_threshold_would_bill_at_once(home):
    """Of the plain contract 300.00 are billed, and 260.00 have come since."""
    slot = ("contract", "plain", None)
    proposed = home.book | {slot: home.book[slot] | {"thresholds": {"amounts": ["500"]}}}
    with (home.path / "book" / "all.yaml").open("w") as file:
        YAML().dump_all(list(proposed.values()), file)
    (document,) = CommandHome(home.path).json("plan")["money"]["documents"]
    assert (document["invoice_date"], D(document["net"])) == ("2025-02-10", D(260))
