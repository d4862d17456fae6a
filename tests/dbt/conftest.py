import json
import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from meterhouse.lake import Lake
from meterhouse.run.book import flatten
from meterhouse.run.context import Run
from meterhouse.run.dbt import parsed
from meterhouse.run.marts import build_marts
from meterhouse.run.usage import fold_usage
from meterhouse.run.windows import make_windows, plan_fold
from meterhouse.schema import FACTS
from meterhouse.settings import HomeFile, Settings
from meterhouse.warehouse import Warehouse

THROUGH = date(2024, 4, 1)
DERIVED = ("lake", "warehouse")


@dataclass
class House:
    """A home, and a copy of it to go back to: dbt parses once per home, so tests share one."""

    settings: Settings
    copy: Path

    @property
    def lake(self):
        return Lake(self.settings)

    def append(self, **rows):
        """Commit rows of facts tables; `batch_seq` is the commit's number."""
        with self.lake.session() as db:
            return self.lake.commit(
                db, lambda commit: [_append(commit, table, rows[table]) for table in rows]
            )

    def run(self):
        """What a run knows now, with the tables that the models read before dbt is called."""
        lake = self.lake
        pin = lake.head()
        run = Run(Warehouse(lake), THROUGH, pin, pin.batch_seq, False)
        with run.warehouse.connect(pin) as db:
            flatten(db)
            db.execute("delete from ops.run")
            db.execute(
                "insert into ops.run values (?, ?, ?, ?)",
                [run.run_id, THROUGH, run.known_at, pin.snapshot],
            )
        return run

    def fold(self):
        """Build the usage models."""
        run = self.run()
        with run.warehouse.connect(run.pin) as db:
            make_windows(run, db)
            fold_from = plan_fold(run, db)
        fold_usage(run, fold_from)

    def build(self):
        """Build the marts and their tests; raises DbtFailed with the names of what failed."""
        run = self.run()
        build_marts(run)
        return run

    def rows(self, select):
        """The rows of a SELECT on the warehouse, as dictionaries."""
        run = self.run()
        with run.warehouse.connect(run.pin) as db:
            return db.sql(select).pl().to_dicts()

    def save(self):
        """Remember the home as it is."""
        for name in DERIVED:
            shutil.copytree(self.settings.home / name, self.copy / name)

    def restore(self):
        """Go back to what was saved."""
        for name in DERIVED:
            shutil.rmtree(self.settings.home / name)
            shutil.copytree(self.copy / name, self.settings.home / name)


def _append(commit, table, rows):
    """Rows with any of the table's columns, as texts in its types."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    casts = ", ".join(f"cast(? as {FACTS[table][name]}) as {name}" for name in columns)
    select = " union all ".join(f"select {casts}" for _ in rows)
    commit.append(table, select, [row.get(name) for row in rows for name in columns])


def book(kind, doc_id, **content):
    """A document of the book, as it is recorded."""
    return {"kind": kind, "doc_id": doc_id, "content": json.dumps(content)}


BOOK = [
    book(
        *("entity", "ent"),
        legal_name="Meter GmbH",
        base_currency="EUR",
        zone="Europe/Berlin",
        number_format="{entity}-{year}-{number:06d}",
    ),
    book("customer", "acme", name="Acme, as renamed", tax={"treatment": "taxed", "rate": "0.10"}),
    book("customer", "idle", name="Idle"),
    book("event_type", "call", properties={}),
    book("meter", "calls", event_type="call", aggregation="count", unit="call", decimals=6),
    book(
        *("contract", "con"),
        customer="acme",
        entity="ent",
        currency="EUR",
        zone="Asia/Tokyo",
        payment_terms="net30",
        start="2024-02-01",
        anchor_day=1,
        items=[
            {
                "id": "calls",
                "description": "Calls",
                "timing": "arrears",
                "meter": "calls",
                "price": {"model": "per_unit", "unit_amount": "5.00", "per": "1"},
                "prorate": {"start": True, "end": True},
            }
        ],
    ),
]


def event(event_id, occurred_at, customer_id):
    """A call."""
    return {
        "source": "api",
        "event_id": event_id,
        "event_type": "call",
        "subject": customer_id,
        "customer_id": customer_id,
        "occurred_at": occurred_at,
        "event_day": occurred_at[:10],
        "received_at": "2024-02-03 00:00:00+00",
        "data": "{}",
    }


# Tokyo is 9 hours ahead: the second call falls on the day after.
EVENTS = [
    event("1", "2024-02-01 14:59:59+00", "acme"),
    event("2", "2024-02-01 15:00:00+00", "acme"),
    event("3", "2024-02-01 15:00:00+00", "idle"),
]
QUARANTINED = {
    "source": "api",
    "event_id": "4",
    "status": "quarantined",
    "reason": "unknown_subject",
    "received_at": "2024-02-03 00:00:00+00",
}
BATCH = {
    "source": "api",
    "kind": "file",
    "name": "feb.csv",
    "received": 5,
    "released": 0,
    "accepted": 3,
    "duplicate": 1,
    "conflict": 0,
    "quarantined": 1,
    "refused": 0,
    "received_at": "2024-02-03 00:00:00+00",
}


def document(serial, invoice_date, due_date, net, tax, total, **other):
    """An issued document and its head."""
    return {
        "document_id": f"d{serial}",
        "number": f"ent-2024-{serial:06d}",
        "kind": "invoice",
        "series": "ent|invoice|2024",
        "entity_id": "ent",
        "customer_id": "acme",
        "contract_id": "con",
        "currency": "EUR",
        "invoice_date": invoice_date,
        "due_date": due_date,
        "posting_date": invoice_date,
        "net": net,
        "tax": tax,
        "total": total,
        "content": '{"buyer":{"name":"Acme"}}',
        "run_id": "r",
        "known_at": 2,
        "through": "2024-04-01",
    } | other


def line(document_id, line_no, amount, **other):
    """A billed line."""
    return {
        "line_key": f"{document_id}-{line_no}",
        "document_id": document_id,
        "line_no": line_no,
        "number": "ent-2024-" + document_id[1:].zfill(6),
        "invoice_date": "2024-03-01",
        "entity_id": "ent",
        "contract_id": "con",
        "item_id": "calls",
        "item_description": "Calls",
        "component": "usage",
        "role": "usage",
        "customer_id": "acme",
        "payer_id": "acme",
        "currency": "EUR",
        "zone": "Asia/Tokyo",
        "meter_id": "calls",
        "window_start_on": "2024-02-01",
        "window_end_on": "2024-03-01",
        "price_model": "per_unit",
        "price": '{"model":"per_unit","per":"1","unit_amount":"5.00"}',
        "quantity": "2",
        "amount_unrounded": amount,
        "amount": amount,
        "is_correction": False,
    } | other


def entry(entry_id, posting_date, **other):
    """The head of a posted entry."""
    return {
        "entry_id": entry_id,
        "entity_id": "ent",
        "event": "document.issued",
        "event_date": posting_date,
        "posting_date": posting_date,
        "currency": "EUR",
        "base_currency": "EUR",
        "fx_rate": "1",
        "cause": f'["{entry_id}"]',
    } | other


def posting(entry_id, line_no, account, debit, credit, **other):
    """A line of an entry, the same in both currencies."""
    return {
        "entry_id": entry_id,
        "line_no": line_no,
        "account": account,
        "debit": debit,
        "credit": credit,
        "debit_base": debit,
        "credit_base": credit,
        "customer_id": "acme",
    } | other


# Two documents: one late at the end of March, one not yet due.
ISSUED = {
    "documents": [
        document(1, "2024-03-01", "2024-03-15", "10.00", "1.00", "11.00"),
        document(2, "2024-04-01", "2024-05-01", "20.50", "2.05", "22.55"),
    ],
    "billed_lines": [
        line("d1", 1, "6.00"),
        line("d1", 2, "4.00"),
        line("d2", 1, "20.50", invoice_date="2024-04-01"),
    ],
    "journal_entries": [
        entry("e1", "2024-03-01", document_id="d1"),
        entry("e2", "2024-04-01", document_id="d2"),
    ],
    "journal_lines": [
        posting("e1", 1, "accounts_receivable", "11.00", "0"),
        posting("e1", 2, "revenue", "0", "10.00"),
        posting("e1", 3, "tax_payable", "0", "1.00"),
        posting("e2", 1, "accounts_receivable", "22.55", "0"),
        posting("e2", 2, "revenue", "0", "20.50"),
        posting("e2", 3, "tax_payable", "0", "2.05"),
    ],
}


@pytest.fixture(scope="session")
def sound_house(tmp_path_factory):
    """A home with a book, usage, two issued documents and every model built."""
    home, copy = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("copy")
    house = House(Settings(home, HomeFile()), copy)
    house.lake.create()
    house.append(book_versions=BOOK)
    house.append(usage_events=EVENTS, rejected_events=[QUARANTINED], batches=[BATCH])
    house.append(**ISSUED)
    house.fold()
    house.build()
    house.save()
    return house


@pytest.fixture
def house(sound_house):
    """The sound house, to be spoilt: it is restored afterwards."""
    yield sound_house
    sound_house.restore()


@pytest.fixture(scope="session")
def manifest(sound_house):
    """The parsed project."""
    return parsed(sound_house.settings)
