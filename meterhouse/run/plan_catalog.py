"""The plans of the book for people: their versions, and which contracts have them."""

from collections import Counter
from typing import Any

from meterhouse.catalog.plan import Version, newest
from meterhouse.catalog.shelf import Kept, Shelf
from meterhouse.errors import UsageError
from meterhouse.lake import Lake
from meterhouse.nearest import did_you_mean, known_names
from meterhouse.run.applying import recorded_versions


def list_plans(lake: Lake) -> list[dict[str, Any]]:
    """One row per recorded plan: its newest version and how many contracts have it."""
    shelf, uses = _read(lake)
    by_id: dict[str, list[Kept]] = {}
    for kept in shelf.all("plan"):
        by_id.setdefault(kept.id, []).append(kept)
    return [_shown(id, found, uses) for id, found in sorted(by_id.items())]


def show_plan(lake: Lake, id: str) -> dict[str, Any]:
    """All versions of a plan, the oldest first, with items and the number of their contracts."""
    shelf, uses = _read(lake)
    found = [kept for kept in shelf.all("plan") if kept.id == id]
    if not found:
        known = {kept.id for kept in shelf.all("plan")}
        hint = did_you_mean(id, known) or "."
        raise UsageError(
            f"The recorded book has no plan {id!r}; nothing was shown{hint} Known plans: "
            f"{known_names(known)}. A plan that was written and not applied yet is not known."
        )
    versions = [
        {
            "version": kept.version,
            "valid_from": kept.valid_from,
            "items": kept.content["items"],
            "contract_count": uses[id, kept.version],
        }
        for kept in found
    ]
    return {**_shown(id, found, uses), "versions": versions}


def _read(lake: Lake) -> tuple[Shelf, Counter[tuple[str, str]]]:
    with lake.reading() as db:
        recorded = recorded_versions(db)
    return Shelf((), recorded), _uses(recorded)


def _uses(recorded: list[Version]) -> Counter[tuple[str, str]]:
    """How many contracts have each plan and version, by the newest terms of each."""
    latest: dict[str, Version] = {}
    for (kind, id, _), one in sorted(newest(recorded).items(), key=lambda pair: _date(pair[1])):
        if kind == "contract":
            latest[id] = one
    plans = (one.content.get("plan") for one in latest.values())
    return Counter((plan["id"], plan["version"]) for plan in plans if plan)


def _date(one: Version) -> str:
    return one.valid_from.isoformat() if one.valid_from else ""


def _shown(id: str, found: list[Kept], uses: Counter[tuple[str, str]]) -> dict[str, Any]:
    last = found[-1]
    return {
        "plan_id": id,
        "name": last.content["name"],
        "currency": last.content["currency"],
        "version": last.version,
        "valid_from": last.valid_from,
        "version_count": len(found),
        "item_count": len(last.content["items"]),
        "contract_count": sum(n for (plan, _), n in uses.items() if plan == id),
    }
