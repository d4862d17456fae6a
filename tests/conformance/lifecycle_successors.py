"""Timelines of a customer with a later contract: each is billed on its own, at each look."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import duckdb

from meterhouse.canonical import canonical_json
from meterhouse.run.trials import once
from tests.conformance.lifecycle_reading import terms_of
from tests.conformance.lifecycle_terms import local_day
from tests.conformance.readings import refuse_unknown
from tests.conformance.vectors import NotSupported

_NEW = {"date", "instant", "type"}
# What a look says of the contracts: whose changes of its own day are known, and whose are billed.
ENDS, BEGINS = ("terminate", "cancel"), ("recreate", "new_contract")
_TABLES = """
create schema book;
create table latest (doc_id varchar, kind varchar, content json);
create table book.contracts (contract_id varchar, customer_id varchar, plan_id varchar,
    start_on date, trial_until date, trial_covers_usage boolean);
create table book.contract_items (contract_id varchar, product_id varchar, plan_id varchar)
"""


def has_successors(case: Mapping[str, Any]) -> bool:
    return any(one.get("type") == "new_contract" for one in case["given"].get("changes", ()))


def contracts_of(case: Mapping[str, Any], profile: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The case once for each contract of its customer, without the trials that are refused."""
    given = case["given"]
    found = [{**case, "given": {**given, "changes": []}}]
    for change in given["changes"]:
        if change.get("type") != "new_contract":
            found[-1]["given"]["changes"].append(change)
            continue
        refuse_unknown("change field", change, _NEW)
        start = local_day(change, case.get("timezone") or "UTC", "date")
        if start is None:
            raise NotSupported("a new contract without a day")
        told = {n: v for n, v in given.get("contract", {}).items() if n != "start_instant"}
        contract = {**told, "start": start.isoformat()}
        found.append({**case, "given": {**given, "contract": contract, "changes": []}})
    refused = _refused(found, profile)
    return [_untried(one) if no in refused else one for no, one in enumerate(found)]


def billed(look: Mapping[str, Any], case: Mapping[str, Any], number: int) -> bool | None:
    """Whether a look bills a contract, by its number: None does not, False before its own day's
    changes, True after them."""
    refuse_unknown("when", look, {"bill_as_of", "step"})
    step = look.get("step")
    if step is None:
        of_day = [one for one in case["when"] if one["bill_as_of"] == look["bill_as_of"]]
        is_before = any(one.get("step") for one in of_day)
        return (None if number else False) if is_before else True
    if step not in (*ENDS, *BEGINS):
        raise NotSupported(f"a step {step}")
    return True if (number > 0) == (step in BEGINS) else None


def _refused(cases: list[Mapping[str, Any]], profile: Mapping[str, Any]) -> set[int]:
    """The numbers of the contracts whose trial the rule of the product does not grant."""
    with duckdb.connect() as db:
        db.execute(_TABLES)
        for number, case in enumerate(cases):
            _record(db, f"{number:04d}", case, profile)
        before = _tried(db)
        once(db)
        return before - _tried(db)


def _record(
    db: duckdb.DuckDBPyConnection, id: str, case: Mapping[str, Any], profile: Mapping[str, Any]
) -> None:
    terms = terms_of(case, profile)
    content = canonical_json({"customer": "c", "items": []})
    db.execute("insert into latest values (?, 'contract', ?)", [id, content])
    trial: date | None = terms.trial_until
    db.execute(
        "insert into book.contracts values (?, 'c', null, ?, ?, false)", [id, terms.start, trial]
    )
    plans = [[id, None, one["name"]] for one in case["given"].get("plans", ())]
    db.executemany("insert into book.contract_items values (?, ?, ?)", plans)


def _tried(db: duckdb.DuckDBPyConnection) -> set[int]:
    rows = db.execute("select contract_id from book.contracts where trial_until is not null")
    return {int(id) for (id,) in rows.fetchall()}


def _untried(case: Mapping[str, Any]) -> Mapping[str, Any]:
    given = case["given"]
    plans = [{n: v for n, v in one.items() if n != "trial"} for one in given.get("plans", ())]
    contract = {n: v for n, v in given["contract"].items() if n != "trial"}
    return {**case, "given": {**given, "plans": plans, "contract": contract}}
