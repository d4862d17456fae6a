"""Closing a month: after it, later facts post into the next open one."""

import dagster as dg

from assets.partitions import MONTH, ONE_RUN, cut_off
from assets.resources import Home


@dg.asset(
    key=["facts", "commands"],
    deps=[["facts", "journal_lines"]],
    group_name="closing",
    owners=["team:finance"],
    kinds={"ducklake"},
    partitions_def=MONTH,
    backfill_policy=ONE_RUN,
)
def commands(context: dg.AssetExecutionContext, home: Home) -> dg.MaterializeResult:
    """One row per command; the partition of a month is the command that closed it."""
    from meterhouse.run.close import close

    day = cut_off(context)
    closed = close(home.lake(), cut_off=day)
    return dg.MaterializeResult(
        metadata={"cut_off": day.isoformat(), **{name: str(v) for name, v in closed.items()}}
    )
