"""When jobs start by themselves; both are off until somebody turns them on."""

import dagster as dg

from pipelines.jobs import bill


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
