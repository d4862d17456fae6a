"""Suites of expectations: documents of the home, or shipped ones, checked before anything runs.

A file `expectations/NAME.yaml` of the home replaces the shipped file of that name; other files
come on top.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from meterhouse.errors import UsageError
from meterhouse.installation import PACKAGE
from meterhouse.invoicing.drafts import COLUMNS as DRAFT_COLUMNS
from meterhouse.nearest import did_you_mean, known_names
from meterhouse.run.checks import EVERY_CHECK
from meterhouse.settings import Settings

SHIPPED = PACKAGE.parent / "pipelines" / "expectations"
NULL_PERCENT = "null_percent_"
# What each frame holds; `null_percent_<property>` comes on top, one for each typed property.
COLUMNS: dict[str, tuple[str, ...]] = {
    "loads": (
        *("batch_seq", "source", "name", "received", "accepted", "duplicate", "conflict"),
        *("quarantined", "open", "open_percent", "duplicate_percent", "conflict_percent"),
        *("first_day", "last_day", "span_days", "customers"),
    ),
    "days": (
        *("source", "event_day", "events", "new_events"),
        *("events_week_before", "change_percent"),
    ),
    "drafts": (*DRAFT_COLUMNS, "content_hash"),
}
# What a failure on each frame may hold back.
SCOPES = {
    "loads": ("run", "meter"),
    "days": ("run", "meter"),
    "drafts": ("run", "entity", "customer", "contract"),
}
COLUMN_ARGUMENTS = ("column", "column_A", "column_B")
Number = int | str | bool | None


class Expectation(BaseModel):
    """One expectation; `scope` is what its failure holds back. Numbers are whole, never floats."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str
    expect: str
    arguments: dict[str, Number | list[Number]] = {}
    scope: Literal["run", "entity", "customer", "contract", "meter"] = "run"
    blocking: bool
    claim: str
    remedy: str


class Suite(BaseModel):
    """The expectations on one frame, of all sources or of those that are named."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    batch: Literal["loads", "days", "drafts"]
    source: str | None = None
    sources: list[str] | None = None
    expectations: list[Expectation]

    @model_validator(mode="after")
    def sources_fit(self) -> Self:
        """Refuse two ways to name sources, and sources of drafts."""
        if self.source is not None and self.sources is not None:
            raise ValueError("give `source` or `sources`, not both")
        if self.batch == "drafts" and self.named is not None:
            raise ValueError("drafts come from no single source; leave `source` out")
        return self

    @property
    def named(self) -> tuple[str, ...] | None:
        """The sources it is about, None for every source."""
        if self.source is not None:
            return (self.source,)
        return None if self.sources is None else tuple(self.sources)


class SuiteFile(NamedTuple):
    """A suite and the file it came from; the stem of the file is its name."""

    path: Path
    is_shipped: bool
    suite: Suite

    @property
    def name(self) -> str:
        """The name under which a file of the home replaces a shipped one."""
        return self.path.stem


def load_suites(settings: Settings) -> list[SuiteFile]:
    """Every suite that judges this home, by name; all faults of all files are raised at once."""
    found: dict[str, SuiteFile] = {}
    faults: list[str] = []
    for path, is_shipped in _files(settings):
        suite, wrong = _read(path)
        faults += wrong
        if suite is not None:
            found[path.stem] = SuiteFile(path, is_shipped, suite)
    files = [found[name] for name in sorted(found)]
    faults += [fault for file in files for fault in _misfits(file, settings)]
    faults += _doubled(files)
    if faults:
        listed = "\n".join(f"  - {fault}" for fault in faults)
        raise UsageError(f"The expectations have faults; nothing was checked:\n{listed}")
    return files


def own_folder(settings: Settings) -> Path:
    """Where a home keeps its own suites."""
    return settings.home / "expectations"


def _files(settings: Settings) -> Iterator[tuple[Path, bool]]:
    own = sorted(own_folder(settings).glob("*.yaml"))
    names = {path.name for path in own}
    yield from ((path, True) for path in sorted(SHIPPED.glob("*.yaml")) if path.name not in names)
    yield from ((path, False) for path in own)


def _read(path: Path) -> tuple[Suite | None, list[str]]:
    try:
        return Suite.model_validate(YAML(typ="safe").load(path)), []
    except YAMLError as error:
        return None, [f"{path} is not YAML: {' '.join(str(error).split())}"]
    except ValidationError as error:
        sentences = dict.fromkeys(_sentence(fault) for fault in error.errors())
        return None, [f"{path}: {sentence}" for sentence in sentences]


def _sentence(fault: Any) -> str:
    place = [str(part) for part in fault["loc"]]
    if "arguments" in place:
        # pydantic tells it once for each type a value may have; the place is enough.
        where = ".".join(place[: place.index("arguments") + 2])
        return f"{where}: an argument is a whole number, text, true, false or a list of such"
    where = ".".join(place)
    if fault["type"] == "extra_forbidden":
        model = Expectation if "expectations" in place else Suite
        return f"{where}: unknown key{did_you_mean(place[-1], model.model_fields)}"
    if fault["type"] == "missing":
        return f"{where}: is missing"
    return f"{where}: {fault['msg']}" if where else str(fault["msg"])


def _misfits(file: SuiteFile, settings: Settings) -> Iterator[str]:
    """What only the home, the frame or the other checks can tell."""
    suite = file.suite
    known = settings.file.sources
    for name in suite.named or ():
        if name not in known:
            hint = did_you_mean(name, known)
            yield (
                f"{file.path}: source {name!r} is not in meterhouse.yaml{hint or '.'} "
                f"Known sources: {known_names(known)}."
            )
    for one in suite.expectations:
        if one.scope not in SCOPES[suite.batch]:
            yield (
                f"{file.path}: {one.name} has scope {one.scope!r}, which {suite.batch} do not "
                f"have; give one of {', '.join(SCOPES[suite.batch])}."
            )
        yield from (f"{file.path}: {one.name} {why}" for why in _unknown_columns(suite, one))


def _unknown_columns(suite: Suite, one: Expectation) -> Iterator[str]:
    given = [one.arguments.get(argument) for argument in COLUMN_ARGUMENTS]
    for column in given:
        if not isinstance(column, str) or column in COLUMNS[suite.batch]:
            continue
        if suite.batch == "loads" and column.startswith(NULL_PERCENT):
            continue
        hint = did_you_mean(column, COLUMNS[suite.batch])
        yield (
            f"reads column {column!r}, which {suite.batch} do not have{hint or '.'} "
            f"Columns: {known_names(COLUMNS[suite.batch], 40)}."
        )


def _doubled(files: list[SuiteFile]) -> Iterator[str]:
    """Results and waivers go by name, so a name stands for one expectation."""
    first: dict[str, str] = {check.name: "a check of every run" for check in EVERY_CHECK}
    for file in files:
        for one in file.suite.expectations:
            if one.name in first:
                yield f"{file.path}: {one.name} is taken by {first[one.name]}; give another name."
            first.setdefault(one.name, str(file.path))
