"""Whether meters give what prices of parts read: dimensions, buckets, movements, single events."""

from collections.abc import Iterator

from meterhouse.catalog.known import Book, Slot
from meterhouse.catalog.meters import Meter
from meterhouse.contracts.capacity_prices import Capacity
from meterhouse.contracts.documents import Contract
from meterhouse.contracts.event_prices import Bps, BulkBps, Percentage, TieredBps
from meterhouse.contracts.formula_prices import Formula
from meterhouse.contracts.items import Item
from meterhouse.contracts.part_prices import Bucketed, Matrix, TwoDimensional, WindowedCommitment
from meterhouse.contracts.prorated_prices import ProratedGraduated, ProratedVolume
from meterhouse.nearest import did_you_mean, known_names

_NAMING = (Matrix, TwoDimensional, Capacity, Formula, WindowedCommitment)
_EVENTS = (Percentage, Bps, BulkBps, TieredBps)


def parts(book: Book) -> Iterator[str]:
    """Faults for items whose price reads parts that their meter does not give."""
    meters: dict[str, list[Slot[Meter]]] = {}
    for meter in book.meters:
        meters.setdefault(meter.id, []).append(meter)
    for slot in book.contracts:
        for item in slot.model.priced_items():
            found = dict.fromkeys(
                fault
                for meter in meters.get(item.meter or "", ())
                if _meet(slot, meter)
                for fault in _misfits(item, meter)
            )
            yield from (slot.fault(f"item {item.id!r}: {fault}") for fault in found)


def _meet(contract: Slot[Contract], meter: Slot[Meter]) -> bool:
    """Whether the meter's slot is in force on some day of the contract's."""
    return meter.since < contract.until and contract.since < meter.until


def _misfits(item: Item, meter: Slot[Meter]) -> Iterator[str]:
    price, said = item.price, meter.model
    # The dimensions of a SQL meter are what its model yields; they are not known here.
    if isinstance(price, _NAMING) and said.aggregation != "sql":
        for name in sorted(price.dimensions - set(said.dimensions)):
            hint = did_you_mean(name, said.dimensions)
            yield (
                f"its price reads dimension {name!r}, which meter {meter.id!r} does not have"
                + (hint or f"; it has {known_names(said.dimensions)}.")
            )
    wanted = _wanted(item, said)
    if wanted is not None:
        yield (
            f"a price of model {price.model} needs a meter {wanted}; meter {meter.id!r} is another "
            "one. Name another meter or another price."
        )


def _wanted(item: Item, meter: Meter) -> str | None:
    """What the meter would have to be, where it is not."""
    price = item.price
    if isinstance(price, Bucketed | WindowedCommitment) and meter.bucket is None:
        return "with a `bucket`"
    is_plain = meter.bucket is None and not meter.split
    if isinstance(price, ProratedGraduated | ProratedVolume) and not (
        meter.aggregation in ("sum", "prorated_sum") and is_plain
    ):
        return "of aggregation sum or prorated_sum, without `bucket` and `split`"
    if (
        isinstance(price, _EVENTS)
        and price.reads_events
        and not (meter.aggregation == "sum" and is_plain and not meter.recurring)
    ):
        return "of aggregation sum, without `bucket`, `split` and `recurring`, for single events"
    return None
