"""Contracts that plan, from their documents to what their windows cost."""

from datetime import date
from decimal import Decimal

import duckdb
import polars as pl

from meterhouse.canonical import canonical_json
from meterhouse.contracts.documents import Contract
from meterhouse.contracts.windows import charge_windows
from meterhouse.money import QUANTITY
from meterhouse.periods import zone_days
from meterhouse.pricing.charging import charge_lines
from meterhouse.run.book import flatten
from meterhouse.run.windows import read_series

DAYS = zone_days(["UTC"], date(2021, 1, 1), date(2032, 1, 1))
START = date(2024, 1, 1)
SEATS = {"id": "seats", "description": "Seats", "price": {"model": "flat", "amount": "10"}}
API = {
    "id": "api",
    "description": "API",
    "meter": "calls",
    "price": {"model": "per_unit", "unit_amount": "0.1"},
}
BASE = {
    "customer": "c",
    "entity": "e",
    "currency": "EUR",
    "zone": "UTC",
    "payment_terms": "t",
    "start": START.isoformat(),
    "items": [SEATS],
}


def contract(**fields):
    return Contract.model_validate({**BASE, **fields})


def recorded(documents):
    """A database with schema book of the documents: (kind, id, valid_from, content)."""
    db = duckdb.connect()
    db.execute("create schema facts")
    db.execute(
        "create table facts.book_versions (kind varchar, doc_id varchar, valid_from date, "
        "content varchar, batch_seq bigint, row_no bigint)"
    )
    rows = [(*one[:3], canonical_json(one[3]), 1, n) for n, one in enumerate(documents)]
    db.executemany("insert into facts.book_versions values (?, ?, ?, ?, ?, ?)", rows)
    flatten(db)
    return db


def frames(told, *others):
    """What windows are made of, for one contract, or for its slots: (valid_from, contract)."""
    slots = told if isinstance(told, list) else [(None, told)]
    dumped = [
        ("contract", "k", on, one.model_dump(mode="json", by_alias=True)) for on, one in slots
    ]
    return read([*dumped, *others])


def read(documents):
    """Contracts, items and series of the documents."""
    with recorded(documents) as db:
        tables = (db.sql(f"from book.{name}").pl() for name in ("contracts", "contract_items"))
        return (*tables, read_series(db))


def windows(told, horizon, *others):
    """The windows of one contract, or of its slots."""
    return cut(frames(told, *others), horizon)


def cut(known, horizon):
    """The windows of what `frames` gives."""
    contracts, items, series = known
    return charge_windows(contracts, items, DAYS, horizon, series)


def lines(told, horizon, *others, used=Decimal(0)):
    """What each window costs; every window of usage has used so much."""
    return costing(windows(told, horizon, *others), used)


def costing(frame, used=Decimal(0)):
    """The windows with what each costs."""
    quantity = pl.coalesce("fixed_quantity", pl.lit(used, QUANTITY)).cast(QUANTITY)
    asked = frame.with_columns(quantity=quantity)
    costs = charge_lines(asked).select("window_id", "amount")
    return frame.join(costs, on="window_id", validate="1:1").sort("window_start_on", "item_id")


def shown(frame, *names):
    """Start, end, amount and other columns as text, of windows that cost something."""
    return [
        (str(row[0]), str(row[1]), str(row[2].normalize() + 0), *row[3:])
        for row in frame.filter(pl.col("amount") != 0)
        .select("window_start_on", "window_end_on", "amount", *names)
        .rows()
    ]
