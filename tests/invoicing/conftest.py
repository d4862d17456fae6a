import json
from datetime import UTC, date, datetime, time
from decimal import Decimal

import polars as pl
import pytest

from meterhouse.invoicing.columns import LINE, WINDOW
from meterhouse.invoicing.difference import difference
from meterhouse.invoicing.drafts import drafts, gathered
from meterhouse.money import AMOUNT, PLACES, QUANTITY, round_half_away

DESIRED = {
    **WINDOW,
    "quantity": QUANTITY,
    "amount_unrounded": AMOUNT,
    "amount": AMOUNT,
    "steps": pl.String,
    "determinant_id": pl.String,
}
FLAT = '{"amount":"10.00","model":"flat"}'
PER_UNIT = '{"model":"per_unit","per":"1","unit_amount":"0.002"}'


def _midnight(day):
    return datetime.combine(day, time(), UTC)


def _window(amount, start, end, **changes):
    usage = changes.get("component", "usage") == "usage"
    currency = changes.get("currency", "EUR")
    timing = changes.get("timing", "arrears" if usage else "advance")
    row = {
        "window_id": f"w-{start}-{end}",
        "contract_id": "con",
        "version_seq": 1,
        "customer_id": "acme",
        "payer_id": "acme",
        "entity_id": "ent",
        "currency": currency,
        "zone": "UTC",
        "terms_id": "net30",
        "purchase_order": None,
        "item_id": "calls" if usage else "seat",
        "item_description": "API calls" if usage else "Seats",
        "component": "usage" if usage else "fee",
        "dimensions": "{}",
        "timing": timing,
        "meter_id": "calls" if usage else None,
        "meter_version": 1 if usage else None,
        "price_model": "per_unit" if usage else "flat",
        "price": PER_UNIT if usage else FLAT,
        "fixed_quantity": None if usage else Decimal(1),
        "prorate_start": True,
        "prorate_end": True,
        "window_start_on": start,
        "window_end_on": end,
        "window_start": _midnight(start),
        "window_end": _midnight(end),
        "period_start_on": start,
        "period_end_on": end,
        "due_on": end if timing == "arrears" else start,
        "quantity": Decimal(7),
        "amount_unrounded": amount,
        "amount": round_half_away(amount, PLACES[currency]),
        "steps": "[]",
        "determinant_id": "det" if usage else None,
    }
    return row | changes


def _bill(lines, number="INV-7", day=date(2024, 3, 1)):
    """The lines as facts.billed_lines would give them, summed by key, had they been issued."""
    return lines.select(
        pl.exclude("original_number", "original_invoice_date"),
        billed=pl.col("already_billed") + pl.col("amount"),
        original_number=pl.coalesce("original_number", pl.lit(number)),
        original_invoice_date=pl.coalesce("original_invoice_date", pl.lit(day)),
    )


def _customers(**changes):
    row = {
        "customer_id": "acme",
        "name": 'Acme "Röhren" GmbH',
        "address": '{"city":"Köln","country":"DE","line1":"A\\\\B \\"1\\""}',
        "email": "bills@acme.example",
        "tax_ids": '[{"type":"eu_vat","value":"DE2"}]',
        "tax_treatment": "taxed",
        "tax_rate": "0.19",
        "tax_name": "USt",
        "tax_reason": None,
    }
    row |= changes
    return pl.DataFrame([row], schema=dict.fromkeys(row, pl.String))


@pytest.fixture(scope="session")
def window():
    return _window


@pytest.fixture(scope="session")
def desired():
    return lambda *rows: pl.DataFrame(list(rows), schema=DESIRED, orient="row")


@pytest.fixture(scope="session")
def bill():
    return _bill


@pytest.fixture(scope="session")
def nothing_billed():
    return _bill(pl.DataFrame(schema=LINE))


@pytest.fixture(scope="session")
def customers():
    return _customers


@pytest.fixture(scope="session")
def entities():
    row = {
        "entity_id": "ent",
        "legal_name": "Meter & Söhne \\ Ltd",
        "address": '{"city":"Bonn","country":"DE","line1":"1"}',
        "tax_ids": '[{"type":"vat","value":"DE1"}]',
        "bank": None,
        "base_currency": "EUR",
        "zone": "UTC",
        "approval": "manual",
    }
    return pl.DataFrame([row], schema=dict.fromkeys(row, pl.String))


@pytest.fixture(scope="session")
def terms():
    return pl.DataFrame(
        {
            "terms_id": ["net30"],
            "description": ["30 days"],
            "net_days": [30],
            "counted_from": pl.Series([None], dtype=pl.String),
            "due_day": pl.Series([None], dtype=pl.Int64),
        }
    )


@pytest.fixture(scope="session")
def meters():
    return pl.DataFrame(
        {"meter_id": ["calls"], "meter_version": [1], "unit": ["call"], "decimals": [0]}
    )


@pytest.fixture(scope="session")
def series():
    def make(*rows):
        schema = {"entity_id": pl.String, "kind": pl.String, "last_invoice_date": pl.Date}
        return pl.DataFrame(list(rows), schema=schema, orient="row")

    return make


@pytest.fixture(scope="session")
def drafted(desired, nothing_billed, customers, entities, terms, series):
    """The drafts and lines of the windows given, all due through 2024-04-01."""

    def make(*rows, billed=nothing_billed, through=date(2024, 4, 1), last=(), **customer):
        lines = difference(desired(*rows), billed, through)
        return drafts(gathered(lines), customers(**customer), entities, terms, series(*last))

    return make


@pytest.fixture(scope="session")
def parsed():
    return lambda frame: [json.loads(text) for text in frame["content"]]
