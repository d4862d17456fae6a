"""The instants at which a grant that recurs is refilled."""

from datetime import date, datetime, timedelta
from itertools import count as counted
from itertools import takewhile

import polars as pl

from meterhouse.periods import boundary, local_instants, zone_info, zone_offsets

UNITS = ("hour", "day", "week", "month", "quarter", "year")
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_DAYS = {"day": 1, "week": 7}


def parsed(text: str) -> tuple[int, str]:
    """`1 day`, `3 months`, `monthly` or `year` as a count and a unit."""
    words = text.strip().lower().split()
    number, word = (words[0], words[1]) if len(words) == 2 else ("1", words[0] if words else "")
    named = {"daily": "day", "hourly": "hour", "weekly": "week", "annual": "year"}
    singular = named.get(word, word.removesuffix("ly").removesuffix("s"))
    if singular not in UNITS or not number.isdigit() or int(number) == 0:
        raise ValueError(f"{text!r} is not a recurrence such as `1 month` or `7 days`")
    return int(number), singular


def refills(
    effective_at: datetime, count: int, unit: str, until: datetime, zone: str
) -> list[datetime]:
    """All refills after a grant's beginning up to and with `until`, by the clock of its zone.

    Months keep the day of the beginning, or end with a shorter month; each is counted from the
    beginning, never from the refill before it.
    """
    if unit == "hour":
        hours = timedelta(hours=count)
        every = (effective_at + number * hours for number in counted(1))
        return list(takewhile(lambda at: at <= until, every))
    local = effective_at.astimezone(zone_info(zone))
    # A day beyond `until`, for zones ahead of UTC; what is too late is cut below.
    last = until.date() + timedelta(days=1)
    days = takewhile(
        lambda day: day <= last, (_day(local.date(), n * count, unit) for n in counted(1))
    )
    times = [datetime.combine(day, local.time()) for day in days]
    if not times:
        return []
    spans = zone_offsets([zone], times[0].date(), times[-1].date())
    frame = pl.DataFrame(
        {"zone": [zone] * len(times), "local": times},
        schema={"zone": pl.String, "local": pl.Datetime("us")},
    )
    instants = local_instants(frame, spans)["instant"].sort()
    return [at for at in instants.to_list() if effective_at < at <= until]


def _day(first: date, number: int, unit: str) -> date:
    if unit in _MONTHS:
        return boundary(first, first.day, number * _MONTHS[unit])
    return first + timedelta(days=number * _DAYS[unit])
