"""Types of options that several commands take."""

import re
from datetime import date
from typing import Any

import click


class Day(click.ParamType[date]):
    """A date written 2023-12-01."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """The date; other spellings are refused, because 01/02 means two days."""
        if isinstance(value, date):
            return value
        try:
            if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", str(value)):
                return date.fromisoformat(value)
        except ValueError:
            pass
        raise click.BadParameter(
            f"{value!r} is not a date; write year-month-day, like 2023-12-01.", ctx, param
        )


DAY = Day()
