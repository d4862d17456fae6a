"""Control files (CSV: day,count,sum): what a sender says of a day, delivered beside the usage."""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

from connectors.limits import Limits
from connectors.origin import Origin, listing
from connectors.protocols import Statement
from connectors.text import utf8
from connectors.unpacking import unpacked

COLUMNS = ("day", "count", "sum")
COUNT = re.compile(r"[0-9]{1,18}")
SUM = re.compile(r"-?[0-9]{1,26}(\.[0-9]{1,12})?")


def read_control(origin: Origin, path: Path, limits: Limits) -> list[Statement]:
    """The statements of one control file, one per day; all faults of it at once."""
    pieces = utf8(origin, unpacked(origin, path, limits), limits, refuse_nul=True)
    lines = csv.reader(io.StringIO(b"".join(pieces).decode(), newline=""), strict=True)
    faults: list[str] = []
    found: dict[date, Statement] = {}
    try:
        names = [name.strip() for name in next(lines, [])]
        if names not in (list(COLUMNS), list(COLUMNS[:2])):
            raise origin.rejected(
                f"is a control file with the header {','.join(names) or '(none)'!r}; "
                "its first line must be day,count or day,count,sum"
            )
        for fields in lines:
            if not any(fields):
                continue
            statement = _statement(fields, len(names), faults, lines.line_num)
            if statement is not None and statement.day in found:
                faults.append(f"line {lines.line_num} states {statement.day} again")
            elif statement is not None:
                found[statement.day] = statement
    except csv.Error as error:
        faults.append(f"line {lines.line_num} is not CSV ({error})")
    if faults:
        raise origin.rejected(f"is a control file that cannot be read; mend it:{listing(faults)}")
    return list(found.values())


def newest(files: Iterable[list[Statement]], first: date, last: date) -> Iterator[Statement]:
    """One statement per day from first to last: of the last file, by name, that has one."""
    found = {one.day: one for statements in files for one in statements}
    for day in sorted(found):
        if first <= day <= last:
            yield found[day]


def _statement(fields: list[str], width: int, faults: list[str], line: int) -> Statement | None:
    values = [field.strip() for field in fields]
    if len(values) != width:
        faults.append(f"line {line} has {len(values)} values, not {width}")
        return None
    before = len(faults)
    try:
        day = date.fromisoformat(values[0])
    except ValueError:
        faults.append(f"line {line}: day {values[0]!r} is not a date like 2026-01-31")
    if not COUNT.fullmatch(values[1]):
        faults.append(f"line {line}: count {values[1]!r} is not a whole number")
    if width > 2 and not SUM.fullmatch(values[2]):
        faults.append(
            f"line {line}: sum {values[2]!r} is not plain digits with at most 12 decimals"
        )
    if len(faults) > before:
        return None
    return Statement(day, int(values[1]), Decimal(values[2]) if width > 2 else None)
