"""The metering cases as one home: a book, two files of events, one run of the real engine.

Each case has its own event type, meter, customers and contracts, so that none sees another's
events. A period is a contract's life; its monthly windows add up to it.
"""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from meterhouse.lake import Lake
from meterhouse.run.applying import apply_book
from meterhouse.run.ingest import ingest
from meterhouse.run.scratch import scratch_run
from meterhouse.run.usage import fold_usage
from meterhouse.run.planning import plan_fold
from meterhouse.run.windows import make_windows
from meterhouse.settings import Settings
from tests.conformance.vectors import NotSupported

KNOWN = {
    *("id", "source", "kind", "aggregation", "field", "filters", "group_by", "events", "period"),
    *("initial_value", "expected", "notes", "dedupe", "timezone", "customer"),
    *("unverified", "unverified_reason", "rounding"),
}
EVENT = {"timestamp", "customer", "properties", "idempotency_key"}
SETTINGS = """
future_tolerance_hours: 87600
sources:
  first: {id: {columns: [id]}}
  last: {id: {columns: [id, time]}, on_conflict: supersede}
"""


@dataclass
class Case:
    """A case that can run: the documents and events it needs."""

    id: str
    number: int
    case: Mapping[str, Any]
    names: dict[str, str] = field(default_factory=dict)

    def documents(self) -> list[dict[str, Any]]:
        zone = self.case.get("timezone") or "UTC"
        start, end = (_local_day(self.case["period"][edge], zone) for edge in ("start", "end"))
        kind, properties = f"t{self.number}", self._properties()
        meter: dict[str, Any] = {
            "kind": "meter", "id": f"m{self.number}", "event_type": kind,
            "aggregation": self.case["aggregation"], "unit": "unit", "decimals": 12,
        }  # fmt: skip
        if self.case["aggregation"] == "sum":
            meter["property"] = self.names[self.case["field"]]
        match = (self.case.get("filters") or {}).get("match") or {}
        if match:
            meter["filter"] = {self.names[name]: values for name, values in match.items()}
        made = [{"kind": "event_type", "id": kind, "properties": properties}, meter]
        for customer in self.customers():
            made.append({"kind": "customer", "id": customer, "name": customer})
            made.append(_contract(customer, f"m{self.number}", zone, start, end))
        return made

    def customers(self) -> list[str]:
        """Where the case names none, all its events belong together."""
        if self.case.get("customer") is None:
            return [f"c{self.number}"]
        names = {event["customer"] for event in self.case["events"]} | {self.case["customer"]}
        return [f"c{self.number}-{name}" for name in sorted(names)]

    def asked(self) -> str:
        named = self.case.get("customer")
        return f"c{self.number}" if named is None else f"c{self.number}-{named}"

    def lines(self) -> list[str]:
        return [json.dumps(self._event(event)) for event in self.case["events"]]

    def keeps_last(self) -> bool:
        return bool((self.case.get("dedupe") or {}).get("keep") == "last")

    def _event(self, event: Mapping[str, Any]) -> dict[str, Any]:
        named = self.case.get("customer") is not None
        return {
            "id": f"{self.number}-{event['idempotency_key']}",
            "type": f"t{self.number}",
            "subject": f"c{self.number}-{event['customer']}" if named else f"c{self.number}",
            "time": event["timestamp"],
            "data": {self.names[k]: v for k, v in event["properties"].items() if v is not None},
        }

    def _properties(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        wanted = {name for event in self.case["events"] for name in event["properties"]}
        wanted |= {self.case["field"]} if self.case.get("field") else set()
        wanted |= set((self.case.get("filters") or {}).get("match") or {})
        for position, name in enumerate(sorted(wanted)):
            self.names[name] = f"p{self.number}_{position}"
            is_measured = name == self.case.get("field")
            kind = {"type": "decimal", "decimals": 12} if is_measured else {"type": "string"}
            found[self.names[name]] = {**kind, "required": False}
        return found


def measure_all(cases: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """By case id the measured value as text, or why the case cannot run yet."""
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
        (home / "meterhouse.yaml").write_text(SETTINGS)
        _write_book(home, cases)
        for source, wanted in (("first", False), ("last", True)):
            lines = [li for case in cases if case.keeps_last() == wanted for li in case.lines()]
            landing = home / "landing" / source
            landing.mkdir(parents=True)
            if lines:
                (landing / "events.ndjson").write_text("\n".join(lines) + "\n")
        lake = Lake(Settings.load(home))
        lake.create()
        apply_book(lake)
        ingest(lake)
        through = max(_local_day(case.case["period"]["end"], "UTC") for case in cases)
        sums = _quantities(lake, through)
    return {case.id: sums.get(case.asked(), "0") for case in cases}


def _quantities(lake: Lake, through: date) -> dict[str, str]:
    with scratch_run(lake, through, lake.head().batch_seq) as run:
        with run.warehouse.connect(run.pin) as db:
            make_windows(run, db)
            fold_from = plan_fold(run, db)
        fold_usage(run, fold_from)
        with run.warehouse.connect(run.pin) as db:
            rows = db.execute(
                "select customer_id, sum(quantity)::varchar from usage.determinants group by 1"
            )
            return dict(rows.fetchall())


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


def _contract(customer: str, meter: str, zone: str, start: date, end: date) -> dict[str, Any]:
    return {
        "kind": "contract", "id": f"k-{customer}", "customer": customer, "entity": "e",
        "currency": "USD", "zone": zone, "start": start.isoformat(), "end": end.isoformat(),
        "payment_terms": "n",
        "items": [{"id": "usage", "description": "Usage", "meter": meter, "timing": "arrears",
                   "price": {"model": "per_unit", "unit_amount": "1"}}],
    }  # fmt: skip


def _unsupported(case: Mapping[str, Any]) -> str | None:
    """Why a case cannot run with what is built, or None."""
    if case["aggregation"] not in ("sum", "count"):
        return f"aggregation {case['aggregation']}"
    more = sorted(name for name in set(case) - KNOWN if case[name] not in (None, [], {}))
    if more:
        return f"field {more[0]}"
    if case.get("group_by") or isinstance(case["expected"], list):
        return "group_by"
    if case.get("initial_value") is not None:
        return "initial_value"
    if (case.get("filters") or {}).get("exclude"):
        return "filters.exclude"
    fields = (case.get("dedupe") or {"fields": ["idempotency_key"], "keep": "first"}).copy()
    if (fields["fields"], fields["keep"]) not in (
        (["idempotency_key"], "first"),
        (["idempotency_key", "timestamp"], "last"),
    ):
        return f"dedupe by {fields['fields']} keeping {fields['keep']}"
    return _period_fault(case) or _value_fault(case)


def _period_fault(case: Mapping[str, Any]) -> str | None:
    zone = ZoneInfo(case.get("timezone") or "UTC")
    for edge in ("start", "end"):
        local = datetime.fromisoformat(case["period"][edge]).astimezone(zone)
        if local.time() != datetime.min.time():
            return "a period that does not start and end at local midnight"
    return None


def _value_fault(case: Mapping[str, Any]) -> str | None:
    for event in case["events"]:
        if set(event) - EVENT:
            return f"event field {sorted(set(event) - EVENT)[0]}"
        value = event["properties"].get(case.get("field"))
        try:
            exponent = Decimal(value if value is not None else 0).as_tuple().exponent
        except InvalidOperation:
            return "values that are not numbers in a sum"
        if not isinstance(exponent, int) or exponent < -12:
            return "more than 12 decimals"
    return None


def _local_day(instant: str, zone: str) -> date:
    return datetime.fromisoformat(instant).astimezone(UTC).astimezone(ZoneInfo(zone)).date()
