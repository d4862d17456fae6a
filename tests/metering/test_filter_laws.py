"""What holds for every filter: the engine, the twin and the text agree."""

from decimal import Decimal
from fractions import Fraction
from math import floor

import duckdb
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from meterhouse.metering.filter_holds import holds
from meterhouse.metering.filter_proof import ALWAYS, NEVER, decided
from meterhouse.metering.filter_sql import to_sql
from meterhouse.metering.filter_tree import Condition, Filter, Value, conditions
from meterhouse.metering.filters import FilterError, from_values, parse, to_text
from meterhouse.schema import property_type
from tests.metering.filter_strategies import (
    AWKWARD,
    MOST,
    TYPES,
    UNSEEN,
    events,
    filters,
    numbers,
    texts,
    visible,
)

COLUMNS = {name: property_type(kind, places or 0) for name, (kind, places) in TYPES.items()}


def column(name):
    return f'"p_{name}"'


@pytest.fixture(scope="module")
def db():
    with duckdb.connect() as connection:
        typed = ", ".join(f"{column(name)} {kind}" for name, kind in COLUMNS.items())
        connection.execute(f"create table events (place integer, {typed})")
        yield connection


def put(db, rows):
    """Store the events; a decimal goes as text, which no client can round."""
    db.execute("delete from events")
    marks = ", ".join(f"cast(? as {kind})" for kind in COLUMNS.values())
    db.executemany(
        f"insert into events values (?, {marks})",
        [
            [place, *(format(v, "f") if isinstance(v, Decimal) else v for v in row.values())]
            for place, row in enumerate(rows)
        ],
    )


def asked(db, filter):
    sql = f"select {to_sql(filter, column)} from events order by place"
    return [answer for (answer,) in db.execute(sql).fetchall()]


@given(filters(), st.lists(events(), min_size=1, max_size=4))
@settings(max_examples=40)
def test_the_engine_answers_as_the_scalar_twin_and_never_null(db, filter, rows):
    put(db, rows)
    answers = [holds(filter, row) for row in rows]
    event(f"answers: {sorted(set(answers))}")
    assert asked(db, filter) == answers


@given(st.sampled_from(["tokens", "bytes", "share"]), st.data())
@settings(max_examples=40)
def test_every_number_is_compared_exactly_whatever_its_decimals(db, name, data):
    filter = data.draw(filters(names=(name,)))
    places = TYPES[name][1] or 0
    values = data.draw(st.lists(numbers(places), min_size=1, max_size=4))
    rows = [dict.fromkeys(TYPES) | {name: value} for value in values]
    put(db, rows)
    assert asked(db, filter) == [holds(filter, row) for row in rows]


@given(st.sampled_from(AWKWARD + UNSEEN) | texts | st.text(alphabet="'\\\0\";-/*)( x"))
@settings(max_examples=60)
def test_a_text_is_a_value_and_never_a_part_of_the_statement(db, text):
    for operator in ("=", "contains", "starts with", "ends with", "in"):
        filter = Filter(Condition("region", operator, (Value("text", text),)))
        statement = f"select {to_sql(filter, column)} from events"
        assert len(duckdb.extract_statements(statement)) == 1
        put(db, [dict.fromkeys(TYPES) | {"region": text}, dict.fromkeys(TYPES)])
        assert asked(db, filter) == [True, False]


@given(filters(visible))
@settings(max_examples=60)
def test_a_filter_written_and_read_is_the_same(filter):
    assert parse(to_text(filter)) == filter


@given(st.dictionaries(st.sampled_from(sorted(TYPES)), st.lists(visible, min_size=1, max_size=3)))
def test_the_shorthand_written_and_read_is_the_same(mapping):
    filter = from_values(mapping)
    assert parse(to_text(filter)) == filter
    assert filter.properties == set(mapping)


@given(st.text(alphabet="ab'\"()=<>!, \n10.-&|;\u00a0é") | st.text())
def test_any_text_is_a_filter_or_is_refused_with_a_place(text):
    try:
        found = parse(text)
    except FilterError as error:
        assert str(error).startswith("The filter ")  # noqa: PT017 - or it is a filter
        assert "column" in str(error)  # noqa: PT017
    else:
        assert parse(to_text(found)) == found


WORDS = ["and", "or", "not", "(", ")", "in", "=", "<", "!=", "'a'", "5", "true", "is", "missing"]
WORDS += ["present", "starts", "with", "a", "b", ",", '"b"']


@given(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join))
def test_words_in_any_order_are_read_again_as_they_are_written(text):
    try:
        found = parse(text)
    except FilterError as error:
        assert "is expected" in str(error)  # noqa: PT017 - or it is a filter
    else:
        assert parse(to_text(found)) == found


@given(filters(), st.lists(events(), min_size=1, max_size=20))
@settings(max_examples=40)
def test_what_is_proven_to_match_nothing_or_everything_does(filter, rows):
    found = decided(filter.root, TYPES)
    event(f"proven: {found and found[0]}")
    answers = {holds(filter, row) for row in rows}
    assert not (found and found[0] == NEVER and True in answers)
    assert not (found and found[0] == ALWAYS and False in answers)


@given(filters(names=("tokens", "is_paid")))
@settings(max_examples=40)
def test_a_filter_of_numbers_that_is_not_proven_has_both_answers(filter):
    """Complete, not only sound: samples next to every literal decide all numbers."""
    wanted = {one.value for c in conditions(filter.root) for one in c.values}
    whole = {floor(Fraction(n)) for n in wanted if type(n) is Decimal}
    near = {n + move for n in whole for move in (-1, 0, 1, 2)} | {0, MOST, -MOST}
    tokens = [None, *(Decimal(n) for n in near if abs(n) <= MOST)]
    rows = [{"tokens": n, "is_paid": paid} for n in tokens for paid in (None, True, False)]
    answers = {holds(filter, row) for row in rows}
    found = decided(filter.root, TYPES)
    assert (found is None) == (len(answers) == 2)
