"""What an API states about a day, apart from the records it lists."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import msgspec

from connectors.http_calls import Answer, Calls
from connectors.json_answer import WrongAnswer, listed
from connectors.protocols import Statement


class Day(msgspec.Struct):
    """One day as it is answered; the count and the sum have two names each."""

    day: date
    events: int | None = None
    count: int | None = None
    total: Decimal | None = None
    sum: Decimal | None = None


def statements(
    calls: Calls, url: str, items: str, first: date, last: date, *, adds_up: bool
) -> Iterator[Statement]:
    """One statement per day that the answer lists from first to last, in order.

    The list stands at key path `items` or is the answer. With `adds_up` each day must have a sum.
    """
    asked = calls.asked("the statement of totals")
    parameters = {"from": first.isoformat(), "to": last.isoformat()}

    def parsed(answer: Answer) -> list[Statement]:
        is_list = answer.body.lstrip().startswith(b"[")
        page = listed(answer.body, "" if is_list else items)
        try:
            days = msgspec.json.decode(page.items, type=list[Day])
        except msgspec.ValidationError as error:
            raise WrongAnswer(f"has a day that cannot be read ({error})") from error
        stated = [_statement(day, adds_up) for day in days if first <= day.day <= last]
        if len({one.day for one in stated}) != len(stated):
            raise WrongAnswer("states a day twice")
        return sorted(stated, key=lambda one: one.day)

    yield from calls.get(asked, url, parameters, parsed)


def _statement(day: Day, adds_up: bool) -> Statement:
    events = day.events if day.events is not None else day.count
    total = day.total if day.total is not None else day.sum
    if events is None or events < 0:
        raise WrongAnswer(f"has no `events` or `count` for {day.day}")
    if adds_up and (total is None or not total.is_finite()):
        raise WrongAnswer(f"has no `total` or `sum` for {day.day}")
    return Statement(day.day, events, total if adds_up else None)
