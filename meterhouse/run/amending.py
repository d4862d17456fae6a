"""Amend and void events by key: newer versions beside the old ones, which stay as they are."""

from collections.abc import Iterable

import duckdb
import polars as pl

from meterhouse.errors import CorrectionFault
from meterhouse.lake import Lake
from meterhouse.lake_views import views
from meterhouse.nearest import did_you_mean
from meterhouse.run.book import flatten
from meterhouse.run.correcting import Corrected, finish
from meterhouse.run.mapping import spelled
from meterhouse.run.validation import check
from meterhouse.run.versions import find_versions

# One row per event that is asked for: `place` says where it was asked, `patch` is a JSON object of
# the properties to set (null takes one away), `time` the text of a new time or null.
ASKED = {
    "row": pl.Int64,
    "place": pl.String,
    "source": pl.String,
    "event_id": pl.String,
    "time": pl.String,
    "patch": pl.String,
}
NAMED = "asked.place || 'event ' || asked.event_id || ' of source ' || asked.source"
FAULTS = {
    "no_id": "select row, place || 'no id and source name an event' from asked "
    "where event_id is null or source is null",
    "twice": f"select row, {NAMED} || ' is named twice' from asked where event_id is not null "
    "qualify row_number() over (partition by source, event_id order by row) = 2",
    "unknown": f"select row, {NAMED} || ' is not known' from asked "
    "anti join newest using (source, event_id) "
    "where event_id is not null and source is not null",
}
NOTHING_SET = f"select row, {NAMED} || ' is given nothing new: set a value or a time' from asked "
NOTHING_SET += "where patch = '{}' and time is null and event_id is not null"
# Names that neither the book nor the event itself knows, with those it does.
UNKNOWN_NAMES = f"""
with named as (
    select asked.row, {NAMED} as event, held.event_type, held.data,
        unnest(json_keys(asked.patch)) as name
    from asked join newest_values as held using (source, event_id)
)
select named.row, event, named.event_type, named.name,
    (select list(own.name order by own.name) from book.properties as own
        where own.event_type = named.event_type) as known
from named
left join book.properties as properties
    on properties.event_type = named.event_type and properties.name = named.name
where properties.name is null and not list_contains(json_keys(named.data), named.name)
order by named.row, named.name
"""
# The `data` of each event with its new values, each set where its property stands: at a path, or
# under its own name.
PATCHED = """
with named as (
    select asked.row, asked.patch, held.event_type, unnest(json_keys(asked.patch)) as name
    from asked join newest_values as held using (source, event_id)
),
valued as (
    select *, patch->('/' || replace(replace(name, '~', '~0'), '/', '~1')) as value from named
),
pieces as (
    select valued.row, list(case
        when properties.path is null then json_object(valued.name, valued.value)::varchar
        else '{"' || replace(properties.path, '.', '":{"') || '":' || valued.value::varchar
            || repeat('}', len(string_split(properties.path, '.')))
    end order by valued.name) as piece_list
    from valued left join book.properties as properties
        on properties.event_type = valued.event_type and properties.name = valued.name
    group by valued.row
)
select row, piece_list from pieces
"""


def amend(lake: Lake, asked: pl.DataFrame, reason: str, *, is_dry: bool = False) -> Corrected:
    """Give events new values: each newest version with what `asked` (ASKED) sets, checked like any
    event. A voided event comes back. Equal values change nothing."""
    with lake.write_lock.held(), lake.session() as db:
        faults = _stage(lake, db, asked)
        faults += db.execute(NOTHING_SET).fetchall() + _unknown_names(db)
        faults += _check_amended(lake, db)
        _refuse(faults)
        db.execute(
            "create or replace temp table classified as select checked.*, "
            "newest.batch_seq as first_seq, newest.row_no as first_row, "
            "case when checked.row_hash = newest.row_hash then 'duplicate' else 'restated' end "
            "as outcome from checked join newest using (source, event_id)"
        )
        return finish(lake, db, "amend", reason, reason, subject=None, is_dry=is_dry)


def void(lake: Lake, asked: pl.DataFrame, reason: str, *, is_dry: bool = False) -> Corrected:
    """Take events away for good, or until they are amended; what is void already stays so."""
    with lake.write_lock.held(), lake.session() as db:
        _refuse(_stage(lake, db, asked))
        db.execute(
            f"create or replace temp table classified as {VOIDS} "
            "join asked using (source, event_id)",
            [lake.settings.now()],
        )
        return finish(lake, db, "void", reason, reason, subject=None, is_dry=is_dry)


# Rows that take the newest versions away: who and when, and no values.
VOIDS = """
select newest.source, newest.event_id, newest.event_type, newest.subject, newest.customer_id,
    newest.occurred_at, newest.event_day, ?::timestamptz as received_at, '{}' as data,
    row as source_row, 'void' as row_hash, newest.batch_seq as first_seq,
    newest.row_no as first_row,
    case when newest.action = 'void' then 'duplicate' else 'voided' end as outcome
from newest
"""


def _stage(lake: Lake, db: duckdb.DuckDBPyConnection, asked: pl.DataFrame) -> list[tuple[int, str]]:
    """Temp tables `asked`, `newest`, `newest_values` and `held`, and the book; returns faults."""
    views(db, None)
    flatten(db)
    db.register("frame_in", asked.select(*ASKED).to_arrow())
    db.execute("create or replace temp table asked as select * from frame_in")
    db.unregister("frame_in")
    db.execute(
        "create or replace temp table wanted as select distinct source, event_id from asked "
        "where event_id is not null and source is not null"
    )
    find_versions(lake, db)
    db.execute("create or replace temp view held as from newest")
    return [row for query in FAULTS.values() for row in db.execute(query).fetchall()]


def _unknown_names(db: duckdb.DuckDBPyConnection) -> list[tuple[int, str]]:
    return [
        (
            row,
            f"{event} has type {event_type}, which has no property {name!r}"
            f"{did_you_mean(name, known or [])}",
        )
        for row, event, event_type, name, known in db.execute(UNKNOWN_NAMES).fetchall()
    ]


def _check_amended(lake: Lake, db: duckdb.DuckDBPyConnection) -> list[tuple[int, str]]:
    """Make `checked` of the events as they would be; returns what is wrong with them."""
    db.execute(
        f"""
        create or replace temp table mapped as
        select row as source_row, source, event_id, held.event_type, held.subject,
            coalesce(asked.time, {spelled("held.occurred_at")}) as time_text,
            list_reduce(
                list_prepend(held.data, coalesce(patched.piece_list, [])),
                lambda before, piece: json_merge_patch(before, piece)::varchar
            ) as data,
            cast(null as varchar) as broken
        from asked join newest_values as held using (source, event_id)
        left join ({PATCHED}) as patched using (row)
        """
    )
    now = lake.settings.now()
    check(db, now, now + lake.settings.future_tolerance)
    return db.execute(
        f"select row, {NAMED} || ': ' || detail from checked "
        "join asked on asked.row = checked.source_row where reason is not null"
    ).fetchall()


def _refuse(faults: Iterable[tuple[int, str]]) -> None:
    listed = [sentence for _, sentence in sorted(faults)]
    if listed:
        raise CorrectionFault(listed)
