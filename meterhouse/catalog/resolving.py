"""From contracts that name a plan, products or list prices to contracts that say everything.

The content that is recorded holds the items themselves and pins what they were made of, so that a
plan that changes later reaches a contract only when it names the new version.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from pydantic import ValidationError

from meterhouse.catalog import attributes, faults
from meterhouse.catalog.expanding import Row, completed, listed, needs_catalog, unbundled
from meterhouse.catalog.faults import Location
from meterhouse.catalog.fields import nearest
from meterhouse.catalog.given import Document, Reading, Unsettled, canonical
from meterhouse.catalog.phase_prices import in_place, references
from meterhouse.catalog.picking import Picker, Pinned
from meterhouse.catalog.plan import Version, newest
from meterhouse.catalog.shelf import Kept, Shelf, Unknown
from meterhouse.contracts.documents import Contract
from meterhouse.contracts.item_terms import ItemTerms, PriceReference
from meterhouse.contracts.items import Item
from meterhouse.contracts.pins import Pin, PlanUse

# Stands for items that could not be made, so that the rest of a contract is checked all the same.
STAND_IN = {"id": "x", "description": "x", "price": {"model": "flat", "amount": "0"}}

History = dict[str, dict[date, Pinned]]


def is_unsettled(kind: str, value: Mapping[str, Any]) -> bool:
    """Whether a document can be read only with the catalog at hand."""
    if kind != "contract":
        return False
    items = value.get("items")
    named = any(map(needs_catalog, items)) if isinstance(items, list) else False
    return named or value.get("plan") is not None or any(references(value))


def settle(reading: Reading, recorded: Sequence[Version] = ()) -> tuple[list[Document], list[str]]:
    """All documents with their items, and one sentence per fault of what they name."""
    given, wrong = attributes.typed(reading.documents, reading.documents, recorded)
    shelf = Shelf(given, recorded, reading.headers)
    history = _history(recorded)
    documents, found = [], _plan_faults(given, shelf)
    for one in sorted(reading.unsettled, key=lambda one: (one.id, one.valid_from or date.min)):
        settling = Settling(one, shelf, history.setdefault(one.id, {}))
        document = settling.document()
        found += settling.faults
        if document is not None:
            documents.append(document)
    made, more = attributes.typed(documents, given, recorded)
    return [*given, *made], found + wrong + more


class Settling:
    """Makes one contract; collects every fault of it."""

    def __init__(self, given: Unsettled, shelf: Shelf, history: dict[date, Pinned]) -> None:
        self.faults: list[str] = []
        self._is_told = False  # What it names is faulty itself, which is said elsewhere.
        self._given = given
        self._value = {k: v for k, v in given.value.items() if k != "pinned"}
        self._history = history
        since = given.valid_from or date.min
        earlier = [day for day in history if day <= since]
        before = history[max(earlier)] if earlier and not given.is_fresh else []
        start = self._value.get("start")
        start = _iso(start) if isinstance(start, str) else start
        on = max(start, since) if isinstance(start, date) else since
        self._picker = Picker(shelf, on, before)
        self._currency = str(self._value.get("currency"))

    def document(self) -> Document | None:
        """The contract with all its items, or nothing where it has a fault."""
        rows = [*self._plan_rows(), *self._own_rows()]
        self._repeated(rows)
        self._fill_phases()
        if self.faults or self._is_told:
            self._validated({**self._value, "plan": None, "items": [STAND_IN]}, None)
            return None
        value = {**self._value, "items": [row.value for row in rows]}
        self._carry(rows)
        value["pinned"] = self._picker.pinned or None
        model = self._validated(value, rows)
        if model is None:
            return None
        given = self._given
        self._history[given.valid_from or date.min] = self._picker.pinned
        place = given.places
        return Document(
            given.kind, given.id, given.valid_from, canonical(model), place.path, place.line,
            place,
        )  # fmt: skip

    def _carry(self, rows: list[Row]) -> None:
        """Keep the pins of items whose price was filled in before: recorded content given again."""
        prices = [row.says("list_price") for row in rows if not row.says("from_plan")]
        phased = in_place(self._given.value)
        for pin in self._given.value.get("pinned") or []:
            if self._read(Pin, pin, ("pinned",)) is None:
                return
            is_priced = pin["id"] in prices or self._picker.content_of(pin).get("price") in phased
            if pin["kind"] == "product" or (pin["kind"] == "price" and is_priced):
                self._picker.carry(pin)

    def _plan_rows(self) -> list[Row]:
        if self._value.get("plan") is None:
            return []
        use = self._read(PlanUse, self._value["plan"], ("plan",))
        if not isinstance(use, PlanUse):
            return []
        overrides = {id: self._override(id, one) for id, one in use.overrides.items()}
        try:
            plan = self._picker.plan(use.id, use.version)
        except Unknown as unknown:
            self._unknown(("plan",), "`plan`", unknown)
            return []
        self._value["plan"] = {
            "id": use.id,
            "version": plan.version,
            "overrides": overrides,
            "remove": list(use.remove),
        }
        if plan.content["currency"] != self._currency:
            self._fault(
                ("plan",),
                f"`plan` {use.id!r} has prices in {plan.content['currency']}, but the contract is "
                f"in {self._currency}. Name a plan in that currency.",
            )
            return []
        return self._varied(plan, overrides, set(use.remove))

    def _varied(self, plan: Kept, overrides: dict[str, Any], removed: set[str]) -> list[Row]:
        """The items of the plan as this contract has them."""
        first = [Row({**one, "from_plan": plan.id}, ("plan",)) for one in plan.content["items"]]
        known = {row.id for row in first}
        kept: list[Row] = []
        for row in first:
            parts = self._unbundled(_over(row, overrides))
            known |= {part.id for part in parts}
            kept += [
                part if part.id == row.id else _over(part, overrides)
                for part in parts
                if not {row.id, part.id} & removed
            ]
        for key, names in (("overrides", overrides), ("remove", removed)):
            for name in sorted(set(names) - known):
                self._fault(
                    ("plan", key, name),
                    f"`plan.{key}` names item {name!r}, which version {plan.version!r} of plan "
                    f"{plan.id!r} does not have; {nearest(name, sorted(known))}",
                )
        return [row for row in map(self._completed, kept) if row is not None]

    def _own_rows(self) -> list[Row]:
        items = self._value.get("items") or []
        if not isinstance(items, list):
            return []
        has_plan = self._value.get("plan") is not None
        made: list[Row] = []
        for index, item in enumerate(items):
            if has_plan and isinstance(item, dict) and item.get("from_plan"):
                continue  # Recorded content given again: the plan brings it anew.
            row = Row(item, ("items", index))
            if needs_catalog(item) and self._read(ItemTerms, item, row.path) is None:
                continue
            for one in self._unbundled(row) if needs_catalog(item) else [row]:
                whole = self._completed(one) if needs_catalog(item) else one
                made += [whole] if whole is not None else []
        return made

    def _fill_phases(self) -> None:
        """Have phases say the list prices that they name; a faulty one is told, and left out."""
        if not any(references(self._value)):
            return
        self._value["phases"] = copy.deepcopy(self._value["phases"])
        for path, terms in references(self._value):
            price = terms.pop("price")
            if self._read(PriceReference, price, path) is None:
                continue
            try:
                terms["price"] = listed(price, self._picker, self._currency)
            except Unknown as unknown:
                self._unknown(path, f"`{faults.dotted(path)}`", unknown)

    def _override(self, id: str, value: dict[str, Any]) -> dict[str, Any]:
        path = ("plan", "overrides", id)
        if "id" in value:
            self._fault(path, f"`plan.overrides.{id}` cannot change the `id`; remove that key.")
        terms = self._read(ItemTerms, value, path)
        return canonical(terms) if terms is not None else {}

    def _unbundled(self, row: Row) -> list[Row]:
        try:
            return list(unbundled(row, self._picker))
        except Unknown as unknown:
            self._unknown(row.path, f"item {row.id!r}", unknown)
            return []

    def _completed(self, row: Row) -> Row | None:
        try:
            return completed(row, self._picker, self._currency)
        except Unknown as unknown:
            self._unknown(row.path, f"item {row.id!r}", unknown)
            return None

    def _repeated(self, rows: list[Row]) -> None:
        of_plan = {row.id for row in rows if row.says("from_plan")}
        for row in rows:
            if not row.says("from_plan") and row.id in of_plan:
                self._fault(
                    row.path,
                    f"item {row.id!r} is also in the plan. Write what differs under "
                    f"`plan.overrides.{row.id}`, or name it in `plan.remove`.",
                )

    def _read(self, model: Any, value: Any, path: Location) -> Any:
        """The value as a model; its faults are told with the path before them."""
        try:
            return model.model_validate(value)
        except ValidationError as error:
            marks = {k[len(path) :]: v for k, v in self._given.places.marks.items()
                     if k[: len(path)] == path}  # fmt: skip
            for mark, sentence in faults.sentences(error, model, value, marks):
                self._fault_at(mark or self._mark(path), f"in `{faults.dotted(path)}`: {sentence}")
            return None

    def _validated(self, value: dict[str, Any], rows: list[Row] | None) -> Contract | None:
        """The contract; without rows (its items cannot be made) only the faults of its keys."""
        try:
            return Contract.model_validate(value)
        except ValidationError as error:
            marks = dict(self._given.places.marks)
            for index, row in enumerate(rows or []):
                marks |= self._moved(row.path, ("items", index))
            told = faults.sentences(error, Contract, value, marks, of_keys_only=rows is None)
            for mark, sentence in told:
                self._fault_at(mark, sentence)
            return None

    def _moved(self, source: Location, target: Location) -> dict[Location, int]:
        """The marks of an item as they are after others were put before it."""
        marks = self._given.places.marks
        inside = {k: v for k, v in marks.items() if source[0] == "items" and k[:2] == source}
        moved = {(*target, *k[2:]): v for k, v in inside.items()}
        return {target: self._mark(source), **moved}

    def _mark(self, path: Location) -> int:
        return faults.mark_of(path, self._given.places.marks)

    def _unknown(self, path: Location, who: str, unknown: Unknown) -> None:
        self._is_told = True
        if str(unknown):
            self._fault(path, f"{who} {unknown}")

    def _fault(self, path: Location, sentence: str) -> None:
        self._fault_at(self._mark(path), sentence)

    def _fault_at(self, mark: int, sentence: str) -> None:
        given = self._given
        self.faults.append(f"{given.places.of(mark)}: {given.kind} {given.id!r}: {sentence}")


def _over(row: Row, overrides: Mapping[str, dict[str, Any]]) -> Row:
    changed = overrides.get(row.id)
    if changed is None:
        return row
    return replace(row, value={**row.value, **changed}, path=("plan", "overrides", row.id))


def _history(recorded: Sequence[Version]) -> History:
    """The pins of each recorded contract, by the day its terms begin to hold."""
    found: History = {}
    for (kind, id, since), one in newest(recorded).items():
        if kind == "contract":
            found.setdefault(id, {})[since or date.min] = one.content.get("pinned") or []
    return found


def _plan_faults(documents: Sequence[Document], shelf: Shelf) -> list[str]:
    """What the items of plans name is there, and with it every item is whole."""
    found: list[str] = []
    for one in documents:
        if one.kind != "plan":
            continue
        for item in one.content["items"]:
            who = f"{one.place}: plan {one.id!r}: item {item['id']!r}"
            picker = Picker(shelf, one.valid_from, ())
            try:
                for row in unbundled(Row(item, ()), picker):
                    whole = completed(row, picker, one.content["currency"])
                    Item.model_validate(whole.value)
            except Unknown as unknown:
                found += [f"{who} {unknown}"] if str(unknown) else []
            except ValidationError as error:
                told = faults.sentences(error, Item, whole.value, {})
                found += [f"{who}: {sentence}" for _, sentence in told]
    return found


def _iso(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
