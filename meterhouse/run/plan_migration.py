"""Move contracts to another version of their plan: what would change, and the recording of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from meterhouse.catalog.given import Document, Places, Reading, Unsettled
from meterhouse.catalog.plan import FieldChange, Version, differences, newest
from meterhouse.catalog.resolving import settle
from meterhouse.catalog.shelf import Kept, Shelf, Unknown
from meterhouse.contracts.documents import Contract
from meterhouse.errors import BookFault, UsageError
from meterhouse.lake import Lake
from meterhouse.nearest import did_you_mean
from meterhouse.run.applying import apply_book, plan_book, recorded_versions

NOTHING = "nothing was changed"


@dataclass(frozen=True, slots=True)
class Moved:
    """One slot of a contract that changes: the day its terms hold from, and what differs."""

    contract_id: str
    valid_from: date | None
    is_new: bool
    fields: tuple[FieldChange, ...]


@dataclass(frozen=True, slots=True)
class Migration:
    """What a migration would record, from which day, and which contracts it leaves alone."""

    on: date
    moved: tuple[Moved, ...]
    untouched: int
    reading: Reading


@dataclass(frozen=True, slots=True)
class _Life:
    """A contract: the newest version of each of its slots, by date."""

    id: str
    slots: list[Version]

    @property
    def start(self) -> date:
        return date.fromisoformat(self.slots[-1].content["start"])

    def is_over(self, on: date) -> bool:
        end = Contract.model_validate(self.slots[-1].content).effective_end
        return end is not None and end <= on


def plan_migration(
    lake: Lake, plan: str, version: str, contracts: Sequence[str] = (), on: date | None = None
) -> Migration:
    """What moving the contracts (default: all that have the plan) to a version would change;
    raises BookFault with all that recording it would refuse."""
    with lake.reading() as db:
        recorded = recorded_versions(db)
    day = _day(_target(recorded, plan, version), on)
    lives = _lives(recorded, plan, contracts)
    bases = {(life.id, since): base for life in lives for since, base in _slots(life, plan, day)}
    unsettled = [_given(id, since, base, version) for (id, since), base in bases.items()]
    documents, faults = settle(Reading(unsettled=unsettled), recorded)
    if faults:
        raise BookFault(faults)
    known = {one.slot for one in recorded}
    moved = [
        Moved(one.id, one.valid_from, one.slot not in known, changed)
        for one in documents
        if (changed := _changed(one, bases))
    ]
    slots = {(one.contract_id, one.valid_from) for one in moved}
    reading = Reading(unsettled=[one for one in unsettled if (one.id, one.valid_from) in slots])
    if moved:
        plan_book(lake, reading)
    touched = {one.contract_id for one in moved}
    return Migration(day, tuple(moved), len(lives) - len(touched), reading)


def record_migration(lake: Lake, migration: Migration) -> int | None:
    """Record the new versions of the contracts in one commit; its number."""
    return apply_book(lake, migration.reading)[1]


def _target(recorded: Sequence[Version], plan: str, version: str) -> Kept:
    try:
        return Shelf((), recorded).named(plan, version)
    except Unknown as unknown:
        raise UsageError(
            f"The migration {unknown} {NOTHING.capitalize()}. Only what is applied is known: "
            "`meterhouse plans list` shows it."
        ) from None


def _day(target: Kept, on: date | None) -> date:
    if on is not None:
        return on
    if target.valid_from is None:
        raise UsageError(
            f"Version {target.version!r} of plan {target.id!r} has no `valid_from`, so it does not "
            f"say from when contracts should have it; {NOTHING}. Give --on DATE."
        )
    return target.valid_from


def _lives(recorded: Sequence[Version], plan: str, contracts: Sequence[str]) -> list[_Life]:
    slots: dict[str, list[Version]] = {}
    for (kind, id, _), one in newest(recorded).items():
        if kind == "contract":
            slots.setdefault(id, []).append(one)
    having = {id for id, found in slots.items() if any(_plan(one) == plan for one in found)}
    strange = sorted(set(contracts) - having)
    if strange:
        hint = did_you_mean(strange[0], having) or "."
        raise UsageError(f"Contract {strange[0]!r} does not have plan {plan!r}; {NOTHING}{hint}")
    wanted = sorted(set(contracts) or having)
    return [_Life(id, sorted(slots[id], key=_since)) for id in wanted]


def _plan(one: Version) -> str | None:
    plan = one.content.get("plan")
    return plan["id"] if plan else None


def _since(one: Version) -> date:
    return one.valid_from or date.min


def _slots(life: _Life, plan: str, on: date) -> list[tuple[date | None, Version]]:
    """The slots to write and the terms each of them begins with: one that begins on the day, and
    those that begin later."""
    if life.is_over(on):
        return []
    later = [(one.valid_from, one) for one in life.slots if _since(one) > on]
    held = [one for one in life.slots if _since(one) <= on]
    first: list[tuple[date | None, Version]] = []
    if held:
        # A contract that has not begun on the day has the version from its beginning.
        is_begun = max(_since(held[-1]), life.start) < on
        first = [(on if is_begun else held[-1].valid_from, held[-1])]
    return [(since, one) for since, one in [*first, *later] if _plan(one) == plan]


def _given(id: str, since: date | None, base: Version, version: str) -> Unsettled:
    content = base.content
    own = [item for item in content["items"] if not item.get("from_plan")]
    value: dict[str, Any] = {
        **content, "plan": {**content["plan"], "version": version}, "items": own
    }  # fmt: skip
    return Unsettled("contract", id, since, value, Places(f"contract {id}", 0, {}), is_fresh=True)


def _changed(
    one: Document, bases: dict[tuple[str, date | None], Version]
) -> tuple[FieldChange, ...]:
    return tuple(differences(bases[one.id, one.valid_from].content, one.content))
