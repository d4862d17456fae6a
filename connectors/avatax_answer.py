"""A transaction that AvaTax answered with, as the taxes of its lines."""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from connectors.json_answer import ShortAnswer, WrongAnswer
from meterhouse.canonical import canonical_json

NOT_DUE = "No tax is due there, as the tax engine says."
NOT_TAXABLE = "Not taxable there, as the tax engine says."
EXEMPT = "Exempt, as the tax engine says."


def parsed(body: bytes) -> dict[str, Any]:
    """The object of an answer; its numbers keep all their digits."""
    try:
        found = json.loads(body, parse_float=Decimal, parse_int=Decimal)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        if isinstance(error, json.JSONDecodeError) and error.pos >= len(error.doc.rstrip()) - 1:
            raise ShortAnswer from error
        raise WrongAnswer("is not JSON") from error
    if not isinstance(found, dict):
        raise WrongAnswer("is no JSON object")
    return found


def total_of(transaction: Mapping[str, Any]) -> Decimal:
    """The tax of a transaction, in currency of the transaction."""
    return _number(transaction, "totalTax")


def answer_of(transaction: Mapping[str, Any], question: Mapping[str, Any]) -> str:
    """The answer to a question, as canonical JSON; WrongAnswer where it cannot be one."""
    lines = transaction.get("lines")
    if not isinstance(lines, list):
        raise WrongAnswer("came back without lines")
    place = question["buyer"]["address"]
    told = [
        {"line_no": int(_number(line, "lineNumber")), "taxes": list(_taxes(line, place))}
        for line in lines
    ]
    if sum((_number(line, "tax") for line in lines), Decimal(0)) != total_of(transaction):
        raise WrongAnswer("came back with lines whose taxes do not add up to its tax")
    return canonical_json({"lines": sorted(told, key=lambda one: one["line_no"])})


def _taxes(line: Mapping[str, Any], place: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    details = line.get("details") or []
    if sum((_number(one, "tax") for one in details), Decimal(0)) != _number(line, "tax"):
        raise WrongAnswer(f"came back with details of line {line.get('lineNumber')} that do not "
                          "add up to its tax")  # fmt: skip
    if not details:
        about = {"country": place["country"], "region": place.get("region"), "name": None}
        amount = _number(line, "lineAmount")
        yield _row(about, amount, treatment="out_of_scope", reason=NOT_DUE)
    for one in details:
        about = {"country": one.get("country"), "region": one.get("region"), "name": _name(one)}
        taxable, tax = _number(one, "taxableAmount"), _number(one, "tax")
        exempt = _number(one, "exemptAmount", "0")
        other = _number(one, "nonTaxableAmount", "0")
        if taxable or tax or not (exempt or other):
            yield _row(about, taxable, rate=_number(one, "rate"), tax=tax)
        if exempt:
            number = line.get("exemptCertId") or None
            certificate = None if number is None else str(number)
            yield _row(about, exempt, "exempt", EXEMPT, certificate=certificate)
        if other:
            yield _row(about, other, "out_of_scope", NOT_TAXABLE)


def _row(
    about: Mapping[str, Any],
    base: Decimal,
    treatment: str = "taxed",
    reason: str | None = None,
    rate: Decimal = Decimal(0),
    tax: Decimal = Decimal(0),
    certificate: str | None = None,
) -> dict[str, Any]:
    numbers = {"base": base, "rate": rate, "tax": tax}
    texts = {"certificate": certificate, "reason": reason, "treatment": treatment}
    return {**about, **{name: f"{one:f}" for name, one in numbers.items()}, **texts}


def _name(detail: Mapping[str, Any]) -> str:
    """Of all jurisdictions of a place only their own names say which is which."""
    tax, jurisdiction = detail.get("taxName"), detail.get("jurisName")
    return f"{tax} ({jurisdiction})" if tax and jurisdiction else str(tax or jurisdiction or "Tax")


def _number(where: Mapping[str, Any], name: str, default: str | None = None) -> Decimal:
    value = where.get(name, default) if isinstance(where, Mapping) else None
    try:
        found = Decimal(value)
    except (InvalidOperation, TypeError, ValueError) as error:
        raise WrongAnswer(f"came back without a number {name!r}") from error
    if not found.is_finite():
        raise WrongAnswer(f"came back without a number {name!r}")
    return found
