"""The graph that Dagster shows: every table once, under its own name."""

from pathlib import Path

import dagster as dg
import pytest

from meterhouse.run.checks import EVERY_CHECK
from pipelines.definitions import defs

GRAPH = defs.resolve_asset_graph()
KEYS = (Path(__file__).parent / "asset_keys.txt").read_text().split()


def ancestors(*key):
    return {one.to_user_string() for one in GRAPH.get_ancestor_asset_keys(dg.AssetKey(list(key)))}


def test_these_are_all_assets():
    assert sorted(key.to_user_string() for key in GRAPH.get_all_asset_keys()) == KEYS


def test_the_graph_runs_from_landing_to_entries_and_the_published_copy():
    assert ancestors("facts", "journal_lines") >= {
        *("landing/files", "facts/usage_events", "facts/book_versions", "ops/run"),
        *("book/contracts", "billing/charge_windows", "usage/daily", "usage/determinants"),
        *("billing/desired_lines", "billing/drafts", "facts/check_results"),
    }
    published = ancestors("published", "warehouse")
    assert published >= {"facts/journal_lines", "reporting/invoices", "accounting/journal"}


def test_every_check_of_a_run_is_a_check_of_an_asset():
    names = {key.name for key in GRAPH.asset_check_keys}
    assert {check.name for check in EVERY_CHECK} <= names


def test_tests_of_dbt_are_checks_of_their_tables():
    checks = {(k.asset_key.to_user_string(), k.name) for k in GRAPH.asset_check_keys}
    tables = {table for table, name in checks if name.startswith("one_row_per")}
    assert tables >= {"usage/daily", "usage/determinants", "reporting/invoices"}
    claims = {name for _, name in checks if name.startswith("assert_")}
    assert claims >= {"assert_debits_equal_credits", "assert_lines_equal_invoice"}


@pytest.mark.parametrize("key", sorted(GRAPH.materializable_asset_keys), ids=str)
def test_every_asset_has_an_owner_a_description_a_kind_and_a_group(key):
    node = GRAPH.get(key)
    assert node.owners
    assert node.description
    assert node.kinds
    assert node.group_name in {
        *("ingest", "book", "usage", "billing", "documents", "marts", "closing")
    }


def test_only_loading_is_retried():
    jobs = defs.resolve_job_def("bill")
    retried = {node.name for node in jobs.nodes if node.definition.retry_policy is not None}
    assert retried == {"load"}
    assert jobs.executor_def.name == "in_process"
