"""Columns of Parquet: every type that a source may send, with the text of each value."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from tests.run.hostile import (
    FIELDS,
    KEYS,
    NUMBERS,
    ODD,
    RECORD,
    as_columns,
    mostly,
    padded,
    repeated,
    sources,
)


def naive(*parts):
    """A time without a zone."""
    return datetime(*parts, tzinfo=UTC).replace(tzinfo=None)


def decimals(precision, scale):
    most = 10**precision - 1
    near = st.sampled_from([0, 1, -1, 150, 1000, most, -most, 10**scale % (most + 1)])
    near = near.filter(lambda whole: abs(whole) <= most)
    values = st.one_of(near, st.integers(-min(most, 10**9), min(most, 10**9)))
    kind = pa.decimal128 if precision <= 38 else pa.decimal256
    return kind(precision, scale), values.map(lambda whole: Decimal(placed(whole, scale)))


def placed(whole, scale):
    """The text of a whole number with so many of its digits behind the point."""
    digits = str(abs(whole)).zfill(scale + 1)
    sign = "-" if whole < 0 else ""
    return sign + (digits if scale == 0 else f"{digits[:-scale]}.{digits[-scale:]}")


def wholes(kind, low, high):
    return kind, st.one_of(st.integers(max(low, -9), 9), st.sampled_from([low, high]))


LAST = naive(9999, 12, 31, 23, 59, 59)
INSTANTS = mostly(
    st.datetimes(naive(2024, 1, 1), naive(2024, 6, 15, 13, 0, 1)),
    st.sampled_from(
        [naive(1, 1, 1), naive(1969, 12, 31), naive(1970, 1, 1), naive(2024, 6, 15, 13), LAST]
    ),
)
NEAR = st.datetimes(naive(1969, 12, 31), naive(2030, 1, 1))
ZONED = [
    (pa.timestamp(unit, zone), NEAR if unit == "ns" else INSTANTS)
    for unit in ("s", "ms", "us", "ns")
    for zone in (None, "UTC")
]
TYPED = st.sampled_from(
    [
        *(
            wholes(kind, -(2 ** (size - 1)), 2 ** (size - 1) - 1)
            for kind, size in zip(
                (pa.int8(), pa.int16(), pa.int32(), pa.int64()), (8, 16, 32, 64), strict=True
            )
        ),
        *(
            wholes(kind, 0, 2**size - 1)
            for kind, size in zip(
                (pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()), (8, 16, 32, 64), strict=True
            )
        ),
        *(decimals(p, s) for p, s in ((1, 0), (4, 2), (2, 2), (9, 3), (18, 2), (18, 18), (20, 0))),
        *(decimals(p, s) for p, s in ((38, 0), (38, 1), (38, 2), (38, 12), (38, 38), (50, 3))),
        (pa.bool_(), st.booleans()),
        (pa.date32(), st.just(date(2024, 1, 31))),
        (pa.float64(), st.sampled_from([0.5, -1.25, 3.0, float("nan"), float("inf"), 1e20])),
        (pa.dictionary(pa.int8(), pa.string()), NUMBERS),
        (pa.dictionary(pa.int8(), pa.int64()), st.integers(0, 9)),
        (pa.large_string(), padded(NUMBERS)),
        *ZONED,
    ]
)


def spelled(value, kind):
    """The text of a value of a Parquet column, as connectors/README.md promises it."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        # Python writes no leading zeros of a year.
        whole, parts = value.replace(tzinfo=None).isoformat(" ", "microseconds").split(".")
        cut = {"s": parts[:0], "ms": parts[:3]}.get(kind.unit, parts).ljust(6, "0")
        return f"{whole}.{cut}" + ("000" if kind.unit == "ns" else "") + ("+00:00" * bool(kind.tz))
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, float):
        return pa.array([value]).cast(pa.string())[0].as_py()
    return str(value)


def fitting(value, kind):
    """A value as Arrow takes it: coarse units refuse what they would cut."""
    if isinstance(value, datetime):
        cut = {"s": 10**6, "ms": 10**3}.get(kind.unit, 1)
        return value.replace(microsecond=value.microsecond // cut * cut)
    return value


def arrow(values, kind):
    if pa.types.is_dictionary(kind):
        return pa.array(values, kind.value_type).dictionary_encode().cast(kind)
    return pa.array(values, kind)


@st.composite
def parquet_files(draw, folder):
    columns = {name: (pa.string(), values) for name, values in RECORD.items()}
    for name in draw(st.lists(st.sampled_from([*KEYS, "id"]), unique=True, max_size=2)):
        columns[name] = draw(TYPED)
    if draw(st.booleans()):
        columns["time"] = draw(st.sampled_from(ZONED))
    for name in draw(st.lists(st.sampled_from(ODD), unique=True, max_size=2)):
        columns[name] = draw(TYPED)
    count = draw(st.integers(1, 6))
    spoilt = draw(st.sets(st.sampled_from(list(FIELDS)), max_size=2))
    columns |= {
        n: (columns[n][0], FIELDS[n][0])
        for n in FIELDS
        if n not in spoilt and columns[n][1] is RECORD[n]
    }
    values = {
        name: draw(
            st.lists(
                mostly(good, st.none()) if name in spoilt else good, min_size=count, max_size=count
            ).map(lambda column, kind=kind: [fitting(value, kind) for value in column])
        )
        for name, (kind, good) in columns.items()
    }
    order = repeated(draw, list(range(count)))
    rows = [{name: values[name][at] for name in columns} for at in order]
    schema = pa.schema([(name, kind) for name, (kind, _) in columns.items()])
    arrays = [arrow([row[name] for row in rows], schema.field(name).type) for name in columns]
    pq.write_table(
        pa.table(arrays, schema=schema), folder / "usage.parquet", coerce_timestamps=None
    )
    texts = [{n: spelled(row[n], columns[n][0]) for n in columns} for row in rows]
    paths = st.sampled_from([name for name in columns if name != "Region"])
    return [as_columns(row) for row in texts], draw(sources(paths))
