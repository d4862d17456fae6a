"""Types of options and arguments that several commands take, with their completion in a shell."""

import re
from collections.abc import Callable
from datetime import date
from typing import Any

import click
from click.shell_completion import CompletionItem

from meterhouse.cli.app import App
from meterhouse.cli.names import check_names, draft_ids, numbers_like, saved_names, source_names

# Completion runs at each press of a key: a long list helps nobody.
SHOWN = 30


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


class Name(click.ParamType[str]):
    """A name that the home knows; a shell completes it."""

    def __init__(self, name: str, known: Callable[[App, str], list[str]]) -> None:
        self.name = name
        self._known = known

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text as it is: the command refuses what is not known, with the nearest name."""
        return str(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The names that begin so; none where the home cannot be read: a shell shows no error."""
        try:
            names = self._known(App(ctx.find_root().params.get("folder")), incomplete)
        except Exception:
            return []
        fitting = [name for name in names if name.startswith(incomplete)]
        return [CompletionItem(name) for name in fitting[:SHOWN]]


DAY = Day()
SOURCE = Name("source", lambda app, _: source_names(app))
NUMBER = Name("number", lambda app, begun: numbers_like(app, begun, SHOWN))
DRAFT = Name("draft", lambda app, _: draft_ids(app))
CHECK = Name("check", lambda app, _: check_names(app))
SAVED = Name("name", lambda app, _: saved_names(app))
