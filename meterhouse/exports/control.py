"""What an export says about itself: the period, the entity and what was known."""

from datetime import date, timedelta
from typing import NamedTuple


class Control(NamedTuple):
    """One export: `until` is the first day after the period; `run_id` issued its newest invoice."""

    entity: str
    first: date
    until: date
    batch_seq: int
    snapshot: int
    run_id: str | None
    is_closed: bool

    @property
    def last(self) -> date:
        """The last day of the period."""
        return self.until - timedelta(days=1)

    @property
    def period(self) -> str:
        """The folder's name: 2026-10 for a whole month, else 2026-10-01_2026-10-15."""
        following = (self.first.replace(day=1) + timedelta(days=32)).replace(day=1)
        if self.first.day == 1 and self.until == following:
            return f"{self.first:%Y-%m}"
        return f"{self.first}_{self.until}"
