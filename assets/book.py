"""What a run knows: it pins the facts and reads the book as of them."""

from collections.abc import Iterator

import dagster as dg

from assets.landing import BOOK_VERSIONS, TABLES
from assets.metadata import described, standing, tables
from assets.partitions import DAY, ONE_RUN, through
from assets.resources import BillingRun
from meterhouse.run import book

RUN = dg.AssetKey(["ops", "run"])
SPEC = {
    "deps": [BOOK_VERSIONS.key, *(["facts", table] for table in TABLES)],
    "group_name": "book",
    "owners": ["team:billing"],
    "kinds": {"duckdb"},
    "partitions_def": DAY,
}


@dg.multi_asset(
    name="pin",
    specs=[
        dg.AssetSpec(
            RUN, description="One row: the day a run bills through and the facts it knows.", **SPEC
        ),
        *(
            dg.AssetSpec(
                ["book", table],
                description=f"The newest versions of the book's documents: {table}.",
                **SPEC,
            )
            for table in book.TABLES
        ),
    ],
    backfill_policy=ONE_RUN,
)
def pin(context: dg.AssetExecutionContext, billing: BillingRun) -> Iterator[dg.MaterializeResult]:
    """Pin the facts that every later step of the run reads, and flatten the book."""
    run = billing.begin(through(context))
    if run.is_dry:
        context.log.warning(f"This run is dry: {billing.why_dry}.")
    with tables(run) as db:
        for key in (RUN.path, *(["book", table] for table in book.TABLES)):
            yield dg.MaterializeResult(
                asset_key=key,
                metadata={**standing(run, billing), **described(db, ".".join(key))},
            )
