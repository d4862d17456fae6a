"""When a day begins in a zone, by zoneinfo alone; shares no code with the product."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)


def day_start(zone, day, opens=time()):
    """The first instant at which the zone's clock shows the day (from `opens` on) or a later one.

    A clock that is put forward over that time starts the day with the switch.
    """
    wanted = datetime.combine(day, opens)
    at = wanted.replace(tzinfo=ZoneInfo(zone), fold=0).astimezone(UTC)
    if _wall(zone, at) == wanted:
        return at
    # Put forward: the switch is the first instant in the hours before with the later offset.
    low, high = at - DAY, at
    while high - low > MICROSECOND:
        middle = low + (high - low) // 2
        is_after = _wall(zone, middle) >= wanted
        low, high = (low, middle) if is_after else (middle, high)
    return high


def local_day(zone, at, opens=time()):
    """The last day that had begun; a clock put back over midnight does not begin it again."""
    day = _wall(zone, at).date() + DAY
    while day_start(zone, day, opens) > at:
        day -= DAY
    return day


def local_clock(zone, at):
    """What the clock shows and its offset, so that two like hours of a day stay two.

    Put back over midnight, the clock counts on with the old offset until the day begins again.
    """
    wall = _wall(zone, at)
    if wall.date() >= local_day(zone, at):
        return wall, wall - at.replace(tzinfo=None)
    before = at
    while _wall(zone, before).date() < local_day(zone, at):
        before -= timedelta(minutes=1)
    offset = _wall(zone, before) - before.replace(tzinfo=None)
    return at.replace(tzinfo=None) + offset, offset


def _wall(zone, at):
    return at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
