"""The random worlds of metered_world with a holding that pools the usage of the others."""

from datetime import date
from random import Random

from tests.truth.local_days import DAY, day_start
from tests.truth.meter_oracle import live, measure_slots
from tests.truth.metered_home import Key
from tests.truth.metered_world import charged, world

POOL = "the pool"
# What stays in a pool has no event on the day a customer leaves it.
LEVELS = ("weighted_sum", "prorated_sum", "prorated_unique_count")


def pooled_world(seed):
    """A world in which contract `pool` of customer `top` counts what it and others use.

    Returns the world and, by item of that contract, [customer, first day, day after the last].
    """
    made, rng = world(seed), Random(seed)
    model = next(one for one in made.contracts if one["id"] == "still")
    start = made.first + rng.randint(-5, 5) * DAY
    pool = {**model, "id": "pool", "customer": "top", "start": start, "end": start + 400 * DAY}
    split, sold = made.first + rng.randint(10, 30) * DAY, made.first + rng.randint(31, 50) * DAY
    listed = [
        "moves",
        {"customer": "still", "until": sold},
        {"customer": "twice", "from": split, "until": sold},
    ]
    pool["items"], read = [], {}
    for item in model["items"]:
        is_level = any(_is_level(meter) for _, meter in made.meters[item["meter"]])
        usage_of = rng.choice(["children", ["moves", "twice"] if is_level else listed])
        pool["items"].append({**item, "shared": True, "usage_of": usage_of})
        read[item["id"]] = [_span(one) for one in _named(usage_of)]
    contracts = [
        {**one, "items": [{**item, "shared": True} for item in one["items"]]}
        for one in made.contracts
    ]
    contracts.append(pool)
    # Twice is a child of moves, and so a grandchild of the holding.
    parents = {"still": "top", "moves": "top", "twice": "moves"}
    return made._replace(
        documents=_with(made.documents, contracts, parents),
        early=_with(made.early, [], {}),
        contracts=contracts,
    ), read


def _is_level(meter):
    return meter.get("recurring") or meter["aggregation"] in LEVELS


def _named(usage_of):
    return ["top", "still", "moves", "twice"] if usage_of == "children" else usage_of


def _span(one):
    if isinstance(one, str):
        return one, date.min, date.max
    return one["customer"], one.get("from", date.min), one.get("until", date.max)


def _with(documents, contracts, parents):
    """The documents with these contracts in place of their own, and customers below others."""
    given = {one["id"]: one for one in contracts}
    kept = [
        {**one, "items": [{**item, "shared": True} for item in one["items"]]}
        if one["kind"] == "contract"
        else {**one, "parent": parents[one["id"]]}
        if one["kind"] == "customer" and one["id"] in parents
        else one
        for one in documents
        if one["kind"] != "contract" or one["id"] not in given
    ]
    return [*kept, {"kind": "customer", "id": "top", "name": "Top"}, *contracts]


def expected_of_pool(made, read, arrived, through):
    """By Key what each determinant of the pool should be, by the oracle."""
    events, found = live(arrived, ("restated",)), {}
    contract = next(one for one in made.contracts if one["id"] == "pool")
    for start, end, of_window in charged(contract, through):
        for item in contract["items"]:
            slots = made.meters[item["meter"]]
            meter = [one for since, one in slots if since <= start][-1]
            own = [
                event._replace(customer=POOL)
                for event in events
                if _belongs(event, meter, read[item["id"]], of_window)
            ]
            for dimensions, one in measure_slots(own, slots, of_window, POOL).items():
                key = Key("pool", item["id"], start, end, dimensions)
                found[key] = (one.value is not None, one.quantity)
    return found


def _belongs(event, meter, read, window):
    at = event.received_at if meter.get("clock") == "received" else event.time
    return any(
        customer == event.customer
        and (first == date.min or at >= day_start(window.zone, first, window.opens))
        and (last == date.max or at < day_start(window.zone, last, window.opens))
        for customer, first, last in read
    )
