"""Contracts move to another version of their plan when told, with a preview, and only then."""

import pytest

from meterhouse.run.book import flatten
from tests.catalog.test_resolving import CATALOG, terms
from tests.cli.conftest import Home

pytestmark = pytest.mark.slow
CONTRACTS = (
    terms("plan: {id: pro, overrides: {seat: {quantity: 7}}}\n", id="k1")
    + terms("plan: pro\nitems: [{id: own, product: seats, price: {ref: seat-list}}]\n", id="k2")
    + terms("plan: pro\nend: 2024-05-01\n", id="over")
    + terms("plan: pro\n", id="late", start="2024-09-01")
)


def made_in(folder):
    """A home with four contracts that have a plan, recorded."""
    made = Home(folder / "home")
    assert made.call("init").exit_code == 0
    (made.folder / "book" / "a.yaml").write_text(CATALOG + CONTRACTS)
    assert made.call("apply", "--yes").exit_code == 0
    return made


@pytest.fixture
def home(tmp_path):
    """A home of its own for a test that records more."""
    return made_in(tmp_path)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A home for tests that record nothing."""
    return made_in(tmp_path_factory.mktemp("plans"))


def test_a_migration_is_previewed_recorded_once_and_bills_from_its_day(home):
    listed = home.json("plans", "list")["plans"]
    assert [(one["plan_id"], one["version"], one["contract_count"]) for one in listed] == [
        ("pro", "second", 4)
    ]
    shown = home.json("plans", "show", "pro")
    versions = {one["version"]: one["contract_count"] for one in shown["versions"]}
    assert versions == {"first": 3, "second": 1}
    preview = home.json("plans", "migrate", "pro", "--to", "second", "--dry-run")
    assert (preview["on"], preview["batch_seq"]) == ("2024-06-01", None)
    assert (preview["contract_count"], preview["untouched_count"]) == (2, 2)
    told = {
        (one["contract_id"], one["valid_from"], field["path"], field["old"], field["new"])
        for one in preview["moved"]
        for field in one["fields"]
        if not field["path"].startswith("$.pinned")
    }
    assert told == {
        (id, "2024-06-01", path, old, new)
        for id, base in (("k1", 1), ("k2", 1))
        for path, old, new in (
            ("$.plan.version", "first", "second"),
            ("$.items[0].price.amount", "10", "12"),
            (f"$.items[{base}].price.amount", "100", "120"),
        )
    }
    assert home.json("plan")["counts"]["new"] == 0
    done = home.call("plans", "migrate", "pro", "--to", "second", "--yes")
    assert done.exit_code == 0
    assert "2 contracts changed, 2 untouched" in done.stdout
    again = home.call("plans", "migrate", "pro", "--to", "second", "--yes")
    assert "Nothing to record" in again.stderr
    # The folder still says what it said, and changes nothing back.
    assert home.json("apply", "--yes")["counts"]["changed"] == 0
    shown = home.json("plans", "show", "pro")
    assert {one["version"]: one["contract_count"] for one in shown["versions"]} == {
        "first": 1,
        "second": 3,
    }
    query = (
        "select contract_id, slot_from::varchar as since, item_id, "
        "price::json->>'$.amount' as amount, fixed_quantity::integer as quantity, plan_id "
        "from book.contract_items where contract_id in ('k1', 'k2') order by all"
    )
    assert tables(home, query) == [
        ("k1", "0001-01-01", "base", "100", 1, "pro"),
        ("k1", "0001-01-01", "seat", "10", 7, "pro"),
        ("k1", "2024-06-01", "base", "120", 1, "pro"),
        ("k1", "2024-06-01", "seat", "12", 7, "pro"),
        ("k2", "0001-01-01", "base", "100", 1, "pro"),
        ("k2", "0001-01-01", "own", "10", 1, None),
        ("k2", "0001-01-01", "seat", "10", 1, "pro"),
        ("k2", "2024-06-01", "base", "120", 1, "pro"),
        ("k2", "2024-06-01", "own", "10", 1, None),
        ("k2", "2024-06-01", "seat", "12", 1, "pro"),
    ]


def tables(home, query):
    """Rows of a query on the book as tables."""
    from meterhouse.lake import Lake
    from meterhouse.settings import Settings

    with Lake(Settings.load(home.folder)).reading() as db:
        flatten(db)
        return db.execute(query).fetchall()


def test_products_prices_and_plans_are_tables(recorded):
    assert tables(recorded, "select product_id, type, meter_id from book.products order by 1") == [
        ("api", "product", "calls"),
        ("seats", "product", None),
        ("suite", "bundle", None),
    ]
    prices = "select price_id, slot_from::varchar, slot_to::varchar, price_model from book.prices"
    assert tables(recorded, prices + " order by all") == [
        ("api-list", "0001-01-01", "9999-12-31", "per_unit"),
        ("seat-list", "0001-01-01", "2024-06-01", "flat"),
        ("seat-list", "2024-06-01", "9999-12-31", "flat"),
    ]
    plans = "select plan_id, plan_version, slot_to::varchar, json_array_length(items::json) "
    assert tables(recorded, plans + "from book.plans order by all") == [
        ("pro", "first", "2024-06-01", 2),
        ("pro", "second", "9999-12-31", 2),
    ]
    contracts = "select contract_id, plan_version from book.contracts order by 1"
    assert dict(tables(recorded, contracts)) == {
        "k1": "first", "k2": "first", "late": "second", "over": "first"
    }  # fmt: skip


REFUSED = {
    ("migrate", "pro", "--to", "secnd"): "did you mean `second`?",
    ("migrate", "por", "--to", "second"): "did you mean `pro`?",
    ("migrate", "pro", "--to", "first"): "has no `valid_from`",
    ("migrate", "pro", "--to", "second", "--contract", "k3"): "did you mean 'k",
    ("show", "por"): "did you mean 'pro'?",
}


def test_names_that_are_not_known_are_refused_with_the_nearest_one(recorded):
    for words, sentence in REFUSED.items():
        done = recorded.call("plans", *words)
        assert done.exit_code == 2, words
        assert sentence in done.stderr.replace("\n", " "), (words, done.stderr)


def test_a_migration_from_another_day_takes_only_the_contracts_named(home):
    found = home.json(
        "plans", "migrate", "pro", "--to", "second", "--on", "2024-03-15", "--contract", "k1",
        "--yes",
    )  # fmt: skip
    assert [(one["contract_id"], one["valid_from"]) for one in found["moved"]] == [
        ("k1", "2024-03-15")
    ]
    # The list price is that of the day; the plan is that which was named.
    amounts = "select item_id, price::json->>'$.amount' from book.contract_items "
    where = "where contract_id = 'k1' and slot_from = '2024-03-15'"
    assert dict(tables(home, amounts + where)) == {"seat": "10", "base": "120"}
    asked = home.call("plans", "migrate", "pro", "--to", "second")
    assert asked.exit_code == 2
    assert "nothing was changed" in asked.stderr


def test_a_template_is_written_once_and_filled_in_is_part_of_the_book(recorded):
    assert recorded.call("book", "template", "customers").exit_code == 0
    path = recorded.folder / "book" / "customers.csv"
    header = path.read_text()
    assert header.startswith("id,valid_from,custom,name,")
    assert recorded.json("plan")["counts"] == {"new": 0, "changed": 0, "same": 17, "kept": 0}
    path.write_text("id,name\nnew,New\n")
    again = recorded.call("book", "template", "customers")
    assert again.exit_code == 2
    assert path.read_text() == "id,name\nnew,New\n"
    assert recorded.json("plan")["counts"]["new"] == 1
    printed = recorded.call("book", "template", "customers", "--to", "-")
    assert printed.stdout.strip() == header.strip()
    wrong = recorded.call("book", "template", "custmers")
    assert (wrong.exit_code, "did you mean 'customers'?" in wrong.stderr) == (2, True)
