"""Queries of a real PostgreSQL: which rows are read, each once and exactly."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from connectors.protocols import Statement, StatesTotals
from meterhouse.errors import SourceRejected
from meterhouse.lake import Lake, head_of
from meterhouse.run.applying import apply_book
from meterhouse.run.ingest import ingest
from meterhouse.run.sources import open_source
from meterhouse.settings import Settings
from meterhouse.source_settings import Completeness
from tests.connectors.conformance import Remote, RemoteBench, measured
from tests.connectors.sql_tables import (
    SCRIPT,
    SqlBench,
    Table,
    ids,
    pulled,
    refusal,
)
from tests.gates.azure import new_home
from tests.servers.postgres import ROLE, Postgres, postgres

__all__ = ["postgres"]

# They start a server.
pytestmark = pytest.mark.slow


class TestSqlConforms(Remote):
    @pytest.fixture
    def bench(self, postgres: Postgres, tmp_path: Path) -> RemoteBench:
        return SqlBench(postgres, tmp_path / "spool")


# Values


def test_every_value_is_the_text_of_the_database(postgres: Postgres, tmp_path: Path) -> None:
    values = {
        "id bigint": ("9223372036854775807", "9223372036854775807"),
        "big numeric": ("12345678901234567890123456789012345678", None),
        "wide numeric(38,18)": ("-12345678901234567890.123456789012345678", None),
        "tiny numeric": ("0.000000000000000001", None),
        "places numeric": ("1.10", None),
        "odd numeric": ("'NaN'", "NaN"),
        "f float8": ("0.1", "0.1"),
        "f2 float8": ("0.30000000000000004", None),
        "b boolean": ("true", None),
        "at timestamptz": ("'2026-01-01 01:30:00.123456+02'", "2025-12-31 23:30:00.123456+00"),
        "never timestamptz": ("'infinity'", "infinity"),
        "plain timestamp": ("'2026-01-01 01:30:00.5'", "2026-01-01 01:30:00.5"),
        "day date": ("'2026-01-31'", "2026-01-31"),
        "u uuid": (
            "'8d8ac610-566d-4ef0-9c22-186b2a5ed793'",
            "8d8ac610-566d-4ef0-9c22-186b2a5ed793",
        ),
        "j json": ("""'{"b": 1.10, "a":1}'""", '{"b": 1.10, "a":1}'),
        "jb jsonb": ("""'{"b": 1.10, "a":1}'""", '{"a": 1, "b": 1.10}'),
        "e text": ("''", ""),
        "n text": ("null", None),
    }
    table = Table(postgres, tmp_path, ", ".join(values))
    table.insert("(" + ", ".join(literal for literal, _ in values.values()) + ")")
    expected = {
        c.split()[0]: given if text is None else text for c, (given, text) in values.items()
    }
    assert pulled(table.source())[0] == [expected | {"n": None}]


def test_a_role_that_is_set_up_oddly_spells_the_same(postgres: Postgres, tmp_path: Path) -> None:
    table = Table(postgres, tmp_path, "id int, at timestamptz, f float8")
    table.insert("(1, '2026-01-31 12:00Z', 0.30000000000000004)")
    odd = {"timezone": "Asia/Tokyo", "datestyle": "German", "extra_float_digits": "-3"}
    try:
        postgres.run(*(f"alter role {ROLE} set {key} = '{value}'" for key, value in odd.items()))
        [row], _ = pulled(table.source())
    finally:
        postgres.run(f"alter role {ROLE} reset all")
    assert row == {"id": "1", "at": "2026-01-31 12:00:00+00", "f": "0.30000000000000004"}


def test_columns_without_one_text_are_all_named(postgres: Postgres, tmp_path: Path) -> None:
    table = Table(postgres, tmp_path, "id int, l int[], b bytea, i interval, source_row int")
    sentence = refusal(table.source())
    for fault in (
        "'l' is nested",
        "'b' holds bytes",
        "'i' is a length",
        "'source_row' has a reser",
    ):
        assert fault in sentence
    assert sentence.count("select it as `::text`") == 3
    table.insert("(1, '{1,2}', '\\x01', '1 day', 1)")
    texts = f"select id, l::text, b::text, i::text from {table.name}"
    assert pulled(table.source(texts))[0] == [{"id": "1", "l": "{1,2}", "b": "\\x01", "i": "1 day"}]


def test_equal_rows_are_one_delivery_in_whatever_order_they_were_written(
    postgres: Postgres, tmp_path: Path
) -> None:
    rows = [f"({n // 3}, 'x{n % 3}', '{{}}')" for n in range(30)]
    hashes = []
    for order in (rows, rows[::-1]):
        table = Table(postgres, tmp_path, "id int, name text, j json")
        table.insert(*order)
        [digest] = [file.content_sha256 for file in table.source().pending()]
        hashes.append(digest)
    assert hashes[0] == hashes[1]


# The cursor


def test_an_idle_source_gives_nothing_and_new_rows_come_with_their_ties(
    postgres: Postgres, tmp_path: Path
) -> None:
    table = Table(postgres, tmp_path, "id int, at timestamptz")
    table.insert("(1, '2026-01-01Z')", "(2, '2026-01-02Z')")
    source = table.source(cursor="at")
    rows, [first] = pulled(source)
    assert [row["id"] for row in rows] == ["1", "2"]
    assert json.loads(first) == {"at": "2026-01-02 00:00:00+00", "column": "at", "rows": 1}
    assert pulled(source, first) == ([], [])
    table.insert("(3, '2026-01-02Z')")
    rows, [second] = pulled(source, first)
    assert [row["id"] for row in rows] == ["2", "3"]
    assert pulled(source, first, second) == ([], [])
    table.insert("(4, '2026-01-02Z')", "(5, '2026-01-03Z')")
    assert ids(source, first, second) == ["2", "3", "4", "5"]


def test_an_overlap_finds_rows_that_came_late(postgres: Postgres, tmp_path: Path) -> None:
    table = Table(postgres, tmp_path, "id int, at timestamp")
    table.insert("(1, '2026-01-01')", "(2, '2026-01-01 23:30')", "(3, '2026-01-02')")
    late = table.source(cursor="at", overlap_seconds=3600)
    exact = table.source(cursor="at")
    _, [cursor] = pulled(late)
    _, [narrow] = pulled(exact)
    assert ids(late, cursor) == []
    table.insert("(4, '2026-01-01 23:00')", "(5, '2026-01-01 22:59:59')")
    assert ids(exact, narrow) == []
    assert ids(late, cursor) == ["4", "2", "3"]


@pytest.mark.parametrize("kind", ["int", "text", "date"])
def test_an_overlap_without_a_time_is_refused(
    postgres: Postgres, tmp_path: Path, kind: str
) -> None:
    table = Table(postgres, tmp_path, f"id {kind}")
    table.insert("('20260101')")
    sentence = refusal(table.source(overlap_seconds=5))
    assert "overlap_seconds is 5, but cursor 'id' is" in sentence
    assert "set overlap_seconds to 0" in sentence


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [
        ("smallint", "9", "10"),
        ("numeric", "0.9", "12345678901234567890123456789012345678"),
        ("text", "'a'", "'b'"),
        ("varchar(9)", "'; drop'", "'x'' or 1=1'"),
        ("date", "'2026-01-31'", "'2026-02-01'"),
        ("timestamptz", "'2026-01-31 00:00:00.000001Z'", "'2026-01-31 00:00:00.000002Z'"),
    ],
)
def test_each_type_of_cursor_resumes_exactly(
    postgres: Postgres, tmp_path: Path, kind: str, first: str, second: str
) -> None:
    table = Table(postgres, tmp_path, f"id int, at {kind}")
    table.insert(f"(1, {first})")
    source = table.source(cursor="at")
    _, [cursor] = pulled(source)
    table.insert(f"(2, {second})")
    rows, [later] = pulled(source, cursor)
    assert [row["id"] for row in rows] == ["1", "2"]
    table.insert(f"(3, {second})")
    assert ids(source, cursor, later) == ["2", "3"]


def test_text_in_a_cursor_that_looks_like_sql_is_only_text(
    postgres: Postgres, tmp_path: Path
) -> None:
    table = Table(postgres, tmp_path, "id text")
    attack = f"x'); drop table {table.name}; --"
    table.insert(f"('{attack.replace(chr(39), chr(39) * 2)}')")
    rows, [cursor] = pulled(table.source())
    assert rows == [{"id": attack}]
    table.insert("('y')")
    assert ids(table.source(), cursor) == [attack, "y"]
    forged = json.dumps({"at": "1' or '1'='1", "column": "id", "rows": 1})
    assert ids(table.source(), forged) == [attack, "y"]


@pytest.mark.parametrize("value", ["1.5::float8", "'infinity'::timestamptz", "'NaN'::numeric"])
def test_a_cursor_that_cannot_rise_is_refused(
    postgres: Postgres, tmp_path: Path, value: str
) -> None:
    table = Table(postgres, tmp_path, "id int")
    sentence = refusal(table.source(f"select {value} as at", cursor="at"))
    assert "cursor 'at' must be a whole number, text, date or time that rises" in sentence


def test_null_and_missing_cursors_are_refused(postgres: Postgres, tmp_path: Path) -> None:
    table = Table(postgres, tmp_path, "id int, at date")
    assert "cursor 'no' is none of id, at" in refusal(table.source(cursor="no"))
    table.insert("(1, null)", "(2, '2026-01-01')")
    assert "cursor 'at' is null in some rows" in refusal(table.source(cursor="at"))


@pytest.mark.parametrize("other", ['["page", 3]', '{"at":"1"}', "", "3", '"x"'])
def test_another_cursor_column_and_the_cursor_of_another_connector_begin_again(
    postgres: Postgres, tmp_path: Path, other: str
) -> None:
    table = Table(postgres, tmp_path, "id int, at date")
    table.insert("(1, '2026-01-02')", "(2, '2026-01-01')")
    _, [cursor] = pulled(table.source())
    assert ids(table.source(cursor="at"), cursor) == ["2", "1"]
    assert ids(table.source(), cursor, other) == ["1", "2"]


def test_a_database_restored_to_an_older_state_is_read_on_from_there(
    postgres: Postgres, tmp_path: Path
) -> None:
    table = Table(postgres, tmp_path, "id int")
    table.insert("(1)", "(2)", "(9)")
    _, [cursor] = pulled(table.source())
    postgres.run(f"delete from {table.name} where id = 9")
    rows, [older] = pulled(table.source(), cursor)
    assert rows == [{"id": "2"}]
    table.insert("(3)")
    assert ids(table.source(), cursor, older) == ["2", "3"]


def test_a_query_may_end_in_a_comment_or_a_semicolon(postgres: Postgres, tmp_path: Path) -> None:
    table = Table(postgres, tmp_path, "id int")
    table.insert("(1)")
    assert ids(table.source(f"select * from {table.name};\n")) == ["1"]
    assert ids(table.source(f"select * from {table.name} -- all of it")) == ["1"]
    assert "syntax error" in refusal(table.source("select 1 as id; select 2 as id"))


def test_columns_that_come_and_change_are_read_as_they_are(
    postgres: Postgres, tmp_path: Path
) -> None:
    table = Table(postgres, tmp_path, "id int, tokens int")
    table.insert("(1, 5)")
    _, [cursor] = pulled(table.source())
    postgres.run(
        f"alter table {table.name} alter tokens type numeric(20,2), alter id type bigint",
        f"alter table {table.name} add region text default 'eu'",
    )
    table.insert("(2, 1.5)")
    assert pulled(table.source(), cursor)[0] == [
        {"id": "1", "tokens": "5.00", "region": "eu"},
        {"id": "2", "tokens": "1.50", "region": "eu"},
    ]


def test_half_a_million_rows_take_little_memory(postgres: Postgres, tmp_path: Path) -> None:
    query = (
        "select g as id, 'c' || g % 1000 as subject, g * 1.1 as n from generate_series(1, 500000) g"
    )
    rows, megabytes = measured(SCRIPT, [postgres.uri(), query, "id", str(tmp_path / "spool")])
    assert rows == 500_000
    assert megabytes < 200


# What the database states


def test_stated_totals_are_those_of_an_independent_count(
    postgres: Postgres, tmp_path: Path
) -> None:
    table = Table(postgres, tmp_path, "id int, at timestamptz, tokens numeric, f float8")
    table.insert(
        "(1, '2026-01-31 23:59:59.999999Z', 0.1, 0.1)",
        "(2, '2026-02-01 01:00+02', 12345678901234567890.000000000001, 0.2)",
        "(3, '2026-02-01 00:00Z', 5, 0.30000000000000004)",
        "(4, '2026-02-03 00:00Z', null, null)",
        "(5, '2026-02-04 00:00Z', 7, 7)",
    )
    days = [date(2026, 1, 31), date(2026, 2, 1), date(2026, 2, 3)]
    source = table.source(cursor="at", time_column="at", sum_column="tokens")
    assert isinstance(source, StatesTotals)
    assert list(source.stated(days[0], days[2])) == [
        Statement(days[0], 2, Decimal("12345678901234567890.100000000001")),
        Statement(days[1], 1, Decimal(5)),
        Statement(days[2], 1, Decimal(0)),
    ]
    counted = table.source(time_column="at").stated(days[1], days[1])
    assert list(counted) == [Statement(days[1], 1, None)]
    floats = table.source(time_column="at", sum_column="f").stated(days[1], days[1])
    assert [s.total for s in floats] == [Decimal("0.30000000000000004")]


def test_a_query_of_its_own_may_state_the_totals(postgres: Postgres, tmp_path: Path) -> None:
    table = Table(postgres, tmp_path, "id int, day date, n int")
    table.insert("(1, '2026-02-01', 3)", "(2, '2026-02-02', 4)")
    own = Completeness(query=f"select day, count(*), sum(n) from {table.name} group by day")
    source = table.source(completeness=own, sum_column="n")
    first = date(2026, 2, 1)
    assert list(source.stated(first, first)) == [Statement(first, 1, Decimal(3))]
    bad = Completeness(query=f"select * from {table.name} cross join generate_series(1, 2)")
    with pytest.raises(SourceRejected, match="must give the columns day, count and sum"):
        list(table.source(completeness=bad).stated(first, first))
    with pytest.raises(SourceRejected, match="take their time from no column"):
        list(table.source().stated(first, first))


# A home that reads a database

HOME = """
sources:
  azure:
    connector: sql
    sql:
      uri_variable: TEST_USAGE_URI
      query: select id, at, context, generated from {table}
      cursor: at
      overlap_seconds: 60
    id: id
    map:
      type: {{value: llm_request}}
      subject: {{value: contoso}}
      time: {{column: at}}
      data: {{context_tokens: context, generated_tokens: generated}}
    completeness: {{property: context_tokens}}
"""


def test_a_home_loads_a_query_once_and_then_only_what_is_new(
    postgres: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = Table(postgres, tmp_path, "id int, at timestamptz, context int, generated numeric")
    table.insert(*(f"({n}, '2023-11-16 18:15:{n:02}Z', {n}, 1)" for n in range(50)))
    monkeypatch.setenv("TEST_USAGE_URI", postgres.uri())
    home = new_home(tmp_path / "home")
    (home / "meterhouse.yaml").write_text(HOME.format(table=table.name))
    lake = Lake(Settings.load(home))
    lake.create()
    apply_book(lake)
    [first] = ingest(lake)
    assert (first.received, first.accepted) == (50, 50)
    assert first.name == "azure-start..2023-11-16 18:15:49+00"
    with lake.session() as db:
        before = head_of(db)
    assert ingest(lake) == []
    with lake.session() as db:
        assert head_of(db) == before
    table.insert("(50, '2023-11-16 18:15:49Z', 7, 1)", "(51, '2023-11-17 00:00Z', 8, 1)")
    [second] = ingest(lake)
    assert (second.accepted, second.conflict, second.quarantined) == (2, 0, 0)
    assert ingest(lake) == []
    with lake.session() as db:
        found = db.execute(
            "select event_day, count(*), sum(p_context_tokens) from lake.facts.usage_events "
            "group by 1 order by 1"
        ).fetchall()
    source = open_source(lake.settings, "azure")
    assert isinstance(source, StatesTotals)
    stated = [tuple(vars(s).values()) for s in source.stated(date(2023, 11, 16), date(2023, 12, 1))]
    assert stated == found == [(date(2023, 11, 16), 51, 1232), (date(2023, 11, 17), 1, 8)]
    assert list((home / "spool" / "azure").iterdir()) == []
