"""The versions of events as they stand: what an amendment or a void replaces."""

from collections.abc import Sequence
from datetime import date

import duckdb
import numpy as np

from meterhouse.dedupe import KEY, KeyIndex
from meterhouse.lake import Lake, head_of

# Among events under any name: those that a newer version or a void replaced.
REPLACED = (
    "select replaces_seq as batch_seq, replaces_row as row_no from lake.facts.usage_events "
    "where replaces_seq is not null"
)
NEWEST_FIRST = "partition by source, event_id order by batch_seq desc, row_no desc"


def find_versions(lake: Lake, db: duckdb.DuckDBPyConnection) -> None:
    """Make temp tables `newest` and `newest_values` of table `wanted` (source, event_id).

    One row per event that is known: its newest version, which may be a void, and the newest that
    has values. The caller holds the write lock: the index of keys is brought up to head.
    """
    index = KeyIndex.of(lake, db)
    index.fold(db, head_of(db).batch_seq)
    keys = db.execute(f"select distinct {KEY} as key from wanted order by key").to_arrow_table()
    _, days = index.days_of(np.asarray(keys.column(0).to_numpy(), dtype=np.uint64))
    db.execute(
        "create or replace temp table versions as select * from lake.facts.usage_events "
        f"where {on_days(days)} and (source, event_id) in (select source, event_id from wanted)"
    )
    for table, where in (("newest", "true"), ("newest_values", "action is distinct from 'void'")):
        db.execute(
            f"create or replace temp table {table} as select * from versions where {where} "
            f"qualify row_number() over ({NEWEST_FIRST}) = 1"
        )


def on_days(days: Sequence[date]) -> str:
    """The condition that an event lies on one of the days."""
    if not days:
        return "false"
    # Literals, not parameters: only they prune the partitions.
    listed = ", ".join(f"date '{day.isoformat()}'" for day in days)
    return f"event_day in ({listed})"
