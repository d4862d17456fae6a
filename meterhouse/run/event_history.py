"""All versions of one event: what replaced what, and what became of each."""

from typing import Any

import duckdb

from meterhouse.errors import Busy, UsageError
from meterhouse.lake import Lake
from meterhouse.locks import FileLock
from meterhouse.run.event_fates import attach_published, described, newer
from meterhouse.run.reading import rules_of
from meterhouse.run.versions import find_versions


def history_of(lake: Lake, source: str, event_id: str) -> dict[str, Any]:
    """`source`, `event_id` and its `versions`, the first one first, as `described` gives them."""
    with lake.reading() as db:
        _find(lake, db, source, event_id)
        attach_published(lake, db)
        db.execute(f"create temp table newer as {newer()}")
        db.execute(
            "create temp table shown as select *, "
            "row_number() over (order by batch_seq, row_no) as position from versions"
        )
        versions = described(db, rules_of(db))
        waiting = _quarantined(db, source, event_id)
    if not versions:
        raise UsageError(
            f"No accepted event of source {source!r} has the id {event_id!r}. {waiting}"
            "`meterhouse events list` shows events with their sources and ids."
        )
    return {"source": source, "event_id": event_id, "versions": versions}


def _find(lake: Lake, db: duckdb.DuckDBPyConnection, source: str, event_id: str) -> None:
    """Temp table `versions`: by the index of keys where it is free, else by reading the lake."""
    db.execute(
        "create temp table wanted as select ?::varchar as source, ?::varchar as event_id",
        [source, event_id],
    )
    lock = FileLock(lake.settings.home / "locks" / "write.lock", "write", 0)
    try:
        with lock.held():
            find_versions(lake, db)
    except Busy:
        db.execute(
            "create or replace temp table versions as select * from lake.facts.usage_events "
            "semi join wanted using (source, event_id)"
        )


def _quarantined(db: duckdb.DuckDBPyConnection, source: str, event_id: str) -> str:
    row = db.execute(
        "select batch_seq || '-' || row_no from facts.rejected_events "
        "where source = ? and event_id = ? and status = 'quarantined' "
        "order by batch_seq desc, row_no desc limit 1",
        [source, event_id],
    ).fetchone()
    return f"It was quarantined: `meterhouse quarantine show {row[0]}`. " if row else ""
