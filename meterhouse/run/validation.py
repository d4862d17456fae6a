"""Which mapped records are events: typed columns and faults, as table `checked` in the session.

One row per mapped record: the mapped columns, customer_id, occurred_at, event_day, one typed
column per property, row_hash (of the canonical values), reason (null for a good event),
detail (every fault as a sentence) and is_plain (false: it took all the rules).
Where `mapped` has a column `action`, a record that voids an event needs no more than its id.
"""

from datetime import datetime
from typing import NamedTuple

import duckdb

from meterhouse.duck import identifier, literal
from meterhouse.run.mapping import key_path
from meterhouse.schema import PROPERTY_PREFIX, property_type

TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)$"  # noqa: E501
NUMBER = r"^-?[0-9]+(\.[0-9]+)?$"
EXPONENT = r"^[+-]?[0-9]+(\.[0-9]+)?[eE][+-]?[0-9]+$"


class Property(NamedTuple):
    """A typed property of the book; some event type lists its values where `is_enumerated`."""

    name: str
    type: str
    decimals: int
    path: str
    is_enumerated: bool
    digits: int = 18

    @property
    def column(self) -> str:
        """Its column among the usage events."""
        return PROPERTY_PREFIX + self.name

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys on the way to its value in `data`."""
        return tuple(self.path.split("."))

    @property
    def is_number(self) -> bool:
        """Whether a meter may add it up."""
        return self.type in ("integer", "decimal")


def properties(db: duckdb.DuckDBPyConnection) -> list[Property]:
    """Every distinct property of the flattened book (a name has one type and one path, `plan` sees
    to it)."""
    rows = db.execute(
        "select name, type, decimals, path, bool_or(values is not null), digits "
        "from book.properties group by all order by 1"
    )
    return [Property(*row) for row in rows.fetchall()]


def check(
    db: duckdb.DuckDBPyConnection, now: datetime, latest: datetime, into: str = "checked"
) -> None:
    """Make temp table `checked` from `mapped`; events after `latest` are in the future."""
    known = properties(db)
    typed = ", ".join(f"{_typed(p)} as {identifier(p.column)}" for p in known)
    rules = [*_envelope_faults(), *(_property_fault(p) for p in known)]
    has_action = "action" in {row[0] for row in db.execute("describe mapped").fetchall()}
    faults = _faults_of_action(rules) if has_action else _faults(rules)
    db.execute(_types_sql())
    db.execute(
        f"""
        create or replace temp table {into} as
        with timed as (
            select mapped.*, {_instant()} as occurred_at, types.event_type is not null as is_typed,
                types.names, types.required, types.allowed
            from mapped left join types on types.event_type = mapped.event_type
        ),
        resolved as (
            select timed.*, subjects.customer_id
            from timed
            left join book.subjects as subjects
                on subjects.subject = timed.subject
                and coalesce(cast(timed.occurred_at as date), date '2000-01-01')
                    >= subjects.from_on
                and coalesce(cast(timed.occurred_at as date), date '2000-01-01')
                    < subjects.until_on
        ),
        judged as (
            select *, {typed + "," if typed else ""} {faults} as faults from resolved
        )
        select * exclude (faults, names, required, allowed, is_typed),
            cast(occurred_at as date) as event_day,
            ? as received_at,
            case when faults[1] is not null then split_part(faults[1], '|', 1) end as reason,
            array_to_string(list_transform(faults, f -> split_part(f, '|', 2)), '; ') as detail,
            {row_hash(known)} as row_hash, false as is_plain
        from judged
        """,
        [latest, now],
    )


def _faults(rules: list[str]) -> str:
    return f"list_filter([{', '.join(rules)}], fault -> fault is not null)"


def _faults_of_action(rules: list[str]) -> str:
    unknown = (
        "case when action not in ('amend', 'void') then 'unknown_action|Action ' "
        "|| left(action, 60) || ' is neither amend nor void' end"
    )
    return (
        "case when action = 'void' and broken is null then cast([] as varchar[]) "
        f"else {_faults([unknown, *rules])} end"
    )


def _types_sql() -> str:
    return (
        "create or replace temp table types as select event_types.event_type, "
        "coalesce(list(properties.name) filter (properties.name is not null), []) as names, "
        "coalesce(list(properties.name) filter (properties.is_required), []) as required, "
        # The values of each property that lists them; of the others the map has no key.
        "coalesce(map_from_entries(list((properties.name, properties.values)) "
        "filter (properties.values is not null)), map([]::varchar[], []::varchar[][])) as allowed "
        "from book.event_types as event_types "
        "left join book.properties as properties using (event_type) group by all"
    )


def _instant() -> str:
    """Text to instant; parts of a second finer than a microsecond are cut, never rounded."""
    cut = r"regexp_replace(replace(time_text, 'T', ' '), '(\.[0-9]{6})[0-9]+', '\1')"
    zoned = f"regexp_replace({cut}, 'Z$', '+00')"
    return (
        f"case when regexp_matches(time_text, {literal(TIME)}) "
        f"then try_cast({zoned} as timestamptz) end"
    )


def _envelope_faults() -> list[str]:
    return [
        "case when broken is not null then 'bad_record|The record is not readable: ' "
        "|| left(broken, 200) end",
        "case when broken is null and (event_type is null or not is_typed) then 'unknown_type|"
        "Event type ' || coalesce(event_type, '(none)') || ' is not in the book' end",
        "case when broken is null and customer_id is null then 'unknown_subject|Subject ' "
        "|| coalesce(subject, '(none)') || ' names no customer of the book at that time' end",
        "case when broken is null and occurred_at is null then 'bad_time|Time ' "
        "|| coalesce(time_text, '(none)') || ' is not a date and time with an offset' end",
        "case when occurred_at > ? then 'future_time|Time ' || time_text "
        "|| ' lies in the future beyond the tolerance' end",
    ]


def _text(prop: Property) -> str:
    return f"nullif(trim({_value(prop)}), '')"


def _value(prop: Property) -> str:
    return f"data->>{literal(key_path(*prop.keys))}"


def _typed(prop: Property) -> str:
    text = _text(prop)
    if prop.type == "string":
        typed = _value(prop)
    elif prop.type == "boolean":
        typed = f"case lower({text}) when 'true' then true when 'false' then false end"
    else:
        column_type = property_type(prop.type, prop.decimals, prop.digits)
        typed = (
            f"case when regexp_matches({text}, {literal(NUMBER)}) "
            f"then try_cast({text} as {column_type}) end"
        )
    return f"case when list_contains(names, {literal(prop.name)}) then {typed} end"


def _property_fault(prop: Property) -> str:
    text = _text(prop)
    label = f"Property {prop.name}"
    missing = (
        f"when {text} is null then case when list_contains(required, {literal(prop.name)}) "
        f"then 'missing_value|{label} has no value' end"
    )
    rules = [missing]
    if prop.type == "boolean":
        rules.append(
            f"when lower({text}) not in ('true', 'false') "
            f"then 'not_a_boolean|{label} is ' || {text} || ', not true or false'"
        )
    if prop.is_number:
        rules.extend(_number_rules(prop, text, label))
    if prop.is_enumerated:
        rules.append(
            f"when not list_contains(coalesce(allowed[{literal(prop.name)}], [{_value(prop)}]), "
            f"{_value(prop)}) then 'unknown_value|{label} is ' || left({text}, 60) "
            "|| ', which is none of its values'"
        )
    return (
        f"case when not list_contains(names, {literal(prop.name)}) then null {' '.join(rules)} end"
    )


def _number_rules(prop: Property, text: str, label: str) -> list[str]:
    column_type = property_type(prop.type, prop.decimals, prop.digits)
    fraction = rf"length(rtrim(regexp_extract({text}, '\.([0-9]+)$', 1), '0'))"
    return [
        f"when lower(ltrim({text}, '+-')) = 'nan' then 'nan|{label} is NaN'",
        f"when lower(ltrim({text}, '+-')) in ('inf', 'infinity') "
        f"then 'infinity|{label} is infinite'",
        f"when regexp_matches({text}, {literal(EXPONENT)}) then 'exponent_form|{label} is ' "
        f"|| {text} || '; exponent forms are not exact, send plain digits'",
        f"when not regexp_matches({text}, {literal(NUMBER)}) then 'not_a_number|{label} is ' "
        f"|| left({text}, 60) || ', not a plain decimal number'",
        f"when {fraction} > {prop.decimals} then 'too_many_decimals|{label} is ' || {text} "
        f"|| '; at most {prop.decimals} decimals are kept'",
        f"when try_cast({text} as {column_type}) is null then 'out_of_range|{label} is ' "
        f"|| left({text}, 60) || ', more than {prop.digits - prop.decimals} digits before '"
        "|| 'the point'",
    ]


def row_hash(
    known: list[Property], content: str | None = None, time_text: str = "time_text"
) -> str:
    """Hash of what two deliveries of one event must share: 1.50 and 1.5 of a number are equal.

    `content` is SQL that gives the canonical text of `data` where its keys are known beforehand.
    """
    instant = f"coalesce(cast(epoch_us(occurred_at) as varchar), {time_text}, '')"
    return (
        f"md5(concat(event_type, chr(28), subject, chr(28), {instant}, chr(28), "
        f"{content or _content(known)}, chr(28), broken))"
    )


def canonical_number(text: str) -> str:
    """A plain number without the zeros that say nothing."""
    return rf"regexp_replace(regexp_replace({text}, '(\.[0-9]*?)0+$', '\1'), '\.$', '')"


def number_keys(known: list[Property]) -> set[str]:
    """The keys of `data` whose values are numbers; what stands deeper is hashed as written."""
    return {p.path for p in known if p.is_number and len(p.keys) == 1}


def _content(known: list[Property]) -> str:
    """The canonical text of `data`: key and value, in the order of the keys."""
    numbers = ", ".join(literal(key) for key in sorted(number_keys(known)))
    # A JSON pointer: a key may hold any sign, which a path in quotes may not.
    value = "data->>('/' || replace(replace(k, '~', '~0'), '/', '~1'))"
    canonical = (
        f"case when list_contains([{numbers}]::varchar[], k) "
        f"and regexp_matches({value}, {literal(NUMBER)}) then {canonical_number(value)} "
        f"else {value} end"
    )
    return (
        "array_to_string(list_transform(list_sort(json_keys(data)), "
        f"k -> k || chr(31) || coalesce({canonical}, chr(29))), chr(30))"
    )
