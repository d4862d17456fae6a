"""Conflicts: one event id delivered with two contents; a command decides which holds."""

from collections.abc import Sequence
from typing import Literal

import duckdb

from meterhouse.canonical import canonical_json
from meterhouse.errors import Rejected, UsageError
from meterhouse.lake import Commit, Lake
from meterhouse.lake_views import views
from meterhouse.run.book import flatten
from meterhouse.run.commands import record
from meterhouse.run.ingest import append_accepted
from meterhouse.run.validation import check
from meterhouse.run.versions import find_versions

OPEN = """
select * from facts.conflicts as conflicts
where status = 'open' and not exists (
    select 1 from facts.conflicts as ended
    where ended.status <> 'open'
        and ended.original_seq = conflicts.batch_seq and ended.original_row = conflicts.row_no
)
"""


def resolve(
    lake: Lake,
    references: Sequence[tuple[int, int]],
    decision: Literal["kept_first", "took_new"],
    reason: str,
) -> int:
    """End open conflicts: keep the first values, or take the new ones under a new batch."""
    with lake.write_lock.held(), lake.session() as db:
        views(db, None)
        _stage(db, references)
        if decision == "took_new":
            _check_new(lake, db)

        def write(commit: Commit) -> int:
            if decision == "took_new":
                append_accepted(commit)
            commit.append(
                "conflicts",
                "select * exclude (status, original_seq, original_row, batch_seq, row_no, "
                "received_at), ? as status, batch_seq as original_seq, row_no as original_row, "
                "?::timestamptz as received_at from chosen",
                [decision, lake.settings.now()],
            )
            _append_batches(commit, decision, reason)
            subjects = [(f"{batch}-{row}", None) for batch, row in references]
            return record(commit, decision, subjects, canonical_json({"reason": reason}), reason)

        return lake.commit(db, write)


def _stage(db: duckdb.DuckDBPyConnection, references: Sequence[tuple[int, int]]) -> None:
    db.execute("create temp table wanted (batch_seq bigint, row_no bigint)")
    db.executemany("insert into wanted values (?, ?)", list(references))
    db.execute(
        f"create temp table chosen as select * from ({OPEN}) semi join wanted using "
        "(batch_seq, row_no)"
    )
    found = db.execute("select count(*) from chosen").fetchone()
    if not found or found[0] != len(set(references)):
        raise UsageError(
            "Not every reference names an open conflict; nothing was changed. "
            "`meterhouse conflicts list` shows them."
        )


def _check_new(lake: Lake, db: duckdb.DuckDBPyConnection) -> None:
    """Make `classified` of the new values, each restating the version that holds now."""
    flatten(db)
    db.execute(
        "create or replace temp table mapped as "
        "select row_number() over (order by batch_seq, row_no) as source_row, event_id, "
        "event_type, subject, time_text, data, cast(null as varchar) as broken, source, "
        "batch_seq as original_seq, row_no as original_row from chosen"
    )
    now = lake.settings.now()
    check(db, now, now + lake.settings.future_tolerance)
    bad = db.execute("select detail from checked where reason is not null").fetchall()
    if bad:
        raise Rejected(
            "The new values are not good any more; nothing was changed: "
            + "; ".join(row[0] for row in bad)
        )
    # What held when the conflict came may have been amended since, or have come in the same file.
    db.execute(
        "create or replace temp table wanted as select distinct source, event_id from chosen"
    )
    find_versions(lake, db)
    db.execute(
        "create or replace temp table classified as select checked.*, 'restated' as outcome, "
        "newest.batch_seq as first_seq, newest.row_no as first_row "
        "from checked left join newest using (source, event_id)"
    )


def _append_batches(commit: Commit, decision: str, reason: str) -> None:
    """A new value taken is released by this batch; the conflict it came from stays counted."""
    taken = "count(*)" if decision == "took_new" else "0"
    commit.append(
        "batches",
        f"select source, 'resolution' as kind, ? as name, 0 as received, {taken} as released, "
        f"{taken} as accepted, 0 as duplicate, 0 as conflict, 0 as quarantined, 0 as refused, "
        "?::timestamptz as received_at from chosen group by source",
        [reason, commit.lake.settings.now()],
    )
