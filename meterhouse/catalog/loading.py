"""From a folder of YAML files to the documents of the book, or all that is wrong with them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from meterhouse.catalog import faults, yaml_text
from meterhouse.catalog.fields import Strict, nearest
from meterhouse.catalog.kinds import KINDS, Header
from meterhouse.errors import BookFault

MAX_BYTES = 5 * 1024 * 1024
HEADER_KEYS = frozenset(Header.model_fields)


@dataclass(frozen=True, slots=True)
class Document:
    """One document: its slot, its canonical content, and where it was written."""

    kind: str
    id: str
    valid_from: date | None
    content: dict[str, Any]
    path: str
    line: int

    @property
    def slot(self) -> tuple[str, str, date | None]:
        """The place in the book that this document fills."""
        return self.kind, self.id, self.valid_from

    @property
    def place(self) -> str:
        """Where a person finds it: file and line."""
        return f"{self.path}:{self.line}" if self.line else self.path


@dataclass(frozen=True, slots=True)
class _Read:
    """What came of one YAML document; `header` stands when only the content was faulty."""

    place: str
    faults: Sequence[str]
    header: tuple[str, Header] | None = None
    document: Document | None = None


def load_folder(folder: Path) -> list[Document]:
    """All documents below the folder, by file and line; raises BookFault with every fault."""
    if not folder.is_dir():
        raise BookFault([f"The folder {folder} does not exist. Create it or name another one."])
    read = [one for path in _files(folder) for one in _read_file(path, folder)]
    found = [fault for one in read for fault in one.faults] + _repeated(read)
    if found:
        raise BookFault(found)
    return [one.document for one in read if one.document is not None]


def canonical(model: Strict) -> dict[str, Any]:
    """The content of a document: all defaults filled in, decimals as text, dates as ISO text."""
    return model.model_dump(mode="json", by_alias=True)


def _files(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*") if path.suffix in {".yaml", ".yml"})
    return sorted(path for path in found if not path.is_dir())


def _read_file(path: Path, folder: Path) -> Iterator[_Read]:
    name = path.relative_to(folder).as_posix()
    try:
        text = _text(path)
    except (OSError, ValueError) as error:
        yield _Read(f"{name}:1", [f"{name}:1: the file cannot be read: {error}."])
        return
    for parsed in yaml_text.parse(text):
        yield _read(parsed, name)


def _text(path: Path) -> str:
    if not path.is_file():
        raise ValueError("it is not a regular file")
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError("it is larger than 5 MB; split it into several files")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {line} is not UTF-8; save it as UTF-8") from error


def _read(parsed: yaml_text.Parsed, name: str) -> _Read:
    place = f"{name}:{parsed.line}"
    found = [f"{name}:{line}: {sentence}" for line, sentence in parsed.faults]
    if not isinstance(parsed.value, dict):
        wrong = f"{place}: a document must be a mapping of keys to values."
        return _Read(place, found or [wrong])
    kind = parsed.value.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        return _Read(place, [*found, f"{place}: {_unknown_kind(kind, parsed.value)}"])
    return _validated(kind, parsed, name, found)


def _unknown_kind(kind: Any, value: dict[str, Any]) -> str:
    if "kind" not in value:
        return f"the key `kind` is missing; {nearest('', list(KINDS))}"
    return f"unknown kind {kind!r}; {nearest(str(kind), list(KINDS))}"


def _validated(kind: str, parsed: yaml_text.Parsed, name: str, found: list[str]) -> _Read:
    value = {key: item for key, item in parsed.value.items() if key != "kind"}
    top = {key: value.pop(key) for key in HEADER_KEYS & value.keys()}
    who = f"{kind} {top['id']!r}" if isinstance(top.get("id"), str) else kind
    made: list[Strict] = []
    wrong = list(found)
    for model, part in ((Header, top), (KINDS[kind], value)):
        try:
            made.append(model.model_validate(part))
        except ValidationError as error:
            for line, sentence in faults.sentences(error, model, part, parsed.lines):
                wrong.append(f"{name}:{line or parsed.line}: {who}: {sentence}")
    header = next((one for one in made if isinstance(one, Header)), None)
    place = f"{name}:{parsed.line}"
    slot = (kind, header) if header is not None else None
    if wrong or header is None:
        return _Read(place, wrong, slot)
    content = canonical(made[-1])
    document = Document(kind, header.id, header.valid_from, content, name, parsed.line)
    return _Read(place, (), slot, document)


def _repeated(read: Sequence[_Read]) -> list[str]:
    first: dict[tuple[str, Header], str] = {}
    found = []
    for one in read:
        if one.header is not None and first.setdefault(one.header, one.place) != one.place:
            kind, header = one.header
            since = f" valid from {header.valid_from}" if header.valid_from else ""
            found.append(
                f"{one.place}: {kind} {header.id!r}{since} is already given in "
                f"{first[one.header]}; keep one of the two."
            )
    return found
