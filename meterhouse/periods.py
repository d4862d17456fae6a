"""Local days as UTC instants, and the grid of billing boundaries; only here zoneinfo is asked."""

from calendar import monthrange
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import polars as pl

from meterhouse.errors import UsageError

INSTANT = pl.Datetime("us", "UTC")
_DAY = timedelta(days=1)
# Local days reach at most 14 h before and 12 h after the UTC day of the same date.
_MARGIN = timedelta(days=3)


class _Span(NamedTuple):
    """A half-open time in which one offset from UTC holds."""

    valid_from: datetime
    valid_to: datetime
    offset: timedelta


def zone_info(zone: str) -> ZoneInfo:
    """The IANA zone of that name."""
    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        nearest = get_close_matches(zone, sorted(available_timezones()), n=1, cutoff=0.6)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else "."
        raise UsageError(f"{zone!r} is not a zone of the IANA time zone database{hint}") from error


def zone_offsets(zones: Sequence[str], first: date, last: date) -> pl.DataFrame:
    """One row per zone and span of one UTC offset, half-open, covering the days first to last.

    The local day of an instant t is `date(t + offset_seconds)` of the span that holds t.
    """
    spans = [(zone, span) for zone in sorted(set(zones)) for span in _spans(zone, first, last)]
    return pl.DataFrame(
        {
            "zone": [zone for zone, _ in spans],
            "valid_from": [span.valid_from for _, span in spans],
            "valid_to": [span.valid_to for _, span in spans],
            "offset_seconds": [int(span.offset.total_seconds()) for _, span in spans],
        },
        schema={
            "zone": pl.String,
            "valid_from": INSTANT,
            "valid_to": INSTANT,
            "offset_seconds": pl.Int64,
        },
    )


def zone_days(zones: Sequence[str], first: date, last: date) -> pl.DataFrame:
    """One row per zone and local day from first to last (both in), with its first valid instant.

    A day that a zone skipped (Apia, 2011-12-30) starts with the next one and is empty.
    """
    offset = pl.duration(seconds="offset_seconds")
    spans = zone_offsets(zones, first, last).with_columns(local_end=pl.col("valid_to") + offset)
    days = pl.DataFrame({"day": pl.date_range(first, last, eager=True)})
    # A day starts in the first span whose local clock goes past the day's midnight.
    return (
        pl.DataFrame({"zone": sorted(set(zones))}, schema={"zone": pl.String})
        .join(days, how="cross")
        .with_columns(midnight=pl.col("day").cast(INSTANT))
        .sort("midnight")
        .join_asof(
            spans.sort("local_end"),
            left_on="midnight",
            right_on="local_end",
            by="zone",
            strategy="forward",
            allow_exact_matches=False,
            check_sortedness=False,
        )
        .select(
            "zone",
            "day",
            starts_at=pl.max_horizontal("valid_from", pl.col("midnight") - offset),
        )
        .sort("zone", "day")
    )


def local_instants(times: pl.DataFrame, spans: pl.DataFrame) -> pl.DataFrame:
    """The first instant at which a zone's clock shows a local time or has gone past it.

    `times` has zone and local (a naive Datetime in us); `spans` is zone_offsets over their days.
    The result has a column `instant` beside them.
    """
    offset = pl.duration(seconds="offset_seconds")
    ends = spans.with_columns(local_end=(pl.col("valid_to") + offset).dt.replace_time_zone(None))
    return (
        times.sort("local")
        .join_asof(
            ends.sort("local_end"),
            left_on="local",
            right_on="local_end",
            by="zone",
            strategy="forward",
            allow_exact_matches=False,
            check_sortedness=False,
        )
        .with_columns(
            instant=pl.max_horizontal(
                "valid_from", pl.col("local").dt.replace_time_zone("UTC") - offset
            )
        )
        .select(*times.columns, "instant")
    )


def boundary(anchor: date, anchor_day: int, k: int) -> date:
    """Boundary k of a monthly grid: k months after the anchor's, on its day or the month's end.

    Always derived from the anchor day, never from a boundary that a short month has moved.
    """
    months = anchor.year * 12 + anchor.month - 1 + k
    year, month = divmod(months, 12)
    return date(year, month + 1, min(anchor_day, monthrange(year, month + 1)[1]))


def boundary_expr(anchor: pl.Expr, anchor_day: pl.Expr, k: pl.Expr) -> pl.Expr:
    """`boundary` for whole columns."""
    months = anchor.dt.year().cast(pl.Int64) * 12 + anchor.dt.month().cast(pl.Int64) - 1 + k
    opening = pl.date(months // 12, months % 12 + 1, 1)
    wanted = opening + pl.duration(days=anchor_day - 1)
    return pl.min_horizontal(wanted, opening.dt.month_end())


@lru_cache(maxsize=1024)
def _spans(zone: str, first: date, last: date) -> tuple[_Span, ...]:
    """The zone's spans in order, with switches moved so that the local day never goes back."""
    info = zone_info(zone)
    start = datetime.combine(first, time(), UTC) - _MARGIN
    end = datetime.combine(last, time(), UTC) + _MARGIN
    settled = [_settled(info, at) for at in _switches(info, start, end)]
    edges = [start, *(at for at in settled if at < end), end]
    return tuple(
        _Span(valid_from, valid_to, _offset(info, valid_from))
        for valid_from, valid_to in pairwise(edges)
    )


def _switches(info: ZoneInfo, start: datetime, end: datetime) -> list[datetime]:
    """Every instant after start and before end at which the offset changes.

    Offsets are read once a day: no two changes of any zone are closer than 95 hours (tzdata 2025b).
    """
    found = []
    at = start
    while at < end:
        following = min(at + _DAY, end)
        if _offset(info, at) != _offset(info, following):
            found.append(_bisect(info, at, following))
        at = following
    return found


def _bisect(info: ZoneInfo, low: datetime, high: datetime) -> datetime:
    """The first whole second at which the offset is no longer the one at `low`."""
    before = _offset(info, low)
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        if _offset(info, middle) == before:
            low = middle
        else:
            high = middle
    return high


def _settled(info: ZoneInfo, switch: datetime) -> datetime:
    """The switch, or the instant when the clock is back on the day it had already begun.

    St John's went from 00:01 back to 23:01 until 2011: a day of which one minute had passed stopped
    for 59 minutes. Half-open windows cannot stop, so that hour counts to the day that had begun.
    """
    before = _offset(info, switch - timedelta(seconds=1))
    after = _offset(info, switch)
    begun = (switch - timedelta(microseconds=1) + before).date()
    if (switch + after).date() >= begun:
        return switch
    return datetime.combine(begun, time(), UTC) - after


def _offset(info: ZoneInfo, at: datetime) -> timedelta:
    """How far the zone's clock is ahead of UTC at an instant."""
    return at.astimezone(info).replace(tzinfo=UTC) - at
