"""Plain or not, in every format: a record is checked as if it had gone through all the rules."""

import re
from decimal import Decimal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from connectors.files import FilesSource
from meterhouse.run.mapping import load_raw
from meterhouse.run.staging import stage
from meterhouse.source_settings import Source
from tests.run.hostile import csv_files, ndjson_files
from tests.run.hostile_parquet import naive, parquet_files
from tests.run.staging_reference import BOOK, LATEST, NOW, SAME, Bare, Line, compact, reference
from tests.truth.conftest import SOAK_EXAMPLES


@pytest.fixture(scope="module")
def db():
    with duckdb.connect() as made:
        made.execute("set timezone = 'UTC'")
        made.execute(BOOK)
        yield made


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("staging")


def load(db, folder):
    source = FilesSource("api", folder)
    [file] = source.pending()
    load_raw(db, source.read(file))


def assert_same(db, folder, records, source):
    """Stage what lies in the folder, and compare with the records as the reference has them."""
    load(db, folder)
    columns = {row[0] for row in db.execute("describe raw").fetchall()}
    if columns == {"source_row", "line", "bad_line"}:
        broken = db.execute("select bad_line from raw order by source_row").fetchall()
        records = [Line(r.value, b) for r, (b,) in zip(records, broken, strict=True)]
    stage(db, "api", source, NOW, LATEST)
    reference(db, records, source)
    names = ", ".join(f"{name}::varchar as {name}" for name in SAME)
    found, wanted = (
        db.execute(f"select {names} from {table} order by source_row::bigint").fetchall()
        for table in ("checked", "reference")
    )
    assert [dict(zip(SAME, row, strict=True)) for row in found] == [
        dict(zip(SAME, row, strict=True)) for row in wanted
    ]


def law(examples, *, is_soak=False):
    """The same examples every time in the normal suite; new ones in the soak."""
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=not is_soak,
        database=None,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )


FILES = {"csv": csv_files, "ndjson": ndjson_files, "parquet": parquet_files}


def check_law(db, folder, kind, data):
    for old in folder.iterdir():
        old.unlink()
    assert_same(db, folder, *data.draw(FILES[kind](folder)))


@pytest.mark.slow
@pytest.mark.parametrize("kind", FILES)
@law(15)
@given(data=st.data())
def test_a_plain_record_is_checked_like_one_that_took_all_rules(db, folder, kind, data):
    check_law(db, folder, kind, data)


@pytest.mark.soak
@pytest.mark.parametrize("kind", FILES)
@law(SOAK_EXAMPLES * 30, is_soak=True)
@given(data=st.data())
def test_any_record_is_checked_like_one_that_took_all_rules(db, folder, kind, data):
    check_law(db, folder, kind, data)


def write(folder, columns):
    """One Parquet file of typed columns."""
    for old in folder.iterdir():
        old.unlink()
    pq.write_table(pa.table(columns), folder / "usage.parquet")


def staged(db, folder, source, *names):
    """These columns of `checked`, in order of the records."""
    load(db, folder)
    stage(db, "api", source, NOW, LATEST)
    return db.execute(f"select {', '.join(names)} from checked order by source_row").fetchall()


def calls(count, **columns):
    """Good calls, with some columns replaced."""
    made = {
        "id": [str(n) for n in range(count)],
        "type": ["call"] * count,
        "subject": ["acme"] * count,
        "time": ["2024-05-01T00:00:00Z"] * count,
        "tokens": ["1"] * count,
        "region": ["eu"] * count,
    }
    return made | columns


def test_most_records_are_plain_and_those_with_a_fault_are_not(db, folder):
    write(folder, calls(4, tokens=["1", "x", " 2 ", None], subject=["acme", "acme", "once", "who"]))
    assert staged(db, folder, Source(), "is_plain", "reason") == [
        (True, None),
        (False, "not_a_number"),
        (False, "unknown_subject"),
        (False, "unknown_subject"),
    ]


def test_a_decimal_wider_than_its_property_is_a_fault_of_that_record_alone(db, folder):
    cost = pa.array([Decimal(5), Decimal("9" * 38)], pa.decimal128(38, 0))
    write(folder, calls(2, cost=cost, ratio=cost))
    found = staged(db, folder, Source(), "is_plain", "p_ratio", "reason")
    assert found == [(True, Decimal("5.000000000000"), None), (False, None, "out_of_range")]


def test_a_decimal_without_a_digit_before_the_point_is_spelled_with_one(db, folder):
    cost = pa.array([Decimal("0.50"), Decimal("-0.25"), Decimal("0.00")], pa.decimal128(2, 2))
    times = ["2024-05-01T00:00:00Z", "2024-05-01T00:00:00.1234567Z", "2024-05-01T00:00:00Z"]
    write(folder, calls(3, cost=cost, time=times))
    assert staged(db, folder, Source(), "data->>'$.cost'", "p_cost", "reason") == [
        ("0.50", Decimal("0.50"), None),
        ("-0.25", Decimal("-0.25"), None),
        ("0.00", Decimal("0.00"), None),
    ]


def test_a_zoned_time_keeps_its_offset_where_the_settings_name_a_zone(db, folder):
    times = pa.array([naive(1969, 1, 1), naive(2024, 5, 1)], pa.timestamp("us", "UTC"))
    source = Source.model_validate({"map": {"time": {"column": "time", "zone": "UTC"}}})
    write(folder, calls(2, time=times))
    texts = [("1969-01-01 00:00:00.000000+00:00",), ("2024-05-01 00:00:00.000000+00:00",)]
    assert staged(db, folder, source, "time_text") == texts


def test_an_instant_beyond_the_calendar_is_a_bad_time_and_stops_nothing(db, folder):
    instants = [2**63 - 1, -(2**63) + 1, 4 * 10**17, -7 * 10**16, 1_714_521_600_000_000]
    for zone in (None, "UTC"):
        times = pa.array(instants, pa.int64()).cast(pa.timestamp("us", zone))
        source = Source.model_validate({"map": {"time": {"column": "time", "zone": "UTC"}}})
        write(folder, calls(5, time=times))
        assert staged(db, folder, source, "reason") == [("bad_time",)] * 4 + [(None,)]


def test_the_same_values_have_one_hash_in_every_format_and_type(db, folder):
    texts = [("1.50", "7"), ("1.5", "7.0"), ("1.500", "7.00")]
    hashes = set()
    for at, (cost, tokens) in enumerate(texts):
        write(folder, calls(1, cost=[cost], tokens=[tokens]))
        hashes |= {*staged(db, folder, Source(), "row_hash")}
        kind = pa.decimal128(9, 2 + at)
        write(folder, calls(1, cost=pa.array([Decimal("1.5")], kind), tokens=pa.array([7])))
        hashes |= {*staged(db, folder, Source(), "row_hash")}
        line = {"id": "0", "type": "call", "subject": "acme", "time": "2024-05-01 02:00:00+02"}
        line["data"] = {"tokens": Bare(tokens), "cost": Bare(cost), "region": "eu"}
        write(folder, {})
        (folder / "usage.parquet").unlink()
        (folder / "usage.ndjson").write_text(compact(line, is_file=True) + "\n")
        hashes |= {*staged(db, folder, Source(), "row_hash")}
    assert len(hashes) == 1


def test_a_record_without_an_id_is_numbered_among_those_without(db, folder):
    write(folder, calls(4, id=["a", None, "", None]))
    ids = [name for (name,) in staged(db, folder, Source(), "event_id")]
    assert ids[0] == "a"
    assert [re.fullmatch(r"no-id-[0-9a-f]{32}-(\d)", name)[1] for name in ids[1:]] == [
        "1",
        "2",
        "3",
    ]


@pytest.mark.parametrize("key", ["a/b~c", "*", 'a"b', ""])
def test_no_name_of_a_key_stops_a_load(db, folder, key):
    write(folder, {})
    (folder / "usage.parquet").unlink()
    line = {"id": "1", "type": "call", "subject": "acme", "time": "2024-05-01T00:00:00Z"}
    lines = [{**line, "data": {"tokens": "1", "region": "eu", key: value}} for value in "ab"]
    (folder / "usage.ndjson").write_text("\n".join(compact(one) for one in lines))
    found = staged(db, folder, Source(), "reason", "row_hash")
    assert [reason for reason, _ in found] == [None, None]
    assert len(set(found)) == 2
