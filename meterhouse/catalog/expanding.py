"""From items that name a product, a bundle or a list price to items that say everything."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

from meterhouse.catalog.faults import Location
from meterhouse.catalog.fields import exact, plain
from meterhouse.catalog.picking import Picker
from meterhouse.catalog.shelf import Kept, Unknown

MAX_DEPTH = 8


@dataclass(frozen=True, slots=True)
class Row:
    """One item on its way: what it says so far, and where it was written."""

    value: dict[str, Any]
    path: Location
    is_part: bool = False  # Of a bundle, which says how many there are.

    @property
    def id(self) -> str:
        """The id of the item, or nothing where it has none yet."""
        return str(self.says("id") or "")

    def says(self, key: str) -> Any:
        """What it says under a key; an item that is no mapping at all is refused later."""
        return self.value.get(key) if isinstance(self.value, dict) else None


def needs_catalog(item: Any) -> bool:
    """Whether an item names something of the catalog that has to be looked up."""
    if not isinstance(item, dict):
        return False
    price = item.get("price")
    return item.get("product") is not None or (isinstance(price, dict) and "ref" in price)


def unbundled(row: Row, picker: Picker, depth: int = 0) -> Iterator[Row]:
    """The item, or for a bundle without a price of its own one item for each component."""
    product = row.value.get("product")
    if product is None or row.value.get("price") is not None:
        yield row
        return
    bundle = picker.product(product)
    if not bundle.content.get("components"):
        yield row
        return
    if depth == MAX_DEPTH:
        raise Unknown(f"names bundle {product!r}, which holds itself or lies too deep in others.")
    for component in bundle.content["components"]:
        yield from unbundled(_component(row, component), picker, depth + 1)


def _component(row: Row, component: dict[str, Any]) -> Row:
    shared = {k: v for k, v in row.value.items() if k not in ("description", "meter")}
    count = exact(row.value["quantity"]) if row.value.get("quantity") is not None else Decimal(1)
    price = {"price": {"ref": component["price"]}} if component.get("price") else {}
    value = {
        **shared,
        "id": f"{row.id}.{component['product']}",
        "product": component["product"],
        "quantity": plain(count * exact(component["quantity"])),
        **price,
    }
    return replace(row, value=value, is_part=True)


def completed(row: Row, picker: Picker, currency: str) -> Row:
    """The item with price, description and meter filled in where it does not say them."""
    value = dict(row.value)
    product = value.get("product")
    content = picker.product(product).content if product is not None else {}
    _fill_price(value, content, picker, currency)
    price = value.get("price")
    is_usage = isinstance(price, dict) and not _is_fee(row, price, content)
    if value.get("description") is None and content:
        value["description"] = content["name"]
    if is_usage and value.get("meter") is None and content.get("meter"):
        value["meter"] = content["meter"]
    if is_usage and row.is_part:
        value.pop("quantity", None)  # A bundle's count is for fees; usage counts itself.
    return replace(row, value=value)


def _is_fee(row: Row, price: dict[str, Any], product: dict[str, Any]) -> bool:
    """Whether the item reads no meter: it is flat, or says a quantity; a bundle's count is one only
    where the product has no meter."""
    if price.get("model") in ("flat", None):
        return True
    has_meter = row.value.get("meter") is not None or (row.is_part and bool(product.get("meter")))
    return row.value.get("quantity") is not None and not has_meter


def _fill_price(
    value: dict[str, Any], product: dict[str, Any], picker: Picker, currency: str
) -> None:
    price = value.get("price")
    if isinstance(price, dict) and "ref" in price:
        kept = picker.price(price["ref"], _day(price.get("on")))
    elif price is None and product:
        kept = picker.price_of(value["product"], currency)
    else:
        return
    value["price"] = _in_currency(kept, currency)
    value["list_price"] = kept.id


def listed(price: dict[str, Any], picker: Picker, currency: str) -> Any:
    """The price that a reference names."""
    return _in_currency(picker.price(price["ref"], _day(price.get("on"))), currency)


def _in_currency(kept: Kept, currency: str) -> Any:
    if kept.content["currency"] != currency:
        raise Unknown(
            f"names price {kept.id!r}, which is in {kept.content['currency']}, not in {currency}. "
            "Name a price in that currency."
        )
    return kept.content["price"]


def _day(value: Any) -> date | None:
    return date.fromisoformat(value) if isinstance(value, str) else value
