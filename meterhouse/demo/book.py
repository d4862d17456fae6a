"""The book of the demo company: its documents as YAML files."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from meterhouse.demo.calendar import KUWAIT, NEW_YORK, TOKYO
from meterhouse.demo.company import ADDRESSES, ALIAS_UNTIL, RAISED_FROM, Customer
from meterhouse.demo.plans import items

Document = dict[str, Any]

SETTINGS: Document = {
    "sources": {
        "api": {"format": "ndjson"},
        "storage": {
            "format": "csv",
            "id": "row",
            "map": {
                "type": {"value": "storage_sample"},
                "subject": {"column": "account"},
                "time": {"column": "measured_at", "zone": "UTC"},
                "data": {"gb_hours": "gb_hours"},
            },
        },
    },
    # The demo plays in autumn 2026, whatever the clock of the machine says.
    "future_tolerance_hours": 24 * 3650,
}

SELLERS = {"USD": "lumen-us", "JPY": "lumen-jp", "KWD": "lumen-kw"}

SELLER: list[Document] = [
    {
        "kind": "entity",
        "id": "lumen-us",
        "legal_name": "Lumen Harbor Inc.",
        "address": {
            "line1": "20 Pier Street",
            "city": "New York",
            "region": "NY",
            "postal_code": "10004",
            "country": "US",
        },
        "base_currency": "USD",
        "zone": NEW_YORK,
        "approval": "automatic",
    },
    {
        "kind": "entity",
        "id": "lumen-jp",
        "legal_name": "Lumen Harbor K.K.",
        "address": {"line1": "4-1 Kaigan", "city": "Tokyo", "country": "JP"},
        "base_currency": "JPY",
        "zone": TOKYO,
        "approval": "automatic",
    },
    {
        "kind": "entity",
        "id": "lumen-kw",
        "legal_name": "Lumen Harbor W.L.L.",
        "address": {"line1": "7 Gulf Road", "city": "Kuwait City", "country": "KW"},
        "base_currency": "KWD",
        "zone": KUWAIT,
        "approval": "automatic",
    },
    {
        "kind": "payment_terms",
        "id": "net30",
        "description": "Due 30 days after the invoice date",
        "net_days": 30,
    },
    {
        "kind": "payment_terms",
        "id": "net14",
        "description": "Due 14 days after the invoice date",
        "net_days": 14,
    },
]

USAGE: list[Document] = [
    {
        "kind": "event_type",
        "id": "completion",
        "description": "One request to a language model",
        "properties": {
            "model": {"type": "string"},
            "tokens_in": {"type": "integer"},
            "tokens_out": {"type": "integer"},
            "streamed": {"type": "boolean", "required": False},
        },
    },
    {
        "kind": "event_type",
        "id": "storage_sample",
        "description": "What a customer stored on one day",
        "properties": {"gb_hours": {"type": "decimal", "decimals": 3}},
    },
    {
        "kind": "meter",
        "id": "tokens_in",
        "description": "Tokens that the model read",
        "event_type": "completion",
        "aggregation": "sum",
        "property": "tokens_in",
        "unit": "token",
        "decimals": 0,
        "list_price": {"currency": "USD", "unit_amount": "0.000003"},
    },
    {
        "kind": "meter",
        "id": "tokens_out",
        "description": "Tokens that the model wrote",
        "event_type": "completion",
        "aggregation": "sum",
        "property": "tokens_out",
        "unit": "token",
        "decimals": 0,
        "list_price": {"currency": "USD", "unit_amount": "0.000012"},
    },
    {
        "kind": "meter",
        "id": "requests",
        "description": "Requests of any size",
        "event_type": "completion",
        "aggregation": "count",
        "unit": "request",
        "decimals": 0,
    },
    {
        "kind": "meter",
        "id": "storage",
        "description": "Gigabytes kept, times the hours they were kept",
        "event_type": "storage_sample",
        "aggregation": "sum",
        "property": "gb_hours",
        "unit": "GB-hour",
        "decimals": 3,
        "list_price": {"currency": "USD", "unit_amount": "0.00021"},
    },
]


def write_book(home: Path, customers: list[Customer]) -> None:
    """Write `meterhouse.yaml` and `book/` of a home."""
    contracts = [document for one in customers for document in _contracts(one)]
    _write(home / "meterhouse.yaml", [SETTINGS])
    _write(home / "book" / "seller.yaml", SELLER)
    _write(home / "book" / "usage.yaml", USAGE)
    _write(home / "book" / "customers.yaml", map(_customer, customers))
    _write(home / "book" / "contracts.yaml", contracts)


def _customer(customer: Customer) -> Document:
    city, country = ADDRESSES[customer.zone]
    document: Document = {
        "kind": "customer",
        "id": customer.id,
        "name": customer.name,
        "address": {"line1": f"{customer.index + 1} Market Street", "city": city}
        | {"country": country},
        "email": f"billing@{customer.id}.example",
    }
    if customer.external_id is not None:
        document["external_id"] = customer.external_id
    if customer.alias is not None:
        document["aliases"] = [{"value": customer.alias, "until": ALIAS_UNTIL}]
    if customer.tax is not None:
        document["tax"] = dict(customer.tax)
    return document


def _contracts(customer: Customer) -> Iterator[Document]:
    if not customer.has_contract:
        return
    bought = items(customer.plan, customer.currency, customer.seats)
    if customer.storage_zone is None:
        yield _contract(customer, bought)
    else:
        stored = [item for item in bought if item.get("meter") == "storage"]
        yield _contract(customer, [item for item in bought if item not in stored])
        other = {"id": f"{customer.id}-storage", "zone": customer.storage_zone}
        yield _contract(customer, stored) | other
    if customer.has_price_rise:
        raised = items(customer.plan, customer.currency, customer.seats, Decimal("1.05"))
        yield _contract(customer, raised) | {"valid_from": RAISED_FROM}


def _contract(customer: Customer, bought: list[dict[str, Any]]) -> Document:
    given: Document = {
        "kind": "contract",
        "id": f"{customer.id}-2026",
        "customer": customer.id,
        "payer": customer.payer,
        "entity": SELLERS[customer.currency],
        "currency": customer.currency,
        "zone": customer.zone,
        "start": customer.start,
        "end": customer.end,
        "anchor_day": customer.anchor_day,
        "payment_terms": "net14" if customer.plan == "starter" else "net30",
        "purchase_order": f"PO-{4000 + customer.index}" if customer.plan == "scale" else None,
        "items": bought,
    }
    return {key: value for key, value in given.items() if value is not None}


def _write(path: Path, documents: Iterable[Document]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 100
    # Shared parts are written out: anchors are for machines.
    yaml.representer.ignore_aliases = lambda data: True
    with path.open("w", encoding="utf-8", newline="\n") as file:
        yaml.dump_all(documents, file)
