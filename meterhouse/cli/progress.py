"""Progress of long work on stderr: a moving line on a terminal, else one line per stage.

Nothing is shown with --quiet or --json. Whoever stops the work with Ctrl-C is told what is left.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

TENTH = 100_000_000
SECOND = 10 * TENTH


class Stopped(Exception):
    """Ctrl-C, with the sentence that says what state is left."""


class Work:
    """The stages of one command; each ends when the next begins."""

    def __init__(self, tell: Callable[[str], None], started_at: int) -> None:
        self._tell = tell
        self._started_at = started_at
        self._stage_at = time.monotonic_ns()
        self._present = ""
        self.is_stopped = False
        # Nanoseconds by stage, of those that are over.
        self.took: dict[str, int] = {}

    def stage(self, text: str) -> None:
        """A new stage begins; its line carries the seconds since the command began."""
        self._turn(text)
        self._tell(f"{seconds(self._stage_at - self._started_at):>6} s  {text}")

    def rows(self, text: str, count: int, unit: str = "rows") -> None:
        """A part is done: its rows, its seconds and rows per second."""
        now = time.monotonic_ns()
        self._done(f"{text}, {rate(count, now - self._stage_at, unit)}")
        self._stage_at = now

    def message(self, text: str) -> None:
        """A line between the stages."""
        self._tell(text)

    def _turn(self, text: str) -> int:
        """The present stage is over; its nanoseconds."""
        now = time.monotonic_ns()
        took = now - self._stage_at
        self.took[self._present] = took
        self._stage_at, self._present = now, text
        return took

    def _done(self, text: str) -> None:
        self._tell(f"{seconds(time.monotonic_ns() - self._started_at):>6} s  {text}")


class Moving(Work):
    """The same on a terminal: what is being done moves, what is done stays above it."""

    def __init__(self, bar: "Progress", task: "TaskID", text: str, started_at: int) -> None:
        super().__init__(self._print, started_at)
        self._bar = bar
        self._task = task
        self._present = text

    def stage(self, text: str) -> None:
        """The stage before is done and stays; the new one moves."""
        self.end(text)
        self._bar.reset(self._task, description=text)

    def end(self, following: str = "") -> None:
        """The present stage is done and stays on the terminal with its seconds."""
        done = self._present
        self._print(f"{seconds(self._turn(following)):>6} s  {done}")

    def _print(self, text: str) -> None:
        self._bar.console.print(text, markup=False, highlight=False)


class Silent(Work):
    """Nothing is shown."""

    def __init__(self) -> None:
        super().__init__(lambda _: None, 0)


def seconds(nanoseconds: int) -> str:
    """Seconds with one place: 3.4."""
    tenths = nanoseconds // TENTH
    return f"{tenths // 10}.{tenths % 10}"


def rate(count: int, nanoseconds: int, unit: str = "rows") -> str:
    """`1,000 rows in 0.5 s, 2,000 rows/s`; no rate where too little time passed to tell."""
    text = f"{count:,} {unit} in {seconds(nanoseconds)} s"
    return text + (f", {count * SECOND // nanoseconds:,} {unit}/s" if nanoseconds > TENTH else "")


@contextmanager
def moving(first: str, started_at: int) -> Iterator[Moving]:
    """A line on the terminal that moves until the block ends."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn("line"), TextColumn("{task.description}", markup=False))
    console = Console(stderr=True, emoji=False)
    # stdout is for data and may be a pipe: it is never redirected.
    with Progress(
        *columns, TimeElapsedColumn(), console=console, transient=True, redirect_stdout=False
    ) as bar:
        work = Moving(bar, bar.add_task(first, total=None), first, started_at)
        yield work
        work.end()


@contextmanager
def stoppable(work: Work, left: str) -> Iterator[None]:
    """Ctrl-C inside the block ends it, whatever library was at work, with what is left."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def stop(number: int, frame: FrameType | None) -> Any:
        work.is_stopped = True
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, stop)
    try:
        yield
    # DuckDB and dbt turn Ctrl-C into errors of their own; the signal tells what they were.
    except BaseException as error:
        if work.is_stopped and not isinstance(error, click.exceptions.Exit):
            raise Stopped(f"Stopped. {left}") from error
        raise
    finally:
        signal.signal(signal.SIGINT, before)
