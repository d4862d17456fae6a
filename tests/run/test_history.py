"""What the system before billed is imported whole, and the first run goes on from there."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from shutil import copytree

import pytest

from meterhouse.errors import HistoryFault
from meterhouse.run.applying import apply_book
from meterhouse.run.close import close
from meterhouse.run.history import import_history
from meterhouse.run.history_report import history_report
from meterhouse.run.ingest import ingest
from meterhouse.run.rebuild import rebuild
from tests.truth.harness import GREAT_EXPECTATIONS, Home

pytestmark = [pytest.mark.slow, GREAT_EXPECTATIONS]
D = Decimal
APRIL = date(2025, 4, 1)
EXAMPLE = Path(__file__).parents[2] / "examples" / "history"
FILES = {path.stem: path.read_text() for path in sorted((EXAMPLE / "history").glob("*.csv"))}
BALANCES = """
select account, sum(debit - credit) from facts.journal_lines group by account order by account
"""
LINES = """
select contract_id, item_id, window_start_on::varchar, window_end_on::varchar, amount
from facts.billed_lines order by all
"""


def write(folder, **changed):
    """The files in a folder; a file of None is left out."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {**FILES, **changed}.items():
        (folder / f"{name}.csv").unlink(missing_ok=True)
        if text is not None:
            (folder / f"{name}.csv").write_text(text)
    return folder


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    """A home with the book and usage before and after the cut-over; nothing billed or imported."""
    path = tmp_path_factory.mktemp("history") / "home"
    copytree(EXAMPLE, path)
    home = Home(path.resolve(), {})
    home.lake.create()
    apply_book(home.lake)
    copytree(EXAMPLE / "usage", path / "landing" / "api")
    ingest(home.lake)
    return home


@pytest.fixture(scope="module")
def billed(before, tmp_path_factory):
    """The same home after import and a first whole run; `first` is what the import said."""
    home = before.copy(tmp_path_factory.mktemp("billed") / "home")
    home.folder = write(home.path / "history")
    home.dry = import_history(home.lake, home.folder, dry=True)
    home.untouched = home.count_facts()
    home.first = import_history(home.lake, home.folder)
    home.opened = dict(home.rows(BALANCES))
    home.result = home.bill(APRIL)
    return home


def test_a_dry_run_shows_both_sides_of_each_control_and_changes_nothing(billed):
    assert billed.untouched["imported_documents"] == billed.untouched["commands"] == 0
    sides = {one["account"]: (one["detail"], one["journal"]) for one in billed.dry.control}
    assert sides == {
        "accounts_receivable": (D(468), D(468)),
        "deferred_revenue": (D(150), D(150)),
        "customer_prepayments": (D(40), D(40)),
    }
    counts = {one["file"]: (one["rows"], one["total"]) for one in billed.dry.counts}
    assert counts["open_items"] == (3, D(468))
    assert counts["paid_through"] == (5, None)
    assert counts["commitments"] == (1, D(1000))
    assert billed.first.batch_seq is not None
    assert billed.first.counts == billed.dry.counts


def test_the_first_run_bills_no_window_that_was_billed_before_and_cuts_what_is_half_billed(billed):
    assert billed.result.failed_checks == []
    assert billed.rows(LINES) == [
        ("acme-main", "desk", "2025-03-01", "2025-04-01", D(62)),
        ("acme-main", "seats", "2025-03-16", "2025-04-01", D(160)),
        ("acme-main", "seats", "2025-04-01", "2025-05-01", D(310)),
        ("acme-main", "tokens", "2025-03-01", "2025-04-01", D(50)),
        ("beta-main", "tokens", "2025-03-01", "2025-04-01", D(30)),
        # 900 units were counted before: 100 more are in the first tier, and 200 in the next.
        ("delta-main", "tokens", "2025-03-01", "2025-03-15", D(20)),
        # The discount had 2.00 left of its 100.00, and of the commitment 1,000.00 were used.
        ("gamma-main", "tokens", "2025-03-01", "2025-04-01", D(100)),
        ("gamma-main", "welcome", "2025-03-01", "2025-04-01", D(-2)),
        ("gamma-main", "year", "2024-04-01", "2025-04-01", D(102)),
    ]
    assert billed.bill(APRIL).issued.numbers == ()


def test_numbers_go_on_after_the_last_one(billed):
    numbers = [row[0] for row in billed.rows("select number from facts.documents order by 1")]
    assert numbers == [f"north-2025-{number:06}" for number in range(42, 42 + len(numbers))]


def test_opening_entries_balance_and_say_what_the_old_books_said(billed):
    assert billed.opened == {
        "accounts_receivable": D(468),
        "deferred_revenue": D(-150),
        "customer_prepayments": D(-40),
        "opening_balances": D(-216),
        "revenue": D(-62),
    }
    days = billed.rows(
        "select event, posting_date::varchar, count(*) from facts.journal_entries "
        "where starts_with(event, 'history') group by all order by all"
    )
    assert days == [
        ("history.imported", "2025-01-31", 1),
        ("history.imported", "2025-03-01", 1),
        ("history.opened", "2025-03-01", 5),
    ]


def test_open_items_are_owed_with_their_own_due_dates(billed):
    import duckdb

    with duckdb.connect(str(billed.lake.settings.published), read_only=True) as db:
        rows = db.execute(
            "select number, customer_name, due_date::varchar, open_amount, overdue_days "
            "from receivables.open_invoices where is_imported order by number"
        ).fetchall()
    assert rows == [
        ("OLD-12", "Beta BV", "2024-11-30", D(80), 122),
        ("OLD-40", "Acme SAS", "2025-02-15", D(400), 45),
        ("OLD-CN-1", "Acme SAS", "2025-02-10", D(-12), 50),
    ]


def test_what_is_left_of_a_lot_pays_the_first_document(billed):
    paid = billed.rows(
        "select contract_id, item_id, window_start_on::varchar, sum(credit - debit) "
        "from facts.journal_lines where account = 'customer_prepayments' "
        "and contract_id is not null group by all"
    )
    assert paid == [("beta-main", "bought", "2025-02-01", D(4))]


def test_what_was_deferred_is_earned_onward_and_covered_usage_is_not_accrued(
    billed, tmp_path
):  # fmt: skip
    home = billed.copy(tmp_path / "home")
    close(home.lake, date(2025, 3, 11))
    earned = "select cast(sum(credit - debit) as int) from facts.journal_lines as lines join "
    earned += "facts.journal_entries using (entry_id) where account = 'revenue' and event = "
    assert home.rows(earned + "'revenue.recognised'") == [(100,)]
    accrued = home.rows(
        "select item_id, window_start_on::varchar, sum(debit - credit) from facts.journal_lines "
        "where account = 'unbilled_receivable' and debit > 0 group by all order by all"
    )
    assert accrued == [("desk", "2025-03-01", D(20))]
    close(home.lake, APRIL)
    left = home.rows(
        "select sum(debit - credit) from facts.journal_lines "
        "where account = 'deferred_revenue' and contract_id = 'acme-main' "
        "and window_end_on <= date '2025-03-16'"
    )
    assert left == [(D(0),)]


def test_the_same_files_again_and_documents_made_again_change_nothing(billed):
    counts = billed.count_facts()
    again = import_history(billed.lake, billed.folder)
    assert (again.is_known, again.batch_seq) == (True, billed.first.batch_seq)
    assert billed.count_facts() == counts
    assert [one.number for one in rebuild(billed.lake, None) if not one.is_identical] == []
    told = history_report(billed.lake)
    assert [one["rows"] for one in told["imports"]] == [sum(c["rows"] for c in billed.dry.counts)]
    assert {(one["what"], one["at_cut_over"], one["left"]) for one in told["open"]} == {
        ("open items", "468.0000", "468.0000"),
        ("deferred", "150.0000", "150.0000"),
        ("credit", "40.0000", "4.0000"),
    }


def test_all_faults_of_all_files_are_told_at_once_with_file_and_line(before):
    folder = write(
        before.path / "faulty",
        journal=FILES["journal"].replace("468.00", "467.00").replace("278.00", "277.00"),
        paid_through="contract,item,paid_through\nacme-main,seat,2025-03-01\nacme,,2025-03-01\n",
        series="entity,kind,year,last_number\nsouth,invoice,2025,3\n",
        invoice_lines=FILES["invoice_lines"].replace("62.00,12.40", "61.00,12.40"),
    )
    counts = before.count_facts()
    with pytest.raises(HistoryFault) as refused:
        import_history(before.lake, folder)
    assert before.count_facts() == counts
    assert set(refused.value.faults) == {
        "invoices.csv, line 2: net of OLD-40 is not the sum of its lines",
        "journal.csv: accounts_receivable of north is 467 EUR, and open_items adds up to 468",
        "paid_through.csv, line 2: contract acme-main has no item 'seat'",
        "paid_through.csv, line 3: contract 'acme' is not in the book",
        "series.csv, line 2: entity 'south' is not in the book",
    }


def test_cells_that_cannot_be_read_are_told_before_anything_is_compared(before):
    folder = write(
        before.path / "unreadable",
        open_items="number,entity,customer,curency,invoice_date,due_date,total,open_amount\n",
        payments="payment,entity,customer,currency,amount,received_on\n"
        "P-1,north,beta,EUR,12.345678,2025-02-30\nP-2,north\n",
        cut_over=None,
    )
    with pytest.raises(HistoryFault, match=r"cut_over\.csv is missing"):
        import_history(before.lake, folder)
    write(folder, open_items=None, payments=(folder / "payments.csv").read_text())
    with pytest.raises(HistoryFault) as refused:
        import_history(before.lake, folder)
    assert refused.value.faults == (
        "payments.csv, line 2: amount '12.345678' is not an amount such as 12.50, "
        "with at most 4 places",
        "payments.csv, line 2: received_on '2025-02-30' is not a day such as 2024-01-31",
        "payments.csv, line 3: has 2 values, and the header 6",
    )
