"""Canonical JSON built by columns: the same bytes as `canonical_json`, one expression for all rows.

Every function takes and gives expressions whose values are JSON text, so text that is JSON already
(a price, an address) is put in as it is and text that is a string is escaped, never the other way.
"""

import hashlib
from collections.abc import Mapping

import polars as pl

from meterhouse.money import AMOUNT, PLACES

NULL = pl.lit("null")


def string(value: pl.Expr) -> pl.Expr:
    """A JSON string of each value's text, or null."""
    encoded = pl.struct(v=value.cast(pl.String)).struct.json_encode()
    return encoded.str.strip_prefix('{"v":').str.strip_suffix("}")


def integer(value: pl.Expr) -> pl.Expr:
    """A JSON number of each whole number, or null."""
    return value.cast(pl.Int64).cast(pl.String).fill_null(NULL)


def day(value: pl.Expr) -> pl.Expr:
    """A JSON string such as "2024-02-29", or null."""
    return string(value.dt.to_string("%Y-%m-%d"))


def instant(value: pl.Expr) -> pl.Expr:
    """A JSON string such as "2023-11-01T00:00:00Z" of a datetime (naive is UTC), or null."""
    return string(value.dt.convert_time_zone("UTC").dt.to_string("%Y-%m-%dT%H:%M:%SZ"))


def embedded(json_text: pl.Expr) -> pl.Expr:
    """Text that already is canonical JSON, or null."""
    return json_text.fill_null(NULL)


def object_of(fields: Mapping[str, pl.Expr]) -> pl.Expr:
    """A JSON object of fields that are JSON text themselves, keys in sorted order."""
    parts: list[pl.Expr] = []
    for place, name in enumerate(sorted(fields)):
        parts += [pl.lit(f'{"," if place else "{"}"{name}":'), fields[name]]
    return pl.concat_str([*parts, pl.lit("}")])


def array_of(*items: pl.Expr) -> pl.Expr:
    """A JSON array with one place for each expression."""
    return pl.concat_str([pl.lit("["), pl.concat_str(items, separator=","), pl.lit("]")])


def array_over_rows(item: pl.Expr) -> pl.Expr:
    """An aggregation: the JSON array of the group's rows in their order."""
    return pl.concat_str([pl.lit("["), item.str.join(","), pl.lit("]")])


def sha256(texts: pl.Series) -> pl.Series:
    """The SHA-256 of each text, 64 hex digits.

    polars has no stable hash of its own (`hash` may change with its version), so this one step is
    a map over the values; everything that makes the values is set-based.
    """
    digests = [hashlib.sha256(text.encode()).hexdigest() for text in texts]
    return pl.Series(texts.name, digests, dtype=pl.String)


def short_sha256(texts: pl.Series) -> pl.Series:
    """The first 32 hex digits of the SHA-256 of each text: ids made from keys."""
    return sha256(texts).str.head(32)


def money(amount: pl.Expr, currency: pl.Expr) -> pl.Expr:
    """A JSON string with the currency's places; the amount is rounded to them already."""
    places = currency.replace_strict(dict(PLACES), return_dtype=pl.Int64)
    # The text always has as many places as AMOUNT; without any places the point goes too.
    surplus = AMOUNT.scale - places + (places == 0).cast(pl.Int64)
    return string(amount.cast(AMOUNT).cast(pl.String).str.head(-surplus))
