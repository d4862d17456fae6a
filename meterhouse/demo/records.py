"""Events as the text of files: CloudEvents in NDJSON and rows of CSV, some of them spoilt.

Adds column `line`. A spoilt record is judged by the first thing wrong with it, so each is wrong in
one thing only.
"""

from collections.abc import Mapping

import polars as pl

from meterhouse.demo.calendar import KATHMANDU

# Reason of the quarantine to the column that is spoilt, and its text then.
API_FAULTS: Mapping[str, tuple[str, str]] = {
    "bad_record": ("line", ""),
    "unknown_type": ("type", "compleiton"),
    "unknown_subject": ("subject", "nobody-we-know"),
    "bad_time": ("time", "17/08/2026 12:30"),
    "future_time": ("time", "2999-01-01T00:00:00Z"),
    "missing_value": ("tokens_in", "null"),
    "not_a_boolean": ("streamed", '"perhaps"'),
    "nan": ("tokens_out", '"NaN"'),
    "infinity": ("tokens_out", '"-Infinity"'),
    "exponent_form": ("tokens_in", "1.2e4"),
    "not_a_number": ("tokens_in", '"12 thousand"'),
    "too_many_decimals": ("tokens_out", "812.5"),
    "out_of_range": ("tokens_in", "1" + "0" * 24),
}
STORAGE_FAULTS: Mapping[str, tuple[str, str]] = {
    "unknown_subject": ("subject", "CRM-99999"),
    "bad_time": ("time", "yesterday"),
    "missing_value": ("gb_hours", ""),
    "nan": ("gb_hours", "NaN"),
    "exponent_form": ("gb_hours", "1.2E+2"),
    "too_many_decimals": ("gb_hours", "12.34567"),
}
STORAGE_HEADER = "account,measured_at,gb_hours"
# Some clients write their own offset instead of Z: it is the same instant.
KATHMANDU_AHEAD = pl.duration(hours=5, minutes=45)


def api_lines(sent: pl.DataFrame) -> pl.DataFrame:
    """The records with column `line`: one JSON object."""
    at = pl.col("at").cast(pl.Datetime("ms"))
    shape = "%Y-%m-%dT%H:%M:%S%.3f"
    local = (at + KATHMANDU_AHEAD).dt.strftime(shape) + "+05:45"
    is_local = pl.col("zone") == KATHMANDU
    spelled = sent.with_columns(
        type=pl.lit("completion"),
        time=pl.when(is_local).then(local).otherwise(at.dt.strftime(shape) + "Z"),
    )
    line = pl.concat_str(
        pl.lit('{"specversion":"1.0","id":"'),
        pl.col("id"),
        pl.lit('","source":"/gateway","type":"'),
        pl.col("type"),
        pl.lit('","subject":"'),
        pl.col("subject"),
        pl.lit('","time":"'),
        pl.col("time"),
        pl.lit('","data":{"model":"'),
        pl.col("model"),
        pl.lit('","tokens_in":'),
        pl.col("tokens_in"),
        pl.lit(',"tokens_out":'),
        pl.col("tokens_out"),
        pl.lit(',"streamed":'),
        pl.col("streamed"),
        pl.lit("}}"),
    )
    is_cut = pl.col("fault") == "bad_record"
    cut = pl.col("line").str.slice(0, pl.col("line").str.len_chars() - 20)
    return (
        _spoilt(spelled, API_FAULTS)
        .with_columns(line=line)
        .with_columns(line=pl.when(is_cut).then(cut).otherwise("line"))
    )


def storage_lines(sent: pl.DataFrame) -> pl.DataFrame:
    """The records with column `line`: one row under STORAGE_HEADER, in UTC without an offset."""
    at = pl.col("at").cast(pl.Datetime("ms"))
    spelled = sent.with_columns(time=at.dt.strftime("%Y-%m-%d %H:%M:%S%.3f"))
    line = pl.concat_str("subject", "time", "gb_hours", separator=",")
    return _spoilt(spelled, STORAGE_FAULTS).with_columns(line=line)


def _spoilt(sent: pl.DataFrame, faults: Mapping[str, tuple[str, str]]) -> pl.DataFrame:
    for reason, (column, text) in faults.items():
        if column in sent.columns:
            is_chosen = pl.col("fault") == reason
            changed = pl.when(is_chosen).then(pl.lit(text)).otherwise(pl.col(column))
            sent = sent.with_columns(changed.alias(column))
    return sent
