"""SQL tests that are cheap for every row: which values are plain, and what they are worth.

A plain value passes all rules of validation.py and has the same typed value there. What is not
plain is not wrong: the rules decide. Each expression reads the columns that staging.py carries:
`v_<property>` (trimmed text, or the typed value), `has_…` and `needs_…` of the event type, and
`k_<place>`, the text of each key of `data`.
"""

from meterhouse.duck import identifier, literal
from meterhouse.run.mapping import Value, trimmed
from meterhouse.run.validation import NUMBER, Property, canonical_number, number_keys
from meterhouse.schema import property_type

TIME = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?"
    r"(Z|[+-][0-9]{2}(:[0-9]{2})?)"
)
WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT")


def instant(time: Value) -> str:
    """The instant of an event's time; null where the text is not plain."""
    if time.typed is not None:
        return time.typed
    return (
        f"case when regexp_full_match({time.text}, {literal(TIME)}) "
        f"then try_cast({time.text} as timestamptz) end"
    )


def carried(prop: Property, value: Value) -> str:
    """What the tests of a property read more than once."""
    if prop.type == "string":
        return value.text
    return value.typed or trimmed(value.text)


def typed(prop: Property, value: Value) -> str:
    """The typed value; null where it is not plain."""
    raw = carried_column(prop)
    if prop.type == "string":
        return raw
    if prop.type == "boolean":
        if value.type == "BOOLEAN":
            return raw
        text = f"lower(cast({raw} as varchar))"
        return f"case {text} when 'true' then true when 'false' then false end"
    column_type = property_type(prop.type, prop.decimals, prop.digits)
    cast = f"try_cast({raw} as {column_type})"
    if value.typed is None:
        places = rf"(\.[0-9]{{1,{prop.decimals}}})?" if prop.decimals else ""
        return f"case when regexp_full_match({raw}, {literal(f'-?[0-9]+{places}')}) then {cast} end"
    if value.type in WHOLE:
        return cast
    if value.type.startswith("DECIMAL"):
        # A cast rounds the places that a property does not keep: those are for the rules to name.
        # Compared in the type of the column: one that holds both may be wider than any decimal.
        return f"case when try_cast({cast} as {value.type}) = {raw} then {cast} end"
    return f"cast(null as {column_type})"


def is_plain(prop: Property) -> str:
    """An event type takes no other properties; its own are good, or missing and not needed."""
    raw, column = carried_column(prop), identifier(prop.column)
    if prop.type == "string":
        is_there = f"(not {needs(prop)} or {trimmed(raw)} is not null)"
        if not prop.is_enumerated:
            return is_there
        is_known = f"list_contains({among(prop)}, {raw})"
        return f"{is_there} and ({among(prop)} is null or {trimmed(raw)} is null or {is_known})"
    missing = f"({raw} is null and not {needs(prop)})"
    return f"(not {has(prop)} or {column} is not null or {missing})"


def content(keys: dict[str, Value], known: list[Property]) -> str:
    """The canonical text of `data` with these keys; validation.py makes the same from JSON."""
    if not keys:
        return "''"
    numbers = number_keys(known)
    parts = []
    for at, (key, value) in enumerate(keys.items()):
        text = _canonical(key_name(at), value) if key in numbers else key_name(at)
        before = "" if at == 0 else "chr(30) || "
        parts.append(f"{before}{literal(key)} || chr(31), coalesce({text}, chr(29))")
    # One call: each || of its own would copy the text once more.
    return f"concat({', '.join(parts)})"


def _canonical(text: str, value: Value) -> str:
    if value.type in WHOLE:
        return text
    if value.type.startswith("DECIMAL"):
        plain = f"rtrim(rtrim({text}, '0'), '.')"
        return f"case when contains({text}, '.') then {plain} else {text} end"
    is_number = f"regexp_matches({text}, {literal(NUMBER)})"
    return f"case when {is_number} then {canonical_number(text)} else {text} end"


def has(prop: Property) -> str:
    """Column: whether the event type has the property."""
    return identifier(f"has_{prop.name}")


def needs(prop: Property) -> str:
    """Column: whether the event type needs the property."""
    return identifier(f"needs_{prop.name}")


def among(prop: Property) -> str:
    """Column: the values that the event type lists for the property, or null."""
    return identifier(f"among_{prop.name}")


def carried_column(prop: Property) -> str:
    """Column of the property's value as it came."""
    return identifier(f"v_{prop.name}")


def key_name(at: int) -> str:
    """Column of the text of a key of `data`, by its place: keys may differ in case alone."""
    return f"k_{at}"
