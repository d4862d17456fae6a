"""What the customers used: good events as frames, without the accidents of their delivery.

One row per event: index (of the customer), zone, subject, at (ms since 1970 UTC), month (0..2, the
local month), into (ms since that month began), left (ms until it ends), and the values as text.
Only whole numbers are drawn, so that a seed gives the same bytes on every machine.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from meterhouse.demo.calendar import DAY, FIRST, LAST, MONTHS, midnight
from meterhouse.demo.company import ALIAS_UNTIL, Customer


class Stream(NamedTuple):
    """The usage of one customer in one source; instants in ms, the last four begin months."""

    number: int
    zone: str
    subject: str
    alias: str | None
    weight: int
    begins: int
    ends: int
    first: int
    second: int
    third: int
    last: int


def api_events(customers: Sequence[Customer], count: int, rng: np.random.Generator) -> pl.DataFrame:
    """About `count` requests: a few customers make most of them, in sizes that differ 500-fold."""
    streams = _frame([_stream(one, one.zone) for one in customers])
    shares = np.cumsum(streams["weight"].to_numpy())
    drawn = rng.integers(0, int(shares[-1]), count)
    picked = streams[np.searchsorted(shares, drawn, side="right")]
    spans = (picked["last"] - picked["first"]).to_numpy()
    placed = _within_life(picked.with_columns(at=picked["first"] + rng.integers(0, spans)))
    return _with_requests(placed, rng)


def correction(customer: Customer, count: int, rng: np.random.Generator) -> pl.DataFrame:
    """`count` more requests of one customer on the last two days, which nobody expected."""
    stream = _frame([_stream(customer, customer.zone)])
    picked = stream[np.zeros(count, dtype=np.int64)]
    at = picked["last"] - 1 - rng.integers(0, 2 * DAY, count)
    return _with_requests(_within_life(picked.with_columns(at=at)), rng)


def storage_samples(customers: Sequence[Customer], rng: np.random.Generator) -> pl.DataFrame:
    """One sample per day of each customer whose plan stores."""
    streams = [_stream(one, one.storage_zone or one.zone) for one in customers if one.stores]
    days = pl.DataFrame({"day": np.arange((LAST - FIRST).days)})
    crossed = _frame(streams).join(days, how="cross")
    moment = rng.integers(0, DAY, crossed.height)
    placed = _within_life(crossed.with_columns(at=pl.col("first") + pl.col("day") * DAY + moment))
    thousandths = placed["weight"].to_numpy() * rng.integers(10, 40, placed.height)
    return placed.with_columns(gb_hours=_thousandths(pl.Series(thousandths)))


def _stream(customer: Customer, zone: str) -> Stream:
    return Stream(
        customer.index,
        zone,
        customer.subject,
        customer.alias,
        1_000_000 // (customer.index + 6),
        midnight(customer.usage_from, zone),
        midnight(customer.usage_until, zone),
        *(midnight(day, zone) for day in MONTHS),
    )


def _frame(streams: Sequence[Stream]) -> pl.DataFrame:
    text = {"zone": pl.String, "subject": pl.String, "alias": pl.String}
    schema = {name: text.get(name, pl.Int64()) for name in Stream._fields}
    return pl.DataFrame(streams, schema=schema, orient="row").rename({"number": "index"})


def _within_life(drawn: pl.DataFrame) -> pl.DataFrame:
    at = pl.col("at")
    month = (at >= pl.col("second")).cast(pl.Int64) + (at >= pl.col("third")).cast(pl.Int64)
    began = pl.max_horizontal(
        "first", *(pl.when(at >= pl.col(name)).then(name) for name in ("second", "third"))
    )
    ends = pl.when(at < pl.col("second")).then("second").when(at < pl.col("third")).then("third")
    is_old = (at < midnight(ALIAS_UNTIL, "UTC")) & pl.col("alias").is_not_null()
    return drawn.filter(at >= pl.col("begins"), at < pl.col("ends")).select(
        "index",
        "zone",
        "weight",
        "at",
        subject=pl.when(is_old).then("alias").otherwise("subject"),
        month=month,
        into=at - began,
        left=ends.otherwise("last") - at,
    )


def _with_requests(placed: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    count = placed.height
    tokens_in = rng.integers(400, 2000, count) << rng.integers(0, 10, count)
    # An answer is a half to an eleventh as long as its question.
    tokens_out = tokens_in // rng.integers(2, 12, count)
    return placed.with_columns(
        model=pl.Series(np.where(rng.integers(0, 4, count) == 0, "harbor-mini", "harbor-1")),
        tokens_in=pl.Series(tokens_in).cast(pl.String),
        tokens_out=pl.Series(tokens_out).cast(pl.String),
        streamed=pl.Series(np.where(rng.integers(0, 2, count) == 0, "true", "false")),
    )


def _thousandths(values: pl.Series) -> pl.Series:
    places = (values % 1000).cast(pl.String).str.zfill(3)
    return (values // 1000).cast(pl.String) + "." + places
