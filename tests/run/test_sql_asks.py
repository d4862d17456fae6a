"""Which windows of SQL meters are asked again after they were billed."""

import duckdb
import pytest

from meterhouse.run.sql_meters import make_asks

TABLES = """
create schema facts; create schema book; create schema billing; create schema ops;
create table facts.documents (document_id varchar, known_at bigint);
create table facts.billed_determinants (
    document_id varchar, window_id varchar, dimensions varchar, meter_id varchar,
    meter_version bigint, event_count bigint, quantity decimal(38, 12), batch_seq bigint
);
create table facts.usage_events (
    batch_seq bigint, row_no bigint, customer_id varchar, event_type varchar,
    occurred_at timestamptz, replaces_seq bigint, replaces_row bigint
);
create table book.meters (
    meter_id varchar, meter_version bigint, aggregation varchar, model varchar, reopen boolean,
    event_type varchar
);
create table billing.charge_windows (
    window_id varchar, meter_id varchar, meter_version bigint, component varchar,
    customer_id varchar, contract_id varchar, item_id varchar, zone varchar,
    window_start timestamptz, window_end timestamptz, window_start_on date, window_end_on date,
    period_start_on date, period_end_on date
);
"""


def _window(db, name, start, meter="m", version=1, component="usage"):
    db.execute(
        "insert into billing.charge_windows values (?, ?, ?, ?, 'c', 'k', 'i', 'UTC', "
        "?::date::timestamptz, ?::date::timestamptz + interval 1 month, ?, "
        "?::date + interval 1 month, ?, ?::date + interval 1 month)",
        [name, meter, version, component, *[start] * 6],
    )


def _meter(db, meter="m", version=1, reopen=False, event_type="login", aggregation="sql"):
    db.execute(
        "insert into book.meters values (?, ?, ?, 'logins', ?, ?)",
        [meter, version, aggregation, reopen, event_type],
    )


def _event(db, batch, at, replaces=(None, None), customer="c", event_type="login"):
    db.execute(
        "insert into facts.usage_events values (?, 1, ?, ?, ?, ?, ?)",
        [batch, customer, event_type, at, *replaces],
    )


def _bill(db, document, known_at, batch, determinants, window="sep", version=1):
    db.execute("insert into facts.documents values (?, ?)", [document, known_at])
    for dimensions, quantity in determinants.items():
        db.execute(
            "insert into facts.billed_determinants values (?, ?, ?, 'm', ?, 1, ?, ?)",
            [document, window, dimensions, version, quantity, batch],
        )


def _frozen(db):
    make_asks(db, 9)
    asked = dict(db.execute("select window_id, is_frozen from ops.sql_asks").fetchall())
    return {window for window, is_frozen in asked.items() if is_frozen}


@pytest.fixture
def db():
    """September and October of one meter; September was billed knowing batch 2."""
    with duckdb.connect() as db:
        db.execute("set timezone = 'UTC'")
        db.execute(TABLES)
        _window(db, "sep", "2025-09-01")
        _window(db, "oct", "2025-10-01")
        _event(db, 1, "2025-09-10 00:00:00+00")
        _bill(db, "d1", 2, 3, {"{}": "7"})
        yield db


def test_a_billed_window_stands_and_the_next_is_asked(db):
    _meter(db)
    assert _frozen(db) == {"sep"}
    assert db.sql(
        "select window_id, dimensions, quantity::varchar from ops.sql_frozen"
    ).fetchall() == [("sep", "{}", "7.000000000000")]


def test_every_window_is_asked_of_a_meter_that_says_reopen(db):
    _meter(db, reopen=True)
    assert _frozen(db) == set()
    assert db.sql("from ops.sql_frozen").fetchall() == []


def test_another_version_of_the_meter_asks_again(db):
    db.execute("update billing.charge_windows set meter_version = 2")
    _meter(db, version=2)
    assert _frozen(db) == set()


@pytest.mark.parametrize(
    ("batch", "at", "other", "is_frozen"),
    [
        (4, "2025-09-30 23:59:59+00", {}, False),
        (3, "2025-09-01 00:00:00+00", {}, False),
        (2, "2025-09-30 23:59:59+00", {}, True),
        (4, "2025-10-01 00:00:00+00", {}, True),
        (4, "2025-08-31 23:59:59+00", {}, True),
        (4, "2025-09-10 00:00:00+00", {"customer": "another"}, True),
        (4, "2025-09-10 00:00:00+00", {"event_type": "logout"}, True),
        (4, "2025-10-10 00:00:00+00", {"replaces": (1, 1)}, False),
    ],
    ids=[
        *("late and inside", "came between the run and its issue", "known when it was billed"),
        *("on the end", "before the start", "of another customer", "of another type"),
        "moved out of the window",
    ],
)
def test_late_usage_of_the_meters_type_asks_again(db, batch, at, other, is_frozen):
    _meter(db)
    _event(db, batch, at, **other)
    assert _frozen(db) == ({"sep"} if is_frozen else set())


def test_without_an_event_type_late_usage_asks_nothing_again(db):
    _meter(db, event_type=None)
    _event(db, 4, "2025-09-10 00:00:00+00")
    assert _frozen(db) == {"sep"}


def test_the_newest_recording_of_a_window_is_all_of_it(db):
    _meter(db)
    _bill(db, "d2", 5, 6, {'{"region":"eu"}': "4", '{"region":"us"}': "5"})
    assert _frozen(db) == {"sep"}
    rows = db.sql("select dimensions, quantity::varchar from ops.sql_frozen order by 1").fetchall()
    assert rows == [
        ('{"region":"eu"}', "4.000000000000"),
        ('{"region":"us"}', "5.000000000000"),
    ]


def test_usage_that_a_later_document_knew_is_late_no_more(db):
    _meter(db)
    _event(db, 4, "2025-09-10 00:00:00+00")
    _bill(db, "d2", 5, 6, {"{}": "8"})
    assert _frozen(db) == {"sep"}


def test_fees_and_other_meters_are_not_asked(db):
    _meter(db, meter="count", aggregation="count")
    _window(db, "fee", "2025-09-01", component="fee")
    _window(db, "counted", "2025-09-01", meter="count")
    _meter(db)
    make_asks(db, 9)
    asked = {row[0] for row in db.execute("select window_id from ops.sql_asks").fetchall()}
    assert asked == {"sep", "oct"}
