"""What every command shares: the home, the two output forms, and the shape of a command.

Data goes to stdout, messages and progress to stderr. Modules here import click and the standard
library at the top; engines, rich and pydantic are imported inside the commands that need them.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from meterhouse.cli.progress import Silent, Work, moving, seconds, stoppable
from meterhouse.errors import Rejected, UsageError
from meterhouse.nearest import did_you_mean

if TYPE_CHECKING:
    from rich.console import Console

    from meterhouse.lake import Lake
    from meterhouse.settings import Settings

FORMAT = 1


@dataclass
class App:
    """The options that stand before the command, and how results are shown."""

    home: Path | None = None
    as_json: bool = False
    is_quiet: bool = False
    is_debug: bool = False
    started_at: int = field(default_factory=time.monotonic_ns)

    @cached_property
    def settings(self) -> "Settings":
        """The settings of the home."""
        from meterhouse.settings import Settings

        return Settings.load(self.home)

    @cached_property
    def lake(self) -> "Lake":
        """The facts of the home."""
        from meterhouse.lake import Lake

        return Lake(self.settings)

    def folder(self) -> Path:
        """The home's folder, also while it is not a home yet."""
        return (self.home or Path()).resolve()

    def tell(self, text: str) -> None:
        """A message for a person, on stderr."""
        if not self.is_quiet:
            click.echo(text, err=True)

    def progress(self, text: str) -> None:
        """One line per stage, with the seconds since the command began; none with --json."""
        if not self.as_json:
            self.tell(f"{seconds(time.monotonic_ns() - self.started_at):>6} s  {text}")

    @contextmanager
    def working(self, first: str, left: str) -> Iterator[Work]:
        """Show the stages of long work; `left` says what state stays when a person stops it.

        A terminal sees a moving line at once, before any engine is imported.
        """
        if self.as_json or self.is_quiet:
            work: Work = Silent()
            with stoppable(work, left):
                yield work
        elif sys.stderr.isatty():
            with moving(first, self.started_at) as work, stoppable(work, left):
                yield work
        else:
            work = Work(self.tell, self.started_at)
            with stoppable(work, left):
                work.stage(first)
                yield work

    def ask(self, what: str, *, yes: bool, question: str = "Go on?") -> None:
        """Before what cannot be undone: `what` says it with its counts, as a whole clause."""
        if yes:
            return
        if self.as_json or not is_interactive():
            raise UsageError(
                f"{what}, and nobody can be asked here; nothing was changed. Give --yes to do it, "
                "or --dry-run to look first."
            )
        click.echo(f"{what}.", err=True)
        if not click.confirm(question, err=True):
            raise Rejected("Nothing was changed: the answer was no.")

    def show(self, payload: Mapping[str, Any], render: "Callable[[Console], None]") -> None:
        """The result: JSON with the format's number first, or what `render` prints."""
        if self.as_json:
            from meterhouse.cli.values import json_text

            click.echo(json_text({"meterhouse": FORMAT, **payload}))
        else:
            from meterhouse.cli.tables import console

            render(console())


pass_app = click.make_pass_decorator(App, ensure=True)


def is_interactive() -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty()


def _json_after(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(App).as_json = True


class Choice(click.Choice[str]):
    """A choice that says which word was probably meant."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """Click's sentence and the nearest choice."""
        hint = did_you_mean(str(value), [str(choice) for choice in self.choices])
        return super().get_invalid_choice_message(value, ctx).rstrip(".") + (hint or "") + "."


def with_near_choices(params: "Sequence[click.Parameter]") -> None:
    """Let every plain choice of a command say which word was probably meant."""
    for param in params:
        if type(param.type) is click.Choice:
            param.type = Choice(param.type.choices, param.type.case_sensitive)


class Command(click.Command):
    """A command that takes `--json` after its name too."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        with_near_choices(self.params)
        self.params.append(
            click.Option(
                ["--json"],
                is_flag=True,
                expose_value=False,
                callback=_json_after,
                help="Print JSON instead of tables.",
            )
        )


class Group(click.Group):
    """A group whose commands take `--json`."""

    command_class = Command
    group_class = type
