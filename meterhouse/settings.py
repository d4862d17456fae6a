"""The settings of one home folder, and the only place that reads the environment.

A home holds `meterhouse.yaml` (the models here and in source_settings.py), `book/`, `landing/`,
`lake/`, `warehouse/` and `published/`. Unknown keys are refused with the nearest valid name.
"""

import difflib
import getpass
import os
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from meterhouse.errors import UsageError
from meterhouse.source_settings import Source, Strict
from meterhouse.tax_settings import TaxEngineSettings
from meterhouse.watch_settings import Watch

FILE = "meterhouse.yaml"


class Limits(Strict):
    """Bounds against files that would eat the machine."""

    max_bytes_unpacked: int = Field(default=16 * 1024**3, description="Bytes after unpacking.")
    max_ratio: int = Field(default=100, description="Unpacked bytes per packed byte.")


class HomeFile(Strict):
    """The content of `meterhouse.yaml`."""

    sources: dict[str, Source] = Field(default={})
    limits: Limits = Limits()
    watch: Watch = Watch()
    tax_engines: dict[str, TaxEngineSettings] = Field(default={})
    future_tolerance_hours: int = Field(default=24, ge=0)
    memory_limit: str = "1GB"
    threads: int | None = None
    orphan_age_hours: int = Field(default=24, ge=0)
    second_rater: bool = Field(
        default=True, description="Whether runs rate every line a second time and compare."
    )
    models: str | None = Field(
        default=None, description="Folder of own dbt models; relative to the home."
    )


class Settings:
    """Paths, limits and sources of one home; `now` is the only clock."""

    def __init__(self, home: Path, file: HomeFile) -> None:
        self.home = home
        self.file = file

    @classmethod
    def load(cls, home: Path | None = None) -> Self:
        """Read `meterhouse.yaml` of `home`, else of $METERHOUSE_HOME, else of this folder."""
        folder = (home or Path(os.environ.get("METERHOUSE_HOME", "."))).resolve()
        path = folder / FILE
        if not path.is_file():
            raise UsageError(
                f"Folder {folder} is not a Meterhouse home: it has no {FILE}. "
                f"Make one with `meterhouse --home {folder} init`, or name another with --home "
                "or METERHOUSE_HOME."
            )
        return cls(folder, _parse(path))

    @cached_property
    def lock_wait_seconds(self) -> int:
        """How long a command waits for another process before it gives up."""
        return int(os.environ.get("METERHOUSE_LOCK_WAIT", "60"))

    @property
    def catalog(self) -> Path:
        """The SQLite catalog of the lake."""
        return self.home / "lake" / "catalog.sqlite"

    @property
    def data(self) -> Path:
        """Folder of the lake's Parquet files."""
        return self.home / "lake" / "data"

    @property
    def warehouse(self) -> Path:
        """The DuckDB file of everything derived."""
        return self.home / "warehouse" / "warehouse.duckdb"

    @property
    def keys(self) -> Path:
        """Folder of the deduplication index, derived."""
        return self.home / "warehouse" / "keys"

    @property
    def published(self) -> Path:
        """The copy of the warehouse that readers open."""
        return self.home / "published" / "warehouse.duckdb"

    @property
    def book(self) -> Path:
        """Folder of the book's documents."""
        return self.home / "book"

    @property
    def models(self) -> Path | None:
        """Folder of the home's own dbt models: `models` of the settings, else `models/` if any."""
        folder = (self.home / (self.file.models or "models")).resolve()
        if folder.is_dir():
            return folder
        if self.file.models is None:
            return None
        raise UsageError(
            f"`models` of {FILE} names folder {folder}, which does not exist. Nothing was run. "
            "Make the folder, or remove the line."
        )

    @property
    def temporary(self) -> Path:
        """Where DuckDB spills."""
        return self.home / "tmp"

    @property
    def actor(self) -> str:
        """Who gives commands: $METERHOUSE_ACTOR, else the login name."""
        return os.environ.get("METERHOUSE_ACTOR") or getpass.getuser()

    @property
    def dbt_project(self) -> str | None:
        """A dbt project to use instead of ours, if the environment names one."""
        return os.environ.get("METERHOUSE_DBT_PROJECT")

    def landing(self, source: str) -> Path:
        """Folder in which files of a source arrive; always inside the home."""
        folder = (self.home / (self.source(source).folder or f"landing/{source}")).resolve()
        if not folder.is_relative_to(self.home):
            raise UsageError(
                f"Source {source!r} names folder {folder}, which lies outside the home "
                f"{self.home}. Files are read only from inside it; move the folder."
            )
        return folder

    def spool(self, source: str) -> Path:
        """Folder for what a connector has fetched and nobody has loaded yet; derived."""
        self.source(source)
        return self.home / "spool" / source

    def secret(self, variable: str) -> str:
        """The value of an environment variable that a source names."""
        value = os.environ.get(variable)
        if not value:
            raise UsageError(
                f"The environment variable {variable} is not set, and {FILE} names it as a secret. "
                "Set it and run the command again; nothing was changed."
            )
        return value

    def source(self, name: str) -> Source:
        """The settings of a source; an unknown name lists the valid ones."""
        if name not in self.file.sources:
            known = ", ".join(sorted(self.file.sources)) or "none"
            raise UsageError(f"Source {name!r} is not in {FILE}. Known sources: {known}.")
        return self.file.sources[name]

    def now(self) -> datetime:
        """The present in UTC; $METERHOUSE_NOW fixes it for tests and replays."""
        fixed = os.environ.get("METERHOUSE_NOW")
        return datetime.fromisoformat(fixed).astimezone(UTC) if fixed else datetime.now(UTC)

    @property
    def future_tolerance(self) -> timedelta:
        """How far ahead of `now` an event's time may lie."""
        return timedelta(hours=self.file.future_tolerance_hours)


def set_for_dbt(values: dict[str, str]) -> None:
    """Set the variables that the dbt profile reads (paths and the pinned snapshot)."""
    os.environ.update(values)


def _parse(path: Path) -> HomeFile:
    yaml = YAML(typ="safe")
    try:
        content = yaml.load(path) or {}
    except YAMLError as error:
        raise UsageError(f"{path} is not YAML: {error}. Nothing was read.") from error
    try:
        return HomeFile.model_validate(content)
    except ValidationError as error:
        faults = "\n".join(f"  - {_sentence(item)}" for item in error.errors())
        raise UsageError(f"{path} has faults; nothing was read:\n{faults}") from error


def _sentence(fault: Any) -> str:
    where = ".".join(str(part) for part in fault["loc"])
    if fault["type"] != "extra_forbidden":
        return f"{where}: {fault['msg']}"
    known = {name for model in Strict.__subclasses__() for name in model.model_fields}
    near = difflib.get_close_matches(str(fault["loc"][-1]), sorted(known), n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{where}: unknown key{hint}"
