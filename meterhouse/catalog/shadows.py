"""Meters that run beside another one, to be compared and never billed."""

from collections.abc import Iterator

from meterhouse.catalog.fields import nearest
from meterhouse.catalog.known import Book, Slot
from meterhouse.catalog.meters import Meter


def shadows(book: Book) -> Iterator[str]:
    """Faults for shadows that cannot be compared with their meter, or that a contract bills."""
    by_id: dict[str, list[Slot[Meter]]] = {}
    for slot in book.meters:
        by_id.setdefault(slot.id, []).append(slot)
    for slot in book.meters:
        if slot.model.shadow_of is not None:
            yield from _compared(slot, by_id)
    shadow_ids = {slot.id: slot.model.shadow_of for slot in book.meters if slot.model.shadow_of}
    for contract in book.contracts:
        for item in contract.model.items:
            if item.meter in shadow_ids:
                yield contract.fault(
                    f"item {item.id!r} reads meter {item.meter!r}, which runs beside "
                    f"{shadow_ids[item.meter]!r} and is never billed. Name that meter, or remove "
                    f"`shadow_of` from {item.meter!r}."
                )


def _compared(slot: Slot[Meter], by_id: dict[str, list[Slot[Meter]]]) -> Iterator[str]:
    meter, name = slot.model, str(slot.model.shadow_of)
    others = by_id.get(name, [])
    if not others or name == slot.id:
        known = [id for id, found in by_id.items() if not found[-1].model.shadow_of]
        what = (
            "itself" if others else f"meter {name!r}, which is neither in the folder nor recorded"
        )
        yield slot.fault(f"`shadow_of` names {what}; {nearest(name, known)}")
        return
    if any(other.model.shadow_of for other in others):
        yield slot.fault(
            f"`shadow_of` names meter {name!r}, which is a shadow itself; name the one that is "
            "billed."
        )
    for key in ("event_type", "unit"):
        mine, theirs = getattr(meter, key), getattr(others[-1].model, key)
        if mine != theirs:
            yield slot.fault(
                f"`{key}` is {mine!r}, but {theirs!r} in meter {name!r} "
                f"({others[-1].document.place}), whose shadow it is; the two could not be "
                "compared. Make them equal."
            )
