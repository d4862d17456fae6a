"""The job `export` and its schedule: a month as files, once."""

from datetime import UTC, date, datetime

import dagster as dg
import pytest

from meterhouse.exports.verify import differences
from meterhouse.run.bill import bill
from pipelines.definitions import defs
from pipelines.schedules import export_monthly

KEY = dg.AssetKey(["exports", "period"])


def run(month):
    """The metadata of one run of the job for a month."""
    job = defs.resolve_job_def("export")
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, partition_key=month)
    (done,) = result.asset_materializations_for_node("exports__period")
    assert done.asset_key == KEY
    return {name: value.value for name, value in done.metadata.items()}


@pytest.mark.slow
def test_the_job_writes_a_month_and_a_second_run_leaves_it_alone(new_home):
    lake = new_home()
    bill(lake, date(2023, 12, 1))
    first = run("2023-12-01")
    assert (first["written"], first["unchanged"], first["drafts_waiting"]) == (1, 0, 0)
    folder = lake.settings.home / "exports" / "acme-ai" / "2023-12"
    assert f"| {folder} | written |"[:42] in first["folders"]
    assert differences(folder) == []
    assert (folder / "invoices.csv").read_text().count("acme-ai-2023-000001") == 1
    second = run("2023-12-01")
    assert (second["written"], second["unchanged"]) == (0, 1)


def test_the_schedule_exports_the_month_before_and_is_off(new_home):
    tick = datetime(2024, 1, 2, 6, tzinfo=UTC)
    request = export_monthly(dg.build_schedule_context(scheduled_execution_time=tick))
    assert (request.partition_key, request.run_key) == ("2023-12-01", "export-2023-12-01")
    assert export_monthly.cron_schedule == "0 6 2 * *"
    assert export_monthly.default_status == dg.DefaultScheduleStatus.STOPPED


def test_a_run_that_bills_exports_nothing():
    jobs = {name: defs.resolve_job_def(name) for name in ("bill", "close", "export")}
    with_export = {
        name for name, job in jobs.items() if KEY in job.asset_layer.executable_asset_keys
    }
    assert with_export == {"export"}
