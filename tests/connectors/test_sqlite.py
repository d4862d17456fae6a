"""SQLite: another driver by its name."""

import sqlite3
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from connectors.formats import Reading
from connectors.protocols import Statement
from connectors.sql import SqlSource
from meterhouse.errors import SourceRejected, SourceUnavailable
from tests.connectors.sql_tables import (
    ids,
    place_of,
    pulled,
    refusal,
)


@pytest.fixture
def sqlite(tmp_path: Path) -> Path:
    path = tmp_path / "usage 1%.db"
    with sqlite3.connect(path) as db:
        db.execute("create table usage (id integer, at text, n, note)")
        db.executemany(
            "insert into usage values (?, ?, ?, null)", [(n, "x", n) for n in range(2000)]
        )
    db.close()
    return path


def of_sqlite(path: Path, **more: Any) -> SqlSource:
    kept = {k: more.pop(k) for k in ("time_column", "sum_column") if k in more}
    place = place_of(more.pop("query", "select * from usage"), driver="sqlite", **more)
    return SqlSource("file", place, path.parent / "s", uri=str(path), reading=Reading(), **kept)


def change(path: Path, *statements: str) -> None:
    with sqlite3.connect(path) as db:
        for statement in statements:
            db.execute(statement)
    db.close()


def test_sqlite_is_another_driver_by_name(sqlite: Path) -> None:
    rows, [cursor] = pulled(of_sqlite(sqlite))
    assert rows == [{"id": str(n), "at": "x", "n": str(n), "note": None} for n in range(2000)]
    assert pulled(of_sqlite(sqlite), cursor) == ([], [])
    change(
        sqlite,
        "insert into usage values (1999, 'y', 0.1 + 0.2, '='), (2000, '', '1.10', '!x')",
        "insert into usage values (1, 'late', 1, '')",
    )
    assert pulled(of_sqlite(sqlite), cursor)[0] == [
        {"id": "1999", "at": "x", "n": "1999", "note": None},
        {"id": "1999", "at": "y", "n": "0.30000000000000004", "note": "="},
        {"id": "2000", "at": "", "n": "1.10", "note": "!x"},
    ]


def test_sqlite_refuses_bytes_floats_as_cursor_and_files_that_are_not_there(sqlite: Path) -> None:
    missing = sqlite.with_name("missing.db")
    assert "there is no file that can be opened" in refusal(of_sqlite(missing))
    assert not missing.exists()
    assert "no such column: lost" in refusal(of_sqlite(sqlite, query="select lost as id"))
    assert "must be a whole number" in refusal(of_sqlite(sqlite, query="select 1.5 as id"))
    change(sqlite, "update usage set note = x'00' where id = 1999")
    assert "column 'note' holds bytes" in refusal(of_sqlite(sqlite))


HOLD = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
db.execute("begin exclusive")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.slow
def test_sqlite_waits_for_a_lock_and_then_is_unavailable(sqlite: Path) -> None:
    # In a process of its own: one process holds its locks of a file in common.
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(sqlite)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(SourceUnavailable, match="locked"):
            list(of_sqlite(sqlite, timeout_seconds=1).pending())
        holder.communicate()
    assert len(ids(of_sqlite(sqlite))) == 2000


def test_sqlite_states_whole_numbers_and_refuses_to_add_others(sqlite: Path) -> None:
    change(
        sqlite,
        "delete from usage",
        "insert into usage values (1, '2026-02-01T00:30:00+01:00', 5, 0.1)",
        "insert into usage values (2, '2026-01-31', 6, 0.2)",
    )
    day = date(2026, 1, 31)
    whole = of_sqlite(sqlite, time_column="at", sum_column="n")
    assert list(whole.stated(day, day)) == [Statement(day, 2, Decimal(11))]
    with pytest.raises(SourceRejected, match="not exact numbers"):
        list(of_sqlite(sqlite, time_column="at", sum_column="note").stated(day, day))
