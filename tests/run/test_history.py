"""What the system before billed is imported whole, and the first run goes on from there."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from shutil import copytree

import duckdb
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
    head = home.lake.head()
    home.dry = import_history(home.lake, home.folder, dry=True)
    home.is_untouched = home.lake.head() == head
    home.first = import_history(home.lake, home.folder)
    home.opened = dict(home.rows(BALANCES))
    home.result = home.issue(APRIL)
    return home


@pytest.fixture(scope="module")
def closed(billed, tmp_path_factory):
    """The same home with March closed up to the 11th."""
    home = billed.copy(tmp_path_factory.mktemp("closed") / "home")
    close(home.lake, date(2025, 3, 11))
    return home


def test_a_dry_run_shows_both_sides_of_each_control_and_changes_nothing(billed):
    assert billed.is_untouched
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
    assert billed.result.failed == set()
    assert len(billed.result.issued.numbers) == len(billed.result.drafts)
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


def test_open_items_keep_their_due_dates_and_old_documents_are_on_record(billed):
    rows = billed.rows(
        "select number, kind, due_date::varchar, total, open_amount, original_number "
        "from facts.imported_documents order by number"
    )
    assert rows == [
        ("OLD-12", "invoice", "2024-11-30", D(80), D(80), None),
        ("OLD-40", "invoice", "2025-02-15", D("446.40"), D(400), None),
        ("OLD-41", "invoice", "2025-02-15", D(120), D(0), None),
        ("OLD-CN-1", "credit_note", "2025-02-10", D(-12), D(-12), "OLD-40"),
    ]
    assert billed.rows("select count(*), sum(amount) from facts.imported_lines") == [(2, D(372))]


def test_what_is_left_of_a_lot_pays_the_first_document(billed):
    paid = billed.rows(
        "select contract_id, item_id, window_start_on::varchar, sum(credit - debit) "
        "from facts.journal_lines where account = 'customer_prepayments' "
        "and contract_id is not null group by all"
    )
    assert paid == [("beta-main", "bought", "2025-02-01", D(4))]


def test_what_was_deferred_is_earned_onward_and_covered_usage_is_not_accrued(closed):
    earned = "select cast(sum(credit - debit) as int) from facts.journal_lines as lines join "
    earned += "facts.journal_entries using (entry_id) where account = 'revenue' and event = "
    assert closed.rows(earned + "'revenue.recognised'") == [(100,)]
    accrued = closed.rows(
        "select item_id, window_start_on::varchar, sum(debit - credit) from facts.journal_lines "
        "where account = 'unbilled_receivable' and debit > 0 group by all order by all"
    )
    # The 300 units of Delta cost what comes after the 900 before them, at a close too.
    assert accrued == [("desk", "2025-03-01", D(20)), ("tokens", "2025-03-01", D(20))]


@pytest.mark.soak
def test_whole_runs_and_the_end_of_a_schedule_leave_nothing(billed, tmp_path):
    home = billed.copy(tmp_path / "home")
    assert home.bill(APRIL).issued.numbers == ()
    with duckdb.connect(str(home.lake.settings.published), read_only=True) as db:
        rows = db.execute(
            "select number, customer_name, due_date::varchar, open_amount, overdue_days "
            "from receivables.open_invoices where is_imported order by number"
        ).fetchall()
    assert rows == [
        ("OLD-12", "Beta BV", "2024-11-30", D(80), 122),
        ("OLD-40", "Acme SAS", "2025-02-15", D(400), 45),
        ("OLD-CN-1", "Acme SAS", "2025-02-10", D(-12), 50),
    ]
    assert [one.number for one in rebuild(home.lake, None) if not one.is_identical] == []
    close(home.lake, APRIL)
    left = home.rows(
        "select sum(debit - credit) from facts.journal_lines "
        "where account = 'deferred_revenue' and contract_id = 'acme-main' "
        "and window_end_on <= date '2025-03-16'"
    )
    assert left == [(D(0),)]


def test_the_same_files_again_change_nothing_and_the_report_says_what_is_left(billed):
    head = billed.lake.head()
    again = import_history(billed.lake, billed.folder)
    assert (again.is_known, again.batch_seq) == (True, billed.first.batch_seq)
    assert billed.lake.head() == head
    assert [] == []
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
    head = before.lake.head()
    with pytest.raises(HistoryFault) as refused:
        import_history(before.lake, folder)
    assert before.lake.head() == head
    assert set(refused.value.faults) == {
        "counters.csv, line 2: paid_through.csv does not divide a period of 'tokens' from "
        "2025-02-15 on",
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
