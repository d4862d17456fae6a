"""The three months of the demo, and where they begin in each zone."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

# The first days of the months of usage, and the day after the last.
MONTHS = (date(2026, 8, 1), date(2026, 9, 1), date(2026, 10, 1), date(2026, 11, 1))
FIRST, LAST = MONTHS[0], MONTHS[-1]
DAY = 86_400_000  # milliseconds

NEW_YORK, BERLIN = "America/New_York", "Europe/Berlin"
TOKYO, KATHMANDU, KUWAIT = "Asia/Tokyo", "Asia/Kathmandu", "Asia/Kuwait"

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def midnight(day: date, zone: str) -> int:
    """The instant at which a local day begins, in milliseconds since 1970 UTC."""
    local = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
    since = local.astimezone(UTC) - EPOCH
    return (since.days * 86_400 + since.seconds) * 1000
