"""A question about taxes as a transaction of AvaTax."""

from collections.abc import Mapping
from typing import Any

import msgspec

from meterhouse.tax_settings import TaxEngineSettings

ADDRESS = {
    "line1": "line1",
    "line2": "line2",
    "city": "city",
    "region": "region",
    "postal_code": "postalCode",
    "country": "country",
}


def transaction(
    told: Mapping[str, Any], settings: TaxEngineSettings, kind: str, code: str | None
) -> dict[str, Any]:
    """The body that creates a transaction of this kind; `code` is the number of a document."""
    buyer = told["buyer"]
    certificates = _in_force(buyer, told["date"])
    whole = [one["certificate"] for one in certificates if not one.get("category")]
    own = {one["category"]: one["certificate"] for one in certificates if one.get("category")}
    numbers = [one["value"] for one in buyer["tax_ids"] or [] if one["type"].endswith("vat")]
    body = {
        "type": kind,
        "code": code,
        "companyCode": settings.company,
        "commit": False,
        "date": told["date"],
        "customerCode": buyer["id"],
        "currencyCode": told["currency"],
        "exemptionNo": whole[0] if whole else None,
        "businessIdentificationNo": numbers[0] if numbers else None,
        "addresses": {
            "shipFrom": _address(told["seller"]["address"]),
            "shipTo": _address(buyer["address"]),
        },
        "lines": [_line(line, settings, own) for line in told["lines"]],
    }
    return _given(body)


def _line(
    line: Mapping[str, Any], settings: TaxEngineSettings, certificates: Mapping[str, str]
) -> dict[str, Any]:
    category = line["category"]
    override = {
        "type": "taxAmount" if "tax" in line else "taxDate",
        "taxAmount": msgspec.Raw(line["tax"].encode()) if "tax" in line else None,
        "taxDate": line["tax_on"],
        "reason": "Correction of what was invoiced on that day",
    }
    return _given(
        {
            "number": str(line["line_no"]),
            "quantity": 1,
            # The digits as they are: a float would be another number.
            "amount": msgspec.Raw(line["amount"].encode()),
            "taxIncluded": line.get("price_holds_tax"),
            "taxCode": line["code"] or settings.codes.get(category),
            "itemCode": category[:50],
            "description": line["description"],
            "exemptionCode": certificates.get(category),
            "taxOverride": _given(override) if line["tax_on"] else None,
        }
    )


def _in_force(buyer: Mapping[str, Any], on: str) -> list[dict[str, Any]]:
    """The buyer's certificates for its place on a day; days are compared as ISO text."""
    place = buyer["address"]
    return [
        one
        for one in buyer["exemptions"] or []
        if one["country"] == place["country"]
        and one.get("region") in (None, place.get("region"))
        and (one.get("from") or "") <= on
        and (one.get("until") is None or on < one["until"])
    ]


def _address(address: Mapping[str, Any]) -> dict[str, Any]:
    return _given({theirs: address.get(ours) for ours, theirs in ADDRESS.items()})


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
