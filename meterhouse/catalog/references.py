"""The checks across documents: what is named exists, and what must agree agrees."""

from collections.abc import Iterator, Sequence
from datetime import date

from meterhouse.catalog import (
    meterable,
    offers,
    overlaps,
    parents,
    part_readable,
    readable,
    shadows,
)
from meterhouse.catalog.given import Document
from meterhouse.catalog.known import Book, M, Slot, grouped, read
from meterhouse.catalog.plan import Version
from meterhouse.contracts.documents import Contract
from meterhouse.contracts.items import Item
from meterhouse.contracts.profile import resolved

# Open windows and billed lines are keyed by these; a change needs another contract or entity.
KEPT_BY_CONTRACT = (
    *("customer", "entity", "currency", "zone", "start", "anchor_day"),
    *("day_starts_at", "start_time"),
    # The newest document says these for the whole life: they have dates of their own inside.
    *("modifiers", "trial", "pauses", "cancellation", "anchor", "anchor_changes", "profile"),
    *("phases", "renewal"),
    *("due_after_days", "invoice_day", "invoice_before_days", "tax_inclusive"),
)
KEPT_BY_ITEM = ("cadence", "timing", "starts_on")
KEPT_BY_ENTITY = ("base_currency", "zone")
KEPT_BY_PRICE = ("product", "currency")
KEPT_BY_PLAN = ("currency",)


def check(documents: Sequence[Document], recorded: Sequence[Version] = ()) -> list[str]:
    """One sentence per fault of the whole book: the folder and the newest recorded versions.

    `recorded` are all versions, also those of slots that the folder gives anew.
    """
    book, faults = read(documents)
    faults += _contract_references(book)
    faults += _meter_references(book)
    faults += _currencies(book)
    faults += _times(book)
    faults += _beginnings(book)
    faults += _kept(book.contracts, KEPT_BY_CONTRACT, "end this contract and begin another")
    faults += _inclusion_kept(book, recorded)
    faults += _items_kept(book)
    faults += _kept(book.entities, KEPT_BY_ENTITY, "begin another entity")
    faults += _kept(book.prices, KEPT_BY_PRICE, "write another price")
    faults += _kept(book.plans, KEPT_BY_PLAN, "write another plan")
    faults += offers.offers(book)
    faults += readable.properties(book)
    faults += readable.recorded(book, recorded)
    faults += meterable.meters(book)
    faults += shadows.shadows(book)
    faults += readable.scales(book)
    faults += part_readable.parts(book)
    faults += parents.parents(book)
    faults += parents.pools(book)
    faults += overlaps.subjects(book)
    faults += overlaps.meters(book)
    return faults


def check_partly(
    documents: Sequence[Document], headers: Sequence[tuple[str, str, date | None]]
) -> list[str]:
    """Faults across documents that stand whatever is wrong with others, so that a folder with
    faults is told in one go; `headers` are of all that was given, faulty or not."""
    whole = {one.slot for one in documents}
    broken = {slot[:2] for slot in headers if slot not in whole}
    book, faults = read([one for one in documents if one.slot[:2] not in broken], headers)
    faults += _contract_references(book)
    faults += _meter_references(book)
    faults += _currencies(book)
    faults += parents.parents(book)
    faults += parents.pools(book)
    faults += overlaps.subjects(book)
    faults += overlaps.meters(book)
    return faults


def _contract_references(book: Book) -> Iterator[str]:
    for slot in book.contracts:
        contract = slot.model
        first_day = max(contract.start, slot.since)
        for key, kind, id in _named(contract):
            since = book.ids[kind].get(id)
            if since is None:
                yield slot.fault(offers.missing(book, key, kind, id))
            elif since > first_day:
                yield slot.fault(
                    f"`{key}` names {kind} {id!r}, which is valid only from {since}, after the "
                    f"first day that needs it ({first_day}). Give it an earlier `valid_from`."
                )


def _named(contract: Contract) -> Iterator[tuple[str, str, str]]:
    yield "customer", "customer", contract.customer
    if contract.payer != contract.customer:
        yield "payer", "customer", contract.payer
    yield "entity", "entity", contract.entity
    yield "payment_terms", "payment_terms", contract.payment_terms
    for index, item in enumerate(contract.items):
        if item.meter is not None:
            yield f"items[{index}].meter", "meter", item.meter
        if item.product is not None:
            yield f"items[{index}].product", "product", item.product


def _meter_references(book: Book) -> Iterator[str]:
    for slot in book.meters:
        event_type = slot.model.event_type
        if event_type is not None and event_type not in book.ids["event_type"]:
            yield slot.fault(offers.missing(book, "event_type", "event_type", event_type))


def _currencies(book: Book) -> Iterator[str]:
    bases = {slot.id: slot.model.base_currency for slot in book.entities}
    for slot in book.contracts:
        base = bases.get(slot.model.entity)
        if base is not None and base != slot.model.currency:
            yield slot.fault(
                f"`currency` is {slot.model.currency}, but entity {slot.model.entity!r} keeps its "
                f"books in {base}; for now the two must be equal."
            )


def _times(book: Book) -> Iterator[str]:
    """Times of changes where parts of a period are counted in days."""
    accounts = {slot.id: slot.model.profile for slot in book.customers}
    for slot in book.contracts:
        contract = slot.model
        timed = [
            item.id
            for item in contract.items
            if any(one.time is not None for one in (*(item.quantities or ()), *(item.prices or ())))
        ]
        profile = resolved(contract.profile, accounts.get(contract.customer))
        if timed and profile.granularity != "second":
            yield slot.fault(
                f"items {', '.join(timed)} change at a `time` of a day, and its periods are "
                "counted in days: say `profile: {granularity: second}`, or remove `time`."
            )


def _beginnings(book: Book) -> Iterator[str]:
    for slots in grouped(book.contracts).values():
        first = slots[0]
        if first.since > first.model.start:
            # Without a slot in force no charge window exists, and the days would never be billed.
            yield first.fault(
                f"its earliest `valid_from` ({first.since}) is after its `start` "
                f"({first.model.start}); nothing would say what the days between cost. Give the "
                "first document of the contract no `valid_from`."
            )


def _items_kept(book: Book) -> Iterator[str]:
    """An item of one id has one grid of periods: another would bill days twice or never."""
    for same in grouped(book.contracts).values():
        known: dict[str, Item] = {}
        for slot in same:
            for index, item in enumerate(slot.model.items):
                first = known.setdefault(item.id, item)
                for name in KEPT_BY_ITEM:
                    if getattr(item, name) != getattr(first, name):
                        key = "from" if name == "starts_on" else name
                        yield slot.fault(
                            f"`items[{index}].{key}` of item {item.id!r} differs from that of an "
                            "earlier date, and its periods would overlap or leave gaps. End the "
                            "item with `until`, and begin another id."
                        )


def _kept(slots: Sequence[Slot[M]], names: Sequence[str], remedy: str) -> Iterator[str]:
    for same in grouped(slots).values():
        first, *others = same
        for other in others:
            for name in names:
                before, after = getattr(first.model, name), getattr(other.model, name)
                if before != after:
                    yield other.fault(
                        f"`{name}` is {_shown(after)}, but {_shown(before)} in "
                        f"{first.document.place}; it is the same for all dates of one id. "
                        f"To change it, {remedy}."
                    )


def _inclusion_kept(book: Book, recorded: Sequence[Version]) -> Iterator[str]:
    """Faults for amounts that were recorded with their taxes and are now without, or the other way:
    what was billed of them cannot be compared with what they say now."""
    before = {
        version.id: bool(version.content.get("tax_inclusive"))
        for version in recorded
        if version.kind == "contract"
    }
    for slot in book.contracts:
        now = bool(slot.model.tax_inclusive)
        if before.get(slot.id, now) != now:
            words = ("without", "with") if now else ("with", "without")
            yield slot.fault(
                f"its amounts were recorded {words[0]} their taxes and are now {words[1]} them. "
                "To change it, end this contract and begin another."
            )


def _shown(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else repr(value)
