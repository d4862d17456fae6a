"""Close a period: earn what was billed in advance, accrue what was delivered and not billed, and
let balances lapse that expired before.

`cut_off` is the first day that stays open, at midnight of the entity. A close is one commit of
entries and of the command itself; closing the same day again changes nothing.
"""

from contextlib import AbstractContextManager
from datetime import date
from typing import Any

import duckdb
import polars as pl

from meterhouse.canonical import canonical_json
from meterhouse.errors import ChecksFailed, UsageError
from meterhouse.invoicing.columns import with_line_key
from meterhouse.lake import Commit, Lake
from meterhouse.ledger.accrual import accrue
from meterhouse.ledger.journal import unbalanced
from meterhouse.ledger.posting import VOUCHER_COMPONENTS
from meterhouse.ledger.recognition import recognise
from meterhouse.money import AMOUNT, rounded
from meterhouse.periods import zone_days
from meterhouse.run import balance
from meterhouse.run.accrued_net import without_taxes
from meterhouse.run.charged_lines import LINES, charged, read_contracts, read_windows
from meterhouse.run.commands import closed_until, record
from meterhouse.run.context import Run
from meterhouse.run.history_covered import read_schedules
from meterhouse.run.marts import refresh_marts
from meterhouse.run.measuring import Relations, answered_sql
from meterhouse.run.meter_rules import read_rules
from meterhouse.run.moved import unseen
from meterhouse.run.parts import merged, parts_of
from meterhouse.run.planning import plan_fold
from meterhouse.run.pooling import OF_POOLS, make_readers
from meterhouse.run.proven import prove_whole
from meterhouse.run.rating import LAST
from meterhouse.run.rerating import differing
from meterhouse.run.scratch import scratch_run
from meterhouse.run.taxes import inclusive_contracts
from meterhouse.run.usage import fold_usage
from meterhouse.run.windows import make_windows

ADVANCE = """
select lines.document_id, line_key, lines.entity_id, lines.payer_id as customer_id,
    lines.contract_id,
    case when role in ('discount', 'credit') then coalesce(dimensions->>'$.item', item_id)
        else item_id end as item_id,
    lines.currency, amount, window_start_on, window_end_on,
    coalesce(served_end_on, window_end_on) as served_end_on, documents.posting_date
from facts.standing_lines as lines join facts.documents as documents using (document_id)
-- Money that was bought is a liability until it is used; see meterhouse/run/prepaid.py.
where timing = 'advance' and role <> 'credit_sale'
    and component not in ('voucher_sale', 'voucher')
order by lines.batch_seq, lines.row_no
"""

RECOGNISED = """
select entries.document_id, lines.line_key,
    cast(sum(lines.debit - lines.credit) as decimal(38, 18)) as recognised
from facts.journal_lines as lines join facts.journal_entries as entries using (entry_id)
where entries.event = 'revenue.recognised' and lines.account = 'deferred_revenue'
group by all
"""

ACCRUED = """
select lines.line_key, entries.entity_id, lines.customer_id, lines.contract_id, lines.item_id,
    entries.currency, lines.window_start_on, lines.window_end_on,
    cast(sum(lines.debit - lines.credit) as decimal(38, 18)) as accrued
from facts.journal_lines as lines join facts.journal_entries as entries using (entry_id)
where lines.account = 'unbilled_receivable' and entries.posting_date < ?
group by all
having sum(lines.debit - lines.credit) <> 0
"""

INVOICED = """
select lines.line_key, documents.posting_date,
    -- As the price says it: what was billed is compared with what the service costs.
    cast(sum(lines.amount + coalesce(lines.tax_included, 0)) as decimal(38, 18)) as billed
from facts.standing_lines as lines join facts.documents as documents using (document_id)
group by all
-- What was written off is not waiting to be billed either.
union all
select line_key, written_on, cast(sum(amount) as decimal(38, 18))
from facts.standing_write_offs group by all
"""

# Whole windows come from their determinants; a window that the cut-off divides is measured from
# its events, because its days are those of the contract's zone and the cut-off is the entity's.
DIVIDED = """
create or replace temp table close_asks as
select row_number() over () as ask_no, windows.window_id, windows.customer_id, rules.meter_no,
    rules.event_type, windows.zone, windows.window_start, cuts.cut_at as window_end,
    windows.window_start_on, windows.window_end_on,
    case when rules.recurring then timestamptz '0001-01-01 00:00:00+00'
        else windows.window_start end as read_from,
    epoch_us(windows.period_end) - epoch_us(windows.period_start) as period_us,
    cast(windows.period_end_on - windows.period_start_on as bigint) as period_days,
    windows.day_seconds,
    case when windows.usage_of is not null then windows.window_id end as pool_id
from billing.charge_windows as windows
join cuts using (entity_id)
join ops.meter_rules as rules using (meter_id, meter_version)
where windows.timing = 'arrears' and windows.window_start < cuts.cut_at
    and windows.window_end > cuts.cut_at and rules.aggregation <> 'sql'
"""
# What was paid in advance is there for modifiers, which may be for all of a contract.
DELIVERED = """
create or replace temp table close_windows as
with windows as (
    select windows.*, cuts.cut_at
    from billing.charge_windows as windows join cuts using (entity_id)
    -- What the system before billed is delivered, and no part of what waits to be billed.
    where windows.due_on is not null
        and windows.window_start < cuts.cut_at and (windows.timing = 'arrears' or contract_id in (
        select contract_id from book.contracts where modifiers is not null
    ))
),
quantities as (
    select window_id, dimensions, quantity, event_count
    from close_asks join close_answers using (ask_no)
    union all
    select window_id, dimensions, quantity, event_count from usage.determinants
    anti join close_asks using (window_id)
)
select windows.* exclude (cut_at)
        replace (coalesce(quantities.dimensions, windows.dimensions) as dimensions),
    windows.window_end > windows.cut_at as is_divided, windows.component = 'fee' as is_fee,
    least(windows.window_end, windows.cut_at) as read_until,
    coalesce(quantities.quantity, windows.fixed_quantity) as asked,
    md5(concat_ws('|', windows.window_id, quantities.dimensions)) as rated_id,
    -- Nothing is short of a minimum before its time is over.
    windows.window_end <= windows.cut_at
        and windows.window_id in (select window_id from last_windows) as is_period_last,
    null::varchar as determinant_id, quantities.event_count
from windows left join quantities using (window_id)
"""


def close(
    lake: Lake, cut_off: date, entity: str | None = None, *, dry_run: bool = False
) -> dict[str, Any]:
    """Post recognition and accrual before `cut_off` for one entity or all, and close the days.

    A dry run says what would be posted; its batch is None.
    """
    with lake.run_lock.held(), _scratch(lake, cut_off) as run:
        with run.warehouse.connect(run.pin) as db:
            if faults := unseen(db):
                raise ChecksFailed(faults)
            prove_whole(db)
            make_windows(run, db)
            fold_from = plan_fold(run, db)
        fold_usage(run, fold_from)
        with run.warehouse.connect(run.pin) as db:
            entities = _open_entities(db, cut_off, entity)
            if not entities.height:
                return _summary(cut_off, [], pl.DataFrame(), None)
            _prove(run, db, entities)
            lapsed = balance.expired(db, entities, cut_off)
            heads, legs = balance.with_entries(*_entries(run, db, entities, cut_off), lapsed)
        names = entities["entity_id"].to_list()
        if dry_run:
            return _summary(cut_off, names, heads.join(legs, on="entry_id"), None)
        with lake.session() as session:
            batch = lake.commit(session, lambda c: _write(c, heads, legs, lapsed, names, cut_off))
        refresh_marts(lake)
    return _summary(cut_off, names, heads.join(legs, on="entry_id"), batch)


def _prove(run: Run, db: duckdb.DuckDBPyConnection, entities: pl.DataFrame) -> None:
    """Raise ChecksFailed where lines that runs kept are not what rating all of them again gives."""
    faults = differing(run, db, entities["entity_id"].to_list())
    if faults:
        rest = [f"... and {len(faults) - 20:,} windows more."] if len(faults) > 20 else []
        raise ChecksFailed([*faults[:20], *rest])


def _scratch(lake: Lake, cut_off: date) -> AbstractContextManager[Run]:
    """The close knows everything, so it may start from what the warehouse has folded."""
    return scratch_run(lake, cut_off, lake.head().batch_seq, copy=True)


def _open_entities(
    db: duckdb.DuckDBPyConnection, cut_off: date, entity: str | None
) -> pl.DataFrame:
    entities = db.sql("select entity_id, zone from book.entities").pl()
    if entity is not None:
        entities = entities.filter(pl.col("entity_id") == entity)
        if not entities.height:
            raise UsageError(f"Entity {entity!r} is not in the book; nothing was closed.")
    closed = closed_until(db)
    later = entities.join(closed, on="entity_id", how="left")
    return later.filter(
        pl.col("closed_until").is_null() | (pl.col("closed_until") < cut_off)
    ).select("entity_id", "zone")


def _entries(
    run: Run, db: duckdb.DuckDBPyConnection, entities: pl.DataFrame, cut_off: date
) -> tuple[pl.DataFrame, pl.DataFrame]:
    billed = pl.concat([db.sql(ADVANCE).pl(), read_schedules(db)])
    advance = billed.join(entities, on="entity_id", how="semi")
    earned = recognise(advance, db.sql(RECOGNISED).pl(), cut_off)
    invoiced = db.sql(INVOICED).pl()
    delivered = _delivered(db, entities, invoiced, cut_off)
    accrued = db.sql(ACCRUED, params=[cut_off]).pl().join(entities, on="entity_id", how="semi")
    after = invoiced.filter(pl.col("posting_date") >= cut_off).select("line_key", "posting_date")
    waiting = accrue(delivered, accrued, cut_off, after)
    heads, legs = (pl.concat(pair) for pair in zip(earned, waiting, strict=True))
    if unbalanced(heads, legs).height:
        raise ChecksFailed(["The entries of the close do not balance; nothing was posted."])
    return heads, legs


def _delivered(
    db: duckdb.DuckDBPyConnection, entities: pl.DataFrame, invoiced: pl.DataFrame, cut_off: date
) -> pl.DataFrame:
    """One row per line key with service before the cut-off: the value not invoiced by then."""
    db.register("cuts", _cuts(entities, cut_off).to_arrow())
    db.execute(DIVIDED)
    rules = [rule for rule in read_rules(db) if rule["aggregation"] != "sql"]
    make_readers(db, "close_asks", "close_readers", OF_POOLS, temporary=True)
    relations = Relations(asks="close_asks", readers="close_readers")
    answers = answered_sql(rules, relations, "ops.meter_rules")
    db.execute(f"create or replace temp table close_answers as {answers}")
    db.execute(LAST)
    db.execute(DELIVERED)
    db.unregister("cuts")
    lines = _lines(db, cut_off)
    before = (
        invoiced.filter(pl.col("posting_date") < cut_off)
        .group_by("line_key")
        .agg(pl.col("billed").sum())
    )
    starts, ends = pl.col("window_start_on"), pl.col("window_end_on")
    days = (ends - starts).dt.total_days().cast(AMOUNT)
    elapsed = (pl.lit(cut_off) - starts).dt.total_days().clip(0).cast(AMOUNT)
    # exact: 18 places of the quotient are enough for whole days (see pricing/flat.py).
    part = rounded(pl.col("amount_unrounded") * elapsed / days, pl.col("currency"))
    earned = pl.when(pl.col("is_fee") & pl.col("is_divided")).then(part)
    waiting = (
        with_line_key(lines)
        .join(before, on="line_key", how="left")
        .with_columns(
            value=earned.otherwise("amount") - pl.col("billed").fill_null(0),
            customer_id="payer_id",
        )
    )
    inclusive = inclusive_contracts(db)
    if inclusive is None:
        return waiting
    return without_taxes(db, waiting, inclusive, cut_off)


def _lines(db: duckdb.DuckDBPyConnection, cut_off: date) -> pl.DataFrame:
    """What the windows cost so far with their modifiers, but for what was paid in advance."""
    windows, parts = merged(db, "close_windows"), parts_of(db, "close_windows")
    lines = charged(read_windows(db, windows), read_contracts(db), cut_off, parts)
    db.register("lines", lines.to_arrow())
    found = db.sql(LINES.format(windows=windows)).pl()
    db.unregister("lines")
    # What was bought before pays for what is delivered; none of that is less for it.
    pays = pl.col("component").is_in(VOUCHER_COMPONENTS)
    return found.filter((pl.col("timing") == "arrears") & ~pays)


def _cuts(entities: pl.DataFrame, cut_off: date) -> pl.DataFrame:
    """One row per entity: the instant of its midnight at the cut-off."""
    zones = entities["zone"].unique().to_list()
    days = zone_days(zones, cut_off, cut_off).rename({"starts_at": "cut_at"})
    return entities.join(days, on="zone").select("entity_id", "cut_at")


def _write(
    commit: Commit,
    heads: pl.DataFrame,
    legs: pl.DataFrame,
    lapsed: pl.DataFrame,
    names: list[str],
    cut_off: date,
) -> int:
    balance.append_moves(commit, [lapsed])
    for table, frame in (("journal_entries", heads), ("journal_lines", legs)):
        commit.db.register("frame_in", frame.to_arrow())
        commit.append(table, "select * from frame_in")
        commit.db.unregister("frame_in")
    subjects = [(name, cut_off.isoformat()) for name in names]
    payload = canonical_json({"cut_off": cut_off.isoformat()})
    return record(commit, "close", subjects, payload, f"Closed before {cut_off}.")


def _summary(
    cut_off: date, entities: list[str], posted: pl.DataFrame, batch: int | None
) -> dict[str, Any]:
    totals: list[dict[str, Any]] = []
    if posted.height:
        sums = posted.group_by("event", "currency").agg(
            pl.col("entry_id").n_unique().alias("entries"), pl.col("debit").sum()
        )
        totals = [
            {"event": e, "currency": c, "entries": n, "debit": str(d)}
            for e, c, n, d in sums.sort("event", "currency").iter_rows()
        ]
    return {
        "cut_off": cut_off.isoformat(),
        "entities": entities,
        "batch_seq": batch,
        "posted": totals,
        "note": "" if entities else "every entity was closed to that day already",
    }
