"""A CSV opened in a spreadsheet shows texts and calculates nothing."""

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal

import polars as pl
import pytest

from meterhouse.csv_text import csv_bytes, guarded, write_csv

FORMULAS = ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1+1", "+49 30 123"]
TEXTS = ["a=1", "-5", "-5.25", "12", "'quoted'", "O'Brien", "", "Müller & Söhne", "a,b", 'a"b']


def read_again(data):
    return list(csv.reader(io.StringIO(data.decode(), newline="")))


@pytest.mark.parametrize("text", FORMULAS)
def test_a_text_that_begins_like_a_formula_gets_an_apostrophe(text):
    frame = pl.DataFrame({"name": [text]})
    assert frame.select(guarded(pl.col("name"))).item() == f"'{text}"
    assert read_again(csv_bytes(frame))[1:] == [[f"'{text}"]]


@pytest.mark.parametrize("text", TEXTS)
def test_other_texts_and_negative_numbers_stay_as_they_are(text):
    frame = pl.DataFrame({"name": [text], "n": [Decimal("-5.10")]})
    assert read_again(csv_bytes(frame)) == [["name", "n"], [text, "-5.10"]]


def test_instants_are_utc_and_nothing_is_empty():
    at = datetime(2025, 3, 1, 12, 0, 0, 250000, tzinfo=UTC)
    frame = pl.DataFrame({"at": [at], "none": pl.Series([None], dtype=pl.String)})
    shown = frame.with_columns(pl.col("at").dt.convert_time_zone("Asia/Tokyo"))
    assert csv_bytes(shown) == b"at,none\r\n2025-03-01T12:00:00.250Z,\r\n"


def test_a_float_is_refused():
    with pytest.raises(TypeError, match="'x' is a float"):
        csv_bytes(pl.DataFrame({"x": [1.5]}))


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "usage.csv"
    path.write_text("old")
    write_csv(pl.DataFrame({"a": ["=1"]}), path)
    assert path.read_bytes() == b"a\r\n'=1\r\n"
    assert [one.name for one in tmp_path.iterdir()] == ["usage.csv"]
