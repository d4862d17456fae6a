"""Phases, renewals and pauses on their way to documents: billed by date, without a command."""

from datetime import date

import pytest
from ruamel.yaml import YAML

from meterhouse.run.applying import plan_book
from meterhouse.run.previewing import preview
from meterhouse.run.renewals import renewals
from meterhouse.warehouse import Warehouse
from tests.cli.conftest import SELLER
from tests.cli.conftest import Home as CommandHome
from tests.truth.events import request

pytestmark = [
    pytest.mark.slow,
    pytest.mark.soak,
    # A run judges its loads by Great Expectations, which imports a module Python 3.11 renamed.
    pytest.mark.filterwarnings("ignore:module 'sre_parse' is deprecated:DeprecationWarning"),
]
CUSTOMER = {
    "kind": "customer",
    "id": "plan",
    "name": "Plan Ltd",
    "tax": {"treatment": "taxed", "rate": "0.04", "name": "Tax"},
}
# A month of trial, two seats, four of them from mid November; renewed on 1 December at 10 % more.
CONTRACT = {
    "kind": "contract",
    "id": "plan-main",
    "customer": "plan",
    "entity": "us",
    "currency": "USD",
    "zone": "UTC",
    "start": "2025-09-01",
    "end": "2025-12-01",
    "payment_terms": "net30",
    "items": [
        {"id": "seat", "description": "Seat", "price": {"model": "flat", "amount": "100"}},
        {
            "id": "api",
            "description": "API",
            "meter": "tokens",
            "price": {"model": "per_unit", "unit_amount": "1"},
        },
    ],
    "phases": [
        {"id": "trial", "free": True},
        {
            "id": "start",
            "after": {"every": 1, "unit": "month"},
            "items": {"seat": {"quantity": "2"}},
        },
        {"id": "grown", "from": "2025-11-16", "items": {"seat": {"quantity": "4"}}},
    ],
    "renewal": {"kind": "uplift", "percentage": "0.1", "notice_days": 30},
    "modifiers": {"commitments": [{"id": "least", "amount": "1000", "period": "term"}]},
}
BILLED = """
select due_on::varchar, item_id, window_start_on::varchar, window_end_on::varchar,
    sum(amount)::decimal(12, 2)::varchar
from facts.billed_lines where contract_id = 'plan-main' and amount <> 0
group by all having sum(amount) <> 0 order by all
"""
EXPECTED = [
    # September is free but for its usage, of which there was none.
    ("2025-10-01", "seat", "2025-10-01", "2025-11-01", "200.00"),
    ("2025-11-01", "api", "2025-10-01", "2025-11-01", "110.00"),
    ("2025-11-01", "seat", "2025-11-01", "2025-11-16", "100.00"),
    ("2025-11-16", "seat", "2025-11-16", "2025-12-01", "200.00"),
    # The first term is over: 610.00 of 1000.00 were used.
    ("2025-12-01", "least", "2025-09-01", "2025-12-01", "390.00"),
    ("2025-12-01", "seat", "2025-12-01", "2026-01-01", "440.00"),
    ("2026-01-01", "api", "2025-12-01", "2026-01-01", "11.00"),
    ("2026-01-01", "seat", "2026-01-01", "2026-02-01", "440.00"),
]
NEW_YEAR = date(2026, 1, 1)


def make(book_home, folder):
    home = book_home.copy(folder / "home")
    home.record(CUSTOMER, CONTRACT)
    home.load([request("p1", "plan", "2025-10-05T10:00:00Z", 110)])
    home.load([request("p2", "plan", "2025-12-05T10:00:00Z", 10)])
    return home


@pytest.fixture(scope="module")
def planned(book_home, tmp_path_factory):
    """The contract billed in several runs over its renewal, the last of them twice."""
    home = make(book_home, tmp_path_factory.mktemp("planned"))
    days = [date(2025, 11, 20), NEW_YEAR, NEW_YEAR]
    home.outcomes = [home.issue(day) for day in days]
    return home


def test_phases_and_the_renewed_term_are_billed_by_their_dates(planned):
    assert planned.rows(BILLED) == EXPECTED
    assert all(outcome.failed == set() for outcome in planned.outcomes)
    # Running again after the renewal changes nothing.
    assert planned.outcomes[-1].issued.numbers == ()


@pytest.mark.soak
def test_one_run_over_the_whole_time_bills_the_same(book_home, tmp_path):
    home = make(book_home, tmp_path)
    home.issue(NEW_YEAR)
    assert home.rows(BILLED) == EXPECTED


def test_the_terms_are_a_table_and_every_one_is_committed_anew(planned):
    with Warehouse(planned.lake).connect(planned.lake.head()) as db:
        terms = db.execute(
            "select term_no, starts_on::varchar, ends_on::varchar, notice_by::varchar, outcome, "
            "annual_value::decimal(12, 2)::varchar, next_annual_value::decimal(12, 2)::varchar "
            "from billing.contract_terms where contract_id = 'plan-main' and term_no < 2 order by 1"
        ).fetchall()
        spans = db.execute(
            "select span_start_on::varchar, span_end_on::varchar, used::decimal(12, 2)::varchar "
            "from billing.commitments where contract_id = 'plan-main' order by 1 limit 2"
        ).fetchall()
    assert terms == [
        (0, "2025-09-01", "2025-12-01", "2025-11-01", "renews", "4800.00", "5280.00"),
        (1, "2025-12-01", "2026-03-01", "2026-01-30", "renews", "5280.00", "5808.00"),
    ]
    assert spans == [
        ("2025-09-01", "2025-12-01", "610.00"),
        ("2025-12-01", "2026-03-01", "891.00"),
    ]


def test_a_notice_that_is_recorded_late_takes_back_what_the_renewed_term_was_billed(
    planned, tmp_path
):
    home = planned.copy(tmp_path / "home")
    declined = {**CONTRACT["renewal"], "declined_on": "2025-10-15"}
    home.record({**CONTRACT, "renewal": declined})
    home.issue(NEW_YEAR)
    assert home.rows(BILLED) == [row for row in EXPECTED if row[2] < "2025-12-01"]


@pytest.mark.soak
def test_a_preview_rates_anew_what_depends_on_other_ends_of_terms_alone(planned, tmp_path):
    home = planned.copy(tmp_path / "home")
    monthly = {**CONTRACT["renewal"], "term": {"every": 1, "unit": "month"}}
    home.book["contract", "plan-main", None] = {**CONTRACT, "renewal": monthly}
    folder = tmp_path / "proposed"
    folder.mkdir()
    with (folder / "all.yaml").open("w") as file:
        YAML().dump_all(list(home.book.values()), file)
    told = preview(home.lake, plan_book(home.lake, folder), NEW_YEAR)
    # The windows stand, but December is a term of its own: 451.00 of 1000.00 were used.
    rows = told.windows.select("item_id", "amount_old", "amount_new").rows()
    assert [row for row in rows if row[0] == "least"] == [("least", 0, 549)]


def test_what_ends_soon_is_listed_in_bands_with_what_a_year_costs(planned):
    found = renewals(planned.lake, date(2025, 10, 15), 90).filter(contract_id="plan-main")
    (one,) = found.to_dicts()
    assert (one["days_left"], one["band"], str(one["notice_by"])) == (47, 60, "2025-11-01")
    assert (one["annual_value"], one["next_annual_value"]) == (4800, 5280)
    assert renewals(planned.lake, date(2025, 10, 15), 30).filter(contract_id="plan-main").is_empty()
    later = renewals(planned.lake, date(2025, 11, 15)).filter(contract_id="plan-main")
    assert later["is_notice_over"].to_list() == [True]


BOOK = (
    SELLER
    + """\
kind: customer
id: acme
name: Acme
tax: {treatment: taxed, rate: "0.10", name: VAT}
---
kind: contract
id: {id}
customer: acme
entity: us
currency: USD
zone: UTC
start: 2024-01-01
end: 2025-01-01
payment_terms: net30
items: [{{id: seat, description: Seat, price: {{model: flat, amount: "10"}}}}]
{more}
"""
)


def test_the_command_lists_who_ends_and_who_is_renewed(tmp_path):
    home = CommandHome(tmp_path / "home")
    assert home.call("init").exit_code == 0
    head, contract = BOOK.rsplit("---\n", 1)
    told = {
        "ending": "",
        "rising": "renewal: {kind: uplift, percentage: '0.05', notice_days: 20}",
        "told": "renewal: {kind: same, declined_on: 2024-06-01}",
    }
    contracts = [contract.format(id=id, more=more) for id, more in told.items()]
    (home.folder / "book" / "a.yaml").write_text("---\n".join([head, *contracts]))
    assert home.call("apply", "--yes").exit_code == 0
    listed = home.json("renewals", "--through", "2024-12-05")
    shown = [
        (one["contract_id"], one["band"], one["outcome"], one["annual_value"],
         one["next_annual_value"], one["is_notice_over"])
        for one in listed["renewals"]
    ]  # fmt: skip
    assert [(*row[:3], float(row[3]), float(row[4]), row[5]) for row in shown] == [
        ("ending", 30, "ends", 120, 0, False),
        ("rising", 30, "renews", 120, 126, False),
        ("told", 30, "declined", 120, 0, False),
    ]
    printed = home.call("renewals", "--through", "2024-12-05").stdout
    assert "Within 30 days: 3 contracts" in printed
    assert "renewed at raised prices" in printed
    nothing = home.call("renewals", "--through", "2024-06-01", "--within", "30").stdout
    assert "No contract's term ends within 30 days" in nothing
