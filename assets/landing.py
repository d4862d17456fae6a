"""From files that landed to events, refusals and conflicts: the door through which usage comes."""

from collections.abc import Iterator

import dagster as dg

from assets.metadata import preview, row_count, table_of
from assets.partitions import ONE_RUN
from assets.resources import Home
from assets.specs import daily_specs
from meterhouse.errors import Busy, MeterhouseError, SourceUnavailable
from meterhouse.lake import Lake
from meterhouse.run.bill import admit
from meterhouse.run.ingest import Loaded

GROUP = "ingest"
OWNERS = ["team:data"]
TABLES = {
    "batches": "One row per load of a file, release from quarantine or refusal.",
    "usage_events": "One row per accepted event, or restated version of one.",
    "rejected_events": "One row per step of an event kept out with a reason.",
    "source_statements": "One row per day of which a source stated something new.",
    "conflicts": "One row per step of an event that came twice with different values.",
}
LANDED = dg.AssetSpec(
    ["landing", "files"],
    description="Files of usage in the landing folders, one folder per source.",
    group_name=GROUP,
    owners=OWNERS,
    kinds={"file"},
)
BOOK_VERSIONS = dg.AssetSpec(
    ["facts", "book_versions"],
    description="One row per version of a document of the book; `meterhouse apply` adds them.",
    group_name="book",
    owners=["team:finance"],
    kinds={"yaml", "ducklake"},
)


@dg.multi_asset(
    name="load",
    specs=daily_specs(
        {("facts", table): description for table, description in TABLES.items()},
        [LANDED.key, BOOK_VERSIONS.key],
        owner=OWNERS[0],
        kinds={"polars", "ducklake"},
        group=GROUP,
    ),
    backfill_policy=ONE_RUN,
    # A source that does not answer is asked again; bad data stays bad and is not.
    retry_policy=dg.RetryPolicy(max_retries=2, delay=10, backoff=dg.Backoff.EXPONENTIAL),
)
def load(context: dg.AssetExecutionContext, home: Home) -> Iterator[dg.MaterializeResult]:
    """Load every file that has landed and release what quarantine can; a partition is a day of
    loading, whatever days the events are of."""
    lake = home.lake()
    loaded = _admit(lake)
    outcomes = _outcomes(loaded)
    with lake.session() as db:
        for table in TABLES:
            yield dg.MaterializeResult(
                asset_key=["facts", table],
                metadata={
                    "dagster/row_count": row_count(db, f"lake.facts.{table}"),
                    "preview": preview(
                        db, f"from lake.facts.{table} order by batch_seq desc, row_no"
                    ),
                    **outcomes,
                },
            )


def _admit(lake: Lake) -> list[Loaded]:
    try:
        return admit(lake)
    except (Busy, SourceUnavailable):
        raise
    except MeterhouseError as error:
        raise dg.Failure(str(error), allow_retries=False) from error


def _outcomes(loaded: list[Loaded]) -> dict[str, object]:
    """How many records of this load had which outcome, and the batches."""
    names = ("received", "released", "accepted", "duplicate", "conflict", "quarantined")
    batches = [one for one in loaded if one.batch_seq is not None]
    rows = [
        (one.batch_seq, one.source, one.name, *(getattr(one, n) for n in names)) for one in batches
    ]
    counts = {name: sum(getattr(one, name) for one in batches) for name in names}
    return {
        "batches": len(batches),
        **counts,
        "loaded": table_of(["batch", "source", "name", *names], rows),
    }
