"""The conventions of each system whose figures are published, as profiles of the product."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from tests.conformance.vectors import NotSupported


class System(NamedTuple):
    """What a system's cases go by: its profile, and how it tells what it does.

    `catches_up`: one invoice of all that is due, else each boundary was invoiced when it came;
    `credits`: negative lines are on the `invoice`, on a `note` of their own, or in the `balance`.
    """

    profile: Mapping[str, Any] = {}
    catches_up: bool = True
    credits: str = "invoice"
    bills_before_changes: bool = False


SYSTEMS = {
    "killbill": System(
        {"factor_scale": "9", "grid_from": "segment", "credit_basis": "price"},
        bills_before_changes=True,
    ),
    "lago": System({"cancel_day": "charged"}, catches_up=False, credits="note"),
    "meteroid": System(catches_up=False),
    "openmeter": System(),
    "stripe": System({"granularity": "second"}),
    # One real answer: what is unused of the old price goes back, the new one is charged whole.
    "matthewarkin": System({"granularity": "second", "prorate_change": "full_with_credit"}),
    "zuora": System({"day_count": "actual_calendar_month"}),
    "financialforce": System({"day_count": "actual_period"}),
    "chargebee": System(catches_up=False),
    "withorb": System({"usage_split_due": "at_once"}, catches_up=False, credits="balance"),
}
_WORDS = {"getlago": "lago", "openmeterio": "openmeter", "certinia": "financialforce"}


def system_of(case: Mapping[str, Any]) -> System:
    """The system of a case by its source; one that is not known goes by the default profile."""
    source = str(case.get("source", "")).lower()
    found = [name for name in SYSTEMS if name in source]
    found += [name for word, name in _WORDS.items() if word in source]
    return SYSTEMS[found[0]] if found else System()


_COUNTS = {
    "actual": "actual_calendar_month",
    "actual_360": "actual_360",
    "strict_30_360": "strict_30_360",
    "actual_period": "actual_period",
}


def profile_of(case: Mapping[str, Any]) -> dict[str, Any]:
    """The profile of a case: what its proration says over what its system does."""
    profile = dict(system_of(case).profile)
    told = case["given"].get("proration", {})
    changes = case["given"].get("changes", ())
    # Lago charges quantities of fees that change whole, unless a plan says that it prorates them.
    is_lago = system_of(case) is SYSTEMS["lago"]
    if is_lago and any(change.get("type") == "quantity" for change in changes):
        profile["prorate_quantity"] = "full"
    if case["given"].get("defer_mid_period_invoices"):
        profile["usage_split_due"] = "period_end"
    for name, value in told.items():
        if name == "day_count" and value in _COUNTS:
            profile["day_count"] = _COUNTS[value]
        elif name == "day_count" and str(value).startswith("fixed_"):
            profile |= {"day_count": "fixed_days", "fixed_days": int(value.removeprefix("fixed_"))}
        elif name == "granularity" and value in ("day", "second"):
            profile["granularity"] = value
        elif name == "final_period" and value in ("prorate", "remainder_of_first"):
            profile["final_period"] = value
        elif name == "enabled" and value is False:
            profile |= dict.fromkeys(("prorate_change", "prorate_quantity"), "full")
            profile |= dict.fromkeys(("profile_prorate_start", "profile_prorate_end"), "full")
        elif name != "enabled":
            raise NotSupported(f"proration {name} {value}")
    return profile
