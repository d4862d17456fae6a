"""What applying a folder would change in the recorded book."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, NamedTuple

from meterhouse.canonical import canonical_json, sha256_text
from meterhouse.catalog.given import Document
from meterhouse.catalog.kinds import KINDS

Slot = tuple[str, str, date | None]
Action = Literal["new", "changed", "same", "kept"]


@dataclass(frozen=True, slots=True)
class Version:
    """One recorded version of a document; `batch_seq` says when it was recorded."""

    kind: str
    id: str
    valid_from: date | None
    content: dict[str, Any]
    content_sha256: str
    batch_seq: int

    @property
    def slot(self) -> Slot:
        """The place in the book that this version fills."""
        return self.kind, self.id, self.valid_from


class FieldChange(NamedTuple):
    """One value that differs: its JSON path, as in `$.items[0].price.per`, before and after."""

    path: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one slot; `fields` is filled for action changed."""

    kind: str
    id: str
    valid_from: date | None
    action: Action
    fields: tuple[FieldChange, ...]
    content: dict[str, Any]
    content_sha256: str


def plan(recorded: Sequence[Version], documents: Sequence[Document]) -> list[Change]:
    """One change per slot, recorded or given, ordered by kind, id and date."""
    before = newest(recorded)
    given = {document.slot: document for document in documents}
    return [
        _compared(before.get(slot), given[slot]) if slot in given else _kept(before[slot])
        for slot in sorted(before.keys() | given.keys(), key=slot_order)
    ]


def changes_to_record(changes: Sequence[Change]) -> list[Change]:
    """Those that need a new version: absence from the folder never cancels anything."""
    return [change for change in changes if change.action in {"new", "changed"}]


def newest(recorded: Sequence[Version]) -> Mapping[Slot, Version]:
    """The version of each slot that was recorded last."""
    return {one.slot: one for one in sorted(recorded, key=lambda one: one.batch_seq)}


def union(recorded: Sequence[Version], documents: Sequence[Document]) -> list[Document]:
    """The book as it would be after applying: what `references.check` reads."""
    given = {document.slot for document in documents}
    kept = [
        Document(one.kind, one.id, one.valid_from, one.content, "recorded", 0)
        for slot, one in newest(recorded).items()
        if slot not in given
    ]
    return [*documents, *kept]


def slot_order(slot: Slot) -> tuple[int, str, str, date]:
    """Kinds in the order of reference, then id, then date with `always` first."""
    kind, id, valid_from = slot
    kinds = list(KINDS)
    rank = kinds.index(kind) if kind in kinds else len(kinds)
    return rank, kind, id, valid_from or date.min


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[FieldChange]:
    """Every value that differs between two contents of a document."""
    return list(_differences("$", old, new))


def _compared(before: Version | None, given: Document) -> Change:
    sha = sha256_text(canonical_json(given.content))
    if before is None:
        return Change(*given.slot, "new", (), given.content, sha)
    # The stored hash is not trusted to say "same": it is the content that decides.
    fields = tuple(_differences("$", before.content, given.content))
    return Change(*given.slot, "changed" if fields else "same", fields, given.content, sha)


def _kept(before: Version) -> Change:
    return Change(*before.slot, "kept", (), before.content, before.content_sha256)


def _differences(path: str, old: Any, new: Any) -> Iterator[FieldChange]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from _differences(f"{path}.{key}", old.get(key), new.get(key))
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            yield from _differences(f"{path}[{index}]", _at(old, index), _at(new, index))
    elif old != new or type(old) is not type(new):
        yield FieldChange(path, old, new)


def _at(values: list[Any], index: int) -> Any:
    return values[index] if index < len(values) else None
