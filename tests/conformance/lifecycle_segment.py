"""Cases that ask for the part of a period that a stretch is, and nothing more."""

from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Any

import polars as pl

from meterhouse.contracts.profile import DEFAULT
from meterhouse.contracts.proration import part_of_period
from meterhouse.money import places, round_half_away
from meterhouse.periods import boundary
from tests.conformance.lifecycle_profiles import profile_of
from tests.conformance.lifecycle_terms import DAY, span
from tests.conformance.readings import refuse_unknown
from tests.conformance.vectors import NotSupported


def check_segment(case: Mapping[str, Any]) -> None:
    """Compares the factor, the amount and the ratio of the one line."""
    given = case["given"]
    refuse_unknown("given", given, {"plans", "segment", "full_period", "proration"})
    start, end = _edges(given["segment"])
    if start >= end:
        raise NotSupported("a stretch of no days")
    plan = given["plans"][0]
    count, unit = span(plan.get("billing_period", "1 month"))
    months = count * {"month": 1, "year": 12}.get(unit, 0)
    if "full_period" in given:
        period = _edges(given["full_period"])
    elif months:
        opening = start.replace(day=1)
        period = opening, boundary(opening, 1, months)
    else:
        raise NotSupported(f"a stretch of a {unit}")
    numerator, denominator = _part(case, (start, end), period, months or None)
    with localcontext(prec=60):
        factor = Decimal(numerator) / Decimal(denominator)
        nine = factor.quantize(Decimal("1E-9"), ROUND_HALF_UP)
        exact = Decimal(plan["price"]) * numerator / denominator
    amount = round_half_away(exact, places(case["currency"]))
    (document,) = case["expect"]
    (line,) = document["lines"]
    if line["quantity"] is not None:
        assert Decimal(line["quantity"]) == nine, f"published {line['quantity']}, found {nine}"
    if line["amount"] is not None:
        assert Decimal(line["amount"]) == amount, f"published {line['amount']}, found {amount}"
    if document.get("ratio") is not None:
        found = f"{numerator}/{denominator}"
        assert document["ratio"] == found, f"published {document['ratio']}, found {found}"


def _edges(told: Mapping[str, Any]) -> tuple[date, date]:
    refuse_unknown("segment field", told, {"start", "end", "end_inclusive"})
    start = date.fromisoformat(told["start"])
    if "end" in told:
        return start, date.fromisoformat(told["end"])
    return start, date.fromisoformat(told["end_inclusive"]) + DAY


def _part(
    case: Mapping[str, Any], stretch: tuple[date, date], period: tuple[date, date],
    months: int | None,
) -> tuple[int, int]:  # fmt: skip
    """The part of a period as the core counts it."""
    days = {"edge": stretch[0], "last": stretch[1]} | {"period_start": period[0],
                                                       "period_end": period[1]}  # fmt: skip
    profile = DEFAULT.model_dump() | {"step_months": months} | profile_of(case)
    row = {f"{name}_on": day for name, day in days.items()} | profile
    row |= {name: datetime.combine(day, time()) for name, day in days.items()}
    kinds = {**dict.fromkeys(("step_months", "fixed_days"), pl.Int64)}
    frame = pl.DataFrame([row], schema_overrides=kinds)
    numerator, denominator = part_of_period("edge", "last")
    found = frame.select(n=numerator, d=denominator).row(0)
    return int(found[0]), int(found[1])
