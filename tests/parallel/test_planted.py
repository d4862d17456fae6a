"""Faults planted in an old system's book of our own documents: each is found, with its cause."""

import json
from collections import defaultdict
from datetime import date
from decimal import Decimal

import polars as pl
import pytest
import yaml
from click.testing import CliRunner
from python_calamine import CalamineWorkbook

from meterhouse.cli.main import cli
from meterhouse.errors import UsageError
from meterhouse.parallel.mapping import mapping_of
from meterhouse.parallel.page import page
from meterhouse.parallel.report import report
from meterhouse.parallel.workbook import write_workbook
from meterhouse.run.parallel_compare import compare_month, record_comparison
from meterhouse.run.parallel_import import import_legacy
from meterhouse.run.parallel_map import read_map, record_maps, unmapped_names
from tests.parallel.legacy_book import MAPPING, book, home_of, old_rows, write

D = Decimal
pytestmark = pytest.mark.slow


def one(product, **change):
    """The row of one product changed; decimals written as texts."""

    def changed(rows):
        for row in rows:
            if row["product"] == product:
                row.update(change)
        return rows

    return changed


def every(**change):
    return lambda rows: [row | {n: f(row) for n, f in change.items()} for row in rows]


def doubled(rows):
    return rows + [row for row in rows if row["product"] == "seat"]


def split(rows):
    parts = [row for row in rows if row["product"] != "seat"]
    (seat,) = (row for row in rows if row["product"] == "seat")
    return parts + [seat | {"quantity": "1", "net": "100.00", "tax": "19.00"}] * 3


def bundled(rows):
    kept = [row for row in rows if row["product"] == "seat"]
    bundle = {"product": "Bundle", "quantity": "1", "net": "75.00", "tax": "14.25"}
    return [*kept, kept[0] | bundle]


def credited(rows):
    (seat,) = (row for row in rows if row["product"] == "seat")
    note = {"number": "CN-1", "kind": "Credit Note", "quantity": "", "net": "100.00"}
    return [*rows, seat | note | {"tax": "19.00"}]


def gross(row):
    return row["net"] + row["tax"]


# What was planted, and the amounts with tax (new less old) that each cause explains.
FAULTS = {
    "clean": (lambda rows: rows, {}),
    "missing-invoice": (lambda rows: [], {"extra": "446.25"}),
    "doubled-line": (doubled, {"missing": "-357.00"}),
    "less-usage": (one("api", quantity="360", net="45.00", tax="8.55"), {"usage": "5.95"}),
    "other-tiers": (one("tiers", net="30.00", tax="5.70"), {"price": "-5.95"}),
    "other-price": (one("seat", net="270.00", tax="51.30"), {"price": "35.70"}),
    "usage-and-price": (
        one("api", quantity="300", price="0.15", net="45.00", tax="8.55"),
        {"usage": "15.95", "price": "-10.00"},
    ),
    "rounded-total": (every(total=lambda row: "446.26"), {"rounding": "-0.01"}),
    "half-even": (one("api", net="49.99"), {"rounding": "0.01"}),
    "tax-rate": (one("seat", tax="60.00"), {"tax": "-3.00"}),
    "no-tax": (every(tax=lambda row: "0"), {"tax": "71.25"}),
    # Its amounts have the tax in them and nobody says so: net and tax differ, the sum does not.
    "hidden-tax": (every(net=gross, tax=lambda row: "0"), {"tax": "0.00"}),
    "inclusive": (
        every(
            net=gross, tax=lambda row: "", inclusive=lambda row: "yes", rate=lambda row: "19%"
        ),
        {},
    ),
    "inclusive-by-our-rate": (
        every(net=gross, tax=lambda row: "", inclusive=lambda row: "yes"),
        {},
    ),
    "month-later": (
        every(**{"from": lambda row: "2025-11-01", "to": lambda row: "2025-12-01"}),
        {"timing": "446.25"},
    ),
    "month-earlier": (
        every(**{"from": lambda row: "2025-09-01", "to": lambda row: "2025-10-01"}),
        {"timing": "446.25"},
    ),
    "renamed": (every(customer=lambda row: "Before & Sons"), {}),
    "split-lines": (split, {}),
    "one-line-for-two": (bundled, {}),
    "credit-note": (credited, {"extra": "119.00"}),
    # Taxed by line, and by us by document: 0.01 on a document of three lines.
    "late-clean": (lambda rows: rows, {"rounding": "0.01"}),
    "late-not-prorated": (
        one("seat", net="300.00", tax="57.00", **{"from": "2025-10-01"}),
        {"proration": "-126.67"},
    ),
    "late-of-thirty-days": (one("seat", net="200.00", tax="38.00"), {"proration": "-7.67"}),
    "other-currency": (every(currency=lambda row: "USD"), {"currency": "446.25"}),
    "no-contract-yet": (None, {"missing": "-119.00"}),
}  # fmt: skip
# What a late customer's document has beside its fault.
USUAL = {"late-not-prorated": "0.01", "late-of-thirty-days": "0.01"}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parallel")
    home = home_of(folder / "home", [*FAULTS])
    home.record(
        home.changed("contract", "no-contract-yet-1", start="2026-03-01"),
    )
    outcome = home.issue(date(2025, 10, 12))
    assert (outcome.failed, outcome.held) == (set(), {})
    old = old_rows(home)
    extra = old["clean"][0] | {"number": "OLD-no", "customer": "no-contract-yet"}
    rows = [extra | {"product": "seat", "net": "100.00", "tax": "19.00", "quantity": "1"}]
    for customer, (change, _) in FAULTS.items():
        if change is not None:
            rows += change(old[customer])
    home.old = folder / "old.csv"
    write(home.old, rows)
    home.gross = sum(_signed(row) for row in rows if row["from"][:7] == "2025-10")
    home.gross += D("0.01")  # The total that is a cent above its lines.
    home.mapping = mapping_of(yaml.safe_load(MAPPING), "map.yaml")
    home.imported = import_legacy(home.lake, home.old, home.mapping)
    (folder / "customers.csv").write_text("legacy,ours\nBefore & Sons,renamed\n")
    (folder / "products.csv").write_text("legacy,ours\nBundle,api+tiers\n")
    home.unmapped = unmapped_names(home.lake)
    home.unexplained = compare_month(home.lake, "2025-10")
    record_maps(
        home.lake,
        {name: read_map(folder / f"{name}.csv") for name in ("customers", "products")},
    )
    home.compared = compare_month(home.lake, "2025-10")
    return home


def _signed(row):
    amount = D(row["net"] or 0) + D(row["tax"] or 0)
    return -amount if row.get("kind") == "Credit Note" else amount


def causes(home, customer):
    found = defaultdict(D)
    for row in home.compared.result.variances.filter(pl.col("customer_id") == customer).to_dicts():
        if row["currency"] == "EUR":
            found[row["cause"]] += row["amount"]
    return dict(found)


@pytest.mark.parametrize("customer", FAULTS)
def test_each_planted_fault_is_found_with_its_cause_to_the_cent(home, customer):
    expected = {cause: D(amount) for cause, amount in FAULTS[customer][1].items()}
    if customer in USUAL:
        # The cent of the document's tax may lie on the line that is prorated, or on another one.
        assert sum(causes(home, customer).values()) == sum(expected.values())
        assert set(causes(home, customer)) <= {"proration", "rounding"}
        assert abs(causes(home, customer)["proration"] - expected["proration"]) <= D(
            USUAL[customer]
        )
    else:
        assert causes(home, customer) == expected


def test_a_line_in_another_currency_differs_in_both(home):
    found = home.compared.result.variances.filter(pl.col("currency") == "USD")
    assert found["cause"].unique().to_list() == ["currency"]
    assert found["amount"].sum() == D("-446.25")


def test_nothing_is_unexplained_and_causes_add_up_to_what_the_files_say(home):
    compared = home.compared
    assert compared.is_explained
    with home.lake.reading() as db:
        (ours,) = db.execute("select sum(total) from facts.documents").fetchone()
    cells = compared.result.cells
    assert cells["old"].sum() == home.gross
    assert cells["new"].sum() == ours
    assert compared.result.variances["amount"].sum() == ours - home.gross


def test_names_that_are_not_mapped_are_told_and_explain_nothing(home):
    told = {(row["what"], row["legacy"]) for row in home.unmapped}
    assert told == {("customer", "Before & Sons"), ("product", "Bundle")}
    assert not home.unexplained.is_explained
    other = home.unexplained.result.variances.filter(pl.col("cause") == "other")
    assert other["amount"].sum() == D("-446.25") - D("89.25")


def test_the_same_file_again_changes_nothing(home):
    count = "select count(*) from facts.legacy_lines"
    before = home.rows(count)
    again = import_legacy(home.lake, home.old, home.mapping)
    assert again.is_known
    assert again.batch_seq == home.imported.batch_seq
    assert home.rows(count) == before


def test_a_comparison_is_recorded_once(home):
    record_comparison(home.lake, home.compared)
    assert record_comparison(home.lake, home.compared) is None
    rows = home.rows("select sum(difference), sum(unexplained) from facts.parallel_results")
    assert rows == [(home.compared.result.cells["difference"].sum(), 0)]


def test_a_customer_alone_is_a_cohort_of_its_own(home):
    found = compare_month(home.lake, "2025-10", "first", ("tax-rate", "clean"))
    assert found.result.cells["customer_id"].to_list() == ["clean", "tax-rate"]
    assert found.result.variances["cause"].to_list() == ["tax"]


def test_the_page_shows_both_numbers_and_escapes_what_customers_are_called(home, tmp_path):
    found = home.compared
    kept_out = pl.DataFrame({"number": ["=1+1"], "customer": ["<b>x"], "invoice_date": [None],
                             "fault": ["amount is missing"]})  # fmt: skip
    told = report(found.result, period=found.period, cohort=found.cohort,
                  documents=found.documents, kept_out=kept_out,
                  report_hash=found.report_hash)  # fmt: skip
    text = page(told).decode()
    assert "&lt;b&gt;x" in text
    assert "<b>x" not in text
    assert "http" not in text
    assert "<script" not in text
    assert "45.00" in text
    assert "meterhouse explain eu-2025-" in text
    write_workbook(found.result, kept_out, found.period, tmp_path / "report.xlsx")
    book = CalamineWorkbook.from_path(tmp_path / "report.xlsx")
    variances = book.get_sheet_by_name("Variances").to_python()
    assert len(variances) == found.result.variances.height + 1
    assert book.get_sheet_by_name("Kept out").to_python()[1][0] == "=1+1"
    rows = book.get_sheet_by_name("Causes").to_python()
    assert [row[5] for row in rows if row[0] == "price"] == [19.75]


def test_a_map_that_names_what_is_not_there_is_refused_whole(home):
    with pytest.raises(UsageError, match=r"customer 'renamd' .*did you mean 'renamed'"):
        record_maps(home.lake, {"customers": {"a": "renamd"}, "products": {"b": "seats"}})


def test_the_command_line_ends_with_4_while_anything_is_kept_out(home, tmp_path):
    def call(*arguments):
        given = ["--home", str(home.path), "parallel", *map(str, arguments), "--json"]
        done = CliRunner().invoke(cli, given, prog_name="meterhouse")
        return done.exit_code, json.loads(done.stdout)

    code, told = call("compare", "--period", "2025-10", "--customer", "tax-rate")
    assert (code, told["is_explained"]) == (0, True)
    assert [(one["cause"], one["amount"]) for one in told["causes"]] == [("tax", "-3.00")]
    (tmp_path / "map.yaml").write_text(MAPPING)
    (tmp_path / "bad.csv").write_text(
        "number,date,customer,currency,net\nX1,2025-10-01,clean,EUR,many\n"
    )
    code, told = call("import", tmp_path / "bad.csv", "--map", tmp_path / "map.yaml", "--dry-run")
    assert code == 4
    assert told["faults"][0]["fault"] == "amount 'many' is not a number"
    code, told = call("compare", "--period", "october")
    assert (code, told["error"]["type"]) == (2, "UsageError")


def test_what_a_contract_adds_to_its_items_has_a_name_too(tmp_path):
    home = home_of(tmp_path / "home", [])
    customer, contract = [*book(["plus"])][2:]
    extra = {
        "credits": [{"id": "gift", "description": "Welcome", "amount": "5"}],
        "service_fee": {"id": "support", "description": "Support", "percentage": "0.03"},
    }
    home.record(customer, contract | {"modifiers": extra})
    row = {
        "number": "OLD-1", "date": "2025-10-01", "customer": "plus", "quantity": "1", "net": "1",
        "tax": "0.19", "currency": "EUR", "from": "2025-10-01", "to": "2025-11-01",
    }  # fmt: skip
    products = ("gift", "Welcome", "support", "Premium help")
    write(tmp_path / "old.csv", [row | {"product": product} for product in products])
    import_legacy(home.lake, tmp_path / "old.csv", mapping_of(yaml.safe_load(MAPPING), "map"))
    assert [one["legacy"] for one in unmapped_names(home.lake)] == ["Premium help"]
    record_maps(home.lake, {"products": {"Premium help": "support"}})
    assert unmapped_names(home.lake) == []
