from datetime import date, datetime
from zoneinfo import ZoneInfo

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from meterhouse.canonical import canonical_json, sha256_text, short_hash
from meterhouse.canonical_columns import (
    array_of,
    array_over_rows,
    day,
    embedded,
    instant,
    integer,
    object_of,
    sha256,
    short_sha256,
    string,
)

texts = st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"])), min_size=1)


@settings(max_examples=50, deadline=None)
@given(values=texts)
def test_columns_give_the_bytes_that_canonical_json_gives(values):
    frame = pl.DataFrame({"text": values}, schema={"text": pl.String})
    fields = {"b": string(pl.col("text")), "a": integer(pl.lit(-3)), "c": array_of(pl.lit("1"))}
    made = frame.select(object_of(fields)).to_series().to_list()
    assert made == [canonical_json({"a": -3, "b": value, "c": [1]}) for value in values]
    together = frame.select(array_over_rows(string(pl.col("text")))).item()
    assert together == canonical_json(values)


def test_dates_and_instants_are_strings_and_instants_are_utc():
    berlin = datetime(2024, 7, 1, tzinfo=ZoneInfo("Europe/Berlin"))
    frame = pl.DataFrame({"on": [date(2024, 2, 29), None], "at": [berlin, None]})
    made = frame.select(on=day(pl.col("on")), at=instant(pl.col("at")))
    assert made.rows() == [('"2024-02-29"', '"2024-06-30T22:00:00Z"'), ("null", "null")]


def test_json_text_is_embedded_and_null_stays_null():
    frame = pl.DataFrame({"json": ['{"a":"\\""}', None]})
    made = frame.select(object_of({"x": embedded(pl.col("json"))})).to_series().to_list()
    assert made == ['{"x":{"a":"\\""}}', '{"x":null}']


def test_hashes_are_those_of_canonical():
    series = pl.Series("key", ['["é"]'])
    assert sha256(series).to_list() == [sha256_text('["é"]')]
    assert short_sha256(series).to_list() == [short_hash(["é"])]
    assert sha256(series.clear()).dtype == pl.String
