"""What the SQL of a meter may not say, each with its line; and what it may."""

import duckdb
import pytest

from meterhouse.exact import make_exact
from meterhouse.run.meter_sql import Reads, line_of, sql_faults

READABLE = frozenset({("facts", "usage_events"), ("ops", "sql_asks")})


@pytest.fixture(scope="module")
def db():
    with duckdb.connect() as db:
        db.execute("set timezone = 'UTC'")
        make_exact(db)
        db.execute("create schema facts; create schema ops; create schema billing")
        db.execute(
            "create table facts.usage_events (customer_id varchar, occurred_at timestamptz, "
            "p_bytes decimal(18, 0), p_share decimal(18, 6), p_tags varchar[], p_rough double)"
        )
        db.execute("create table ops.sql_asks (window_id varchar, window_start timestamptz)")
        db.execute("create table billing.drafts (net decimal(38, 12))")
        db.execute("create view facts.rough as select avg(p_bytes) as mean from facts.usage_events")
        yield db


def _faults(db, expression, folder=None):
    """Line and sentence of each fault of an expression that stands on the third line."""
    sql = f"select\n    customer_id,\n    {expression} as x\nfrom facts.usage_events\ngroup by all"
    return [
        (line_of(sql, found.at), found.why)
        for found in sql_faults(db, sql, Reads(READABLE, folder))
    ]


CLOCKS = {
    "now()": "now",
    "today()": "today",
    "current_date": "current_date",
    "current_timestamp": "get_current_timestamp",
    "localtimestamp": "localtimestamp",
    "get_current_time()": "get_current_time",
    "get_current_timestamp()": "get_current_timestamp",
    "transaction_timestamp()": "transaction_timestamp",
    "random()": "random",
    "uuid()": "uuid",
    "gen_random_uuid()": "gen_random_uuid",
    "current_setting('TimeZone')": "current_setting",
}


@pytest.mark.parametrize("expression", CLOCKS)
def test_a_clock_or_chance_is_refused_with_its_line(db, expression):
    faults = _faults(db, expression)
    assert len(faults) == 1
    line, why = faults[0]
    assert line == 3
    assert "another answer in another run" in why


FLOATS = {
    "sum(p_bytes) / 2": "exact_quotient",
    "p_bytes / p_bytes": "exact_quotient",
    "avg(p_share)": "exact_quotient",
    "mean(p_share)": "exact_quotient",
    "cast(p_bytes as double)": "Cast to decimal",
    "p_bytes::float": "Cast to decimal",
    "cast(p_bytes as real)": "Cast to decimal",
    "p_bytes * 1e3": "Write its digits out",
    "sqrt(4)": "`sqrt` gives a float",
    "ln(p_bytes)": "`ln` gives a float",
    "pow(p_bytes, 2)": "`pow` gives a float",
    "p_bytes ^ 2": "gives a float",
    "stddev_samp(p_bytes)": "`stddev_samp` gives a float",
    "cast(sqrt(p_bytes) as decimal(38, 12))": "`sqrt` gives a float",
    "median(p_bytes)": "quantile_disc",
    "quantile_cont(p_share, 0.95)": "quantile_disc",
    "max(p_rough)": "float",
    "cast(p_rough as decimal(38, 12))": "column p_rough is a float",
    "extract(epoch from occurred_at)": "gives a float",
    "approx_count_distinct(p_bytes)": "exact aggregate",
}


@pytest.mark.parametrize("expression", FLOATS)
def test_a_float_is_refused_with_its_remedy(db, expression):
    faults = _faults(db, expression)
    assert faults
    assert {line for line, _ in faults} <= {3, 0}
    assert any(FLOATS[expression] in why for _, why in faults), faults


@pytest.mark.parametrize(
    "expression", ["timezone('Asia/Tokyo', occurred_at)", "occurred_at at time zone 'Asia/Tokyo'"]
)
def test_a_second_truth_of_zones_is_refused(db, expression):
    ((line, why),) = _faults(db, expression)
    assert line == 3
    assert "second truth" in why


@pytest.mark.parametrize(
    "expression",
    [
        "exact_quotient(sum(p_bytes), 3, 1, 1, 12, 'half_up')",
        "quantile_disc(p_bytes, 0.95)",
        "sum(p_share) * 0.5",
        "count(distinct p_bytes)",
        "cast(p_bytes as decimal(38, 12))",
        "cast(occurred_at + to_microseconds(3600 * 1000000) as date)",
        "date_trunc('month', occurred_at)",
        "epoch_us(occurred_at) // 1000",
        "max(len(p_tags))",
        "case when p_bytes < 0 then error('negative') else 0 end",
        "'now() / random()'",
    ],
)
def test_what_is_exact_and_of_the_run_is_taken(db, expression):
    assert _faults(db, expression) == []


def _tables(db, sql, folder=None):
    return [found.why for found in sql_faults(db, sql, Reads(READABLE, folder))]


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("from lake.facts.usage_events", "past the pin"),
        ("from facts.usage_events at (version => 3)", "beyond what the run knows"),
        ("from billing.drafts", "made after the meters"),
        ("from facts.usage_events tablesample 10%", "other rows each time"),
        ("from 'crm.parquet'", "is a file"),
        ("from read_csv('/etc/crm.csv')", "outside the folder"),
        ("from glob('*')", "outside the folder"),
        ("from duckdb_tables()", "no part of the run"),
        ("from query_table('facts.usage_events')", "no part of the run"),
        ("select * from facts.rough", "not what one of its source() or ref()"),
        ("select customer from facts.usage_events", "DuckDB does not take it"),
        ("select from", "DuckDB cannot read it"),
    ],
)
def test_what_is_not_of_the_run_is_refused(db, sql, said):
    faults = _tables(db, sql)
    assert any(said in why for why in faults), faults


def test_a_file_of_the_models_folder_may_be_read(db, tmp_path):
    (tmp_path / "crm.csv").write_text("user_id,seats\na,1\n")
    inside = f"from read_csv('{tmp_path}/crm.csv', types = {{'seats': 'decimal(18, 0)'}})"
    assert _tables(db, inside, tmp_path) == []
    beside = inside.replace("/crm.csv", "/../crm.csv")
    assert "outside the folder" in _tables(db, beside, tmp_path)[0]


def test_a_float_that_a_file_brings_is_refused(db, tmp_path):
    (tmp_path / "crm.csv").write_text("user_id,share\na,0.5\n")
    faults = _tables(db, f"select share from read_csv('{tmp_path}/crm.csv')", tmp_path)
    assert faults
    assert "float" in faults[0]


def test_every_fault_is_told_at_once_in_the_order_of_the_text(db):
    sql = "select\n    now(),\n    avg(p_bytes),\n    sum(p_bytes) / 2\nfrom facts.usage_events"
    found = sql_faults(db, sql, Reads(READABLE, None))
    assert [line_of(sql, one.at) for one in found] == [2, 3, 4]


def test_lines_are_told_after_letters_of_many_bytes(db):
    sql = "select\n    'größe – ü' as x,\n    now() as y\nfrom facts.usage_events"
    (found,) = sql_faults(db, sql, Reads(READABLE, None))
    assert line_of(sql, found.at) == 3
