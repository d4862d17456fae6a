"""A contract that is cut, an invoice day and a second trial, billed and closed for real."""

from decimal import Decimal

import pytest

from tests.cli.conftest import SELLER, Home

pytestmark = [
    pytest.mark.slow,
    # A run judges its loads by Great Expectations, which imports a module Python 3.11 renamed.
    pytest.mark.filterwarnings("ignore:module 'sre_parse' is deprecated:DeprecationWarning"),
]
CUSTOMERS = """\
kind: product
id: seats
name: Seats
---
kind: customer
id: acme
name: Acme
tax: {treatment: taxed, rate: "0", name: VAT}
---
"""
CONTRACT = """\
kind: contract
id: %s
customer: acme
entity: us
currency: USD
zone: UTC
start: %s
payment_terms: net30
items:
  - {id: fee, description: Fee, %sprice: {model: flat, amount: "31"}}
%s
---
"""
TRIED = [
    ("tried", "2025-10-01", "product: seats, ", "trial: {until: 2025-10-08}"),
    ("again", "2025-10-08", "product: seats, ", "trial: {until: 2025-10-15}"),
]
REVENUE = """
select coalesce(sum(lines.credit - lines.debit), 0)::varchar as earned
from facts.journal_lines as lines where contract_id = 'cut' and account = '{}'
"""
LINES = """
select contract_id, invoice_date::varchar as on_day, window_start_on::varchar as start_on,
    served_end_on::varchar as served, amount::decimal(18, 2)::varchar as amount
from facts.billed_lines order by invoice_date, contract_id, window_start_on, amount
"""


def write(home, cancellation=""):
    told = [
        ("cut", "2025-10-01", "", cancellation),
        ("gathered", "2025-10-01", "", "invoice_day: 10"),
        *TRIED,
    ]
    book = SELLER + CUSTOMERS + "".join(CONTRACT % one for one in told)
    (home.folder / "book" / "book.yaml").write_text(book)


def done(home, *words):
    result = home.call(*words)
    assert result.exit_code == 0, (words, result.stdout, result.stderr)


def balance(home, account):
    (row,) = home.json("sql", REVENUE.format(account))["rows"]
    return Decimal(row[0])


def earned(home, until):
    done(home, "close", "--until", until, "--yes")
    return balance(home, "revenue"), balance(home, "deferred_revenue")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Billed on the first, cancelled on the 12th for the 16th, and closed in between."""
    home = Home(tmp_path_factory.mktemp("edges") / "home")
    (home.folder / "book").mkdir(parents=True)
    write(home)
    (home.folder / "meterhouse.yaml").write_text("sources: {}\n")
    done(home, "init")
    done(home, "apply", "--yes")
    done(home, "run", "--through", "2025-10-01")
    home.earned = [earned(home, "2025-10-11")]
    write(home, "cancellation: {on: 2025-10-16}")
    done(home, "apply", "--yes")
    done(home, "run", "--through", "2025-10-12")
    home.earned += [earned(home, day) for day in ("2025-10-14", "2025-11-01")]
    return home


def test_what_was_credited_is_never_recognised_and_revenue_ends_with_service(home):
    """31.00 for October; 16 of 31 days go back, and 15.00 are earned over 15 days."""
    assert home.earned == [(10, 21), (13, 2), (15, 0)]


def test_lines_say_where_service_ended_and_when_they_were_billed(home):
    rows = [tuple(row) for row in home.json("sql", LINES)["rows"]]
    assert rows == [
        ("cut", "2025-10-01", "2025-10-01", "2025-11-01", "31.00"),
        ("again", "2025-10-08", "2025-10-08", "2025-11-08", "31.00"),
        ("tried", "2025-10-08", "2025-10-08", "2025-11-08", "31.00"),
        ("gathered", "2025-10-10", "2025-10-01", "2025-11-01", "31.00"),
        ("cut", "2025-10-12", "2025-10-01", "2025-10-16", "-16.00"),
    ]


def test_a_second_run_changes_nothing(home):
    again = home.json("run", "--through", "2025-10-12", "--dry-run")
    assert again["counts"]["drafts"] == 0
