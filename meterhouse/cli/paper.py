"""A document as a person reads it, from its canonical JSON."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from meterhouse.cli.tables import clean, table
from meterhouse.cli.values import grouped, number_text

if TYPE_CHECKING:
    from rich.console import Console


def print_document(console: "Console", title: str, document: dict[str, Any]) -> None:
    """Heads, lines, tax and total."""
    kind = document["kind"].replace("_", " ").capitalize()
    console.print(f"{kind} {clean(title)}", style="bold")
    for text in _head(document):
        console.print(clean(text))
    columns = ["#>", "service", "description", "quantity>", "unit price", "amount>"]
    console.print(table(columns, [_line(line) for line in document["lines"]]))
    for text in _sums(document):
        console.print(clean(text))


def _head(document: dict[str, Any]) -> Iterator[str]:
    seller, buyer = document["seller"], document["buyer"]
    yield f"From  {seller['legal_name']} ({seller['id']}){_place(seller['address'])}"
    for tax_id in seller.get("tax_ids") or []:
        yield f"      {tax_id['type']} {tax_id['value']}"
    yield f"To    {buyer['name']} ({buyer['id']}){_place(buyer['address'])}"
    if document["purchase_order"]:
        yield f"Purchase order {document['purchase_order']}"
    if document.get("note"):
        yield f"Note  {document['note']}"
    terms = document["terms"]
    told = f" ({terms['description']})" if terms["description"] else ""
    yield f"Date  {document['dates']['invoice_date']}   Due  {document['dates']['due_date']}{told}"


def _place(address: dict[str, Any] | None) -> str:
    if not address:
        return ""
    names = ("line1", "line2", "postal_code", "city", "region", "country")
    return ", " + ", ".join(address[name] for name in names if address.get(name))


def _line(line: dict[str, Any]) -> tuple[str, ...]:
    service = line["service"]
    correction = line["correction"]
    description = line["description"]
    if correction:
        number = correction["original_number"]
        description += f" (corrects {number})" if number else " (correction)"
    progress = line.get("progress")
    if progress:
        so_far = "so far " if progress["goes_on"] else ""
        description += f" ({so_far}{progress['desired']}, {progress['already_billed']} of it billed"
        description += " before)"
    if "tax_included" in line:
        description += f" (without the {line['tax_included']} tax that its price held)"
    unit = f" {line['meter']['unit']}" if line["meter"] else ""
    return (
        str(line["line_no"]),
        f"{service['start']} to before {service['end']} {service['zone']}",
        description,
        grouped(number_text(line["quantity"])) + unit,
        price_text(line["price"]),
        grouped(line["amount"]),
    )


def price_text(price: dict[str, Any]) -> str:
    """The price in words: 3 per 1000000; tiers are counted, `explain` lists them."""
    if price["model"] == "per_unit":
        per = price.get("per", "1")
        amount = number_text(price["unit_amount"])
        return amount if per == "1" else f"{amount} per {grouped(per)}"
    if price["model"] == "package":
        amount, size = number_text(price["package_amount"]), grouped(price["package_size"])
        return f"{amount} per {size}"
    if "tiers" in price:
        return f"{len(price['tiers'])} tiers"
    known = [price[name] for name in ("amount", "unit_amount", "rate") if name in price]
    return number_text(known[0]) if known else str(price["model"])


def _sums(document: dict[str, Any]) -> Iterator[str]:
    currency = document["currency"]
    yield f"Net    {grouped(document['net']):>18} {currency}"
    for tax in document["tax"]:
        name = tax["name"] or "Tax"
        yield f"{name:<6} {grouped(tax['amount'] or '-'):>18} {currency}  {_why(tax)}"
    if document["total"] is None:
        yield "Total  not decided: the customer has no tax decision"
    else:
        yield f"Total  {grouped(document['total']):>18} {currency}"


def _why(tax: dict[str, Any]) -> str:
    parts = [tax["treatment"].replace("_", " "), tax["rate"], tax["reason"]]
    return ", ".join(part for part in parts if part)
