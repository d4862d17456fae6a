"""Rebuild issued documents from the facts their run knew, and compare them byte for byte.

From determinants: the recorded determinants are rated again under the book of that batch. From
events: the whole run is repeated in a scratch warehouse. Damaged files are named; what can still
be read of them is compared all the same, so that the first differing path is known.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import duckdb
import polars as pl

from meterhouse.errors import Corrupt, MeterhouseError, UsageError
from meterhouse.invoicing.columns import with_line_key
from meterhouse.invoicing.difference import difference
from meterhouse.invoicing.document import issued
from meterhouse.invoicing.first_difference import first_difference
from meterhouse.lake import Lake
from meterhouse.run import balance, thresholds
from meterhouse.run.billed import billed
from meterhouse.run.by_hand import with_added
from meterhouse.run.charged_lines import LINES, charged, read_contracts, read_windows
from meterhouse.run.context import Run
from meterhouse.run.credit_composing import recomposed
from meterhouse.run.drafting import compose, make_drafts
from meterhouse.run.parts import WHOLE, merged, parts_of
from meterhouse.run.planning import plan_fold
from meterhouse.run.prepaid import recorded as recorded_payments
from meterhouse.run.rating import LAST, rate_due
from meterhouse.run.scratch import scratch_run
from meterhouse.run.usage import fold_usage
from meterhouse.run.windows import make_windows
from meterhouse.schema import FACTS

# Every window due with what was recorded of it: by the documents of the run, else by earlier ones.
RECORDED = """
create or replace temp view recorded_windows as
with recorded as (
    select window_id, dimensions, determinant_id, event_count, quantity
    from (
        select *, true as is_own from lake.facts.billed_determinants where {own}
        union all by name
        select *, false as is_own from facts.billed_determinants
    )
    qualify row_number() over (
        partition by window_id, dimensions order by is_own desc, batch_seq desc, row_no desc
    ) = 1
)
select windows.* replace (coalesce(recorded.dimensions, windows.dimensions) as dimensions),
    recorded.determinant_id, recorded.event_count,
    coalesce(recorded.determinant_id, windows.window_id) as rated_id,
    coalesce(recorded.quantity, windows.fixed_quantity) as asked,
    windows.window_id in (select window_id from last_windows)
        and windows.window_id not in (select window_id from {early}) as is_period_last
from billing.charge_windows as windows left join recorded using (window_id)
where windows.due_on <= date '{through}'
or windows.window_id in (
    select window_id from facts.standing_lines where due_on <= date '{through}'
)
or windows.window_id in (select window_id from {early})
"""
REBUILT = f"""
create or replace temp table rebuilt_windows as
select * from recorded_windows
where rated_id in (select rated_id from mine)
or (price_model in {WHOLE} and window_id in (select rated_id from mine))
-- Tiers go on where the other windows of a divided period ended.
or (asked is not null and (contract_id, item_id, period_start_on) in (
    select (contract_id, item_id, period_start_on) from recorded_windows
    where rated_id in (select rated_id from mine) or window_id in (select rated_id from mine)
)) or (
    asked is not null and contract_id in (select contract_id from keys) and (
        modifiers is not null
        or contract_id in (select contract_id from book.contracts where modifiers is not null)
    )
)
"""
ISSUED = """
select documents.*, exists (
    select 1 from facts.commands as commands
    where commands.kind = 'credit' and commands.subject_id = documents.document_id
) as is_by_hand
from facts.documents as documents
"""
Level = Literal["determinants", "events", "both"]
LEVELS: dict[Level, tuple[Literal["determinants", "events"], ...]] = {
    "determinants": ("determinants",),
    "events": ("events",),
    "both": ("determinants", "events"),
}


@dataclass(frozen=True)
class Rebuilt:
    """One document compared; `path` is the first JSON path (or file) that differs."""

    number: str
    is_identical: bool
    path: str | None = None
    stored: str | None = None
    rebuilt: str | None = None
    note: str = ""


def rebuild(lake: Lake, numbers: Sequence[str] | None, level: Level = "both") -> list[Rebuilt]:
    """Rebuild the documents named, or all; one result per document, in order of number."""
    with lake.reading() as db:
        damaged = lake.verify(db, list(FACTS))
        try:
            documents = _documents(db, numbers)
        except duckdb.Error as error:
            if not damaged:
                raise
            return _all_unreadable(db, numbers, damaged, error)
    results: dict[str, Rebuilt] = {}
    by_hand = documents.filter(pl.col("is_by_hand"))
    for (known_at,), group in by_hand.group_by("known_at"):
        found = _credited_again(lake, int(str(known_at)), group)
        results.update({result.number: result for result in found})
    for (known_at, through), group in documents.filter(~pl.col("is_by_hand")).group_by(
        "known_at", "through"
    ):
        found = _rebuild_group(lake, int(str(known_at)), through, group, level)
        results.update({result.number: result for result in found})
    damage = _damage(damaged)
    return [results[n] if damage is None else _worse(results[n], damage) for n in sorted(results)]


def _all_unreadable(
    db: duckdb.DuckDBPyConnection,
    numbers: Sequence[str] | None,
    damaged: list[Corrupt],
    error: duckdb.Error,
) -> list[Rebuilt]:
    """No document can be read: each one asked for differs, and the damaged file says why."""
    rows = db.execute("select distinct number from facts.billed_lines order by 1").fetchall()
    asked = sorted(numbers) if numbers is not None else [row[0] for row in rows]
    reason = str(error).splitlines()[0]
    return [
        Rebuilt(number, False, damaged[0].path, "unreadable", None, f"{damaged[0]} ({reason})")
        for number in asked
    ]


def _documents(db: duckdb.DuckDBPyConnection, numbers: Sequence[str] | None) -> pl.DataFrame:
    documents = db.sql(ISSUED).pl()
    if numbers is None:
        return documents
    unknown = sorted(set(numbers) - set(documents["number"].to_list()))
    if unknown:
        raise UsageError(
            f"No document has the number {', '.join(unknown)}. Nothing was rebuilt. "
            "`meterhouse invoices list` shows the numbers."
        )
    return documents.filter(pl.col("number").is_in(list(numbers)))


def _credited_again(lake: Lake, known_at: int, group: pl.DataFrame) -> list[Rebuilt]:
    """Credit notes by hand hang on their request and their invoice, not on a run."""
    try:
        with lake.reading(known_at) as db:
            made = recomposed(db, group["document_id"].to_list())
    except (MeterhouseError, duckdb.Error) as error:
        return [_unreadable(number, error, "the request") for number in group["number"]]
    contents = pl.DataFrame(
        {"draft_id": list(made), "content": list(made.values())},
        schema={"draft_id": pl.String, "content": pl.String},
    )
    return _compared(group, contents, "the request")


def _rebuild_group(
    lake: Lake, known_at: int, through: Any, group: pl.DataFrame, level: Level
) -> list[Rebuilt]:
    """Documents of one run share its windows, fold and drafts."""
    found: dict[str, Rebuilt] = {}
    with scratch_run(lake, through, known_at) as run:
        with run.warehouse.connect(run.pin, known_at) as db:
            make_windows(run, db)
        for one in LEVELS[level]:
            try:
                drafts = _drafts_from(run, one)
                compared = _compared(group, drafts, one)
            except (MeterhouseError, duckdb.Error) as error:
                compared = [_unreadable(number, error, one) for number in group["number"]]
            for result in compared:
                before = found.get(result.number)
                if before is None or not result.is_identical:
                    found[result.number] = before if before and not before.is_identical else result
                elif before.is_identical:
                    found[result.number] = replace(result, note=f"{before.note} and {result.note}")
    return list(found.values())


def _drafts_from(run: Run, level: Literal["determinants", "events"]) -> pl.DataFrame:
    """One row per draft: draft_id and content, made again at the level asked for."""
    if level == "events":
        with run.warehouse.connect(run.pin, run.known_at) as db:
            fold_from = plan_fold(run, db)
        fold_usage(run, fold_from)
        with run.warehouse.connect(run.pin, run.known_at) as db:
            rate_due(run, db)
            make_drafts(run, db)
            return db.sql("select draft_id, content from billing.drafts").pl()
    with run.warehouse.connect(run.pin, run.known_at) as db:
        return _from_determinants(run, db)


def _from_determinants(run: Run, db: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """Rate the recorded determinants of every document of the run, and nothing else."""
    own = (
        "document_id in (select document_id from lake.facts.documents "
        f"where known_at = {int(run.known_at)} and through = date '{run.through:%Y-%m-%d}')"
    )
    keys = db.sql(
        f"select distinct line_key, contract_id from lake.facts.billed_lines where {own}"
    ).pl()
    thresholds.recall(run, db, own)
    db.execute(LAST)
    early = {"own": own, "through": run.through.isoformat(), "early": thresholds.TABLE}
    db.execute(RECORDED.format(**early))
    recorded = db.sql(f"from {merged(db, 'recorded_windows')}").pl()
    mine = with_line_key(recorded).join(keys, on="line_key", how="semi")
    db.register("mine", mine.select("rated_id").to_arrow())
    db.register("keys", keys.to_arrow())
    # Modifiers look at other windows of their contract, as far as anything is recorded of them.
    db.execute(REBUILT)
    windows, parts = merged(db, "rebuilt_windows"), parts_of(db, "rebuilt_windows")
    lines = charged(read_windows(db, windows), read_contracts(db), run.through, parts)
    db.register("lines", lines.to_arrow())
    desired = db.sql(LINES.format(windows=windows)).pl()
    before = billed(db, "contract_id in (select contract_id from keys)")
    for name in ("lines", "keys", "mine"):
        db.unregister(name)
    found = difference(desired, before, run.through, run.through, thresholds.early(db))
    found = with_added(db, found, run.through)
    lines = found.join(keys, on="line_key", how="semi", maintain_order="left")
    heads = compose(db, lines, recorded_payments(db), balance.recorded(db)).drafts
    return heads.select("draft_id", "content")


def _compared(group: pl.DataFrame, drafts: pl.DataFrame, level: str) -> list[Rebuilt]:
    head = group.select("document_id", "number", "run_id", "known_at", "through")
    stored = dict(group.select("number", "content").iter_rows())
    joined = head.join(drafts, left_on="document_id", right_on="draft_id", how="left")
    texts = dict(zip(joined["number"], issued(joined), strict=True))
    return [_compare(number, stored[number], texts[number], level) for number in stored]


def _compare(number: str, stored: str, rebuilt: str | None, level: str) -> Rebuilt:
    note = f"from {level}"
    if rebuilt == stored:
        return Rebuilt(number, True, note=note)
    if rebuilt is None:
        return Rebuilt(number, False, "$", "a document", "no document", note)
    try:
        found = first_difference(json.loads(stored), json.loads(rebuilt))
    except json.JSONDecodeError as error:
        return Rebuilt(number, False, "$", f"not JSON: {error}", "a document", note)
    if found is None:
        return Rebuilt(number, False, "$", "other bytes", "the same values", note)
    return Rebuilt(number, False, found.path, str(found.stored), str(found.rebuilt), note)


def _unreadable(number: str, error: Exception, level: str) -> Rebuilt:
    return Rebuilt(number, False, "$", "unreadable facts", str(error).splitlines()[0], level)


def _damage(damaged: list[Corrupt]) -> Rebuilt | None:
    if not damaged:
        return None
    files = ", ".join(fault.path for fault in damaged)
    note = f"damaged files: {files}; restore them from a backup"
    return Rebuilt("", False, damaged[0].path, str(damaged[0]), None, note)


def _worse(result: Rebuilt, damage: Rebuilt) -> Rebuilt:
    """A difference inside the document says more than the damaged file behind it."""
    if result.is_identical:
        return replace(damage, number=result.number)
    return replace(result, note=f"{result.note}; {damage.note}")
