"""What analysts get: words on every column, saved queries that agree with the tables, pages."""

import json
import re
from decimal import Decimal

import duckdb
import pytest

from meterhouse.cli.saved import read_query, saved_queries
from meterhouse.durable import file_sha256
from meterhouse.lake import Lake
from meterhouse.run.dbt import parsed
from meterhouse.run.descriptions import descriptions
from meterhouse.run.documentation import write_pages
from meterhouse.settings import Settings
from scripts.dictionary import PAGE, page
from tests.cli.conftest import Home

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("analysts")]
PUBLIC = ("usage", "billing", "book", "accounting", "receivables", "reporting", "facts")
THROUGH = "2026-11-01"
UNITS = r"currency|unit|fees|property|share|rate\b"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """The demo company, billed for three months with late usage and a correction."""
    made = Home(tmp_path_factory.mktemp("analysts") / "home")
    done = made.call("demo", "--customers", 30)
    assert done.exit_code in (0, 3), done.stderr
    return made


@pytest.fixture(scope="module")
def settings(home):
    return Settings.load(home.folder)


@pytest.fixture(scope="module")
def described(settings):
    return descriptions(parsed(settings))


@pytest.fixture(scope="module")
def columns(home):
    """Schema, table, column, type and comment of everything published."""
    found = home.json(
        "sql",
        "select schema_name, table_name, column_name, lower(data_type), comment "
        "from duckdb_columns() where database_name = 'warehouse' order by all",
    )
    return found["rows"]


def rows(home, name, **values):
    """The rows of a saved query, as dictionaries."""
    given = [part for key, value in values.items() for part in ("--set", f"{key}={value}")]
    found = home.json("sql", "--saved", name, *given)
    names = [one["name"] for one in found["columns"]]
    return [dict(zip(names, row, strict=True)) for row in found["rows"]]


def only(home, query):
    """The one row of a query."""
    (row,) = home.json("sql", query)["rows"]
    return row


def total(found, column, **which):
    """The exact sum of a column over the rows where other columns have these values."""
    fitting = [row for row in found if all(row[key] == value for key, value in which.items())]
    return sum((Decimal(str(row[column] or 0)) for row in fitting), Decimal(0))


# Words


def test_every_public_table_and_column_says_in_duckdb_what_it_is(home, columns):
    assert [row[:3] for row in columns if row[0] in PUBLIC and not row[4]] == []
    assert {row[0] for row in columns} >= set(PUBLIC)
    silent = home.json(
        "sql",
        "select schema_name, table_name from duckdb_tables() where comment is null and "
        f"schema_name in {PUBLIC} and database_name = 'warehouse' union all "
        "select schema_name, view_name from duckdb_views() where comment is null and "
        f"schema_name in {PUBLIC} and database_name = 'warehouse'",
    )
    assert silent["rows"] == []


def test_whatever_is_described_is_there_with_that_type(columns, described):
    there = {(schema, table, column): kind for schema, table, column, kind, _ in columns}
    said = {
        (*table, column): one.types[column].lower()
        for table, one in described.items()
        for column in one.columns
        # Tables of ops that only a home with SQL meters has.
        if not table[1].startswith("sql_")
    }
    plain = {key: kind.replace(" ", "") for key, kind in there.items()}
    assert {
        key: (kind, there.get(key))
        for key, kind in said.items()
        if kind.replace(" ", "") != plain.get(key)
    } == {}


def test_every_table_says_what_one_row_is(described):
    assert [name for name, one in described.items() if "one row" not in one.text.lower()] == []


def test_every_number_names_its_unit_and_every_instant_its_clock(columns):
    public = [row for row in columns if row[0] in PUBLIC]
    decimals = [row for row in public if row[3].startswith("decimal")]
    instants = [row for row in public if row[3] == "timestamp with time zone"]
    assert decimals
    assert instants
    assert [row for row in decimals if not re.search(UNITS, row[4], re.IGNORECASE)] == []
    assert [row for row in instants if "UTC" not in row[4]] == []


@pytest.mark.soak
def test_a_column_that_holds_a_null_says_what_null_means(home, columns):
    tables = {}
    for schema, table, column, _, comment in columns:
        if schema in PUBLIC:
            tables.setdefault(f"{schema}.{table}", {})[column] = comment
    unexplained = []
    for table, words in tables.items():
        counts = ", ".join(f'count(*) - count("{column}")' for column in words)
        nulls = only(home, f"select {counts} from {table}")
        unexplained += [
            f"{table}.{column}"
            for (column, comment), count in zip(words.items(), nulls, strict=True)
            if count and "null" not in comment.lower()
        ]
    assert unexplained == []


def test_a_public_model_says_null_of_every_column_that_may_be_null(settings, described):
    models = [
        node
        for node in parsed(settings).nodes.values()
        if node.resource_type == "model" and node.schema in PUBLIC
    ]
    assert models
    assert [
        f"{node.name}.{column.name}"
        for node in models
        for column in node.columns.values()
        if "not_null" not in {one.type.value for one in column.constraints}
        and "null" not in column.description.lower()
    ] == []


def test_a_property_of_events_has_words_though_only_the_book_names_it(columns):
    words = {row[2]: row[4] for row in columns if row[:2] == ["facts", "usage_events"]}
    assert words["p_tokens_in"].startswith("Property tokens_in of the event")


@pytest.mark.soak
def test_an_idle_run_writes_nothing_even_when_it_goes_the_whole_way(home, settings):
    # The demo ends with a close, after which there is something to run, and one document to issue:
    # only a run after that one knows it.
    for options in ((), ("--full",)):
        assert home.call("run", "--through", THROUGH, *options).exit_code in (0, 3)
    published, pins = file_sha256(settings.published), pins_of(settings)
    head = Lake(settings).head()
    for options in ((), ("--full",)):
        done = home.call("run", "--through", THROUGH, *options)
        assert done.exit_code in (0, 3), done.stderr
        # Hashes: a difference of files would be looked for byte by byte, for half an hour.
        assert file_sha256(settings.published) == published
        assert pins_of(settings) == pins
        assert Lake(settings).head() == head


def pins_of(settings):
    with duckdb.connect(str(settings.warehouse), read_only=True) as db:
        return db.execute("from ops.pins order by all").fetchall()


# Saved queries


def test_there_are_a_dozen_queries_and_a_list_of_them(home, settings):
    queries = saved_queries(settings)
    assert len(queries) >= 12
    listed = home.json("sql", "--saved")["saved"]
    assert [one["name"] for one in listed] == list(queries)
    told = home.call("sql", "--saved").stdout
    assert all(one.question in told for one in queries.values())


def test_every_parameter_is_one_of_the_query_and_every_column_is_described(home, settings):
    for name, query in saved_queries(settings).items():
        body = re.sub(r"(?m)--.*$", "", query.text)
        assert set(re.findall(r"\$(\w+)", body)) == {one.name for one in query.parameters}, name
        found = home.json("sql", "--saved", name, *needed(home, query))
        assert {one["name"]: one["description"] for one in found["columns"]} == query.columns, name
        assert found["rows"], name


def needed(home, query):
    """Values for the parameters that a query needs."""
    (number, line_no, customer) = only(
        home,
        "select number, line_no, customer_id from facts.billed_lines "
        "where quantity > 0 and component = 'usage' and not is_correction order by all limit 1",
    )
    values = {"number": number, "line": line_no, "customer": customer}
    required = [one.name for one in query.parameters if one.is_required]
    wanted = [*required, "line"] if "number" in required else required
    return [part for name in wanted for part in ("--set", f"{name}={values[name]}")]


@pytest.mark.parametrize(
    ("name", "column", "table"),
    [
        ("usage-by-month", "quantity", "select sum(quantity) from reporting.usage_by_day"),
        ("usage-by-month", "event_count", "select sum(event_count) from reporting.usage_by_day"),
        (
            "events-not-billed",
            "event_count",
            "select sum(event_count) from usage.fates where fate <> 'read'",
        ),
        (
            "usage-without-contract",
            "estimated_value",
            "select sum(estimated_value) from reporting.usage_without_contract",
        ),
        ("line-prices", "amount", "select sum(amount) from reporting.invoice_lines"),
        ("revenue-by-item", "amount", "select sum(amount) from reporting.revenue_by_month"),
        ("quarantined", "records", "select count(*) from reporting.quarantine_open"),
        (
            "corrections",
            "amount",
            "select sum(amount) from reporting.invoice_lines where is_correction",
        ),
        (
            "corrections",
            "line_count",
            "select count(*) from reporting.invoice_lines where is_correction",
        ),
        (
            "late-usage",
            "amount",
            "select sum(amount) from facts.billed_lines "
            "where is_correction and component = 'usage'",
        ),
        (
            "receivables-by-customer",
            "open_amount",
            "select sum(balance) from accounting.trial_balance "
            "where account = 'accounts_receivable'",
        ),
        (
            "open-windows",
            "quantity",
            "select sum(coalesce(determinants.quantity, fixed_quantity)) "
            "from billing.charge_windows as windows "
            "left join usage.determinants as determinants using (window_id) "
            "where windows.window_id not in (select window_id from facts.billed_lines)",
        ),
    ],
)
def test_the_rows_of_a_saved_query_add_up_to_the_table(home, name, column, table):
    found = rows(home, name)
    (expected,) = only(home, table)
    assert total(found, column) == Decimal(str(expected))


def test_every_accepted_event_has_one_fate_in_the_saved_query(home):
    found = rows(home, "events-not-billed") + rows(home, "events-not-billed", fate="read")
    (accepted,) = only(home, "select sum(accepted) from facts.batches")
    assert total(found, "event_count") == accepted


def test_aging_adds_up_to_what_is_open(home):
    for row in rows(home, "receivables-by-customer"):
        spans = ("not_due", "days_1_30", "days_31_60", "days_61_90", "over_90")
        assert sum(Decimal(row[span]) for span in spans) == Decimal(row["open_amount"])


def test_the_effective_rate_times_the_quantity_is_the_amount(home):
    found = [row for row in rows(home, "line-prices") if row["effective_rate"] is not None]
    assert any(row["unit_price"].endswith("tiers") for row in found)
    for row in found:
        priced = Decimal(row["effective_rate"]) * Decimal(row["quantity"])
        if not row["is_correction"]:
            slack = Decimal(row["quantity"]) / 10**9 + 1
            assert abs(priced - Decimal(row["amount"])) <= slack, row


def test_days_and_events_behind_a_line_add_up_to_it(home):
    number, line_no, quantity = only(
        home,
        "select number, line_no, quantity from facts.billed_lines as lines "
        "inner join book.meters as meters using (meter_id, meter_version) "
        "where aggregation = 'sum' and is_correction "
        "order by quantity desc, number, line_no limit 1",
    )
    events = rows(home, "line-events", number=number, line=line_no)
    assert total(events, "value") == Decimal(quantity)
    days = rows(home, "line-days", number=number, line=line_no)
    assert total(days, "quantity") == Decimal(quantity)
    assert total(days, "event_count") == len(events)


def test_events_behind_a_line_are_those_that_explain_shows(home):
    number, line_no = only(
        home,
        "select number, line_no from facts.billed_lines as lines "
        "inner join book.meters as meters using (meter_id, meter_version) "
        "where aggregation = 'count' and quantity > 5 order by quantity, number, line_no limit 1",
    )
    events = rows(home, "line-events", number=number, line=line_no)
    shown = home.json("explain", number, "--line", line_no, "--events")
    ids = re.findall(r'"event_id": ?"([^"]+)"', json.dumps(shown))
    assert ids
    assert ids == [row["event_id"] for row in events][: len(ids)]
    assert {row["value"] for row in events} == {"1"}


def test_growth_is_the_difference_of_two_months(home):
    for row in rows(home, "top-growth", month="2026-09-01", limit=1):
        query = (
            "select coalesce(sum(quantity), 0) from reporting.usage_by_customer_month "
            f"where customer_id = '{row['customer_id']}' and meter_id = '{row['meter_id']}' "
            "and local_month = date '{}'"
        )
        (before,), (after,) = (
            only(home, query.format(day)) for day in ("2026-08-01", "2026-09-01")
        )
        assert Decimal(row["growth"]) == Decimal(after) - Decimal(before)
        assert row["rank"] == 1


def test_a_month_day_by_day_ends_with_the_months(home):
    (customer,) = only(
        home,
        "select customer_id from reporting.usage_by_customer_month "
        "group by all having count(distinct local_month) > 1 order by 1 limit 1",
    )
    found = rows(home, "customer-days", customer=customer, month="2026-09-15", meter="requests")
    last = found[-1]
    for column, month in (("total", "2026-09-01"), ("total_before", "2026-08-01")):
        (expected,) = only(
            home,
            "select coalesce(sum(quantity), 0) from reporting.usage_by_customer_month "
            f"where customer_id = '{customer}' and meter_id = 'requests' "
            f"and local_month = date '{month}'",
        )
        assert Decimal(last[column]) == Decimal(expected)
    assert [row["local_day"] for row in found] == sorted({row["local_day"] for row in found})


def test_a_value_is_bound_and_never_sql(home):
    assert rows(home, "usage-by-month", customer="x' or '1'='1") == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--saved", "line-evnts"], "did you mean 'line-events'?"),
        (["--saved", "line-days"], "It needs number"),
        (["--saved", "line-days", "--set", "number=a", "--set", "line=two"], "not a whole number"),
        (["--saved", "top-growth", "--set", "month=09/2026"], "write year-month-day"),
        (["--saved", "top-growth", "--set", "month=2026-02-30"], "is not a date"),
        (["--saved", "top-growth", "--set", "mont=2026-09-01"], "did you mean 'month'?"),
        (["--saved", "top-growth", "--set", "month"], "has no value"),
        (["--saved", "top-growth", "select 1"], "nothing else to run"),
        (["--saved", "--set", "month=2026-09-01"], "Give --saved with the name"),
        (["select 1", "--set", "a=b"], "name it with --saved"),
    ],
)
def test_a_saved_query_that_is_asked_wrongly_is_not_run(home, arguments, sentence):
    done = home.call("sql", *arguments)
    assert done.exit_code == 2
    assert sentence in done.stderr


def test_all_faults_of_the_values_are_told_at_once(home):
    done = home.call("sql", "--saved", "line-days", "--set", "line=x", "--set", "nummer=1")
    assert done.exit_code == 2
    assert len(re.findall(r"(?m)^  - ", done.stderr)) == 3


def test_a_query_of_the_home_stands_beside_ours(home, settings):
    folder = home.folder / "queries"
    folder.mkdir()
    (folder / "mine.sql").write_text(
        "-- Question: How many customers are there?\n-- Row: the answer\n"
        "-- Column n: Customers.\nselect count(*) as n from book.customers\n"
    )
    (folder / "drop.sql").write_text("-- Question: a\n-- Row: b\ndrop table book.customers\n")
    try:
        assert rows(home, "mine")[0]["n"] == 30
        done = home.call("sql", "--saved", "drop")
        assert done.exit_code == 2
        assert "Only queries are run here" in done.stderr
        (folder / "bad.sql").write_text("-- Question: a\nselect 1\n")
        assert "cannot be used" in home.call("sql", "--saved").stderr
    finally:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def test_the_example_of_a_saved_query_in_the_docs_is_one(tmp_path, home):
    text = (PAGE.parent / "cli.md").read_text()
    (example,) = re.findall(r"(?ms)^```sql\n(-- Question.*?)^```$", text)
    path = home.folder / "queries" / "example.sql"
    path.parent.mkdir()
    path.write_text(example)
    try:
        assert rows(home, "example", meter="requests")
        assert {one.kind for one in read_query(path).parameters} == {"text", "date"}
    finally:
        path.unlink()
        path.parent.rmdir()


# Pages


def test_the_data_dictionary_is_current():
    assert PAGE.read_text() == page(), "run `make dictionary`"


@pytest.mark.parametrize("text", re.findall(r"(?ms)^```sql\n(.*?)^```$", PAGE.read_text()))
def test_the_queries_of_the_data_dictionary_give_rows(home, text):
    assert home.json("sql", text)["rows"]


def test_the_pages_of_dbt_hold_every_word_and_change_no_table(home, settings, described):
    before = settings.warehouse.read_bytes(), settings.published.read_bytes()
    written = write_pages(Lake(settings))
    assert (settings.warehouse.read_bytes(), settings.published.read_bytes()) == before
    text = written.read_text()
    assert written == home.folder / "docs" / "index.html"
    assert described["reporting", "invoice_lines"].columns["amount"] in text
    assert described["facts", "usage_events"].columns["occurred_at"] in text
