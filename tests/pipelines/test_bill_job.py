"""The job `bill` in this process does what `meterhouse.run.bill` does."""

from datetime import date

import dagster as dg
import duckdb
import pytest

from meterhouse.run.bill import bill
from pipelines.definitions import defs

pytestmark = pytest.mark.slow
MONTHS = {
    "dagster/asset_partition_range_start": "2023-12-01",
    "dagster/asset_partition_range_end": "2024-02-01",
}


def run(day=None, **options):
    job = defs.resolve_job_def("bill")
    with dg.DagsterInstance.ephemeral() as instance:
        return job.execute_in_process(
            instance=instance, partition_key=day, raise_on_error=False, **options
        )


def metadata(result, *key):
    """Of the asset's newest materialization in the run."""
    found = [
        event.event_specific_data.materialization.metadata
        for event in result.all_events
        if event.is_step_materialization and event.asset_key == dg.AssetKey(list(key))
    ]
    return {name: value.value for name, value in found[-1].items()}


def failed_checks(result):
    return {
        (one.asset_key.to_user_string(), one.check_name)
        for one in result.get_asset_check_evaluations()
        if not one.passed
    }


def test_a_run_issues_what_the_command_line_issues_and_a_second_run_nothing(new_home, documents):
    by_hand = new_home("by_hand")
    assert bill(by_hand, date(2023, 12, 1)).issued.numbers == ("acme-ai-2023-000001",)
    lake = new_home()
    first = run("2023-12-01")
    assert first.success
    assert documents(lake) == documents(by_hand)
    shown = metadata(first, "facts", "documents")
    assert (shown["issued"], shown["total_USD"]) == (1, "1.78 USD")
    assert metadata(first, "usage", "daily")["dagster/row_count"] == 6
    assert failed_checks(first) == set()
    second = run("2023-12-02")
    assert second.success
    assert metadata(second, "facts", "documents")["issued"] == 0
    assert documents(lake) == documents(by_hand)


@pytest.mark.soak
def test_three_months_as_one_range_are_the_run_of_the_last_day(new_home, documents):
    by_hand = new_home("by_hand")
    bill(by_hand, date(2024, 2, 1))
    lake = new_home()
    result = run(tags=MONTHS)
    assert result.success
    assert len(documents(lake)) == 3
    assert documents(lake) == documents(by_hand)


@pytest.mark.soak
def test_a_day_before_an_issued_document_is_a_dry_run_that_says_so(new_home, documents):
    lake = new_home()
    bill(lake, date(2024, 1, 1))
    before = documents(lake)
    published = lake.settings.published.read_bytes()
    result = run("2023-12-01")
    assert result.success
    said = metadata(result, "facts", "documents")
    assert "2024-01-01, later than 2023-12-01" in said["dry_run"]
    assert documents(lake) == before
    assert lake.settings.published.read_bytes() == published


def test_a_failed_blocking_check_holds_the_issue_and_is_red(new_home, documents):
    lake = new_home()
    with lake.session() as db:  # An event that no batch counted.
        lake.commit(
            db,
            lambda commit: commit.append(
                "usage_events",
                "select 'azure' as source, 'stray' as event_id, 'llm_request' as event_type, "
                "'contoso' as customer_id, timestamptz '2023-11-17 00:00:00+00' as occurred_at, "
                "date '2023-11-17' as event_day, 5 as p_context_tokens, 5 as p_generated_tokens",
            ),
        )
    result = run("2023-12-01")
    assert result.success
    assert failed_checks(result) == {("facts/usage_events", "accepted_events_are_stored")}
    said = metadata(result, "facts", "documents")
    assert (said["issued"], said["held"]) == (0, 1)
    assert "accepted_events_are_stored" in said["held_back"]
    assert documents(lake) == []


@pytest.mark.soak
def test_a_step_repeated_alone_takes_up_the_run_of_the_warehouse(new_home):
    new_home()
    assert run("2023-12-01").success
    again = run("2023-12-01", asset_selection=[dg.AssetKey(["billing", "desired_lines"])])
    assert again.success
    assert metadata(again, "billing", "desired_lines")["through"] == "2023-12-01"
    other = run("2023-12-05", asset_selection=[dg.AssetKey(["billing", "desired_lines"])])
    assert not other.success
    assert "stands at a run through 2023-12-01, not 2023-12-05" in str(
        other.failure_data_for_node("billing__desired_lines").error
    )


@pytest.mark.soak
def test_a_failed_test_of_dbt_is_a_red_check_and_ends_the_run_before_anything_is_issued(
    new_home, documents
):
    lake = new_home()
    assert run("2023-12-01").success
    before = documents(lake)
    with duckdb.connect(str(lake.settings.warehouse)) as db:  # A day that counts twice.
        db.execute("insert into usage.daily select * from usage.daily limit 1")
    result = run("2024-01-01")
    assert not result.success
    assert {name for key, name in failed_checks(result) if key == "usage/daily"} == {
        "one_row_per_daily_customer_id__meter_id__meter_version__zone__local_day__dimensions__folded_seq"
    }
    assert documents(lake) == before
