"""Quarantined events: tried again by every run, refused for good by a command."""

from collections.abc import Sequence

import duckdb

from meterhouse.canonical import canonical_json
from meterhouse.errors import UsageError
from meterhouse.lake import Commit, Lake
from meterhouse.lake_views import views
from meterhouse.run.commands import record
from meterhouse.run.ingest import Loaded, release

OPEN = """
select * from facts.rejected_events as events
where status = 'quarantined' and not exists (
    select 1 from facts.rejected_events as ended
    where ended.status <> 'quarantined'
        and ended.original_seq = events.batch_seq and ended.original_row = events.row_no
)
"""


def retry(lake: Lake) -> list[Loaded]:
    """Check every open event again; what is good now is released as late usage."""
    results = []
    with lake.write_lock.held(), lake.session() as db:
        views(db, None)
        sources = db.execute(f"select distinct source from ({OPEN}) order by 1").fetchall()
        for (source,) in sources:
            if source in lake.settings.file.sources:
                _stage(db, source)
                result = release(lake, db, source)
                if result.batch_seq is not None:
                    results.append(result)
    return results


def _stage(db: duckdb.DuckDBPyConnection, source: str) -> None:
    db.execute(
        "create or replace temp table mapped as "
        "select row_number() over (order by batch_seq, row_no) as source_row, event_id, "
        "event_type, subject, time_text, data, action, "
        "case when reason = 'bad_record' then detail end as broken, "
        f"batch_seq as original_seq, row_no as original_row from ({OPEN}) where source = ?",
        [source],
    )


def refuse(lake: Lake, references: Sequence[str], reason: str) -> int:
    """Refuse open events for good; `references` are batch-row, like 12-3. Returns the batch."""
    wanted = [_parsed(reference) for reference in references]
    with lake.write_lock.held(), lake.session() as db:
        views(db, None)
        db.execute("create temp table wanted (original_seq bigint, original_row bigint)")
        db.executemany("insert into wanted values (?, ?)", wanted)
        db.execute(
            f"create temp table refused as select events.* from ({OPEN}) as events "
            "join wanted on wanted.original_seq = events.batch_seq "
            "and wanted.original_row = events.row_no"
        )
        found = db.execute("select count(*) from refused").fetchone()
        if not found or found[0] != len(set(wanted)):
            raise UsageError(
                "Not every reference names an open quarantined event; nothing was refused. "
                "`meterhouse quarantine list` shows them."
            )

        def write(commit: Commit) -> int:
            commit.append(
                "rejected_events",
                "select * exclude (status, original_seq, original_row, batch_seq, row_no, "
                "row_hash, received_at), 'refused' as status, batch_seq as original_seq, "
                "row_no as original_row, row_hash, ?::timestamptz as received_at from refused",
                [lake.settings.now()],
            )
            commit.append(
                "batches",
                "select any_value(source) as source, 'refusal' as kind, ? as name, "
                "0 as received, count(*) as released, 0 as accepted, 0 as duplicate, "
                "0 as conflict, 0 as quarantined, count(*) as refused, "
                "?::timestamptz as received_at from refused group by source",
                [reason, lake.settings.now()],
            )
            subjects = [(reference, None) for reference in references]
            return record(commit, "refuse", subjects, canonical_json({"reason": reason}), reason)

        return lake.commit(db, write)


def _parsed(reference: str) -> tuple[int, int]:
    batch, _, row = reference.partition("-")
    if not (batch.isdigit() and row.isdigit()):
        raise UsageError(
            f"{reference!r} is not a reference to a quarantined event; give batch-row, like 12-3. "
            "Nothing was changed."
        )
    return int(batch), int(row)
