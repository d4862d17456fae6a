"""Pictures of documents for the docs, from documents that are fixed here.

Run it from the root of the repository: python scripts/invoice_pictures.py
"""

import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from meterhouse.rendering.pdf import pictures
from meterhouse.rendering.presentation import Logo, Payment, Presentation
from meterhouse.rendering.printable import printable

FOLDER = Path(__file__).parents[1] / "docs" / "images"
LOGO = Logo(
    "svg",
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 230 60">'
    b'<path d="M4 50 L30 6 L56 50 Z" fill="#0B6E4F"/><circle cx="30" cy="36" r="9" fill="#fff"/>'
    b'<path d="M74 14h8v32h22v7H74zM114 14h9v39h-9zM134 14h9l18 26V14h8v39h-8l-19-27v27h-8z" '
    b'fill="#0B6E4F"/></svg>',
)
SELLER: dict[str, Any] = {
    "address": {"line1": "20 Pier Street", "city": "New York", "region": "NY"}
    | {"postal_code": "10004", "country": "US"},
    "bank": None,
    "id": "lin",
    "legal_name": "Lin Harbor Inc.",
    "tax_ids": [{"type": "us_ein", "value": "12-3456789"}],
}
BERLIN: dict[str, Any] = {
    "address": {"line1": "Chausseestraße 8", "city": "Berlin", "postal_code": "10115"}
    | {"country": "DE"},
    "bank": {"account_name": "Lin Hafen GmbH", "iban": "DE89370400440532013000"}
    | {"bic": "COBADEFFXXX"},
    "id": "lin-de",
    "legal_name": "Lin Hafen GmbH",
    "tax_ids": [{"type": "eu_vat", "value": "DE136695976"}],
}
TIERS = {
    "model": "graduated",
    "bill_flat_on_zero": False,
    "tiers": [
        {"up_to": "100000", "unit_amount": "0.0002", "flat_amount": "0"},
        {"up_to": "1000000", "unit_amount": "0.00015", "flat_amount": "0"},
        {"up_to": None, "unit_amount": "0.000125", "flat_amount": "25"},
    ],
}


def fee(no: int, text: str, quantity: str, price: str, amount: str, start: str, end: str) -> Any:
    """A line with a fixed quantity."""
    step = {"step": "flat", "days": "30", "period_days": "30"}
    return line(
        no, text, quantity, None, {"model": "flat", "amount": price}, amount, start, end
    ) | {"steps": [step]}


def line(
    no: int, text: str, quantity: str, unit: str | None, price: Any, amount: str, *days: str
) -> dict[str, Any]:
    """A line of usage, without steps."""
    return {
        "amount": amount,
        "correction": None,
        "description": text,
        "item": text,
        "line_no": no,
        "meter": None if unit is None else {"id": unit, "unit": unit, "version": 1},
        "price": price,
        "quantity": quantity,
        "service": {"start": days[0], "end": days[1], "zone": "UTC"},
        "steps": [],
    }


def document(number: str, lines: list[Any], sums: tuple[str, str, str], **more: Any) -> Any:
    """A canonical document: net, tax and total as texts."""
    net, tax, total = sums
    tax_row = {"treatment": "taxed", "rate": None, "name": None, "reason": None}
    return {
        "currency": "USD",
        "dates": {"invoice_date": "2026-10-01", "due_date": "2026-10-31"},
        "issue": {"number": number},
        "kind": "invoice",
        "lines": lines,
        "net": net,
        "purchase_order": None,
        "seller": SELLER,
        "tax_total": tax,
        "terms": {"id": "net30", "description": None, "net_days": 30},
        "total": total,
        **more,
        "tax": [tax_row | {"amount": tax, "base": net} | more.get("tax", {})],
    }


def tier(
    start: str, to: str | None, quantity: str, price: str, amount: str, flat: str = "0"
) -> Any:
    """One step of a price with tiers."""
    return {"step": "tier", "from": start, "to": to, "quantity": quantity} | {
        "unit_amount": price,
        "flat_amount": flat,
        "amount": amount,
    }


def plain() -> tuple[Any, Presentation, Payment | None]:
    """An invoice with a logo, fees, usage with tiers and a part that was paid."""
    days = ("2026-09-01", "2026-10-01")
    tokens = line(3, "Tokens read", "2412906", "token", TIERS, "356.61", *days)
    tokens["steps"] = [
        tier("0", "100000", "100000", "0.0002", "20"),
        tier("100000", "1000000", "900000", "0.00015", "135"),
        tier("1000000", None, "1412906", "0.000125", "201.61325", "25"),
    ]
    lines = [
        fee(1, "Platform", "1", "400", "400.00", *days),
        fee(2, "Seats", "12", "25", "300.00", "2026-10-01", "2026-11-01"),
        tokens,
        line(4, "Storage", "1708.975", "GB-hour", {"unit_amount": "0.00021"}, "0.36", *days),
    ]
    buyer = {
        "address": {"line1": "1 Market Street", "line2": "Suite 400", "city": "Albany"}
        | {"region": "NY", "postal_code": "12207", "country": "US"},
        "email": "billing@northwind.example",
        "id": "northwind",
        "name": "Northwind Research LLC",
        "tax_ids": [{"type": "us_ein", "value": "98-7654321"}],
    }
    content = document(
        "lin-2026-000042",
        lines,
        ("1056.97", "93.81", "1150.78"),
        buyer=buyer,
        purchase_order="PO-4007",
        tax={"name": "Sales tax", "rate": "0.08875"},
    )
    contact = ("billing@lin.example", "lin.example", "+1 212 555 0100")
    footer = "Lin Harbor Inc. · Registered in Delaware"
    look = Presentation("en-US", "#0B6E4F", footer, contact, LOGO)
    return content, look, Payment(Decimal("500"), Decimal("650.78"), date(2026, 10, 12))


def credit_note() -> tuple[Any, Presentation, Payment | None]:
    """A German credit note that names what it corrects."""
    days = ("2026-08-01", "2026-09-01")
    tokens = line(1, "Tokens gelesen", "1893412", "Token", TIERS, "-84.60", *days)
    tokens["steps"] = [
        tier("0", "100000", "100000", "0.0002", "20"),
        tier("100000", "1000000", "900000", "0.00015", "135"),
        tier("1000000", None, "893412", "0.000125", "136.6765", "25"),
    ]
    tokens["correction"] = {
        "already_billed": "376.28",
        "desired": "291.68",
        "original_number": "LH-2026-0117",
        "original_date": "2026-09-01",
    }
    buyer = {
        "address": {"line1": "Königstraße 21", "city": "Stuttgart", "postal_code": "70173"}
        | {"country": "DE"},
        "email": None,
        "id": "roehren",
        "name": "Röhrenwerk Süd & Söhne KG",
        "tax_ids": [{"type": "eu_vat", "value": "DE811907980"}],
    }
    content = document(
        "LH-2026-0131",
        [tokens],
        ("-84.60", "-16.07", "-100.67"),
        buyer=buyer,
        currency="EUR",
        kind="credit_note",
        seller=BERLIN,
        tax={"name": "USt", "rate": "0.19"},
    )
    footer = "Lin Hafen GmbH · Amtsgericht Charlottenburg HRB 12345 · Geschäftsführung: A. Lin"
    return content, Presentation("de-DE", "#7A1F3D", footer, ("rechnung@lin.example",)), None


def arabic() -> tuple[Any, Presentation, Payment | None]:
    """An invoice that is read from right to left, in a currency with three places."""
    days = ("2026-09-01", "2026-10-01")
    lines = [
        fee(1, "اشتراك المنصة", "1", "10.125", "10.125", *days),
        line(2, "التخزين", "1708.975", "GB-hour", {"unit_amount": "0.0125"}, "21.362", *days),
    ]
    seller = {
        **SELLER,
        "address": {"line1": "شارع الخليج 7", "city": "مدينة الكويت", "country": "KW"},
        "legal_name": "شركة لين للخدمات ذ.م.م",
        "tax_ids": [{"type": "kw_cr", "value": "445566"}],
        "bank": {"account_name": "Lin W.L.L.", "iban": "KW81CBKU0000000000001234560101"},
    }
    buyer = {
        "address": {"line1": "برج السالمية، الطابق 12", "city": "السالمية", "country": "KW"},
        "email": "accounts@noor.example",
        "id": "noor",
        "name": "مؤسسة النور للتجارة",
        "tax_ids": [],
    }
    content = document(
        "kw-2026-000009",
        lines,
        ("31.487", "0.000", "31.487"),
        buyer=buyer,
        seller=seller,
        currency="KWD",
        tax={"treatment": "exempt", "reason": "شهادة إعفاء رقم 77"},
    )
    return content, Presentation("ar-KW", "#0F4C81"), None


def japanese() -> tuple[Any, Presentation, Payment | None]:
    """An invoice in a currency without places."""
    days = ("2026-09-01", "2026-10-01")
    lines = [
        fee(1, "基本料金", "1", "9999", "9999", *days),
        line(2, "API 呼び出し", "48213", "回", {"unit_amount": "7.5", "per": "100"}, "3616", *days),
    ]
    seller = {
        **SELLER,
        "address": {"line1": "海岸 4-1", "city": "東京都港区", "postal_code": "105-0022"}
        | {"country": "JP"},
        "legal_name": "リン・ハーバー株式会社",
        "tax_ids": [{"type": "jp_trn", "value": "T1234567890123"}],
    }
    buyer = {
        "address": {"line1": "みなとみらい 2-3", "city": "横浜市西区", "postal_code": "220-0012"}
        | {"country": "JP"},
        "email": None,
        "id": "sato",
        "name": "佐藤商店",
        "tax_ids": [],
    }
    content = document(
        "JP2026-0031",
        lines,
        ("13615", "1362", "14977"),
        buyer=buyer,
        seller=seller,
        currency="JPY",
        tax={"name": "消費税", "rate": "0.10"},
    )
    return content, Presentation("ja-JP", "#8A3B12"), None


def french() -> tuple[Any, Presentation, Payment | None]:
    """An invoice with two rates of tax, of which a correction is a part."""
    days = ("2026-09-01", "2026-10-01")
    late = line(3, "Appels d'API (août)", "48213", "appel", {"unit_amount": "0.004"}, "12.40",
                "2026-08-01", "2026-09-01")  # fmt: skip
    late["correction"] = {
        "already_billed": "180.45",
        "desired": "192.85",
        "original_number": "LP-2026-0088",
        "original_date": "2026-09-01",
    }
    lines = [
        fee(1, "Abonnement Plateforme", "1", "490", "490.00", *days),
        line(2, "Appels d'API", "60250", "appel", {"unit_amount": "0.004"}, "241.00", *days),
        late,
        fee(4, "Manuel d'exploitation (livre)", "2", "38", "76.00", *days),
    ]
    seller = {
        **SELLER,
        "address": {"line1": "12, quai de la Loire", "city": "Paris", "postal_code": "75019"}
        | {"country": "FR"},
        "bank": {"account_name": "Lin Port SAS", "iban": "FR1420041010050500013M02606"}
        | {"bic": "PSSTFRPPPAR"},
        "legal_name": "Lin Port SAS",
        "tax_ids": [{"type": "eu_vat", "value": "FR40303265045"}],
    }
    buyer = {
        "address": {"line1": "3, rue des Écoles", "city": "Lyon", "postal_code": "69007"}
        | {"country": "FR"},
        "email": "compta@atelier.example",
        "id": "atelier",
        "name": "Atelier Éléonore & Fils",
        "tax_ids": [{"type": "eu_vat", "value": "FR83404833048"}],
    }
    content = document(
        "LP-2026-0113", lines, ("819.40", "152.86", "972.26"),
        buyer=buyer, seller=seller, currency="EUR",
    )  # fmt: skip
    rate = {"treatment": "taxed", "reason": None, "name": "TVA"}
    content["tax"] = [
        {**rate, "rate": "0.2", "base": "743.40", "amount": "148.68"},
        {**rate, "rate": "0.055", "base": "76.00", "amount": "4.18"},
    ]
    return content, Presentation("fr-FR", "#1D3F72"), None


def reverse_charge() -> tuple[Any, Presentation, Payment | None]:
    """A German invoice to another country of the EU: the buyer owes the tax."""
    days = ("2026-09-01", "2026-10-01")
    lines = [
        fee(1, "Plattform", "1", "400", "400.00", *days),
        line(2, "Speicher", "1708.975", "GB-Stunde", {"unit_amount": "0.021"}, "35.89", *days),
    ]
    buyer = {
        "address": {"line1": "Herengracht 5", "city": "Amsterdam", "postal_code": "1015 BA"}
        | {"country": "NL"},
        "email": "facturen@gracht.example",
        "id": "gracht",
        "name": "Gracht Onderzoek B.V.",
        "tax_ids": [{"type": "eu_vat", "value": "NL123456789B01"}],
    }
    content = document(
        "LH-2026-0132", lines, ("435.89", "0.00", "435.89"),
        buyer=buyer, seller=BERLIN, currency="EUR",
        tax={"treatment": "reverse_charge", "reason": "Art. 196 RL 2006/112/EG"},
    )  # fmt: skip
    return content, Presentation("de-DE", "#7A1F3D"), None


SAMPLES = {
    "plain": plain,
    "credit-note": credit_note,
    "arabic": arabic,
    "japanese": japanese,
    "french": french,
    "reverse-charge": reverse_charge,
}


def main() -> int:
    """Write one picture per sample."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, sample in SAMPLES.items():
        content, look, payment = sample()
        (page,) = pictures(printable(content, look, payment), look.logo)
        path = FOLDER / f"invoice-{name}.png"
        path.write_bytes(page)
        print(f"{path.relative_to(FOLDER.parents[1])}: {len(page)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
