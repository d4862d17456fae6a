"""Replace a day of one source by files that are the whole of it, in one commit.

Events of the day that the files lack become void, those with other values are amended, new ones are
added, and equal ones stay untouched: the same files again change nothing.
"""

from collections.abc import Sequence
from datetime import date
from glob import escape
from pathlib import Path

import duckdb

from connectors.files import FilesSource
from meterhouse.duck import literal
from meterhouse.errors import CorrectionFault, UsageError
from meterhouse.lake import Lake
from meterhouse.lake_views import views
from meterhouse.run.book import flatten
from meterhouse.run.correcting import Corrected, finish
from meterhouse.run.deliveries import Book, checked
from meterhouse.run.sources import reading_of
from meterhouse.run.versions import REPLACED, find_versions

# The faults of each record; they are told in the order of files and records.
FAULTS = """
select place, event_id, sentence from (
    select source_row, place, event_id,
        case when reason is not null then detail
            when action is not null then 'an action has no place in the whole of a day'
            when event_day <> $day then 'its time lies on ' || event_day || ', not on the day that '
                || 'is replaced'
        end as sentence
    from given
    union all
    select source_row, place, event_id, 'the same id has other values in ' || first_place
    from (
        select *, first_value(place) over of_event as first_place,
            first_value(row_hash) over of_event as first_hash
        from given where reason is null
        window of_event as (partition by event_id order by source_row)
    )
    where row_hash <> first_hash
)
where sentence is not null order by source_row
"""


def replace_day(
    lake: Lake,
    source: str,
    day: date,
    files: Sequence[Path],
    reason: str,
    *,
    is_dry: bool = False,
) -> Corrected:
    """Make the events of a source on a UTC day those of the files, and no other."""
    with lake.write_lock.held(), lake.session() as db:
        _read(lake, db, source, files)
        views(db, None)
        flatten(db)
        _refuse(db, day)
        _classify(lake, db, source, day)
        name = f"{day} {', '.join(file.name for file in files)}"
        subject = f"{source} {day}"
        return finish(lake, db, "replace_day", name, reason, subject=subject, is_dry=is_dry)


def _read(lake: Lake, db: duckdb.DuckDBPyConnection, source: str, files: Sequence[Path]) -> None:
    """Temp table `given`: the checked records of all files, numbered on from file to file."""
    reading = reading_of(lake.settings, lake.settings.source(source))
    book = Book.of(lake)
    db.execute("drop table if exists given")
    for file in files:
        folder = FilesSource(source, file.parent, pattern=escape(file.name), reading=reading)
        listed = next(folder.pending(), None)
        if listed is None:
            raise UsageError(f"File {file} cannot be read as usage; nothing was changed.")
        delivery = checked(lake, source, folder, listed, book)
        try:
            _add(db, file, delivery.db if delivery.records else None)
        finally:
            delivery.close()
    if _count(db, "select count(*) from duckdb_tables() where table_name = 'given'") == 0:
        raise CorrectionFault([EMPTY])


EMPTY = (
    "the files hold no records, which would void the whole day; void its events by their ids with "
    "`meterhouse events void --file`"
)


def _add(
    db: duckdb.DuckDBPyConnection, file: Path, records: duckdb.DuckDBPyConnection | None
) -> None:
    if records is None:
        return
    db.register("frame_in", records.sql("select * from checked").to_arrow_table())
    is_first = not _count(db, "select count(*) from duckdb_tables() where table_name = 'given'")
    before = 0 if is_first else _count(db, "select max(source_row) from given")
    place = f"{literal(file.name + ' row ')} || source_row as place"
    select = f"select * replace (source_row + {before} as source_row), {place} from frame_in"
    db.execute(
        f"create temp table given as {select}"
        if is_first
        else f"insert into given by name {select}"
    )
    db.unregister("frame_in")


def _refuse(db: duckdb.DuckDBPyConnection, day: date) -> None:
    found = db.execute(FAULTS, {"day": day}).fetchall()
    if found:
        raise CorrectionFault([f"{place}, event {name}: {told}" for place, name, told in found])


def _classify(lake: Lake, db: duckdb.DuckDBPyConnection, source: str, day: date) -> None:
    """Tables `classified` and `held` of what is given and of what the day holds now."""
    db.execute(
        f"create or replace temp table wanted as select distinct {literal(source)} as source, "
        "event_id from given"
    )
    find_versions(lake, db)
    db.execute(
        f"""
        create or replace temp table ended as
        select events.* from lake.facts.usage_events as events
        anti join ({REPLACED}) as replaced
            on replaced.batch_seq = events.batch_seq and replaced.row_no = events.row_no
        anti join wanted on wanted.event_id = events.event_id
        where event_day = date {literal(day.isoformat())} and source = {literal(source)}
            and action is distinct from 'void'
        """
    )
    db.execute("create or replace temp view held as from newest union all by name from ended")
    last = _count(db, "select max(source_row) from given")
    db.execute(
        f"""
        create or replace temp table classified as
        select {literal(source)}::varchar as source,
            given.* exclude (place, action, original_seq, original_row),
            newest.batch_seq as first_seq, newest.row_no as first_row,
            case
                when row_number() over (partition by given.event_id order by given.source_row) > 1
                    then 'duplicate'
                when newest.event_id is null then 'accepted'
                when newest.row_hash = given.row_hash then 'duplicate'
                else 'restated'
            end as outcome
        from given left join newest on newest.event_id = given.event_id
        union all by name
        select source, event_id, event_type, subject, customer_id, occurred_at, event_day,
            ?::timestamptz as received_at, '{{}}' as data, 'void' as row_hash,
            {last} + row_number() over (order by batch_seq, row_no) as source_row,
            batch_seq as first_seq, row_no as first_row, 'voided' as outcome
        from ended
        """,
        [lake.settings.now()],
    )


def _count(db: duckdb.DuckDBPyConnection, query: str) -> int:
    row = db.execute(query).fetchone()
    return int(row[0]) if row and row[0] is not None else 0
