"""From raw records to checked events: most records are plain, and need no list of faults.

What is plain is told by tests that are cheap for every row (plain.py); whatever fails one of them
goes through all rules of validation.py. A law in the tests holds the two to the same answer.
"""

from datetime import datetime

import duckdb

from meterhouse.duck import identifier, literal
from meterhouse.lake import RANKS
from meterhouse.run import plain
from meterhouse.run.mapping import Mapped, mapped, spelled
from meterhouse.run.validation import Property, check, properties, row_hash
from meterhouse.source_settings import Source

US_PER_DAY = 86_400_000_000
EPOCH = "timestamptz '1970-01-01 00:00:00+00'"
# What of the book the check of a record reads.
BOOK_TABLES = ("event_types", "properties", "subjects")
EVENT = "source_row, event_id, event_type, subject, customer_id, occurred_at, event_day, data"
NO_ACTION = "cast(null as varchar) as action"
# What makes two records without an id equal.
CONTENT_MD5 = (
    "md5(concat_ws(chr(31), coalesce(event_type, ''), coalesce(subject, ''), "
    "coalesce(time_text, ''), coalesce(data, ''), coalesce(broken, '')))"
)


def stage(
    db: duckdb.DuckDBPyConnection, name: str, source: Source, now: datetime, latest: datetime
) -> None:
    """Make temp table `staged` of the plain records of `raw`, which is dropped, and view `checked`
    of all; its columns are those that validation.check gives, but for `broken`."""
    known = properties(db)
    _make_types(db, known)
    fields = mapped(db, name, source)
    _make_staged(db, fields, known, now, latest)
    db.execute("drop table raw")
    _number_equal_rows(db)
    db.execute(
        "create or replace temp table mapped as select source_row, event_id, event_type, subject, "
        f"time_text, data, broken, {'action' if fields.action else NO_ACTION}, "
        "cast(null as bigint) as original_seq, "
        "cast(null as bigint) as original_row from staged where not is_plain"
    )
    check(db, now, latest, into="faulty")
    db.execute("delete from staged where not is_plain")
    typed = "".join(f", {identifier(p.column)}" for p in known)
    ranks = ", ".join(RANKS)
    db.execute(
        "create or replace temp view checked as "
        f"select {EVENT}, received_at, row_hash, {ranks}{typed}, "
        f"coalesce(time_text, {spelled('occurred_at', fields.time_suffix)}) as time_text, "
        "cast(null as bigint) as original_seq, "
        "cast(null as bigint) as original_row, cast(null as varchar) as reason, '' as detail, "
        "is_plain from staged union all by name "
        f"select faulty.* exclude (broken), {ranks} from faulty "
        "left join customer_ranks using (customer_id) "
        "left join plain_types on known_type = event_type"
    )


def _make_types(db: duckdb.DuckDBPyConnection, known: list[Property]) -> None:
    """Temp tables of what a plain record may name: types with their properties, and subjects that
    mean one customer all their life."""
    marks = "".join(
        f", coalesce(bool_or(properties.name = {literal(p.name)}), false) as {plain.has(p)}, "
        f"coalesce(bool_or(properties.name = {literal(p.name)} and properties.is_required), "
        f"false) as {plain.needs(p)}"
        for p in known
    )
    marks += "".join(
        f", any_value(properties.values) filter (properties.name = {literal(p.name)}) "
        f"as {plain.among(p)}"
        for p in known
        if p.is_enumerated
    )
    db.execute(
        "create or replace temp table plain_types as select event_types.event_type as known_type, "
        f"dense_rank() over (order by event_types.event_type) as type_rank{marks} "
        "from book.event_types as event_types "
        "left join book.properties as properties using (event_type) "
        "group by event_types.event_type"
    )
    # Ranks sort as the ids do, at two thirds of the cost.
    db.execute(
        "create or replace temp table customer_ranks as select customer_id, "
        "dense_rank() over (order by customer_id) as customer_rank "
        "from (select distinct customer_id from book.subjects)"
    )
    db.execute(
        "create or replace temp table plain_subjects as select * from customer_ranks join ("
        "select subject as known_subject, any_value(customer_id) as customer_id, "
        "min(from_on) as from_on, max(until_on) as until_on "
        "from book.subjects group by subject having count(*) = 1) using (customer_id)"
    )


def _make_staged(
    db: duckdb.DuckDBPyConnection,
    fields: Mapped,
    known: list[Property],
    now: datetime,
    latest: datetime,
) -> None:
    """Temp table `staged`: the fields of every record, is_plain, and of those that are not, what
    the rules need."""
    raw = {f"v_{p.name}": plain.carried(p, fields.value(*p.keys)) for p in known}
    keys = (fields.keys or {}).values()
    raw |= {plain.key_name(at): value.text for at, value in enumerate(keys)}
    typed = {p.column: plain.typed(p, fields.value(*p.keys)) for p in known}
    kept = {p.column: f"case when {plain.has(p)} then {identifier(p.column)} end" for p in known}
    if fields.action is not None:
        raw["action"] = fields.action
        kept["action"] = "action"
    db.execute(
        f"""
        create or replace temp table staged as
        with fields as (
            select source_row, {fields.event_type} as event_type, {fields.subject} as subject,
                {plain.instant(fields.time)} as occurred_at, {_time_given(fields)} as time_given,
                {fields.data} as data, {fields.broken} as broken,
                {fields.own_id or "cast(null as varchar)"} as own_id{_named(raw)}
            from raw
        ),
        typed as (
            select *, date '1970-01-01'
                + cast(epoch_us(occurred_at) // {US_PER_DAY} as integer) as event_day{_named(typed)}
            from fields
        ),
        judged as (
            select *,
                coalesce({" and ".join(_tests(fields, known))}, false) as is_plain,
                case when own_id is null
                    then {CONTENT_MD5.replace("time_text", _time_text(fields))} end as content_md5
            from typed
            left join plain_types on known_type = event_type
            left join plain_subjects on known_subject = subject
        )
        select source_row, {_event_id(fields)} as event_id, event_type, subject, customer_id,
            occurred_at, event_day, data, $now as received_at, is_plain, content_md5,
            case when is_plain then {_hash(fields, known)} end as row_hash,
            case when is_plain then time_given else {_time_text(fields)} end as time_text,
            case when not is_plain then broken end as broken,
            {", ".join(RANKS)}{_named(kept)}
        from judged
        """,
        {"now": now, "latest": latest},
    )


def _tests(fields: Mapped, known: list[Property]) -> list[str]:
    """What every plain record passes."""
    return [
        *([] if fields.action is None else ["action is null"]),
        "broken is null",
        "known_type is not null",
        "customer_id is not null",
        f"occurred_at between {EPOCH} and $latest",
        "event_day >= from_on",
        "event_day < until_on",
        *(plain.is_plain(p) for p in known),
    ]


def _number_equal_rows(db: duckdb.DuckDBPyConnection) -> None:
    """Give records without an id their ordinal among equal ones.

    It makes two equal rows of one file count twice, and the same file again count nothing,
    whatever its order, name or packing.
    """
    db.execute(
        """
        create or replace temp table later_equals as
        select source_row, row_number() over (partition by content_md5 order by source_row) as nth
        from staged
        where content_md5 in (
            select content_md5 from staged where content_md5 is not null
            group by content_md5 having count(*) > 1
        )
        qualify nth > 1
        """
    )
    db.execute(
        "update staged set event_id = left(event_id, -1) || nth from later_equals "
        "where staged.source_row = later_equals.source_row"
    )


def _event_id(fields: Mapped) -> str:
    """The id a record brings, or the hash of its fields, as the first of its equals for now."""
    if fields.own_id is None:
        return "content_md5 || '-1'"
    # A record without its id still needs an identity, to be quarantined once.
    return "coalesce(own_id, 'no-id-' || content_md5 || '-1')"


def _time_given(fields: Mapped) -> str:
    return "cast(null as varchar)" if fields.time.typed else fields.time.text


def _time_text(fields: Mapped) -> str:
    """The text of the time; made of the instant where that was typed, which few rows need."""
    if fields.time.typed is None:
        return "time_given"
    return spelled("occurred_at", fields.time_suffix)


def _hash(fields: Mapped, known: list[Property]) -> str:
    if fields.keys is None:
        return row_hash(known, time_text="time_given")
    return row_hash(known, content=plain.content(fields.keys, known), time_text="time_given")


def _named(expressions: dict[str, str]) -> str:
    return "".join(f", {sql} as {identifier(name)}" for name, sql in expressions.items())
