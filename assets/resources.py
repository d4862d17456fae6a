"""What the assets work on: a home folder, and one run in it that holds the run lock."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path

import dagster as dg
from pydantic import Field, PrivateAttr

from meterhouse.errors import UsageError
from meterhouse.lake import Lake
from meterhouse.run.bill import begin
from meterhouse.run.context import Run
from meterhouse.run.steps import resume
from meterhouse.settings import Settings


class Home(dg.ConfigurableResource):
    """A home folder: settings, book, landing files, lake and warehouse."""

    path: str | None = Field(
        default=None,
        description="The folder that holds meterhouse.yaml. Default: $METERHOUSE_HOME, else the "
        "folder Dagster was started in.",
    )

    def settings(self) -> Settings:
        """The settings as they are now."""
        return Settings.load(Path(self.path) if self.path else None)

    def lake(self) -> Lake:
        """The facts of the home."""
        return Lake(self.settings())


class BillingRun(Home):
    """One run: takes the run lock when the process starts work and frees it at the end.

    All steps of a process share it, so that they bill through one day and know the same facts.
    """

    _lake: Lake = PrivateAttr()
    _stack: ExitStack = PrivateAttr()
    _run: Run | None = PrivateAttr(default=None)
    _why_dry: str = PrivateAttr(default="")
    _fold_from: int | None = PrivateAttr(default=None)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["BillingRun"]:
        """Hold the run lock for the life of the process's work."""
        self._lake = self.lake()
        with self._lake.run_lock.held(), ExitStack() as stack:
            self._stack = stack
            yield self

    def begin(self, through: date) -> Run:
        """Pin the facts; a day before an issued document's is a dry run in a scratch warehouse."""
        self._run, self._why_dry = self._stack.enter_context(
            begin(self._lake, through, None, False)
        )
        return self._run

    def current(self) -> Run:
        """The run of this process, or the one the warehouse stands at if steps are repeated."""
        if self._run is None:
            self._run = resume(self._lake)
        return self._run

    def at(self, through: date) -> Run:
        """The current run, which must bill through this day."""
        run = self.current()
        if run.through != through:
            raise UsageError(
                f"The warehouse stands at a run through {run.through}, not {through}. "
                f"Nothing was changed. Run job `bill` for partition {through}."
            )
        return run

    def plan_fold(self, after: int) -> None:
        """Remember the batch after which the fold reads."""
        self._fold_from = after

    @property
    def fold_from(self) -> int | None:
        """The batch after which the fold reads, if this process has planned it."""
        return self._fold_from

    @property
    def why_dry(self) -> str:
        """Why nothing will be issued; empty in a real run."""
        return self._why_dry
