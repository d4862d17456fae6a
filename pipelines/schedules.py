"""When jobs start by themselves; all are off until somebody turns them on."""

from datetime import timedelta

import dagster as dg

from pipelines.jobs import bill, export


@dg.schedule(
    job=bill,
    # By 12:00 UTC the day has begun in every zone, so no window is billed before it has ended.
    cron_schedule="30 12 * * *",
    execution_timezone="UTC",
)
def bill_daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Bill through today: the partition is the UTC date of the tick."""
    day = context.scheduled_execution_time.date().isoformat()
    return dg.RunRequest(run_key=f"bill-{day}", partition_key=day)


@dg.schedule(
    job=export,
    # The month is over in every zone, and there was a day to issue its last invoices and close it.
    cron_schedule="0 6 2 * *",
    execution_timezone="UTC",
)
def export_monthly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Export the month before the tick's."""
    last = context.scheduled_execution_time.date().replace(day=1) - timedelta(days=1)
    month = last.replace(day=1).isoformat()
    return dg.RunRequest(run_key=f"export-{month}", partition_key=month)
