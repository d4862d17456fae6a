"""Files of usage as a stranger may send them, with their records as the reference reads them."""

import csv
import re

from hypothesis import strategies as st

from meterhouse.source_settings import Source
from tests.run.staging_reference import Bare, Columns, Line, compact

PAD = st.sampled_from(["", "", "", "", " ", "  ", "\u00a0", "\u3000", "\t", "\n", "\u2003 "])


def padded(values):
    return st.builds(lambda before, value, after: before + value + after, PAD, values, PAD)


def mostly(good, hostile):
    return st.one_of(good, good, good, good, hostile)


ODD_NUMBERS = """
0 -0 7 007 1.5 1.50 1.500 1. . .5 +1 -3 - 1e3 1E3 -1e-2 1e NaN nan -nan inf -Infinity +inf
123456789012345678 1234567890123456789 -999999999999999999 9999999999999999.99
99999999999999999.99 0.005 0.0050000 1.2300 -0.00 1,000 0x10 1_0 --1 null true
"""
NUMBERS = st.one_of(
    st.sampled_from(
        [*ODD_NUMBERS.split(), "\u0661\u0662", "\uff11\uff12", "1.\u0665", "1 0", "5\n", ""]
    ),
    st.sampled_from(["1" * 25, "0." + "1" * 25, "1." + "0" * 25]),
    st.decimals(-(10**6), 10**6, places=3).map(lambda d: format(d, "f")),
)
BOOLEANS = st.sampled_from(
    ["true", "TRUE", "fAlSe", "yes", "1", "0", "t", "\uff34RUE", "", "tru\u00e9"]
)
TEXTS = st.one_of(
    st.sampled_from(["", "eu", "it's", '"', "\\", "a|b", "$.x", "null", "\ufeff", "%s"]),
    st.text("aé漢😀 \u00a0\u3000\t'\"\\|,;.$?", max_size=6),
)
FRACTIONS = ["", ".1", ".123456", ".1234567", ".999999999", ".0", "."]
ZONES = ["", "Z", "z", "+00", "+05", "-0530", "+05:30", "-15:59", "+16:00", "+99:99", " +00", "UTC"]
CLOCKS = [
    "00:00:00",
    "23:59:59",
    "23:59:60",
    "24:00:00",
    "24:00:01",
    "12:00",
    "13:00:00",
    "7:00:00",
]
DAYS = [
    *("0001-01-01", "9999-12-31", "1969-12-31", "1970-01-01", "2024-01-01", "2024-01-31"),
    *("2024-02-01", "2024-02-29", "2024-02-30", "2024-03-01", "2024-04-30", "2024-05-01"),
    *("2024-06-15", "2024-06-16", "2023-02-29", "24-01-01"),
]
TIMES = st.one_of(
    st.tuples(
        st.sampled_from(DAYS),
        st.sampled_from(["T", " ", "t", "  "]),
        st.sampled_from(CLOCKS),
        st.sampled_from(FRACTIONS),
        st.sampled_from(ZONES),
    ).map("".join),
    st.sampled_from(["", "now", "infinity", "-infinity", "epoch", "1718452800", "2024-06-15"]),
)
GOOD_TIMES = st.tuples(
    st.sampled_from(["2024-01-31", "2024-02-29", "2024-03-01", "2024-06-15"]),
    st.sampled_from(["T", " "]),
    st.sampled_from(["00:00:00", "11:59:59.5", "13:00:00", "12:34:56.789012"]),
    st.sampled_from(["Z", "+00:00", "+05:30", "-08"]),
).map("".join)
WHOLES = st.integers(0, 999).map(str)
PLACES = st.sampled_from(["1.5", "1.50", "0.01", "12", "-3.20", "0"])
KEYS = ("tokens", "cost", "ratio", "ok", "region", "note", "a-b", "n-1", "usage")
# Of each field what is good, and what may be wrong.
FIELDS = {
    "id": (st.sampled_from(["a", "b", "c", "d", "e"]), padded(st.sampled_from(["a", ""]))),
    "type": (
        st.sampled_from(["call", "call", "chat", "ping"]),
        padded(st.sampled_from(["call", "CALL", "", "other", "call\n"])),
    ),
    "subject": (
        st.sampled_from(["acme", "acme", "acme", "beta", "beta", "once", "early", "moved"]),
        padded(st.sampled_from(["acme", "ACME", "moved", "", "nobody"])),
    ),
    "time": (GOOD_TIMES, padded(TIMES)),
    "tokens": (WHOLES, padded(NUMBERS)),
    "cost": (PLACES, padded(NUMBERS)),
    "ratio": (PLACES, padded(NUMBERS)),
    "ok": (st.sampled_from(["true", "false"]), padded(BOOLEANS)),
    "region": (st.sampled_from(["eu", "us"]), padded(TEXTS)),
    "note": (st.just("n"), padded(TEXTS)),
    "a-b": (st.sampled_from(["eu", "us", " eu", "us"]), padded(TEXTS)),
    "n-1": (PLACES, padded(NUMBERS)),
    # JSON in a text is a text: nothing stands below it.
    "usage": (st.just('{"kind":"x"}'), TEXTS),
}
GOOD = st.fixed_dictionaries({name: good for name, (good, _) in FIELDS.items()})
RECORD = {name: mostly(*both) for name, both in FIELDS.items()}
# Names that a quote, a dot or a letter's case may break; the last is a second `region` to DuckDB.
ODD = ("it's", "a.b", "$x", "k_0", "v_tokens", "data", "broken", "event_type", "Region")
IDENTITIES = st.sampled_from(["id", {"columns": ["id", "region"]}, "row", "row"])


@st.composite
def sources(draw, paths):
    """Settings of a source; `paths` say where each property may be read."""
    mapping = {}
    if draw(st.booleans()):
        mapping["time"] = {"column": "time", "zone": "UTC"}
    for name, value in (("type", "call"), ("subject", "acme")):
        if draw(st.integers(0, 7)) == 0:
            mapping[name] = {"value": value}
    if draw(st.integers(0, 3)) == 0:
        mapping["data"] = draw(st.dictionaries(st.sampled_from([*KEYS, "x.y", "Tokens"]), paths))
    return Source.model_validate({"id": draw(IDENTITIES), "map": mapping})


def repeated(draw, rows):
    """The rows and some of them again."""
    return rows + draw(st.lists(st.sampled_from(rows), max_size=2))


@st.composite
def csv_files(draw, folder):
    names = [*RECORD, *draw(st.lists(st.sampled_from(ODD), unique=True, max_size=2))]
    hostile = st.fixed_dictionaries({name: RECORD.get(name, TEXTS) for name in names})
    good = st.fixed_dictionaries({n: FIELDS[n][0] if n in FIELDS else TEXTS for n in names})
    rows = repeated(draw, draw(st.lists(st.one_of(good, hostile), min_size=1, max_size=6)))
    with (folder / "usage.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(rows)
    source = draw(sources(st.sampled_from([n for n in names if n not in ("Region", "id")])))
    return [as_columns(row) for row in rows], source


def as_columns(row):
    """DuckDB gives a column whose name differs in case alone another name."""
    return Columns({"Region_1" if name == "Region" else name: row[name] for name in row})


def maybe_bare(values):
    number = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
    return st.builds(
        lambda value, is_bare: Bare(value) if is_bare and number.fullmatch(value) else value,
        values,
        st.booleans(),
    )


OTHER = st.sampled_from([None, True, False, Bare("5"), ["x", Bare("1.50")], {"k": None}, {}])
NESTED = st.fixed_dictionaries(
    {},
    optional={
        "tokens": mostly(
            st.fixed_dictionaries({"deep": mostly(maybe_bare(RECORD["cost"]), OTHER)}), OTHER
        ),
        "kind": mostly(RECORD["a-b"], OTHER),
        "deep": OTHER,
    },
)
DATA = st.fixed_dictionaries(
    {},
    optional={
        **{name: mostly(maybe_bare(RECORD[name]), OTHER) for name in KEYS},
        **{name: mostly(TEXTS, OTHER) for name in ("Tokens", "a.b", "it's", "c", "usage.kind")},
        "usage": mostly(NESTED, OTHER),
    },
)
LINE = st.fixed_dictionaries(
    {
        **{name: mostly(RECORD[name], OTHER) for name in ("type", "subject", "time")},
        "data": mostly(DATA, OTHER),
    },
    optional={"id": mostly(RECORD["id"], OTHER), "region": OTHER},
)


def as_line(row):
    """Columns as a record with the object `data`."""
    data = {name: row[name] for name in KEYS}
    return {name: row[name] for name in row if name not in data} | {"data": data}


@st.composite
def ndjson_files(draw, folder):
    broken = st.sampled_from(["{", "[1]", '{"a":NaN}', "nul", '{"id":"a"'])
    rows = repeated(
        draw,
        draw(
            st.lists(
                st.one_of(GOOD.map(as_line), GOOD.map(as_line), LINE, mostly(LINE, broken)),
                min_size=1,
                max_size=6,
            )
        ),
    )
    lines = [row if isinstance(row, str) else compact(row, is_file=True) for row in rows]
    (folder / "usage.ndjson").write_text("\n".join([*lines, ""]))
    paths = st.sampled_from(["data.tokens", "data.cost", "data.ok", "region", "data", "data.c"])
    return [Line(row) for row in rows], draw(sources(paths))
