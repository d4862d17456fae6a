"""The SQL of a filter as the engine plans it."""

import duckdb
import pytest

from meterhouse.metering.filter_sql import to_sql
from meterhouse.metering.filters import parse


def column(name):
    return f'"p_{name}"'


def sql(written):
    return to_sql(parse(written), column)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("true", "true"),
        ("a is missing", '("p_a" is null)'),
        ("a = 'it''s'", """(("p_a" is not null) and "p_a" = 'it''s')"""),
        ("a in (true, false)", '(("p_a" is not null) and "p_a" in (true, false))'),
        ("a > 100.50", """(("p_a" is not null) and "p_a" > cast('100.5' as decimal(4, 1)))"""),
        # No property is finer than a step of 18 decimals: v < x is v <= the step below x.
        (
            "a < -0.0000000000000000001",
            '(("p_a" is not null) and "p_a" <= cast(\'-0.000000000000000001\' as decimal(19, 18)))',
        ),
        ("a = 0.0000000000000000001", "false"),
        # A product of decimals would round this one to 1.
        ("a = 1." + "0" * 33 + "1", "false"),
        ("a != 1000000000000000000", '("p_a" is not null)'),
        ("not a in ('x')", """(not (("p_a" is not null) and "p_a" = 'x'))"""),
    ],
)
def test_a_filter_has_this_sql(written, expected):
    assert sql(written) == expected


@pytest.mark.parametrize(
    ("written", "pushed"),
    [("q > 4.5", "q>4.500000"), ("q = 7 and r = 'x'", "q=7.000000"), ("r = 'x'", "r='x'")],
)
def test_a_comparison_stays_one_that_row_groups_are_skipped_by(written, pushed):
    where = to_sql(parse(written), lambda name: f'"{name}"')
    with duckdb.connect() as db:
        db.execute("create table events (q decimal(18, 6), r varchar)")
        db.execute("insert into events select i, 'x' || i from range(9) as t(i)")
        [(_, plan)] = db.execute(f"explain select count(*) from events where {where}").fetchall()
    assert pushed in plan.replace(" ", "")


def test_a_filter_can_be_put_into_a_larger_condition():
    where = sql("a = 'x' or a = 'y'")
    with duckdb.connect() as db:
        db.execute("create table t as from (values ('x'), ('y')) as t(p_a)")
        assert db.execute(f"select p_a from t where {where} and false").fetchall() == []


@pytest.mark.parametrize("places", range(19))
def test_a_column_of_any_scale_is_compared_with_a_number_of_any_length(places):
    value = f"{10**18 - 1:019}"
    value = f"{value[: 19 - places]}.{value[19 - places :]}".rstrip(".")
    above = f"{value}1" if places else f"{value}.1"
    smallest = "0." + "0" * 40 + "1"
    true = [f"a = {value}", f"a < {above}", f"a != {above}", f"a > -{above}", f"a > {smallest}"]
    true += [f"a < {value}{smallest[1:]}"] if not places else [f"a >= {value}{'0' * 40}"]
    true += ["a < 1" + "0" * 60, "a > -1" + "0" * 60, f"a in ({above}, {value}, {smallest})"]
    with duckdb.connect() as db:
        db.execute(f"create table t as select cast('{value}' as decimal(18, {places})) as p_a")
        answers = {one: db.execute(f"select {sql(one)} from t").fetchone() for one in true}
    assert answers == dict.fromkeys(true, (True,))


def test_the_sql_of_a_filter_with_faults_is_refused():
    with pytest.raises(TypeError, match="'x' is no decimal"):
        sql("a < 'x'")
