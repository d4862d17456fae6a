"""What becomes of records that are to amend or void a known event, in the order of the delivery.

Of an unknown event they wait in quarantine. One that changes nothing is a duplicate, and so is one
that was carried out before: the same delivery again, or one that overlaps it, changes nothing.
"""

import duckdb

from meterhouse.duck import identifier
from meterhouse.run.versions import on_days
from meterhouse.schema import PROPERTY_PREFIX

# The hash of a void tells it from every version with values.
VOID_HASH = "'void-' || row_hash"
UNKNOWN_ID = (
    "'Event ' || event_id || ' is not known, so that there is nothing to ' || action || ' yet'"
)
ACCEPTED = "outcome in ('accepted', 'restated', 'voided')"
_IDENTITY = ("event_type", "subject", "customer_id", "occurred_at", "event_day")


def judge_actions(db: duckdb.DuckDBPyConnection) -> None:
    """Give the rows of `classified` whose outcome is still `asked` their own: restated, voided,
    duplicate or quarantined."""
    asked = db.execute("select 1 from classified where outcome = 'asked' limit 1").fetchone()
    if asked is None:
        return
    db.execute(_JUDGED)
    db.execute(
        "update classified set outcome = judged.outcome from judged "
        "where judged.source_row = classified.source_row and classified.outcome = 'asked'"
    )
    db.execute(
        f"update classified set reason = 'unknown_id', detail = {UNKNOWN_ID} "
        "where outcome = 'quarantined' and reason is null"
    )
    _end_events(db)


_JUDGED = f"""
create or replace temp table judged as
with firsts as (
    select event_id, min(source_row) as first_row from classified
    where outcome = 'accepted' group by event_id
),
carried_out as (select distinct event_id, row_hash from seen where replaces_seq is not null),
newest as (
    select event_id, row_hash from seen
    qualify row_number() over (partition by event_id order by batch_seq desc, row_no desc) = 1
),
asked as (
    select source_row, event_id, action, original_seq, outcome,
        case when action = 'void' then {VOID_HASH} else row_hash end as version_hash
    from classified where outcome in ('asked', 'accepted', 'restated')
),
told as (
    select asked.*,
        newest.event_id is null
            and (firsts.first_row is null or firsts.first_row > source_row) as is_unknown,
        outcome = 'asked' and carried_out.event_id is not null as is_repeat
    from asked
    left join firsts on firsts.event_id = asked.event_id
    left join newest on newest.event_id = asked.event_id
    left join carried_out
        on carried_out.event_id = asked.event_id and carried_out.row_hash = version_hash
),
-- The version that stands before each record that may change it.
stepped as (
    select told.*, lag(version_hash) over (partition by told.event_id order by source_row)
            as before_hash,
        row_number() over (partition by told.event_id, version_hash, is_unknown, action
            order by source_row) as nth
    from told where not is_repeat
),
standing as (
    select stepped.*, coalesce(before_hash, newest.row_hash) as held_hash
    from stepped left join newest on newest.event_id = stepped.event_id
)
select source_row,
    case
        when is_unknown and nth > 1 and original_seq is null then 'duplicate'
        when is_unknown then 'quarantined'
        when version_hash = held_hash then 'duplicate'
        when action = 'void' and starts_with(held_hash, 'void') then 'duplicate'
        when action = 'void' then 'voided'
        else 'restated'
    end as outcome
from standing
union all
select source_row, 'duplicate' from told where is_repeat
"""


def _end_events(db: duckdb.DuckDBPyConnection) -> None:
    """Give the voided rows of `classified` who and when of the version that they take away, and
    nothing else: the lake finds them beside it."""
    days = db.execute(
        "select distinct event_day from seen where (batch_seq, row_no) in "
        "(select first_seq, first_row from classified where outcome = 'voided') order by 1"
    ).fetchall()
    db.execute(
        f"""
        create or replace temp table ended as
        with steps as (
            select source_row, outcome, first_seq, first_row,
                lag(source_row) over (partition by event_id order by source_row) as before_row
            from classified where {ACCEPTED}
        )
        select steps.source_row,
            {", ".join(f"coalesce(own.{c}, held.{c}) as {c}" for c in _IDENTITY)}
        from steps
        left join classified as own on own.source_row = steps.before_row
        left join (
            select * from lake.facts.usage_events where {on_days([day for (day,) in days])}
        ) as held
            on held.batch_seq = steps.first_seq and held.row_no = steps.first_row
        where steps.outcome = 'voided'
        """
    )
    listed = [f"{name} = ended.{name}" for name in _IDENTITY]
    listed += [f"{identifier(name)} = null" for name in _typed(db)]
    db.execute(
        f"update classified set {', '.join(listed)}, data = '{{}}', row_hash = {VOID_HASH} "
        "from ended where ended.source_row = classified.source_row"
    )


def _typed(db: duckdb.DuckDBPyConnection) -> list[str]:
    names = [row[0] for row in db.execute("describe classified").fetchall()]
    return [name for name in names if name.startswith(PROPERTY_PREFIX)]
