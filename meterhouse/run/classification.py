"""What becomes of each checked record: table `classified` in the session.

One row per record with `outcome`: accepted, duplicate, conflict, restated (accepted in place of
an older version), quarantined. First wins: the lowest batch, then the lowest row.
"""

from datetime import date

import duckdb

from meterhouse.dedupe import KEY, KeyIndex
from meterhouse.source_settings import Source


def classify(
    db: duckdb.DuckDBPyConnection, name: str, source: Source, index: KeyIndex, head: int
) -> None:
    """Make temp table `classified`; the caller holds the write lock."""
    db.execute(
        "create or replace temp table keyed as select ?::varchar as source, checked.*, "
        "row_number() over (partition by event_id, reason is null order by source_row) as nth "
        "from checked",
        [name],
    )
    _seen_before(db, index, head)
    on_other = "restated" if source.on_conflict == "supersede" else "conflict"
    db.execute(_outcomes(on_other))


def _seen_before(db: duckdb.DuckDBPyConnection, index: KeyIndex, head: int) -> None:
    """Temp tables `seen` (accepted versions), `in_conflict` and `kept_out` of these identities."""
    index.fold(db, head)
    keys = db.execute(f"select distinct {KEY} as key from keyed").fetchnumpy()["key"]
    hits, days = index.days_of(keys)
    db.register("hits", {"key": hits})
    db.execute(
        "create or replace temp table proposed as select distinct event_id from keyed "
        f"where {KEY} in (select key from hits)"
    )
    db.unregister("hits")
    db.execute(
        "create or replace temp table seen as "
        "select event_id, row_hash, batch_seq, row_no, occurred_at, event_day "
        "from lake.facts.usage_events "
        f"where {_on_days(days)} and source = (select any_value(source) from keyed) "
        "and event_id in (select event_id from proposed)"
    )
    for table, facts in (("in_conflict", "conflicts"), ("kept_out", "rejected_events")):
        db.execute(
            f"create or replace temp table {table} as "
            f"select distinct event_id, row_hash from lake.facts.{facts} "
            "where source = (select any_value(source) from keyed) "
            "and event_id in (select event_id from keyed)"
        )


def _on_days(days: list[date]) -> str:
    if not days:
        return "false"
    # Literals, not parameters: only they prune the partitions.
    listed = ", ".join(f"date '{day.isoformat()}'" for day in days)
    return f"event_day in ({listed})"


def _outcomes(on_other: str) -> str:
    return f"""
        create or replace temp table classified as
        with newest as (
            select * from seen
            qualify row_number() over (
                partition by event_id order by batch_seq desc, row_no desc
            ) = 1
        ),
        known as (
            select event_id, row_hash from seen
            union select event_id, row_hash from in_conflict
        ),
        firsts as (select event_id, row_hash from keyed where reason is null and nth = 1),
        judged as (
            select
                keyed.*,
                newest.batch_seq as first_seq, newest.row_no as first_row,
                newest.occurred_at as first_occurred_at,
                row_number() over (
                    partition by keyed.event_id, keyed.row_hash, keyed.reason is null
                    order by keyed.source_row
                ) as nth_equal,
                case
                    when keyed.reason is not null then
                        case when kept_out.event_id is not null and keyed.original_seq is null
                            then 'duplicate' else 'quarantined' end
                    when known.event_id is not null then 'duplicate'
                    when newest.event_id is not null then '{on_other}'
                    when keyed.nth = 1 then 'accepted'
                    when firsts.row_hash = keyed.row_hash then 'duplicate'
                    else '{on_other}'
                end as own_outcome
            from keyed
            left join newest on newest.event_id = keyed.event_id
            left join known
                on known.event_id = keyed.event_id and known.row_hash = keyed.row_hash
            left join kept_out
                on kept_out.event_id = keyed.event_id and kept_out.row_hash = keyed.row_hash
            left join firsts on firsts.event_id = keyed.event_id
        )
        select * exclude (own_outcome, nth_equal),
            case
                when nth_equal > 1 and original_seq is null then 'duplicate' else own_outcome
            end as outcome
        from judged
        """
