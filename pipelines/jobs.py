"""The four jobs: load what landed, bill through a day, close a month, export a month."""

import dagster as dg

from assets.closing import commands
from assets.exports import period
from assets.landing import TABLES

LOADED = dg.AssetSelection.assets(*(["facts", table] for table in TABLES))

ingest = dg.define_asset_job(
    "ingest",
    # The checks of these tables are a run's; here there is none yet.
    selection=LOADED.without_checks(),
    description="Load every file that has landed, and release what quarantine can.",
    tags={"meterhouse/job": "ingest"},
)
bill = dg.define_asset_job(
    "bill",
    selection=dg.AssetSelection.all() - dg.AssetSelection.assets(commands, period),
    description="Bill through the partition's day; of a range, through its last day, in one run.",
    tags={"meterhouse/job": "bill"},
)
close = dg.define_asset_job(
    "close",
    selection=dg.AssetSelection.assets(commands),
    description="Close the partition's month: its cut-off is the first day of the next.",
    tags={"meterhouse/job": "close"},
)
export = dg.define_asset_job(
    "export",
    selection=dg.AssetSelection.assets(period),
    description="Write the partition's month as files for finance, one folder per entity.",
    tags={"meterhouse/job": "export"},
)
