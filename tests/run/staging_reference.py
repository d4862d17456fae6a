"""What a load must make of records: mapped to text in plain Python, judged by all the rules.

Only validation.check is believed here, of the whole loader.
"""

import hashlib
import json
import re
import unicodedata
from collections import Counter
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from meterhouse.run.validation import check

NOW = datetime(2024, 6, 15, 12, tzinfo=UTC)
LATEST = NOW + timedelta(hours=1)
BOOK = """
create schema book;
create table book.event_types as
    select unnest(['call', 'chat', 'ping']) as event_type;
create table book.properties as select *, 18 as digits from (values
    ('call', 'tokens', 'integer', 0, true, 'tokens', null),
    ('call', 'cost', 'decimal', 2, false, 'cost', null),
    ('call', 'ratio', 'decimal', 12, false, 'ratio', null),
    ('call', 'ok', 'boolean', 0, false, 'ok', null),
    ('call', 'region', 'string', 0, true, 'region', null),
    ('call', 'place', 'string', 0, false, 'a-b', ['eu', 'us', ' eu']),
    ('call', 'parts', 'decimal', 2, false, 'n-1', null),
    ('call', 'deep', 'decimal', 2, false, 'usage.tokens.deep', null),
    ('call', 'kind', 'string', 0, false, 'usage.kind', ['eu', 'us']),
    ('chat', 'tokens', 'integer', 0, false, 'tokens', null),
    ('chat', 'note', 'string', 0, false, 'note', ['n', 'm']),
    ('chat', 'cost', 'decimal', 2, true, 'cost', null),
    ('chat', 'place', 'string', 0, true, 'a-b', null),
    ('chat', 'ok', 'boolean', 0, true, 'ok', null)
) as given(event_type, name, type, decimals, is_required, path, values);
create table book.subjects as
    select subject, customer_id, from_on::date as from_on, until_on::date as until_on
    from (values
    ('acme', 'acme', '0001-01-01', '9999-12-31'), ('beta', 'beta', '0001-01-01', '9999-12-31'),
    ('once', 'beta', '2024-02-01', '2024-05-01'), ('early', 'acme', '0001-01-01', '2024-03-01'),
    ('moved', 'acme', '0001-01-01', '2024-03-01'), ('moved', 'beta', '2024-03-01', '9999-12-31')
    ) as given(subject, customer_id, from_on, until_on);
"""
SAME = (
    *("source_row", "event_id", "event_type", "subject", "customer_id", "occurred_at"),
    *("event_day", "received_at", "time_text", "data", "row_hash", "reason", "detail"),
    *("p_tokens", "p_cost", "p_ratio", "p_ok", "p_region", "p_note"),
    *("p_place", "p_parts", "p_deep", "p_kind"),
)


class Bare(str):
    """A number of JSON without quotes, digit by digit."""


def compact(value, *, is_file=False):
    """JSON of a value; the connector puts bare numbers into quotes, a file has them bare."""
    if isinstance(value, dict):
        pairs = (f"{compact(k)}:{compact(v, is_file=is_file)}" for k, v in value.items())
        return "{" + ",".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(compact(one, is_file=is_file) for one in value) + "]"
    if isinstance(value, Bare) and is_file:
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def text(value):
    """The text of a JSON value."""
    if value is None or isinstance(value, str):
        return value
    return compact(value)


def trimmed(value):
    """Without spaces of any script at both ends; nothing left is null."""
    if value is None:
        return None
    kept = [at for at, mark in enumerate(value) if unicodedata.category(mark) != "Zs"]
    return value[kept[0] : kept[-1] + 1] if kept else None


def at_path(record, path):
    """The text at a path of keys with dots."""
    for key in path.split("."):
        record = record.get(key) if isinstance(record, dict) else None
    return text(record)


class Columns(dict):
    """A record of columns: name to text."""

    def get(self, name):
        return self[name]

    def data(self, source):
        if source.map.data is not None:
            pairs = {key: self[name] for key, name in source.map.data.items()}
        else:
            fields = (source.map.type, source.map.subject, source.map.time)
            used = {field.column for field in fields} | set(source.id.columns or ())
            pairs = {name: value for name, value in self.items() if name not in used}
        return compact({key: pairs[key] for key in sorted(pairs)})


class Line:
    """A record of NDJSON; one that is broken has no fields."""

    def __init__(self, value, broken=None):
        self.value, self.broken = {} if broken else value, broken

    def get(self, name):
        return at_path(self.value, name)

    def data(self, source):
        if source.map.data is not None:
            found = {key: self.get(name) for key, name in sorted(source.map.data.items())}
            return compact(found)
        return compact(self.value["data"]) if "data" in self.value else "{}"


def reference(db, records, source):
    """Table `reference`: every record through validation.check."""
    rows, counted = [], Counter()
    for number, record in enumerate(records, 1):

        def of(field, record=record):
            return field.value if field.value is not None else trimmed(record.get(field.column))

        event_type, subject, time = of(source.map.type), of(source.map.subject), of(source.map.time)
        has_offset = time is not None and re.search(
            r"(Z|[+-][0-9]{2}(:?[0-9]{2})?)\Z", time, re.ASCII
        )
        if source.map.time.zone and time is not None and not has_offset:
            time += "Z"
        data, broken = record.data(source), getattr(record, "broken", None)
        content = [event_type, subject, time, data, broken]
        digest = hashlib.md5("\x1f".join(part or "" for part in content).encode()).hexdigest()
        parts = [trimmed(record.get(name)) for name in source.id.columns or ()]
        own_id = parts[0] if len(parts) == 1 else "|".join(part or "" for part in parts)
        if source.id.row or own_id is None:
            # Equal records count among those that need it.
            counted[digest] += 1
            own_id = ("" if source.id.row else "no-id-") + f"{digest}-{counted[digest]}"
        rows.append((number, own_id, *content))
    names = ("source_row", "event_id", "event_type", "subject", "time_text", "data", "broken")
    kinds = [pa.int64(), *[pa.string()] * 6]
    columns = zip(*rows, strict=True)
    arrays = [pa.array(list(c), kind) for c, kind in zip(columns, kinds, strict=True)]
    db.register("given", pa.table(arrays, names=list(names)))
    db.execute(
        "create or replace temp table mapped as select *, cast(null as bigint) as original_seq, "
        "cast(null as bigint) as original_row from given"
    )
    check(db, NOW, LATEST, into="reference")
