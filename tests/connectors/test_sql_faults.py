"""PostgreSQL beside writers, killed, slow or wrongly asked: what is left, and in which words."""

import time
from pathlib import Path

import pytest

from meterhouse.errors import SourceUnavailable
from tests.connectors.sql_tables import (
    Gate,
    Table,
    behind,
    ids,
    refusal,
)
from tests.servers.postgres import ROLE, Postgres, Relay, postgres

__all__ = ["postgres"]

# They start a server.
pytestmark = pytest.mark.slow


def test_rows_written_during_a_read_belong_to_the_next(postgres: Postgres, tmp_path: Path) -> None:
    table = Table(postgres, tmp_path, "id int")
    table.insert("(1)", "(5)")
    gate = Gate(table)
    with gate.closed():
        thread, outcome = behind(table.source(gate.query))
        gate.waiting()
        table.insert("(5)", "(6)")
    thread.join()
    rows, [cursor] = outcome
    assert [row["id"] for row in rows] == ["1", "5"]
    assert ids(table.source(), cursor) == ["5", "5", "6"]


def test_a_connection_that_is_killed_is_made_again(postgres: Postgres, tmp_path: Path) -> None:
    table = Table(postgres, tmp_path, "id int")
    table.insert("(1)")
    gate = Gate(table)
    with gate.closed():
        thread, outcome = behind(table.source(gate.query, attempts=2))
        first = gate.waiting()
        postgres.rows(f"select pg_terminate_backend({first})")
        while gate.waiting() == first:
            time.sleep(0.01)
    thread.join()
    assert outcome[0] == [{"id": "1"}]


@pytest.mark.parametrize("end", ["terminate", "cut"])
def test_a_connection_that_ends_in_the_middle_of_the_rows_leaves_no_part(
    postgres: Postgres, tmp_path: Path, end: str
) -> None:
    table = Table(postgres, tmp_path / "spool", "id int, pad text")
    postgres.run(
        f"insert into {table.name} select g, repeat(md5(g::text), 30) "
        "from generate_series(1, 60000) g"
    )
    relay = Relay(postgres.port, 30_000_000)
    thread, outcome = behind(table.source(uri=postgres.uri(port=relay.port)))
    assert relay.is_full.wait(60)
    part = table.spool / "delivery.parquet.part"
    while part.stat().st_size == 0:
        time.sleep(0.01)
    if end == "cut":
        relay.cut()
    else:
        postgres.rows(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            f"where query like '%{table.name}%' and pid <> pg_backend_pid()"
        )
        relay.go_on()
    thread.join()
    relay.close()
    [error] = outcome
    assert isinstance(error, SourceUnavailable)
    # A server that is told to end a session says so first, if there is room left for its words.
    words = ("closed the connection",) if end == "cut" else ("closed the connection", "57P01")
    assert any(one in str(error) for one in words)
    assert list(table.spool.iterdir()) == []
    assert len(ids(table.source())) == 60_000


def test_a_statement_past_its_time_is_unavailable(postgres: Postgres, tmp_path: Path) -> None:
    source = Table(postgres, tmp_path, "id int").source(
        "select 1 as id, pg_sleep(60)::text as s", timeout_seconds=1
    )
    with pytest.raises(SourceUnavailable, match="SQLSTATE 57014"):
        list(source.pending())


# Refusals


def test_a_wrong_password_is_final_and_is_not_printed(postgres: Postgres, tmp_path: Path) -> None:
    table = Table(postgres, tmp_path, "id int")
    sentence = refusal(table.source(uri=postgres.uri(password="hunter-2"), attempts=5))
    assert "the database refused the password" in sentence
    assert "hunter-2" not in sentence


@pytest.mark.parametrize(
    "uri",
    [
        "mysql://a:hunter-2@b/c",
        "postgresql://a:hunter-2@[b/c",
        "host=127.0.0.1 x=hunter-2",
        "hunter-2",
    ],
)
def test_a_uri_that_is_none_is_refused_and_not_printed(
    postgres: Postgres, tmp_path: Path, uri: str
) -> None:
    sentence = refusal(Table(postgres, tmp_path, "id int").source(uri=uri))
    assert "correct the URI in its environment variable" in sentence
    assert "hunter-2" not in sentence


def test_a_database_that_is_not_there_is_unavailable(postgres: Postgres, tmp_path: Path) -> None:
    table = Table(postgres, tmp_path, "id int")
    with pytest.raises(SourceUnavailable, match="nothing answers at its host and port") as caught:
        list(table.source(uri=postgres.uri(port=1), attempts=2).pending())
    assert postgres.role_password not in str(caught.value)
    assert "refused the connection" in refusal(table.source(uri=postgres.uri() + "_no"))


@pytest.mark.parametrize(
    ("query", "state"),
    [
        ("select * from nowhere", "42P01"),
        ("select * frm t", "42601"),
        ("select rolpassword as id from pg_authid", "42501"),
        ("select 1 / 0 as id", "22012"),
        ("insert into {table} values (1) returning id", "42601"),
    ],
)
def test_a_query_the_database_refuses_is_final(
    postgres: Postgres, tmp_path: Path, query: str, state: str
) -> None:
    table = Table(postgres, tmp_path, "id int")
    sentence = refusal(table.source(query.format(table=table.name), attempts=5))
    assert f"(SQLSTATE {state}); correct its section `sql`" in sentence
    assert postgres.role_password not in sentence


def test_a_password_in_an_error_of_the_database_is_struck_out(
    postgres: Postgres, tmp_path: Path
) -> None:
    table = Table(postgres, tmp_path, "id int")
    sentence = refusal(table.source(f"select '{postgres.role_password}'::int as id"))
    assert 'invalid input syntax for type integer: "***"' in sentence


def test_no_query_can_write(postgres: Postgres, tmp_path: Path) -> None:
    table = Table(postgres, tmp_path, "id int")
    postgres.run(
        f"create function put_{table.name}() returns int language sql as "
        f"'insert into {table.name} values (1) returning id'",
        f"grant insert on {table.name} to {ROLE}",
    )
    assert "SQLSTATE 25006" in refusal(table.source(f"select put_{table.name}() as id"))
    assert postgres.rows(f"select * from {table.name}") == []
