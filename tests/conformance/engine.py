"""The metering cases as one home: a book, files of events, and the real engine, asked twice.

Each case has its own event type, meter and customers, so that none sees another's events. Every
case is measured as an estimate is, between its two instants. Where its period is a window that a
contract can have, a run makes its determinant too, and the two must be equal.
"""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from meterhouse.lake import Lake
from meterhouse.lake_views import views
from meterhouse.periods import boundary
from meterhouse.run.applying import apply_book
from meterhouse.run.book import flatten
from meterhouse.run.estimating import ASKS, measure, windows_between
from meterhouse.run.ingest import ingest
from meterhouse.run.planning import plan_fold
from meterhouse.run.scratch import scratch_run
from meterhouse.run.usage import fold_usage
from meterhouse.run.windows import make_windows
from meterhouse.settings import Settings
from tests.conformance.vectors import NotSupported

KNOWN = {
    *("id", "source", "kind", "aggregation", "field", "filters", "group_by", "events", "period"),
    *("initial_value", "initial_values", "expected", "notes", "dedupe", "timezone", "customer"),
    *("unverified", "unverified_reason", "rounding", "round_to", "recurring", "period_days"),
    *("operation_field", "empty", "bucket_of", "window", "align", "percentile", "end_inclusive"),
    *("stored_before", "stored_from"),
}
EVENT = {"timestamp", "customer", "properties", "idempotency_key", "stored_at"}
COUNTS = {"count", "unique_count"}
UNIQUE = {"unique_count", "prorated_unique_count"}
MODES = {"half_up": "half_up", "ceil": "ceiling", "floor": "floor"}
FIRST = json.dumps({"fields": ["idempotency_key"], "keep": "first"}, sort_keys=True)
DECIMALS = 12


@dataclass
class Case:
    """A case that can run: the documents and events it needs, and how its result is read."""

    id: str
    number: int
    case: Mapping[str, Any]
    names: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        wanted = {name for event in self.case["events"] for name in event["properties"]}
        filters = self.case.get("filters") or {}
        wanted |= set(filters.get("match") or {})
        wanted |= {name for one in filters.get("exclude") or [] for name in one}
        wanted |= {self.case[key] for key in ("field", "operation_field") if self.case.get(key)}
        wanted |= set(self.case.get("group_by") or [])
        wanted |= {n for one in self.case.get("initial_values") or [] for n in one["group"]}
        self.names = {name: f"p{self.number}_{at}" for at, name in enumerate(sorted(wanted))}
        # Values with more places than a quantity keeps are measured in a smaller unit.
        self.shift = max(0, self._places() - DECIMALS)

    @property
    def zone(self) -> str:
        return self.case.get("timezone") or "UTC"

    @property
    def meter(self) -> str:
        return f"m{self.number}"

    @property
    def start(self) -> datetime:
        return _instant(self.case["period"]["start"])

    @property
    def end(self) -> datetime:
        return _instant(self.case["period"]["end"])

    @property
    def is_carried(self) -> bool:
        return bool(self.case.get("recurring")) or self.case.get("initial_value") is not None

    def documents(self) -> list[dict[str, Any]]:
        kind = {"kind": "event_type", "id": f"t{self.number}", "properties": self._properties()}
        made = [kind, self._meter()]
        for customer in self.customers():
            made.append({"kind": "customer", "id": customer, "name": customer})
            if (life := self.life()) is not None:
                made.append(_contract(customer, self.meter, self.zone, life))
        return made

    def life(self) -> dict[str, Any] | None:
        """Dates, times and anchor of a contract with this one window, or None."""
        if self.case.get("window") or self.case.get("stored_before") or self.shift:
            return None
        if self.case.get("stored_from"):
            return None
        zone = ZoneInfo(self.zone)
        opens, ends = (edge.astimezone(zone) for edge in (self.start, self.end))
        start, end = opens.date(), ends.date()
        if start == end or (
            self.case["aggregation"] == "weighted_sum" and opens.time() != ends.time()
        ):
            return None
        days = self.case.get("period_days") or (end - start).days
        for anchor, first in ((start.day, start), (end.day, end - timedelta(days=int(days)))):
            for k in (-1, 0):
                opening, closing = (boundary(first, anchor, k + n) for n in (0, 1))
                is_full = (closing - opening).days == int(days)
                if is_full and opening <= start and end <= closing:
                    return {
                        "start": start.isoformat(), "end": end.isoformat(), "anchor_day": anchor,
                        "start_time": f"{opens:%H:%M:%S}", "end_time": f"{ends:%H:%M:%S}",
                    }  # fmt: skip
        return None

    def customers(self) -> list[str]:
        """Where the case names none, all its events belong together."""
        if self.case.get("customer") is None:
            return [f"c{self.number}"]
        names = {event["customer"] for event in self.case["events"]} | {self.case["customer"]}
        return [f"c{self.number}-{name}" for name in sorted(names)]

    def asked(self) -> str:
        named = self.case.get("customer")
        return f"c{self.number}" if named is None else f"c{self.number}-{named}"

    def windows(self) -> list[tuple[datetime, datetime]]:
        per = self.case.get("window")
        if per is None:
            return [(self.start, self.end)]
        found = windows_between(self.start, self.end, self.zone, per)
        if self.case.get("align") == "inside":
            return [(a, b) for a, b in found if a >= self.start and b <= self.end]
        return found

    def asks(self, first: int) -> list[dict[str, Any]]:
        """One ask for each window, numbered from `first`; only what lies in the period counts."""
        zone = ZoneInfo(self.zone)
        asks = []
        for at, (opening, closing) in enumerate(self.windows()):
            start, end = max(opening, self.start), min(closing, self.end)
            first_on = start.astimezone(zone).date()
            last_on = (end - timedelta(microseconds=1)).astimezone(zone).date()
            days = int(self.case.get("period_days") or (last_on - first_on).days + 1)
            asks.append({
                "ask_no": first + at, "customer_id": self.asked(), "meter_id": self.meter,
                "meter_version": 1, "zone": self.zone, "window_start": start, "window_end": end,
                "window_start_on": first_on, "window_end_on": last_on + timedelta(days=1),
                "period_us": (end - start) // timedelta(microseconds=1), "period_days": days,
                "day_seconds": 0,
            })  # fmt: skip
        return asks

    def result(self, rows: Sequence[Mapping[str, Any]]) -> Any:
        """Rows of a measure (with the window each was asked for) in the shape of `expected`."""
        kept = [row for row in rows if row["is_measured"]] if self.case.get("group_by") else rows
        if self.case.get("window") and self.case.get("align") != "inside":
            kept = [row for row in kept if row["is_measured"]]
            return [{**self._window(row), **self._group(row), "value": self._value(row)}
                    for row in kept]  # fmt: skip
        if self.case.get("group_by"):
            return [{**self._group(row), "value": self._value(row)} for row in kept]
        is_null = self.case.get("empty") == "null" and self.case["aggregation"] not in COUNTS
        if is_null and not any(row["is_measured"] for row in kept):
            return None
        return str(sum((Decimal(self._value(row)) for row in kept), Decimal(0)))

    def lines(self, stored: str | None) -> list[str]:
        events = [event for event in self.case["events"] if event.get("stored_at") == stored]
        carried = self._carried() if stored is None else []
        return [json.dumps(self._event(event)) for event in [*carried, *events]]

    def stored(self) -> list[str | None]:
        return sorted({event.get("stored_at") for event in self.case["events"]} | {None}, key=str)

    def dedupe(self) -> str:
        return json.dumps(self.case.get("dedupe") or json.loads(FIRST), sort_keys=True)

    def _carried(self) -> list[dict[str, Any]]:
        """Levels from before the period, as changes to them the day before."""
        given = [
            ({}, self.case["initial_value"])
            for _ in [0]
            if self.case.get("initial_value") is not None
        ]
        given += [(one["group"], one["value"]) for one in self.case.get("initial_values") or []]
        before = (self.start - timedelta(days=1)).isoformat().replace("+00:00", "Z")
        return [
            {"timestamp": before, "customer": self.case.get("customer"),
             "properties": {**group, self.case["field"]: value}, "idempotency_key": f"level-{at}"}
            for at, (group, value) in enumerate(given)
        ]  # fmt: skip

    def _event(self, event: Mapping[str, Any]) -> dict[str, Any]:
        named = self.case.get("customer") is not None
        return {
            "id": f"{self.number}-{event['idempotency_key']}",
            "type": f"t{self.number}",
            "subject": f"c{self.number}-{event['customer']}" if named else f"c{self.number}",
            "time": event["timestamp"],
            "data": {
                self.names[k]: self._shifted(k, v)
                for k, v in event["properties"].items()
                if v is not None
            },
        }

    def _shifted(self, name: str, value: Any) -> Any:
        if not self.shift or name != self.case.get("field"):
            return value
        return format(Decimal(value).scaleb(self.shift), "f")

    def _places(self) -> int:
        if self.case["aggregation"] in UNIQUE or not self.case.get("field"):
            return 0
        found = [0]
        for event in self.case["events"]:
            try:
                value = Decimal(event["properties"].get(self.case["field"]) or 0)
            except InvalidOperation:
                continue
            exponent = value.as_tuple().exponent
            found.append(-exponent if isinstance(exponent, int) else 0)
        return max(found)

    def _meter(self) -> dict[str, Any]:
        aggregation = self.case["aggregation"]
        meter: dict[str, Any] = {
            "kind": "meter", "id": self.meter, "event_type": f"t{self.number}",
            "aggregation": aggregation, "unit": "unit", "decimals": DECIMALS,
            "filter": self._filter(), "recurring": self.is_carried and aggregation != "count",
            "dimensions": [self.names[name] for name in self.case.get("group_by") or []],
        }  # fmt: skip
        if aggregation != "count":
            meter["property"] = self.names[self.case["field"]]
        if aggregation in UNIQUE and (operation := self._operation()) is not None:
            meter["operation"] = self.names[operation]
        if self.case.get("bucket_of"):
            meter["bucket"] = self.case["bucket_of"]
        if self.case.get("percentile") is not None:
            meter["percentile"] = str(self.case["percentile"])
        if self.case.get("round_to") is not None:
            mode = MODES[self.case.get("rounding") or "half_up"]
            meter["round"] = {"places": self.case["round_to"], "mode": mode}
        return meter

    def _operation(self) -> str | None:
        """The property that adds or removes; one case has it in its events alone."""
        given = self.case.get("operation_field")
        return given or ("operation_type" if "operation_type" in self.names else None)

    def _filter(self) -> str | dict[str, Any]:
        filters = self.case.get("filters") or {}
        match = [self._one_of(k, v) for k, v in (filters.get("match") or {}).items() if v]
        for exclusion in filters.get("exclude") or []:
            parts = [self._one_of(k, v) for k, v in exclusion.items() if v]
            if parts:
                match.append("not (" + " and ".join(parts) + ")")
        return " and ".join(match) or {}

    def _one_of(self, name: str, values: Sequence[str]) -> str:
        quoted = ", ".join("'" + str(value).replace("'", "''") + "'" for value in values)
        return f"{self.names[name]} in ({quoted})"

    def _properties(self) -> dict[str, Any]:
        numeric = {"type": "decimal", "decimals": DECIMALS, "digits": 38}
        found: dict[str, Any] = {}
        for name, ours in self.names.items():
            is_value = name == self.case.get("field") and self.case["aggregation"] not in UNIQUE
            kind = numeric if is_value and self.case["aggregation"] != "count" else TEXT
            found[ours] = {**kind, "required": False}
        return found

    def _group(self, row: Mapping[str, Any]) -> dict[str, Any]:
        if not self.case.get("group_by"):
            return {}
        values = json.loads(row["dimensions"])
        return {"group": {n: values.get(self.names[n]) for n in self.case["group_by"]}}

    def _window(self, row: Mapping[str, Any]) -> dict[str, Any]:
        opening, closing = self.windows()[row["place"]]
        shown = (at.strftime("%Y-%m-%dT%H:%M:%SZ") for at in (opening, closing))
        return dict(zip(("window_start", "window_end"), shown, strict=True))

    def _value(self, row: Mapping[str, Any]) -> str:
        return str(Decimal(row["quantity"]).scaleb(-self.shift))


TEXT = {"type": "string"}


def measure_all(cases: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """By case id what was measured, or why the case cannot run."""
    results: dict[str, Any] = {}
    runnable = []
    for number, case in enumerate(cases):
        fault = _unsupported(case)
        if fault is not None:
            results[case["id"]] = NotSupported(fault)
        else:
            runnable.append(Case(case["id"], number, case))
    if runnable:
        results |= _run(runnable)
    return results


def _run(cases: list[Case]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        sources = {
            dedupe: f"s{at}" for at, dedupe in enumerate(sorted({c.dedupe() for c in cases}))
        }
        (home / "meterhouse.yaml").write_text(json.dumps(_settings(sources)))
        _write_book(home, cases)
        lake = Lake(Settings.load(home))
        lake.create()
        apply_book(lake)
        batches = _ingest(lake, cases, sources)
        measured = _measured(lake, cases, batches)
        billed = _determinants(lake, [case for case in cases if case.life() is not None])
    return {case.id: _agreed(case, measured, billed) for case in cases}


def _agreed(case: Case, measured: Mapping[str, Any], billed: Mapping[str, Any]) -> Any:
    """The measure; a run that makes another determinant is told as what was found."""
    rows = measured[case.id]
    found = case.result(rows)
    if case.life() is None:
        return found
    run = billed.get(case.id, [])
    if sorted(map(_plain, run)) != sorted(map(_plain, rows)):
        return f"estimate {rows} but determinants {run}"
    return found


def _plain(row: Mapping[str, Any]) -> tuple[str, str, bool]:
    return row["dimensions"], str(Decimal(row["quantity"]).normalize()), row["is_measured"]


def _settings(sources: Mapping[str, str]) -> dict[str, Any]:
    """One source for each way of telling equal events."""
    named = {"idempotency_key": "id", "timestamp": "time", "customer": "subject", "code": "type"}
    made = {}
    for dedupe, name in sources.items():
        rule = json.loads(dedupe)
        columns = [named.get(one, f"data.{one}") for one in rule["fields"]]
        last = {"on_conflict": "supersede"} if rule["keep"] == "last" else {}
        made[name] = {"id": {"columns": columns}, **last}
    return {"future_tolerance_hours": 87600, "sources": made}


def _ingest(lake: Lake, cases: list[Case], sources: Mapping[str, str]) -> dict[str, int]:
    """Load all events in the order in which they were stored; the last batch of each moment."""
    batches = {}
    moments = sorted({moment for case in cases for moment in case.stored()}, key=str)
    for at, moment in enumerate([None, *(one for one in moments if one is not None)]):
        for dedupe, name in sources.items():
            lines = [li for c in cases if c.dedupe() == dedupe for li in c.lines(moment)]
            folder = lake.settings.landing(name)
            folder.mkdir(parents=True, exist_ok=True)
            if lines:
                (folder / f"{at:03d}.ndjson").write_text("\n".join(lines) + "\n")
        ingest(lake)
        batches[moment or ""] = lake.head().batch_seq
    return batches


def _measured(lake: Lake, cases: list[Case], batches: Mapping[str, int]) -> dict[str, Any]:
    """Rows of the measure by case; a case that looks at part of the batches is measured alone."""
    found = _ask(lake, [c for c in cases if not _bounds(c)], None, 0)
    for case in cases:
        if _bounds(case):
            before = case.case.get("stored_before")
            after = case.case.get("stored_from")
            known_at = _last_before(batches, before) if before else None
            found |= _ask(lake, [case], known_at, _last_before(batches, after) if after else 0)
    return found


def _bounds(case: Case) -> bool:
    return bool(case.case.get("stored_before") or case.case.get("stored_from"))


def _last_before(batches: Mapping[str, int], moment: str) -> int:
    return max(batch for stored, batch in batches.items() if stored < moment)


def _ask(lake: Lake, cases: list[Case], known_at: int | None, after: int) -> dict[str, Any]:
    asks: list[dict[str, Any]] = []
    owners: dict[int, tuple[str, int]] = {}
    for case in cases:
        for place, ask in enumerate(case.asks(len(asks))):
            owners[ask["ask_no"]] = (case.id, place)
            asks.append(ask)
    rows: dict[str, list[dict[str, Any]]] = {case.id: [] for case in cases}
    with lake.reading() as db:
        views(db, known_at)
        flatten(db)
        for row in measure(db, pl.DataFrame(asks, schema=ASKS), after).to_dicts():
            id, place = owners[row["ask_no"]]
            rows[id].append({**row, "place": place})
    return rows


def _determinants(lake: Lake, cases: list[Case]) -> dict[str, Any]:
    through = max((case.end.date() for case in cases), default=date(2030, 1, 1))
    with scratch_run(lake, through + timedelta(days=2), lake.head().batch_seq) as run:
        with run.warehouse.connect(run.pin) as db:
            make_windows(run, db)
            fold_from = plan_fold(run, db)
        fold_usage(run, fold_from)
        with run.warehouse.connect(run.pin) as db:
            found = db.sql(
                "select customer_id, dimensions, quantity, is_measured from usage.determinants"
            ).pl()
    return {case.id: found.filter(customer_id=case.asked()).to_dicts() for case in cases}


def _write_book(home: Path, cases: list[Case]) -> None:
    address = {"line1": "x", "city": "x", "country": "US"}
    documents: list[dict[str, Any]] = [
        {"kind": "entity", "id": "e", "legal_name": "E", "address": address,
         "base_currency": "USD", "zone": "UTC"},
        {"kind": "payment_terms", "id": "n", "net_days": 30},
    ]  # fmt: skip
    documents += [document for case in cases for document in case.documents()]
    (home / "book").mkdir()
    # JSON is YAML; one document per part of the stream.
    text = "\n---\n".join(json.dumps(document) for document in documents)
    (home / "book" / "cases.yaml").write_text(text)


def _contract(customer: str, meter: str, zone: str, life: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "kind": "contract", "id": f"k-{customer}", "customer": customer, "entity": "e",
        "currency": "USD", "zone": zone, "payment_terms": "n", **life,
        "items": [{"id": "usage", "description": "Usage", "meter": meter, "timing": "arrears",
                   "price": {"model": "per_unit", "unit_amount": "1"}}],
    }  # fmt: skip


def _unsupported(case: Mapping[str, Any]) -> str | None:
    """Why a case cannot run with what is built, or None."""
    more = sorted(name for name in set(case) - KNOWN if case[name] not in (None, [], {}))
    if more:
        return f"field {more[0]}"
    for event in case["events"]:
        if set(event) - EVENT:
            return f"event field {sorted(set(event) - EVENT)[0]}"
    return None


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
