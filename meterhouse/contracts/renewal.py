"""What a contract says of its renewal, and the day on which it ends with it."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from meterhouse.catalog.fields import Day, Fraction, Sparing, Strict
from meterhouse.contracts.lifecycle import Cadence, Pause, rising
from meterhouse.contracts.phases import DAYS, MONTHS
from meterhouse.periods import boundary

_UPLIFT = ("percentage", "index", "cap", "floor", "uplift_applies_to")
# A renewal further ahead than this is not looked for; terms are at least a day long.
MOST_TERMS = 36_600


class IndexFrom(Strict):
    """The rise of an index, from the day it was published."""

    starts_on: Day = Field(
        alias="from",
        description="Day from which it holds: it is for the next renewal on or after this day.",
    )
    percentage: Fraction = Field(description="Rise as a share: '0.031' is 3.1 %.")


class Renewal(Sparing):
    """What happens when the term ends."""

    SELDOM: ClassVar[frozenset[str]] = frozenset(
        {"term", "notice_days", "declined_on", "max_terms", *_UPLIFT}
    )

    kind: Literal["none", "same", "list_prices", "uplift"] = Field(
        description="It ends; it goes on as it is; it goes on at the list prices of that day, or "
        "at prices that rise."
    )
    term: Cadence | None = Field(
        None, description="Length of the terms after the first; absent: that of the first."
    )
    notice_days: Annotated[int, Field(ge=0, le=3660)] | None = Field(
        None, description="Days before the end of a term by which notice is given; default 0."
    )
    declined_on: Day | None = Field(
        None,
        description="Day on which notice was given: on the last day for it or before, the term is "
        "the last one; later, the next term is.",
    )
    max_terms: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        None, description="How often it is renewed at most; absent: until notice is given."
    )
    percentage: Fraction | None = Field(
        None, description="Rise of all prices of the contract at each renewal: '0.05' is 5 %."
    )
    index: tuple[IndexFrom, ...] | None = Field(
        None,
        strict=False,
        description="Rises of an index, in the order of days, instead of `percentage`. A renewal "
        "takes the newest one since the renewal before it; none: only the floor.",
    )
    cap: Fraction | None = Field(None, description="Most that a renewal raises prices by.")
    floor: Fraction | None = Field(None, description="Least that a renewal raises prices by.")
    uplift_applies_to: Literal["prices", "prices_and_modifiers"] | None = Field(
        None,
        description="What rises: the prices, or with them the amounts that modifiers are given for "
        "a period (discounts, limits, commitments, service fees); default `prices`.",
    )

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        rising([one.starts_on for one in self.index or ()], "index")
        given = [name for name in _UPLIFT if getattr(self, name) is not None]
        if self.kind != "uplift" and given:
            raise ValueError(f"`{given[0]}` is for kind `uplift`; this one is `{self.kind}`")
        if self.kind == "uplift" and (self.percentage is None) == (self.index is None):
            raise ValueError("kind `uplift` needs either a `percentage` or an `index`")
        if self.kind == "none" and (self.term or self.max_terms):
            raise ValueError("kind `none` ends the contract: remove `term` and `max_terms`")
        if self.cap is not None and self.floor is not None and self.floor > self.cap:
            raise ValueError("`floor` is more than `cap`")
        return self


def months_of(start: date, end: date) -> int | None:
    """How many whole months lie between the days, or None."""
    count = (end.year - start.year) * 12 + end.month - start.month
    return count if count and boundary(start, start.day, count) == end else None


def moved(day: date, pauses: Sequence[Pause]) -> date | None:
    """The day after pauses before it that move what is planned; None while one has no end."""
    for pause in pauses:
        if pause.extend and day > pause.starts_on:
            if pause.until is None:
                return None
            day += pause.until - pause.starts_on
    return day


def term_ends(
    start: date, end: date, renewal: Renewal | None, pauses: Sequence[Pause]
) -> Iterator[date | None]:
    """The ends of the terms it has, also of those to come; None: not known, in a pause."""
    months = months_of(start, end)
    number = start.day if months else end.day
    days = (end - start).days
    if renewal is not None and renewal.term is not None:
        length = renewal.term
        is_months = length.unit in MONTHS
        months = length.every * MONTHS[length.unit] if is_months else None
        days = 0 if is_months else length.every * DAYS[length.unit]
    for k in range(MOST_TERMS):
        on = boundary(end, number, k * months) if months else end + timedelta(days=k * days)
        yield moved(end if k == 0 else on, pauses)


def effective_end(
    start: date, end: date | None, renewal: Renewal | None, pauses: Sequence[Pause] = ()
) -> date | None:
    """The first day that is no longer in the contract; None: it goes on until notice is given."""
    if end is None:
        return None
    if renewal is None or renewal.kind == "none":
        return moved(end, pauses)
    if renewal.max_terms is None and renewal.declined_on is None:
        return None
    for number, on in enumerate(term_ends(start, end, renewal, pauses)):
        if on is None or number == renewal.max_terms:
            return on
        last_call = on - timedelta(days=renewal.notice_days or 0)
        if renewal.declined_on is not None and renewal.declined_on <= last_call:
            return on
    return None
