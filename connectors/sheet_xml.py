"""What stands in the XML of a workbook, as written: the reader of cells hides some of it.

Calamine gives an error cell and a formula that was never computed as an empty one, rounds times,
and makes room for every cell between the first and the last.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple
from xml.parsers import expat

from connectors.archive import Archive

Attributes = dict[str, str]
REFERENCE = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")
WORKBOOK = "xl/workbook.xml"
RELATIONS = "xl/_rels/workbook.xml.rels"
# Built-in number formats that show a time of day.
TIMED_FORMATS = {18, 19, 20, 21, 22, 32, 33, 45, 46, 47}
LITERALS = re.compile(r'"[^"]*"|\[[^\]]*\]|\\.|_.')


class RawCell(NamedTuple):
    """A cell as it is written; `column` counts from 0, `kind` is '' for a number."""

    column: int
    kind: str
    style: int
    text: str
    is_formula: bool


class RawRow(NamedTuple):
    """A row as it is written; `number` counts from 1."""

    number: int
    cells: list[RawCell]


class Layout(NamedTuple):
    """Where the sheets are, and what decides how their dates read."""

    parts: dict[str, str]  # name of a sheet to its part
    is_1904: bool
    timed_styles: set[int]  # styles of cells that show a time of day


def layout(archive: Archive) -> Layout:
    """Read the small parts of a workbook."""
    if WORKBOOK not in archive:
        raise archive.damaged("it has no xl/workbook.xml; it may be .xlsb or .ods")
    sheets: dict[str, str] = {}
    flags: set[str] = set()

    def book(name: str, given: Attributes) -> None:
        if name == "sheet":
            ids = [value for key, value in given.items() if key.endswith(":id")]
            sheets[given.get("name", "")] = ids[0] if ids else ""
        elif name == "workbookPr":
            flags.add(given.get("date1904", ""))

    _walk(archive, WORKBOOK, book)
    targets: dict[str, str] = {}

    def relation(name: str, given: Attributes) -> None:
        if name == "Relationship":
            targets[given.get("Id", "")] = _resolved(given.get("Target", ""))

    _walk(archive, RELATIONS, relation)
    parts = {name: targets.get(id, "") for name, id in sheets.items()}
    return Layout(parts, bool(flags & {"1", "true"}), _timed_styles(archive))


def text_lengths(archive: Archive) -> list[int]:
    """Characters of each shared text, by its number."""
    lengths: list[int] = []

    def start(name: str, _: Attributes) -> None:
        if name == "si":
            lengths.append(0)

    def text(data: str) -> None:
        if lengths:
            lengths[-1] += len(data)

    if (part := "xl/sharedStrings.xml") in archive:
        _walk(archive, part, start, text)
    return lengths


def rows(archive: Archive, part: str) -> Iterator[RawRow]:
    """The rows of a sheet, as far as they are written, in rising order."""
    reader = _Rows(archive)
    parser = _parser(archive, reader.start, reader.text, reader.end)
    for piece in archive.pieces(part):
        _feed(archive, parser, part, piece, is_last=False)
        yield from reader.taken()
    _feed(archive, parser, part, b"", is_last=True)
    yield from reader.taken()


def letters(column: int) -> str:
    """The letters of a column that counts from 0: 0 is A, 26 is AA."""
    name = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        name = chr(ord("A") + rest) + name
    return name


@cache
def _column(name: str) -> int:
    number = 0
    for letter in name:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1


class _Rows:
    """Collects rows from the events of the parser."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._done: list[RawRow] = []
        self._row = 0
        self._cells: dict[int, RawCell] = {}
        self._at = (-1, "", 0)
        self._is_formula = self._in_value = False
        self._text: list[str] = []

    def taken(self) -> list[RawRow]:
        """The rows that are whole; they are not given again."""
        done, self._done = self._done, []
        return done

    def start(self, name: str, given: Attributes) -> None:
        if name == "v":
            self._in_value = True
        elif name == "c":
            self._at = (self._place(given.get("r")), given.get("t", "n"), int(given.get("s") or 0))
            self._is_formula, self._text = False, []
        elif name == "f":
            self._is_formula = True
        elif name == "row":
            self._open(int(given.get("r") or self._row + 1))

    def text(self, data: str) -> None:
        if self._in_value:
            self._text.append(data)

    def end(self, name: str) -> None:
        if name == "v":
            self._in_value = False
        elif name == "c":
            column, kind, style = self._at
            kind = "" if kind == "n" else kind
            self._cells[column] = RawCell(
                column, kind, style, "".join(self._text), self._is_formula
            )
        elif name == "row":
            self._done.append(RawRow(self._row, list(self._cells.values())))

    def _open(self, number: int) -> None:
        if number <= self._row:
            raise self._archive.damaged(f"row {number} comes behind row {self._row}")
        self._row, self._cells, self._at = number, {}, (-1, "", 0)

    def _place(self, reference: str | None) -> int:
        if reference is None:
            return self._at[0] + 1
        found = REFERENCE.fullmatch(reference)
        if found is None or int(found[2]) != self._row:
            raise self._archive.damaged(f"cell {reference!r} stands in row {self._row}")
        if (column := _column(found[1])) in self._cells:
            raise self._archive.damaged(f"cell {reference} is written twice")
        return column


def _timed_styles(archive: Archive) -> set[int]:
    """Numbers of the cell styles whose format shows hours or seconds."""
    timed, styles, inside = set(TIMED_FORMATS), list[int](), list[str]()

    def start(name: str, given: Attributes) -> None:
        if name in ("cellXfs", "cellStyleXfs", "dxfs"):
            inside.append(name)
        elif name == "numFmt" and re.search("[hs]", LITERALS.sub("", _code(given)), re.I):
            timed.add(int(given.get("numFmtId") or 0))
        elif name == "xf" and inside[-1:] == ["cellXfs"]:
            styles.append(int(given.get("numFmtId") or 0))

    if (part := "xl/styles.xml") in archive:
        _walk(archive, part, start)
    return {at for at, number in enumerate(styles) if number in timed}


def _code(given: Attributes) -> str:
    return given.get("formatCode", "")


def _resolved(target: str) -> str:
    path = target.removeprefix("/")
    return path if path.startswith("xl/") else f"xl/{path}"


def _walk(
    archive: Archive,
    part: str,
    start: Callable[[str, Attributes], None],
    text: Callable[[str], None] | None = None,
) -> None:
    parser = _parser(archive, start, text)
    for piece in archive.pieces(part):
        _feed(archive, parser, part, piece, is_last=False)
    _feed(archive, parser, part, b"", is_last=True)


def _parser(
    archive: Archive,
    start: Callable[[str, Attributes], None],
    text: Callable[[str], None] | None = None,
    end: Callable[[str], None] | None = None,
) -> expat.XMLParserType:
    """A parser that names elements without their prefix and refuses entities of their own."""

    def refuse(*_: object) -> None:
        raise archive.damaged("its XML declares a document type")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = lambda name, given: start(name.rpartition(":")[2], given)
    if text is not None:
        parser.CharacterDataHandler = text
    if end is not None:
        parser.EndElementHandler = lambda name: end(name.rpartition(":")[2])
    return parser


def _feed(
    archive: Archive, parser: expat.XMLParserType, part: str, piece: bytes, *, is_last: bool
) -> None:
    try:
        parser.Parse(piece, is_last)
    except (expat.ExpatError, ValueError) as error:
        raise archive.damaged(f"part {part!r}: {error}") from error
