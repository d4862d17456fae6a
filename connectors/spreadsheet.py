"""Usage in workbooks (XLSX): the cells of one sheet as text, never bent.

Calamine reads the cells; what it hides of them (errors, formulas without a value, parts of a
millisecond) is taken from the XML beside it, row by row.
"""

import difflib
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import IO, Any

import pyarrow as pa
from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    SheetTypeEnum,
    SheetVisibleEnum,
)

from connectors.archive import Archive
from connectors.cells import NotExact, moment_text, number_text
from connectors.limits import Limits
from connectors.origin import LISTED, Origin, listing
from connectors.protocols import SourceFile
from connectors.sheet_xml import Layout, RawCell, RawRow, layout, letters, rows, text_lengths
from connectors.unpacking import identity, open_regular, verified

BATCH_ROWS = 16_384
Texts = dict[int, str]  # column, from 0, to what its cell says; empty cells are not in it


def read_xlsx(
    origin: Origin, file: SourceFile, limits: Limits, sheet: str | None
) -> Iterator[pa.RecordBatch]:
    """The rows below the header of a sheet (default the first), every column a string."""
    before = identity(origin, file.path)
    for _ in verified(origin, file, limits):
        pass
    if file.bytes == 0:
        return
    with open_regular(origin, file.path) as opened:
        archive = Archive(origin, opened, file.bytes, limits)
        plan = layout(archive)
        book = _workbook(origin, opened)
        name = _chosen(origin, book, sheet)
        part = plan.parts.get(name, "")
        _check_room(origin, archive, part, limits)
        cells = _Sheet(origin, plan, _opened(origin, book, name))
        yield from _batches(cells, rows(archive, part), limits)
    if identity(origin, file.path) != before:
        raise origin.changing()


def _chosen(origin: Origin, book: CalamineWorkbook, sheet: str | None) -> str:
    """The sheet that is named, hidden or not; without a name the first that can be seen."""
    found = [one for one in book.sheets_metadata if one.typ == SheetTypeEnum.WorkSheet]
    names = [one.name for one in found]
    if sheet is None:
        seen = [one.name for one in found if one.visible == SheetVisibleEnum.Visible]
        if not seen:
            raise origin.rejected("has no visible sheet; set `sheet` to the name of one")
        return seen[0]
    if sheet not in names:
        near = difflib.get_close_matches(sheet, names, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        listed = ", ".join(map(repr, names)) or "none"
        raise origin.rejected(f"has no sheet {sheet!r}; {hint}Its sheets: {listed}")
    return sheet


def _workbook(origin: Origin, opened: IO[bytes]) -> CalamineWorkbook:
    opened.seek(0)
    try:
        return CalamineWorkbook.from_filelike(opened)
    except CalamineError as error:
        raise origin.rejected(f"is a damaged workbook ({error}); save it again as .xlsx") from error


def _opened(origin: Origin, book: CalamineWorkbook, name: str) -> CalamineSheet:
    try:
        return book.get_sheet_by_name(name)
    except CalamineError as error:
        raise origin.rejected(
            f"sheet {name!r} is damaged ({error}); save it again as .xlsx"
        ) from error


def _check_room(origin: Origin, archive: Archive, part: str, limits: Limits) -> None:
    """Refuse a sheet whose cells or texts would fill the memory once they are spread out."""
    lengths = text_lengths(archive)
    top, bottom, left, right, characters = 0, -1, 0, -1, 0
    for row in rows(archive, part):
        used = [cell for cell in row.cells if cell.text or cell.kind == "inlineStr"]
        if not used:
            continue
        columns = [cell.column for cell in used]
        top, bottom = (row.number if bottom < 0 else top), row.number
        left = min(columns) if right < 0 else min(left, *columns)
        right = max(right, *columns)
        shared = (int(cell.text) for cell in used if cell.kind == "s" and cell.text.isdecimal())
        characters += sum(lengths[at] for at in shared if at < len(lengths))
    cells = (bottom - top + 1) * (right - left + 1)
    if cells > limits.max_workbook_cells or characters > limits.max_workbook_bytes:
        raise origin.rejected(
            f"spreads over {cells} cells with {characters} characters of text, more than "
            f"{limits.max_workbook_cells} cells or {limits.max_workbook_bytes} characters; "
            "delete what stands far outside the table, or send CSV or Parquet"
        )


class _Sheet:
    """One sheet as rows of texts; gathers what cannot be taken."""

    def __init__(self, origin: Origin, plan: Layout, sheet: CalamineSheet) -> None:
        self.origin = origin
        self._plan = plan
        # Rows come from the first of the sheet on, their cells from the first column in use on.
        self._values = sheet.iter_rows()
        self._left = sheet.start[1] if sheet.start else 0
        self._given = 0
        self._merged = sheet.merged_cell_ranges or []
        self.faults: list[str] = []
        self.count = 0

    def fault(self, sentence: str) -> None:
        """Note a fault; only the first ones are kept in words."""
        self.count += 1
        if len(self.faults) < LISTED:
            self.faults.append(sentence)

    def texts(self, row: RawRow) -> Texts:
        """The cells of a row that say something."""
        values = self._values_of(row.number)
        found: Texts = {}
        for cell in row.cells:
            at = cell.column - self._left
            value = values[at] if 0 <= at < len(values) else ""
            try:
                text = self._text(cell, value)
            except NotExact as why:
                self.fault(f"cell {letters(cell.column)}{row.number} {why}")
                continue
            if text is not None:
                found[cell.column] = text
        return found

    def check_merged(self, last_row: int, last_column: int) -> None:
        """Merged cells have one value for many places: refused where they touch the table."""
        for (top, left), (bottom, right) in self._merged:
            if top < last_row and left <= last_column:
                area = f"{letters(left)}{top + 1}:{letters(right)}{bottom + 1}"
                self.fault(f"cells {area} are merged; unmerge them and fill in each")

    def _values_of(self, number: int) -> Sequence[Any]:
        row: Sequence[Any] = ()
        while self._given < number:
            row = next(self._values, ())
            self._given += 1
        return row

    def _text(self, cell: RawCell, value: object) -> str | None:
        match cell.kind:
            case "e":
                raise NotExact(f"holds the error {cell.text}; mend it")
            case "b":
                return "true" if cell.text.strip() == "1" else "false"
            case "d":
                return cell.text
            case "":
                return self._number(cell, value)
        if cell.kind == "s" and not cell.text:
            return None
        if not isinstance(value, str) or (cell.kind == "str" and cell.text and not value):
            raise NotExact("cannot be read; save the workbook again")
        return value

    def _number(self, cell: RawCell, value: object) -> str | None:
        if not cell.text:
            if cell.is_formula:
                raise NotExact("holds a formula that was never computed; open and save it")
            return None
        if isinstance(value, (time, timedelta)):
            raise NotExact("holds a time without a date; write both into one cell, or text")
        if isinstance(value, (date, datetime)):
            shows_time = cell.style in self._plan.timed_styles
            return moment_text(cell.text, shows_time=shows_time, is_1904=self._plan.is_1904)
        if not isinstance(value, (int, float)):
            raise NotExact(f"holds {cell.text[:60]!r}, which is no number; save the workbook again")
        return number_text(cell.text)


def _batches(sheet: _Sheet, raw: Iterator[RawRow], limits: Limits) -> Iterator[pa.RecordBatch]:
    """Batches of records; every fault of the sheet is gathered before the file is refused."""
    header: Texts = {}
    last_row, given, held = 0, 1, list[Texts]()
    for row in raw:
        texts = sheet.texts(row)
        if not any(texts.values()):
            continue
        last_row = row.number
        if not header:
            header = _header(sheet.origin, texts, limits)
            continue
        for column in sorted(texts.keys() - header.keys()):
            if texts[column]:
                place = f"{letters(column)}{row.number}"
                sheet.fault(f"cell {place} stands below no name; give its column one")
        held.append(texts)
        if len(held) == BATCH_ROWS and not sheet.count:
            yield _batch(header, held, given)
            given += len(held)
        if len(held) == BATCH_ROWS:
            held = []
    sheet.check_merged(last_row, max(header, default=-1))
    if sheet.count:
        raise sheet.origin.rejected(
            f"cannot be taken as it is:{listing(sheet.faults, sheet.count)}"
        )
    if held:
        yield _batch(header, held, given)


def _header(origin: Origin, texts: Texts, limits: Limits) -> Texts:
    """Column to name; all faults of the names at once."""
    names = [text.strip() for text in texts.values() if text.strip()]
    faults = [f"column {n!r} is named twice" for n in sorted(set(names)) if names.count(n) > 1]
    faults += ["column 'source_row' has a reserved name"] if "source_row" in names else []
    if len(names) > limits.max_columns:
        faults = [f"it has {len(names)} columns, more than {limits.max_columns}"]
    if faults:
        raise origin.rejected(f"cannot be read as usage:{listing(faults)}")
    return {column: text.strip() for column, text in sorted(texts.items()) if text.strip()}


def _batch(header: Texts, held: list[Texts], first: int) -> pa.RecordBatch:
    numbers = pa.array(range(first, first + len(held)), pa.int64())
    columns = [pa.array([row.get(at) for row in held], pa.string()) for at in header]
    return pa.RecordBatch.from_arrays([numbers, *columns], names=["source_row", *header.values()])
