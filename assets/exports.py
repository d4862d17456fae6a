"""Files for finance: each month's invoices, lines and entries, after its close."""

from datetime import date

import dagster as dg

from assets.metadata import table_of
from assets.partitions import MONTH, ONE_RUN
from assets.resources import Home


@dg.asset(
    key=["exports", "period"],
    deps=[["facts", "commands"], ["facts", "documents"], ["facts", "journal_lines"]],
    group_name="closing",
    owners=["team:finance"],
    kinds={"csv", "excel", "parquet"},
    partitions_def=MONTH,
    backfill_policy=ONE_RUN,
)
def period(context: dg.AssetExecutionContext, home: Home) -> dg.MaterializeResult:
    """One folder per entity and month in exports/ of the home; nothing is touched twice."""
    from meterhouse.run.exporting import ExportedFolder, export_period

    folders: list[ExportedFolder] = []
    for month in context.partition_keys:
        first = date.fromisoformat(month)
        until = MONTH.time_window_for_partition_key(month).end.date()
        folders += export_period(home.lake(), first=first, until=until).folders
    for one in folders:
        if one.drafts_waiting:
            context.log.warning(f"{one.path} is without {one.drafts_waiting} drafts that wait.")
    rows = [(one.path, one.status, one.batch_seq, one.drafts_waiting) for one in folders]
    return dg.MaterializeResult(
        metadata={
            "written": sum(one.status != "unchanged" for one in folders),
            "unchanged": sum(one.status == "unchanged" for one in folders),
            "drafts_waiting": sum(one.drafts_waiting for one in folders),
            "folders": table_of(["folder", "status", "batch", "drafts waiting"], rows),
        }
    )
