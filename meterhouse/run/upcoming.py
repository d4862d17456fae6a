"""What the next invoice of a customer would be as of a day: a dry run of this customer alone.

Everything is made in a scratch warehouse by the steps of a run, and nothing is written. Usage
counts up to the end of the day; fees that the next boundary makes due count in full.
"""

import json
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import duckdb

from meterhouse.errors import UsageError
from meterhouse.lake import Lake
from meterhouse.nearest import did_you_mean
from meterhouse.run import steps
from meterhouse.run.comparing import Tell
from meterhouse.run.context import Run
from meterhouse.run.drafting import composed
from meterhouse.run.kept import WINDOWS, forget
from meterhouse.run.pinning import pin_run
from meterhouse.run.planning import plan_fold
from meterhouse.run.rating import rate_due
from meterhouse.run.scratch import scratch_run
from meterhouse.run.usage_to_date import narrow, widen
from meterhouse.run.windows import make_windows

KIND = "upcoming"
# A year finds nearly every boundary; the longest cadence of a book may be some years.
HORIZONS = (timedelta(days=400), timedelta(days=3700))
# Contracts that the customer may pay: its own, those of customers below it, those that name it.
FAMILY = """
create or replace temp table family as
with recursive below as (
    select $customer as customer_id
    union
    select parents.customer_id from book.parents join below on parent_id = below.customer_id
)
select contract_id from book.contracts
where payer_id = $customer or customer_id in (from below)
"""
LIMIT = """
delete from book.contracts where contract_id not in (from family);
delete from book.contract_items where contract_id not in (from family);
"""
# Nobody else's usage is folded; a pool may count customers that pay for themselves.
READ = """
delete from book.customers where customer_id <> $customer
    and customer_id not in (select customer_id from book.contracts)
    and customer_id not in (select payer_id from book.contracts)
    and customer_id not in (select customer_id from billing.window_members)
"""
NEXT = """
select min(due_on) from billing.charge_windows where payer_id = ? and due_on > ?
"""
OF = "contract_id in (select contract_id from book.contracts)"


@dataclass(frozen=True)
class Upcoming:
    """`documents`: contents of kind `upcoming`, by draft id; `boundary_on`: the day that makes them
    due, None where nothing is coming; `known_at`: the last batch that counts; `usage_to`: the last
    day whose usage counts; `open_drafts`: documents that are due already and not issued."""

    customer_id: str
    on: date
    boundary_on: date | None
    known_at: int
    usage_to: date
    documents: dict[str, dict[str, Any]]
    open_drafts: int
    sentence: str
    warnings: list[str]


def upcoming(
    lake: Lake, customer: str, on: date | None = None, tell: Tell = lambda _: None
) -> Upcoming:
    """The customer's next invoice as of the end of a day, by default today; nothing is written."""
    day = on or lake.settings.now().date()
    with lake.run_lock.held():
        known_at = lake.head().batch_seq
        for horizon in HORIZONS:
            with scratch_run(lake, day + horizon, known_at, copy=True) as run:
                tell("Cutting the customer's charge windows")
                boundary = _cut(run, customer, day)
                if boundary is not None:
                    return _previewed(run, customer, day, boundary, tell)
    return _nothing(customer, day, None, known_at, 0, [])


def _cut(run: Run, customer: str, day: date) -> date | None:
    """Cut the windows of this customer alone; the next day that makes something due."""
    with run.warehouse.connect(run.pin, run.known_at) as db:
        _refuse_unknown(db, customer)
        db.execute(FAMILY, {"customer": customer})
        db.execute(LIMIT)
        forget(db, WINDOWS)
        make_windows(run, db)
        db.execute(READ, {"customer": customer})
        row = db.execute(NEXT, [customer, day]).fetchone()
    return row[0] if row else None


def _refuse_unknown(db: duckdb.DuckDBPyConnection, customer: str) -> None:
    known = [row[0] for row in db.execute("select customer_id from book.customers").fetchall()]
    if customer not in known:
        raise UsageError(
            f"No customer {customer} is in the book{did_you_mean(customer, known) or '.'} "
            "Nothing was previewed."
        )


def _previewed(run: Run, customer: str, day: date, boundary: date, tell: Tell) -> Upcoming:
    then = replace(run, through=boundary)
    with then.warehouse.connect(then.pin, then.known_at) as db:
        pin_run(then, db)
        narrow(db, day)
        fold_from = plan_fold(then, db)
    tell("Folding usage")
    steps.fold(then, fold_from)
    tell("Rating and drafting")
    with then.warehouse.connect(then.pin, then.known_at) as db:
        widen(db)
        rate_due(then, db)
        heads = composed(then, db, of=OF).drafts
        warnings = [row[0] for row in db.execute("select sentence from ops.failures").fetchall()]
    mine = [one for one in heads.to_dicts() if one["customer_id"] == customer]
    coming = {
        one["draft_id"]: _told(one["content"], day, then.known_at)
        for one in mine
        if one["boundary_on"] == boundary
    }
    warnings += [one["blocked_reason"] for one in mine if one["is_blocked"]]
    others = len(mine) - len(coming)
    if not coming:
        return _nothing(customer, day, boundary, then.known_at, others, warnings)
    said = (
        f"What {customer} would be invoiced on {boundary}: usage to the end of {day}, as far as "
        f"batch {then.known_at} holds it, and the fees that are due then."
    )
    return Upcoming(customer, day, boundary, then.known_at, day, coming, others, said, warnings)


def _told(content: str, day: date, known_at: int) -> dict[str, Any]:
    """The content as a preview: it never has a number."""
    preview = {"as_of": day.isoformat(), "known_at": known_at}
    return {**json.loads(content), "kind": KIND, "preview": preview}


def _nothing(
    customer: str, day: date, boundary: date | None, known_at: int, others: int, warnings: list[str]
) -> Upcoming:
    why = (
        f"no contract that {customer} pays has a charge that falls due after {day}"
        if boundary is None
        else f"all that falls due on {boundary} is billed"
    )
    said = f"No invoice is coming for {customer}: {why}, as far as batch {known_at} knows."
    return Upcoming(customer, day, boundary, known_at, day, {}, others, said, warnings)
