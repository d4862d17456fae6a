import duckdb
import pytest

from benchmarks.children import child
from benchmarks.peers import _equal

EXACT = "select 'a' as customer, 't' as type, 3 as events, 0.000003::decimal(38, 6) as quantity"


def written(path, query):
    duckdb.sql(f"copy ({query}) to '{path}' (format parquet)")
    return path


@pytest.mark.parametrize(
    ("result", "equal"),
    [
        (EXACT, True),
        (EXACT.replace("0.000003", "0.000004"), False),
        (EXACT.replace("3 as events", "4 as events"), False),
        (f"{EXACT} where false", False),
        (f"{EXACT} union all {EXACT.replace('a', 'b', 1)}", False),
        (EXACT.replace("decimal(38, 6)", "double"), "inexact: its quantity is DOUBLE"),
    ],
)
def test_sums_of_a_peer_are_equal_only_to_the_last_digit(tmp_path, result, equal):
    exact = written(tmp_path / "exact.parquet", EXACT)
    assert _equal(written(tmp_path / "result.parquet", result), exact) == equal


def test_sums_that_agree_over_a_month_and_not_by_day_are_not_equal(tmp_path):
    days = "select *, date '2026-10-01' + {n} as day from ({exact})"
    exact = written(tmp_path / "exact.parquet", days.format(n=0, exact=EXACT))
    other = written(tmp_path / "other.parquet", days.format(n=1, exact=EXACT))
    assert _equal(other, exact) is False
    assert _equal(written(tmp_path / "totals.parquet", EXACT), exact) is True


@pytest.mark.slow
def test_a_child_that_fails_says_why():
    assert child("benchmarks.nothing_of_this_name")[-1]["failed"].endswith(
        "No module named benchmarks.nothing_of_this_name"
    )
