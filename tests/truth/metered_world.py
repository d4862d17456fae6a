"""Random books of meters and contracts, and usage that comes in any order, from one seed.

Few instants, most of them where a window or an offset turns; few values, many of them missing.
"""

import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import NamedTuple

from tests.truth.local_days import DAY, MICROSECOND, day_start
from tests.truth.meter_oracle import Event, window
from tests.truth.meters_at_random import KINDS, meter, meter_id, meters
from tests.truth.oracle import windows

# First days around which clocks do what few expect, with the zones where they do.
ERAS = (
    (date(2010, 10, 5), ("America/St_Johns", "America/Sao_Paulo", "Asia/Kathmandu")),
    (date(2011, 12, 5), ("Pacific/Apia", "America/St_Johns", "Asia/Kathmandu")),
    (date(2018, 10, 10), ("America/Sao_Paulo", "Australia/Lord_Howe", "Africa/Cairo")),
    (date(2025, 4, 3), ("Africa/Cairo", "Australia/Lord_Howe", "Asia/Kathmandu")),
    (date(2025, 10, 3), ("America/St_Johns", "Africa/Cairo", "Australia/Lord_Howe")),
)
DAYS = 62
MINUTE = timedelta(minutes=1)
OTHERS = ("UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Europe/Berlin")
SOURCES = ("api", "restated")
KEPT = [
    {"kind": "entity", "id": "e", "legal_name": "E", "base_currency": "USD", "zone": "UTC",
     "address": {"line1": "1 Way", "city": "Town", "country": "US"}},
    {"kind": "payment_terms", "id": "net30", "net_days": 30},
    {"kind": "event_type", "id": "t", "properties": {
        "amount": {"type": "decimal", "decimals": 3, "required": False},
        "size": {"type": "integer", "required": False},
        "user": {"type": "string", "required": False},
        "region": {"type": "string", "required": False},
        "live": {"type": "boolean", "required": False},
        "step": {"type": "string", "required": False},
    }},
]  # fmt: skip


class Batch(NamedTuple):
    """What arrives together, at one instant of ours."""

    now: datetime
    events: list[Event]


class World(NamedTuple):
    """A book and what of it was known first, its meters as the oracle reads them, its usage."""

    documents: list[dict]
    early: list[dict]
    meters: dict[str, list[tuple[date, dict]]]
    contracts: list[dict]
    batches: list[Batch]
    first: date
    through: date

    @property
    def arrived(self):
        """Every record in the order of arrival, with its time of receipt."""
        return [e._replace(received_at=batch.now) for batch in self.batches for e in batch.events]


def world(seed, is_distinct=False):
    """Everything that one seed says; distinct events are first versions only."""
    rng = Random(seed)
    first, zones = rng.choice(ERAS)
    through = first + DAYS * DAY
    read = meters(rng, first)
    contracts = _contracts(rng, first, [*zones, rng.choice(OTHERS)], list(read))
    customers = sorted({one["customer"] for one in contracts})
    documents = [*KEPT, *({"kind": "customer", "id": c, "name": c} for c in customers)]
    for id, slots in read.items():
        documents += [_document(id, since, meter) for since, meter in slots]
    instants = _instants(rng, contracts, first, through)
    events = [_event(rng, number, customers, instants) for number in range(rng.randint(20, 70))]
    events += [] if is_distinct else _changes(rng, events, customers, instants)
    batches = _batches(rng, events, instants)
    documents += contracts
    return World(documents, _early(rng, documents), read, contracts, batches, first, through)


def _document(id, since, meter):
    """A meter as the book has it; what only the oracle needs is left out."""
    written = {key: value for key, value in meter.items() if key != "filter"}
    if "filter_text" in meter:
        written["filter"] = written.pop("filter_text")
    elif meter.get("filter"):
        written["filter"] = meter["filter"]
    slot = {} if since == date.min else {"valid_from": since}
    return {"kind": "meter", "id": id, **slot, **written}


def _early(rng, documents):
    """The book before someone moved, before a meter changed, and with one meter not yet right."""
    made = list(documents)
    if rng.random() < 0.5:
        made = [one for one in made if one["id"] != "moves-2"]
        made = [
            {**one, "end": one["start"] + 400 * DAY} if one["id"] == "moves-1" else one
            for one in made
        ]
    if rng.random() < 0.5:
        made = [one for one in made if "valid_from" not in one]
    kind = rng.choice(KINDS)
    wrong = _document(meter_id(kind), date.min, meter(rng, kind))
    return [wrong if slot_of(one) == slot_of(wrong) else one for one in made]


def slot_of(document):
    return document["kind"], document["id"], document.get("valid_from")


def _contracts(rng, first, zones, names):
    """One customer in one zone, one who moves, and one who is in two zones at once."""
    move = first + rng.randint(20, 40) * DAY
    rng.shuffle(zones)
    half = names[::2]
    return [
        _contract(rng, "still", "still", zones[0], names, first + rng.randint(-9, 9) * DAY, None),
        _contract(rng, "moves-1", "moves", zones[1], names, first - 3 * DAY, move),
        _contract(rng, "moves-2", "moves", zones[2], names, move, None),
        _contract(rng, "twice-1", "twice", zones[3], half, first, None, shared=True),
        _contract(rng, "twice-2", "twice", zones[0], half, first + DAY, None, shared=True),
    ]


def _contract(rng, id, customer, zone, names, start, end, **item):
    """A contract; its days may begin at any hour, and it in the middle of a day."""
    made = {
        "kind": "contract", "id": id, "customer": customer, "entity": "e", "currency": "USD",
        "zone": zone, "start": start, "end": end or start + 400 * DAY, "payment_terms": "net30",
        "anchor_day": rng.choice([1, 15, 30, 31, start.day]),
    }  # fmt: skip
    if rng.random() < 0.4:
        made["day_starts_at"] = rng.choice(["06:00", "02:15"])
    if rng.random() < 0.3:
        made["start_time"] = rng.choice(["06:00", "18:10:17"])
    if rng.random() < 0.3:
        made["end_time"] = rng.choice(["11:22:30", "23:59:59"])
    price = {"model": "per_unit", "unit_amount": "1"}
    made["items"] = [
        {"id": f"i-{name}", "description": name, "meter": name, "price": price, **item}
        for name in names
    ]
    return made


def charged(contract, through):
    """First and last local day and window of all that a contract charges before a day."""
    opens = time.fromisoformat(contract.get("day_starts_at", "00:00"))
    made = []
    for opening, closing, start, end in windows(contract):
        if start < through:
            edges = (
                _time(contract, "start_time") if start == contract["start"] else None,
                _time(contract, "end_time") if end == contract["end"] else None,
            )
            found = window(contract["zone"], start, end, (opening, closing), opens, edges)
            made.append((start, end, found))
    return made


def _time(contract, key):
    return time.fromisoformat(contract[key]) if key in contract else None


def _instants(rng, contracts, first, through):
    """Edges of windows and of days on which a clock is turned, and a few others."""
    found = []
    for contract in contracts:
        zone = contract["zone"]
        days = [day for n in range(DAYS) if _turns(zone, day := first + n * DAY)]
        found += [day_start(zone, day) for day in days]
        for start, end, one in charged(contract, through):
            found += [one.start, one.end] if end <= through else [one.start]
            found += [day_start(zone, start)]
    edges = rng.sample(sorted(set(found)), min(len(set(found)), 7))
    opening = datetime(first.year, first.month, first.day, tzinfo=UTC) - 20 * DAY
    others = [opening + rng.randint(0, 80 * 24 * 60) * MINUTE for _ in range(3)]
    return [
        at + shift
        for at in [*edges, *others]
        for shift in (timedelta(0), -MICROSECOND, MICROSECOND, rng.randint(-150, 150) * MINUTE)
    ]


def _turns(zone, day):
    return day_start(zone, day + DAY) - day_start(zone, day) != DAY


def _event(rng, number, customers, instants):
    return Event(
        source=rng.choice(SOURCES),
        id=f"{rng.randint(0, 9)}-{number}",
        type="t",
        customer=rng.choice(customers),
        time=rng.choice(instants),
        properties=_properties(rng),
    )


def _properties(rng):
    drawn = {
        "amount": rng.choice(["0", "1", "2.5", "-1.125", "1000000.001", f"{rng.randint(0, 99)}"]),
        "size": rng.choice([0, 1, 1, 2, 7, -3, 1_000_000_007]),
        "user": rng.choice(["a", "a", "b", "ä \"'{", ""]),
        "region": rng.choice(["eu", "us", "us", "\\n"]),
        "live": rng.random() < 0.5,
        "step": rng.choice(["add", "remove", "remove", "other"]),
    }
    kept = {name: value for name, value in drawn.items() if rng.random() < 0.8}
    if "amount" in kept:
        kept["amount"] = Decimal(kept["amount"])
    return kept


def _changes(rng, events, customers, instants):
    """Later versions: amended or void records of one source, restated ones of the other; and some
    of the rest once more as they were."""
    mixed = rng.sample(events, len(events))
    made = mixed[: len(events) // 8]
    for event in mixed[-len(events) // 4 :]:
        for _ in range(rng.randint(1, 2)):
            new = _event(rng, 0, customers, instants)
            keeps_time = rng.random() < 0.6
            version = event._replace(
                properties=new.properties,
                time=event.time if keeps_time else new.time,
                customer=event.customer if keeps_time else new.customer,
            )
            action = rng.choice(["amend", "void"]) if event.source == "api" else None
            made.append(version._replace(action=action))
            if action == "void":
                break
    return made


def _batches(rng, events, instants):
    """The records in batches: any order, but no version before the one it replaces."""
    count = rng.randint(1, 3)
    place = {}
    held = [[] for _ in range(count)]
    for event in events:
        key = event.source, event.id
        place[key] = rng.randint(place.get(key, 0), count - 1)
        held[place[key]].append(event)
    return [Batch(rng.choice(instants), _shuffled(rng, some)) for some in held if some]


def _shuffled(rng, events):
    """Any order of the keys; the versions of one key stay in their order."""
    order = {}
    for one in events:
        order.setdefault((one.source, one.id), rng.random())
    return sorted(events, key=lambda one: order[one.source, one.id])


def line(event):
    """The record as a line of NDJSON."""
    data = {
        name: str(value) if isinstance(value, Decimal) else value
        for name, value in event.properties.items()
    }
    fields = {"id": event.id, "type": event.type, "subject": event.customer, "data": data}
    fields["time"] = event.time.isoformat()
    if event.action:
        fields["action"] = event.action
    return json.dumps(fields, ensure_ascii=False)
