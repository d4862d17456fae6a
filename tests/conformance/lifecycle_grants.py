"""Cases of grants of units: drawn, refilled, reset, voided."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from meterhouse.entitlements import drawdown, grants, recurrence
from meterhouse.entitlements.grants import MARKS, USES, Grant
from tests.conformance.lifecycle_document import ZERO, Document
from tests.conformance.readings import refuse_unknown
from tests.conformance.vectors import NotSupported

_RESETS = ("resets", "reset", "reset_at", "resets_at", "reset_date")
_GIVEN = {"unit", "grants", "usage", "preserve_overage", "changes", "actions", *_RESETS}
_LEAST = ("min_rollover", "rollover_min", "min_rollover_amount", "rollover_min_amount")
_MOST = ("max_rollover", "rollover_max", "max_rollover_amount", "rollover_max_amount")
_GRANT = {
    *("id", "amount", "priority", "effective", "expires", "voided", "recurrence", "kind"),
    *("cost_basis", "items", "granted", "created", "preserve_overage", "rollover"),
    *(*_LEAST, *_MOST),
}


def instant(text: str) -> datetime:
    """An instant or a day as published; days begin at midnight UTC."""
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def documents(case: Mapping[str, Any]) -> list[Document]:
    """One document per look: without lines, with what is left of grants and what nothing paid."""
    given = case["given"]
    refuse_unknown("given", given, _GIVEN)
    uses = [
        {
            "customer_id": "customer",
            "unit": "units",
            "use_id": str(number),
            "use_no": number,
            "item_id": use.get("item", ""),
            "at": instant(use["date"]),
            "quantity": Decimal(use["quantity"]),
        }
        for number, use in enumerate(given.get("usage", ()))
    ]
    resets = [_reset(one, given) for one in _listed(given)]
    instants = [use["at"] for use in uses] + [reset["at"] for reset in resets]
    begins = min(instants, default=datetime(2024, 1, 1, tzinfo=UTC))
    first = begins.replace(hour=0, minute=0, second=0, microsecond=0)
    held = [_grant(number, one, first, given) for number, one in enumerate(given["grants"])]
    zone = str(case.get("timezone") or "UTC")
    looks = [instant(look["bill_as_of"]) for look in case["when"]]
    return [_looked(given, held, uses, resets, at, zone) for at in looks]


def _looked(
    given: Mapping[str, Any],
    held: list[Grant],
    uses: list[dict[str, Any]],
    resets: list[dict[str, Any]],
    at: datetime,
    zone: str,
) -> Document:
    marks = [*resets, *(mark for one in _refills(given, held, at, zone) for mark in one)]
    drawn = drawdown.draw(
        grants.frame(held),
        pl.DataFrame(uses, schema=dict(USES)),
        at,
        pl.DataFrame(marks, schema=dict(MARKS)),
    )
    balances = dict(drawn.balances.select("grant_id", "balance").iter_rows())
    unpaid = drawn.uses.filter(~pl.col("is_settled"))["overage"].sum() or ZERO
    details = {"balances": balances, "overage": unpaid}
    return Document([], invoice_date=at.date(), details=details)


def _listed(given: Mapping[str, Any]) -> list[Any]:
    """The resets, however they are said."""
    found: list[Any] = []
    for name in _RESETS:
        said = given.get(name, [])
        found += said if isinstance(said, list) else [said]
    for change in [*given.get("changes", []), *given.get("actions", [])]:
        if change.get("type") != "reset":
            raise NotSupported(f"change {change.get('type')} of grants")
        found.append({name: value for name, value in change.items() if name != "type"})
    return found


def _reset(one: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    told = one if isinstance(one, Mapping) else {"at": one}
    refuse_unknown("reset", told, {"at", "date", "preserve_overage"})
    keeps = told.get("preserve_overage", given.get("preserve_overage", False))
    at = instant(told.get("at") or told["date"])
    return {
        "customer_id": "customer",
        "unit": "units",
        "grant_id": None,
        "at": at,
        "preserve_overage": keeps,
    }


def _refills(
    given: Mapping[str, Any], held: list[Grant], at: datetime, zone: str
) -> list[list[dict[str, Any]]]:
    """The marks of each grant that recurs; what was used beyond it burns the next refill first."""
    found = []
    for grant, told in zip(held, given["grants"], strict=True):
        if "recurrence" not in told:
            continue
        try:
            count, unit = recurrence.parsed(told["recurrence"])
        except ValueError as error:
            raise NotSupported(f"recurrence {told['recurrence']}") from error
        instants = recurrence.refills(grant.effective_at, count, unit, at, zone)
        found.append([_mark(grant, one) for one in instants])
    return found


def _mark(grant: Grant, at: datetime) -> dict[str, Any]:
    return {
        "customer_id": grant.customer_id,
        "unit": grant.unit,
        "grant_id": grant.grant_id,
        "at": at,
        "preserve_overage": None,
    }


def _grant(
    number: int, told: Mapping[str, Any], first: datetime, given: Mapping[str, Any]
) -> Grant:
    refuse_unknown("grant", told, _GRANT)
    moment = {name: instant(told[name]) for name in ("expires", "voided") if told.get(name)}
    begins = instant(told["effective"]) if told.get("effective") else first
    made = told.get("granted", told.get("created"))
    rollover = {**(told.get("rollover") or {})}
    refuse_unknown("rollover", rollover, {"min", "max"})
    least = next((told[name] for name in _LEAST if name in told), rollover.get("min"))
    most = next((told[name] for name in _MOST if name in told), rollover.get("max"))
    return Grant(
        customer_id="customer",
        unit="units",
        grant_id=str(told.get("id", f"g{number + 1}")),
        amount=Decimal(told["amount"]),
        effective_at=begins,
        kind=told.get("kind", "promo"),
        expires_at=moment.get("expires"),
        voided_at=moment.get("voided"),
        priority=int(told.get("priority", 50)),
        cost_basis=None if told.get("cost_basis") is None else Decimal(told["cost_basis"]),
        items=tuple(told.get("items", ())),
        granted_at=instant(made) if made else begins + timedelta(microseconds=number),
        rollover_min=None if least is None else Decimal(least),
        rollover_max=None if most is None else Decimal(most),
        preserve_overage=bool(told.get("preserve_overage", given.get("preserve_overage", True))),
    )
