"""The only Definitions: everything that Dagster loads."""

import dagster as dg

from assets import billing, book, closing, documents, exports, landing, marts, usage
from assets.checks import stored_checks
from meterhouse.installation import check
from pipelines import jobs, schedules, sensors
from pipelines.resources import RESOURCES

check()

defs = dg.Definitions(
    assets=[
        landing.LANDED,
        landing.BOOK_VERSIONS,
        landing.load,
        book.pin,
        usage.cut,
        usage.fold,
        billing.desired_lines,
        billing.shadow,
        billing.draft,
        billing.check,
        documents.issue,
        marts.marts,
        marts.published,
        closing.commands,
        exports.period,
    ],
    asset_checks=[stored_checks],
    jobs=[jobs.ingest, jobs.bill, jobs.close, jobs.export],
    schedules=[schedules.bill_daily, schedules.export_monthly],
    sensors=[sensors.landing],
    resources=RESOURCES,
    # One process and one run lock for all steps of a run.
    executor=dg.in_process_executor,
)
