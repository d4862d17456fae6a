"""From a folder of YAML and CSV files to documents, or all that is wrong with them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from meterhouse.catalog import csv_documents, faults, yaml_text
from meterhouse.catalog.fields import Strict, nearest
from meterhouse.catalog.given import Document, Places, Reading, Unsettled, canonical
from meterhouse.catalog.kinds import KINDS, Header
from meterhouse.catalog.resolving import is_unsettled, settle
from meterhouse.errors import BookFault

__all__ = ["Document", "canonical", "load_folder", "read_folder", "read_values"]

MAX_BYTES = 5 * 1024 * 1024
SUFFIXES = frozenset({".yaml", ".yml", ".csv"})
HEADER_KEYS = frozenset(Header.model_fields)


@dataclass(frozen=True, slots=True)
class Read:
    """What came of one document; `header` stands when only the content was faulty."""

    place: str
    faults: Sequence[str]
    header: tuple[str, Header] | None = None
    document: Document | None = None
    unsettled: Unsettled | None = None


def load_folder(folder: Path) -> list[Document]:
    """All documents below the folder, by file and line; raises BookFault with every fault."""
    reading = read_folder(folder)
    documents, found = settle(reading)
    if reading.faults or found:
        raise BookFault([*reading.faults, *found])
    return documents


def read_folder(folder: Path) -> Reading:
    """What the files below the folder say, and all that is wrong with each document by itself."""
    if not folder.is_dir():
        raise BookFault([f"The folder {folder} does not exist. Create it or name another one."])
    return gathered([one for path in book_files(folder) for one in _read_file(path, folder)])


def book_files(folder: Path) -> list[Path]:
    """The files below the folder that the book is read from."""
    found = (path for path in folder.rglob("*") if path.suffix in SUFFIXES)
    return sorted(path for path in found if not path.is_dir())


def gathered(read: Sequence[Read]) -> Reading:
    """The documents that were read, together."""
    return Reading(
        [one.document for one in read if one.document is not None],
        [one.unsettled for one in read if one.unsettled is not None],
        [fault for one in read for fault in one.faults] + _repeated(read),
        [_slot(*one.header) for one in read if one.header is not None],
    )


def read_values(kind: str, values: dict[str, Any], places: Places) -> Read:
    """One document from its plain values, `id` and `valid_from` among them."""
    value = {key: item for key, item in values.items() if key not in HEADER_KEYS}
    top = {key: values[key] for key in HEADER_KEYS & values.keys()}
    who = f"{kind} {top['id']!r}" if isinstance(top.get("id"), str) else kind
    wrong: list[str] = []
    header = _made(Header, top, places, who, wrong)
    slot = (kind, header) if isinstance(header, Header) else None
    place = places.keyed("")
    if is_unsettled(kind, value):
        # What it names may stand in another file, so its content waits until all are read.
        waits = Unsettled(kind, slot[1].id, slot[1].valid_from, value, places) if slot else None
        return Read(place, wrong, slot, unsettled=waits)
    model = _made(KINDS[kind], value, places, who, wrong)
    if model is None or slot is None:
        return Read(place, wrong, slot)
    at = places if places.columns else None
    document = Document(*_slot(*slot), canonical(model), places.path, places.line, at)
    return Read(place, (), slot, document)


def _made(
    model: type[Strict], part: dict[str, Any], places: Places, who: str, wrong: list[str]
) -> Strict | None:
    try:
        return model.model_validate(part)
    except ValidationError as error:
        for mark, sentence in faults.sentences(error, model, part, places.marks):
            wrong.append(f"{places.of(mark)}: {who}: {sentence}")
        return None


def _slot(kind: str, header: Header) -> tuple[str, str, date | None]:
    return kind, header.id, header.valid_from


def _read_file(path: Path, folder: Path) -> Iterator[Read]:
    name = path.relative_to(folder).as_posix()
    is_list = path.suffix == ".csv"
    try:
        text = _text(path, csv_documents.MAX_BYTES if is_list else MAX_BYTES)
    except (OSError, ValueError) as error:
        yield Read(f"{name}:1", [f"{name}:1: the file cannot be read: {error}."])
        return
    if is_list:
        yield from _rows(csv_documents.rows(text, name))
        return
    for parsed in yaml_text.parse(text):
        yield _read(parsed, name)


def _rows(rows: Iterable[csv_documents.Row]) -> Iterator[Read]:
    for row in rows:
        if row.faults:
            place = row.places.keyed("")
            yield Read(place, row.faults, _header(row.kind, row.values))
        else:
            yield read_values(row.kind, row.values, row.places)


def _header(kind: str, values: dict[str, Any]) -> tuple[str, Header] | None:
    try:
        return kind, Header.model_validate({k: values[k] for k in HEADER_KEYS & values.keys()})
    except ValidationError:
        return None


def _text(path: Path, most: int) -> str:
    if not path.is_file():
        raise ValueError("it is not a regular file")
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(
            f"it is larger than {most // (1024 * 1024)} MB; split it into several files"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {line} is not UTF-8; save it as UTF-8") from error


def _read(parsed: yaml_text.Parsed, name: str) -> Read:
    place = f"{name}:{parsed.line}"
    found = [f"{name}:{line}: {sentence}" for line, sentence in parsed.faults]
    if not isinstance(parsed.value, dict):
        wrong = f"{place}: a document must be a mapping of keys to values."
        return Read(place, found or [wrong])
    kind = parsed.value.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        return Read(place, [*found, f"{place}: {_unknown_kind(kind, parsed.value)}"])
    values = {key: item for key, item in parsed.value.items() if key != "kind"}
    read = read_values(kind, values, Places(name, parsed.line, parsed.lines))
    return Read(place, [*found, *read.faults], read.header) if found else read


def _unknown_kind(kind: Any, value: dict[str, Any]) -> str:
    if "kind" not in value:
        return f"the key `kind` is missing; {nearest('', list(KINDS))}"
    return f"unknown kind {kind!r}; {nearest(str(kind), list(KINDS))}"


def _repeated(read: Sequence[Read]) -> list[str]:
    first: dict[tuple[str, Header], str] = {}
    found = []
    for one in read:
        if one.header is not None and first.setdefault(one.header, one.place) != one.place:
            kind, header = one.header
            since = f" valid from {header.valid_from}" if header.valid_from else ""
            earlier = first[one.header].partition(": column ")[0]
            found.append(
                f"{one.place}: {kind} {header.id!r}{since} is already given in {earlier}; keep "
                "one of the two."
            )
    return found
