"""Saved queries: files of SQL whose first lines say what they answer and what they take.

Ours come with the dbt project, in `queries/`; those in the folder `queries/` of the home stand
beside them, and one of the same name replaces ours. Parameters are bound, never put into the text.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meterhouse.errors import UsageError
from meterhouse.nearest import did_you_mean, known_names

if TYPE_CHECKING:
    from meterhouse.settings import Settings

FOLDER = "queries"
KINDS = ("text", "date", "integer")
HEAD = re.compile(r"-- (Question|Row): (.+)")
COLUMN = re.compile(r"-- Column (\w+): (.+)")
PARAMETER = re.compile(r"-- Parameter (\w+) \((\w+), (?:(required)|default (.+?))\): (.+)")


@dataclass(frozen=True)
class Parameter:
    """A value that a query takes: `default` says in words what holds without it."""

    name: str
    kind: str
    is_required: bool
    default: str | None
    description: str

    @property
    def usage(self) -> str:
        """How it is given: customer=TEXT, in brackets where it may be left out."""
        text = f"{self.name}={self.kind.upper()}"
        return text if self.is_required else f"[{text}]"


@dataclass(frozen=True)
class Saved:
    """A query with its words; `columns` maps each column of the result to what it holds."""

    name: str
    question: str
    row: str
    parameters: tuple[Parameter, ...]
    columns: dict[str, str]
    text: str

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, without the SQL."""
        return {name: value for name, value in asdict(self).items() if name != "text"}


def saved_queries(settings: "Settings") -> dict[str, Saved]:
    """Every saved query by name: ours, then those of the home."""
    from meterhouse.installation import dbt_project_dir

    folders = (dbt_project_dir(settings.dbt_project) / FOLDER, settings.home / FOLDER)
    paths = [path for folder in folders for path in sorted(folder.glob("*.sql"))]
    found = {path.stem: read_query(path) for path in paths}
    return dict(sorted(found.items()))


def read_query(path: Path) -> Saved:
    """A query and what the comment at its head says."""
    text = path.read_text()
    lines = list(_head(text))
    said = {match[1]: match[2] for line in lines if (match := HEAD.fullmatch(line))}
    parameters = tuple(
        Parameter(match[1], match[2], match[3] is not None, match[4], match[5])
        for line in lines
        if (match := PARAMETER.fullmatch(line))
    )
    columns = {match[1]: match[2] for line in lines if (match := COLUMN.fullmatch(line))}
    strange = [line for line in lines if not _is_known(line)]
    if strange or len(said) < 2:
        wrong = f"line {strange[0]!r} is none of them" if strange else "one of the first is missing"
        raise UsageError(
            f"Saved query {path} cannot be used: it begins with comments `-- Question: ...`, "
            "`-- Row: ...`, `-- Parameter NAME (text, required): ...` and `-- Column NAME: ...`, "
            f"and {wrong}. Nothing was run."
        )
    return Saved(path.stem, said["Question"], said["Row"], parameters, columns, text)


def chosen(settings: "Settings", name: str) -> Saved:
    """The saved query of that name; an unknown one is refused with the nearest."""
    queries = saved_queries(settings)
    if name not in queries:
        hint = did_you_mean(name, queries) or "."
        raise UsageError(
            f"No query is saved as {name!r}; nothing was run{hint} "
            f"Known: {known_names(queries, 30)}."
        )
    return queries[name]


def bound(query: Saved, given: Iterable[str]) -> dict[str, str | None]:
    """A value for each parameter of the query, null where none is given; all faults at once."""
    pairs = [text.partition("=") for text in given]
    values = {name: value for name, _, value in pairs}
    known = {one.name: one for one in query.parameters}
    faults = [
        f"{name!r} has no value; write --set {name}=VALUE."
        for name, sign, _ in pairs
        if not sign and name in known
    ]
    for name in values.keys() - known.keys():
        hint = did_you_mean(name, known) or "."
        faults.append(f"It takes no {name!r}{hint} It takes: {known_names(known)}.")
    for one in query.parameters:
        fault = _fault(one, values.get(one.name))
        faults += [fault] if fault else []
    if faults:
        listed = "\n".join(f"  - {fault}" for fault in faults)
        raise UsageError(f"Saved query {query.name!r} was not run:\n{listed}")
    return {name: values.get(name) for name in known}


def _fault(parameter: Parameter, value: str | None) -> str:
    if value is None:
        missing = (
            f"It needs {parameter.name}: {parameter.description} Give --set {parameter.usage}."
        )
        return missing if parameter.is_required else ""
    if parameter.kind == "integer" and not re.fullmatch(r"[0-9]{1,18}", value):
        return f"{parameter.name}={value!r} is not a whole number."
    if parameter.kind == "date" and not _is_day(value):
        return f"{parameter.name}={value!r} is not a date; write year-month-day, like 2023-12-01."
    return ""


def _is_day(text: str) -> bool:
    try:
        return bool(re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text) and date.fromisoformat(text))
    except ValueError:
        return False


def _head(text: str) -> Iterator[str]:
    """The lines of the comment with which a file begins."""
    for line in text.splitlines():
        if not line.startswith("--"):
            return
        yield line.rstrip()


def _is_known(line: str) -> bool:
    parameter = PARAMETER.fullmatch(line)
    if parameter is not None:
        return parameter[2] in KINDS
    return bool(HEAD.fullmatch(line) or COLUMN.fullmatch(line))
