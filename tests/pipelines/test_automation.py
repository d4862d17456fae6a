"""What starts jobs: the schedule and the sensor, called directly."""

from datetime import UTC, datetime

import dagster as dg

from pipelines.resources import home
from pipelines.schedules import bill_daily
from pipelines.sensors import landing


def look(cursor=None):
    with dg.build_sensor_context(cursor=cursor, resources={"home": home}) as context:
        return landing(context)


def test_the_schedule_bills_through_the_day_of_its_tick():
    tick = datetime(2024, 2, 3, 12, 30, tzinfo=UTC)
    request = bill_daily(dg.build_schedule_context(scheduled_execution_time=tick))
    assert (request.partition_key, request.run_key) == ("2024-02-03", "bill-2024-02-03")
    assert bill_daily.default_status == dg.DefaultScheduleStatus.STOPPED


def test_a_file_that_lands_starts_one_load(new_home):
    lake = new_home()
    first = look()
    (request,) = first.run_requests
    assert request.partition_key == "2024-02-03"
    assert isinstance(look(first.cursor), dg.SkipReason)
    (lake.settings.landing("azure") / "more.csv").write_text("TIMESTAMP\n")
    second = look(first.cursor)
    assert second.run_requests[0].run_key != request.run_key


def test_a_file_that_is_still_copied_starts_nothing(new_home):
    lake = new_home()
    first = look()
    (lake.settings.landing("azure") / ".more.csv.part").write_text("TIME")
    assert isinstance(look(first.cursor), dg.SkipReason)


def test_without_a_home_the_sensor_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("METERHOUSE_HOME", str(tmp_path))
    assert "is not a Meterhouse home" in look().skip_message
