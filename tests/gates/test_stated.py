"""A day of which less came than its source states holds back the invoice until the rest has come.

What is missing is never planted in our reading: it is missing in what the source delivers, and the
source states it all the same by a way of its own.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from meterhouse.lake import Lake
from meterhouse.run.bill import Billed, bill
from meterhouse.run.ingest import ingest
from meterhouse.settings import Settings
from tests.gates.azure import NUMBER, THROUGH, Expected, dollars, made_rows
from tests.gates.facts import documents_of
from tests.gates.sources import (
    BUCKET_PREFIX,
    Way,
    api_of,
    home_with,
    http_way,
    new_table,
    put_object,
    records_of,
    s3_way,
    set_variables,
    sql_way,
    write_settings,
)
from tests.servers.http_api import Api, serving
from tests.servers.postgres import Postgres, postgres
from tests.servers.s3 import S3Server, s3_server

__all__ = ["postgres", "s3_server"]
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("stated")]

CHECK = "sources_are_complete"
PLAN = {"property": "context_tokens"}
ROWS = made_rows(40)
DAY = "2023-11-16"
ALL = Expected.of(ROWS)
FEWER = Expected.of(ROWS[:-1])


def with_plan(way: Way, **more: str) -> Way:
    """The way, and how its source states its days."""
    return Way(way.settings | {"completeness": PLAN | more}, way.variables)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Way], Lake]:
    """A home on the day after the month has ended."""
    monkeypatch.setenv("METERHOUSE_NOW", "2023-12-02T06:00:00Z")

    def made(way: Way) -> Lake:
        set_variables(monkeypatch, way)
        return home_with(way, tmp_path / "home")

    return made


def assert_held(billed: Billed, lake: Lake) -> None:
    """No document, and the check says both sides and whom to ask."""
    assert billed.issued is not None
    assert billed.issued.numbers == ()
    assert documents_of(lake) == []
    [held] = billed.issued.held
    sides = (
        f"40 events with {ALL.context} context_tokens was expected",
        f"39 events with {FEWER.context} context_tokens found",
        f"source azure on {DAY}, the first of 1 days that differ",
    )
    for words in sides:
        assert any(words in failed for failed in billed.failed_checks), billed.failed_checks
    with lake.reading() as db:
        failed = db.execute(
            "select distinct check_name, scope_kind, scope_id from facts.check_results "
            "where not passed and is_blocking order by all"
        ).fetchall()
    assert failed == [(CHECK, "meter", m) for m in ("context-tokens", "generated-tokens")], held


def assert_issued(billed: Billed, lake: Lake) -> None:
    """The document of all rows, and no other."""
    assert billed.failed_checks == []
    [(number, content)] = documents_of(lake)
    assert (number, billed.issued and billed.issued.numbers) == (NUMBER, (NUMBER,))
    amounts = [line["amount"] for line in json.loads(content)["lines"]]
    assert amounts == [str(dollars(ALL.context, 3)), str(dollars(ALL.generated, 15))]
    with lake.reading() as db:
        stated = db.execute(
            "select source, event_day::varchar, events, property, total::bigint "
            "from facts.source_statements order by batch_seq desc limit 1"
        ).fetchall()
    assert stated == [("azure", DAY, 40, "context_tokens", ALL.context)]


@pytest.mark.soak
def test_a_control_file_in_s3_holds_a_day_back_until_its_last_object_has_come(
    s3_server: S3Server, home: Callable[[Way], Lake]
) -> None:
    bucket = s3_server.bucket()
    put_object(s3_server, bucket, "a.csv.gz", ROWS[:-1])
    control = f"day,count,sum\n{DAY},{len(ROWS)},{ALL.context}\n"
    s3_server.client().put_object(
        Bucket=bucket, Key=f"{BUCKET_PREFIX}control-2023-11.csv", Body=control.encode()
    )
    lake = home(with_plan(s3_way(s3_server.endpoint, bucket), control="control-*.csv"))
    assert_held(bill(lake, THROUGH), lake)
    put_object(s3_server, bucket, "b.csv.gz", ROWS[-1:])
    assert_issued(bill(lake, THROUGH), lake)


def test_a_row_that_a_database_committed_late_holds_its_day_back_until_it_is_read(
    postgres: Postgres, home: Callable[[Way], Lake]
) -> None:
    """The day is counted by the database itself; the row lies behind the cursor."""
    new_table(postgres, "late_usage", ROWS[:-1])
    postgres.run(
        # The cursor of what is there is an hour after that of the row to come.
        "update late_usage set written_at = timestamptz '2023-12-01 06:00:00+00'"
    )
    query = {
        "query": "select at, context, generated, written_at from late_usage",
        "cursor": "written_at",
    }
    way = with_plan(sql_way(postgres, "late_usage", **query))
    lake = home(way)
    assert sum(one.accepted for one in ingest(lake)) == 39
    at, context, generated = ROWS[-1].split(",")
    postgres.run(
        f"insert into late_usage values ('{at}', 'conv', {context}, {generated}, "
        "timestamptz '2023-12-01 05:00:00+00')"
    )
    assert_held(bill(lake, THROUGH), lake)

    overlapping = with_plan(sql_way(postgres, "late_usage", **query, overlap_seconds=7200))
    write_settings(lake.settings.home, overlapping)
    lake = Lake(Settings.load(lake.settings.home))
    assert_issued(bill(lake, THROUGH), lake)


@pytest.fixture
def api() -> Iterator[Api]:
    """Lists all rows but the last, and states all of them."""
    stated = [{"day": DAY, "events": len(ROWS), "total": str(ALL.context)}]
    with serving(api_of(ROWS[:-1])) as running:
        running.days = json.dumps(stated)
        yield running


@pytest.mark.soak
def test_what_an_api_states_holds_a_day_back_until_its_list_has_it_all(
    api: Api, home: Callable[[Way], Lake]
) -> None:
    lake = home(with_plan(http_way(api, 10), url=f"{api.home}/days"))
    assert_held(bill(lake, THROUGH), lake)
    api.records = records_of(ROWS)
    assert_issued(bill(lake, THROUGH), lake)
