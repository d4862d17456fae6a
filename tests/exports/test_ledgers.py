"""Beancount and hledger accept what we write, and arrive at our balances to the last digit."""

import csv
import io
import shutil
import subprocess
import sys
from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from beancount import loader
from beancount.core import data

from meterhouse.errors import UsageError
from meterhouse.exports import beancount, hledger
from meterhouse.exports.chart import NAMES
from meterhouse.exports.control import Control
from meterhouse.exports.postings import Ledger
from meterhouse.exports.tables import ENTRIES, MONEY
from tests.exports.conftest import NAME, balances

BEAN_CHECK = str(Path(sys.executable).with_name("bean-check"))
HLEDGER = shutil.which("hledger")
NEEDS_HLEDGER = pytest.mark.skipif(
    HLEDGER is None, reason="hledger, a Debian package, is not installed"
)
CASES = [(entity, month) for entity in ("us", "jp", "kw") for month in ("2025-10", "2025-11")]
CONTROL = Control("acme", date(2026, 1, 1), date(2026, 2, 1), 7, 9, "run", True)


def ran(*words):
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)


def of_beancount(path):
    """Balance of each account and currency, from the transactions; nothing may be wrong."""
    entries, errors, _ = loader.load_file(str(path))
    assert errors == []
    found = Counter()
    for entry in entries:
        if isinstance(entry, data.Transaction):
            for posting in entry.postings:
                found[posting.account, posting.units.currency] += posting.units.number
    return found


def of_hledger(path):
    """Balance of each account and currency as hledger's own report gives them."""
    checked = ran(HLEDGER, "-f", str(path), "check", "-s", "ordereddates")
    assert checked.returncode == 0, checked.stderr
    told = ran(HLEDGER, "-f", str(path), "bal", "-N", "--flat", "-E", "-O", "csv")
    assert told.returncode == 0, told.stderr
    found = {}
    for account, amounts in list(csv.reader(io.StringIO(told.stdout)))[1:]:
        for amount in amounts.split(", "):
            number, _, currency = amount.partition(" ")
            if currency:
                found[account, currency] = Decimal(number)
    return found


def without_zeros(found):
    return {key: amount for key, amount in found.items() if amount}


def ours(home, entity, month):
    until = {"2025-10": date(2025, 11, 1), "2025-11": date(2025, 12, 1)}[month]
    found = balances(home, entity, until)
    return {(NAMES[account], code): amount for (account, code), amount in found.items()}


@pytest.mark.slow
@pytest.mark.parametrize(("entity", "month"), CASES)
def test_bean_check_accepts_a_ledger_whose_balances_are_ours(exported, entity, month):
    path = exported.path / "exports" / entity / month / "ledger.beancount"
    checked = ran(BEAN_CHECK, str(path))
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    expected = without_zeros(ours(exported, entity, month))
    assert len(expected) >= 3
    assert without_zeros(of_beancount(path)) == expected


@pytest.mark.slow
@NEEDS_HLEDGER
@pytest.mark.parametrize(("entity", "month"), CASES)
def test_hledger_accepts_a_ledger_whose_balances_are_ours(exported, entity, month):
    path = exported.path / "exports" / entity / month / "ledger.hledger"
    expected = without_zeros(ours(exported, entity, month))
    assert without_zeros(of_hledger(path)) == expected


@pytest.mark.slow
def test_every_entry_of_the_month_is_one_transaction_that_names_it(exported):
    path = exported.path / "exports/us/2025-11/ledger.beancount"
    entries, _, _ = loader.load_file(str(path))
    found = [one for one in entries if isinstance(one, data.Transaction) and "entry" in one.meta]
    rows = exported.rows(
        "select entry_id, entries.posting_date, number from facts.journal_entries as entries "
        "left join facts.documents using (document_id) where entries.entity_id = 'us' "
        "and entries.posting_date between '2025-11-01' and '2025-11-30' order by 2, 1"
    )
    assert [(one.meta["entry"], one.date, one.meta.get("document")) for one in found] == rows
    assert len(rows) > 5
    issued = [one for one in found if one.meta["event"] == "document.issued"]
    (alpha,) = [one for one in issued if one.payee == NAME]
    assert alpha.meta["customer"] == "alpha"
    assert {posting.meta.get("contract") for posting in alpha.postings} == {"alpha-main"}


def frame(*rows):
    """Entries of account, currency, debit, credit; two lines make an entry."""
    made = [
        {
            "entry_id": f"e{number // 2}",
            "line_no": number % 2 + 1,
            "event": "document.issued",
            "event_date": date(2026, 1, 3),
            "posting_date": date(2026, 1, 4),
            "account": account,
            "currency": code,
            "debit": Decimal(debit),
            "credit": Decimal(credit),
            "customer": NAME,
        }
        for number, (account, code, debit, credit) in enumerate(rows)
    ]
    return pl.DataFrame(made, schema_overrides=ENTRIES.columns).select(
        pl.col(name) if name in made[0] else pl.lit(None).cast(kind).alias(name)
        for name, kind in ENTRIES.columns.items()
    )


def several():
    """One entity with three currencies, one account that ends at zero, and an opening."""
    entries = frame(
        ("accounts_receivable", "USD", "1234567890123456.78", "0"),
        ("revenue", "USD", "0", "1234567890123456.78"),
        ("accounts_receivable", "JPY", "1001", "0"),
        ("tax_payable", "JPY", "0", "1001"),
        ("deferred_revenue", "KWD", "0.125", "0"),
        ("revenue", "KWD", "0", "0.125"),
    )
    opening = pl.DataFrame(
        [
            ("accounts_receivable", "KWD", Decimal("0.125")),
            ("deferred_revenue", "KWD", Decimal("-0.125")),
        ],
        schema={"account": pl.String, "currency": pl.String, "amount": MONEY},
        orient="row",
    )
    expected = {
        ("Assets:AccountsReceivable", "USD"): Decimal("1234567890123456.78"),
        ("Income:Revenue", "USD"): Decimal("-1234567890123456.78"),
        ("Assets:AccountsReceivable", "JPY"): Decimal(1001),
        ("Liabilities:TaxPayable", "JPY"): Decimal(-1001),
        ("Assets:AccountsReceivable", "KWD"): Decimal("0.125"),
        ("Income:Revenue", "KWD"): Decimal("-0.125"),
    }
    return Ledger(CONTROL, entries, opening), expected


def test_beancount_takes_three_currencies_in_one_ledger(tmp_path):
    ledger, expected = several()
    beancount.write(ledger, tmp_path / "l.beancount")
    assert without_zeros(of_beancount(tmp_path / "l.beancount")) == expected
    text = (tmp_path / "l.beancount").read_text()
    assert "2026-02-01 balance Liabilities:DeferredRevenue  0.000 KWD" in text


@pytest.mark.slow
@NEEDS_HLEDGER
def test_hledger_takes_three_currencies_in_one_ledger(tmp_path):
    ledger, expected = several()
    hledger.write(ledger, tmp_path / "l.hledger")
    assert without_zeros(of_hledger(tmp_path / "l.hledger")) == expected


@pytest.mark.slow
@NEEDS_HLEDGER
def test_tags_of_hledger_hold_the_entry_and_the_document(exported):
    path = exported.path / "exports/us/2025-11/ledger.hledger"
    told = ran(HLEDGER, "-f", str(path), "print", "tag:customer=^alpha$", "tag:document=^us-2025-")
    assert told.returncode == 0, told.stderr
    assert told.stdout.count("document.issued") == 2  # The description and the tag of one entry.
    assert '=1+1, "Alpha" \\ a/b, Ltd | document.issued' in told.stdout


def test_less_than_half_a_cent_is_refused_by_beancount(tmp_path):
    """By itself Beancount 3.2.3 lets it pass, which the last line shows."""
    ledger, _ = several()
    text = beancount.text(ledger)
    path = tmp_path / "l.beancount"
    path.write_text(text.replace("123456.78 USD", "123456.784 USD", 1))
    assert "does not balance" in str(loader.load_file(str(path))[1])
    path.write_text(text.replace('option "tolerance_multiplier" "0"\n', ""))
    assert loader.load_file(str(path))[1] == []


@pytest.mark.slow
@NEEDS_HLEDGER
def test_a_fraction_of_a_cent_breaks_a_balance_that_is_asserted(tmp_path):
    ledger, _ = several()
    path = tmp_path / "l.hledger"
    path.write_text(hledger.text(ledger).replace("123456.78 USD", "123456.784 USD", 1))
    done = ran(HLEDGER, "-f", str(path), "check", "-s")
    assert done.returncode != 0
    assert "balance assertion" in done.stderr.lower()


def test_a_month_without_anything_is_a_ledger_too(tmp_path):
    ledger, _ = several()
    empty = Ledger(CONTROL, ledger.entries.clear(), ledger.opening.clear())
    beancount.write(empty, tmp_path / "l.beancount")
    assert of_beancount(tmp_path / "l.beancount") == {}
    assert "account Income:Revenue" in hledger.text(empty)


def test_an_account_that_is_not_in_the_chart_is_not_guessed():
    ledger, _ = several()
    strange = ledger.entries.with_columns(account=pl.lit("suspense"))
    with pytest.raises(UsageError, match="not in the chart: suspense"):
        beancount.text(Ledger(CONTROL, strange, ledger.opening))
