"""The partitions: a day is what a run bills through, a month is what a close ends."""

from datetime import date

import dagster as dg

FIRST = "2020-01-01"
# Today's partition exists from 00:00 UTC on: a run bills through the day that has begun.
DAY = dg.DailyPartitionsDefinition(start_date=FIRST, timezone="UTC", end_offset=1)
MONTH = dg.MonthlyPartitionsDefinition(start_date=FIRST, timezone="UTC")
ONE_RUN = dg.BackfillPolicy.single_run()


def through(context: dg.AssetExecutionContext) -> date:
    """The day to bill through: the partition's own date, of a range the last one."""
    return date.fromisoformat(context.partition_key_range.end)


def cut_off(context: dg.AssetExecutionContext) -> date:
    """The first day after the month (of a range: the last month) that a close ends."""
    return context.partition_time_window.end.date()
