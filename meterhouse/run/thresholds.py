"""Contracts whose usage has reached a threshold: begun windows are billed before they are due.

A window that was billed early goes on being rated, so that grants and commitments count it, and
is billed again only when the next threshold is reached or when it is due. Then the difference is:
what all its usage costs, less what was billed early. See meterhouse/invoicing/thresholds.py.
"""

from collections.abc import Callable

import duckdb
import polars as pl

from meterhouse.invoicing.difference import NOTHING_EARLY, Early
from meterhouse.invoicing.thresholds import LOOKS, THRESHOLDS, crossed
from meterhouse.money import AMOUNT
from meterhouse.run.context import Run

TABLE = "billing.early_windows"
# One row per window that has begun and is not due, of a contract that has reached a threshold now
# (`is_reached`) or was billed early before; `usage_amount` is that of all usage of the contract.
SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "window_id": pl.String,
    "contract_id": pl.String,
    "due_on": pl.Date,
    "is_reached": pl.Boolean,
    "usage_amount": AMOUNT,
    "level": pl.Int64,
}
HAS = "threshold_amounts is not null or threshold_every is not null"
# What has begun counts with all that is known of it, on whatever day it was used.
OPEN = """
select windows.window_id, windows.contract_id, windows.due_on, true as is_reached,
    cast(0 as decimal(38, 18)) as usage_amount, 0::bigint as level
from billing.charge_windows as windows
where component = 'usage' and window_start_on < date '{through}' and due_on > date '{through}'
    and contract_id in (select contract_id from book.contracts where {has})
    and window_id not in (
        select window_id from facts.standing_lines where due_on <= date '{through}'
    )
    and ({of})
"""
GIVEN = """
select contract_id as account_id, unnest(threshold_amounts::json::decimal(38, 18)[]) as amount,
    false as is_recurring
from book.contracts where threshold_amounts is not null
union all
select contract_id, threshold_every, true from book.contracts where threshold_every is not null
"""
# The most that was ever billed for usage: falling back and reaching a threshold again is nothing.
BILLED = f"""
select contract_id, max(so_far) as most
from (
    select contract_id, cast(sum(sum(amount)) over (
        partition by contract_id order by batch_seq
    ) as decimal(38, 18)) as so_far
    from facts.standing_lines
    where role = 'usage' and contract_id in (select contract_id from book.contracts where {HAS})
    group by contract_id, batch_seq
)
group by contract_id
"""
BEFORE = f"""
select distinct lines.contract_id, lines.due_on
from facts.standing_lines as lines join facts.documents as documents using (document_id)
where documents.through < lines.due_on
    and lines.contract_id in (select contract_id from book.contracts where {HAS})
"""
BEGUN = f"""
select line_key
from facts.standing_lines as lines join facts.documents as documents using (document_id)
where lines.contract_id in (select contract_id from book.contracts where {HAS})
group by line_key having bool_and(documents.through < lines.due_on)
"""
# Open windows of boundaries that a run billed early, or that were billed early before it.
RECALLED = """
with own as (
    select distinct contract_id, due_on, true as is_reached
    from lake.facts.billed_lines where {own} and due_on > date '{through}'
),
before as (
    select distinct lines.contract_id, lines.due_on, true as was_early
    from facts.standing_lines as lines join facts.documents as documents using (document_id)
    where documents.through < lines.due_on
)
select windows.window_id, contract_id, due_on, coalesce(is_reached, false) as is_reached,
    cast(null as decimal(38, 18)) as usage_amount, cast(null as bigint) as level
from billing.charge_windows as windows
left join own using (contract_id, due_on) left join before using (contract_id, due_on)
where component = 'usage' and window_start_on < date '{through}' and due_on > date '{through}'
    and (is_reached or was_early)
    and contract_id in (select contract_id from book.contracts where {has})
    and window_id not in (
        select window_id from facts.standing_lines where due_on <= date '{through}'
    )
"""
Rate = Callable[[str], pl.DataFrame]


def find_reached(run: Run, db: duckdb.DuckDBPyConnection, of: str, rate: Rate) -> None:
    """Replace billing.early_windows; those of contracts that are not rated now stay.

    `of` is SQL over a row of `windows`. `rate` gives, for such SQL, the lines that windows come to
    with those of the table: contract_id, window_id, component and amount.
    """
    others = _of_others(db, of)
    opened = pl.DataFrame(schema=SCHEMA)
    if _has_thresholds(db):
        opened = db.sql(OPEN.format(through=run.through.isoformat(), has=HAS, of=of)).pl()
    if opened.is_empty():
        run.warehouse.replace(db, TABLE, others)
        return
    candidates = opened.select(*SCHEMA).cast(pl.Schema(SCHEMA))
    run.warehouse.replace(db, TABLE, pl.concat([others, candidates]))
    mine = f"({of}) and windows.contract_id in (select contract_id from {TABLE} where is_reached)"
    found = _reached(db, opened, rate(mine))
    run.warehouse.replace(db, TABLE, pl.concat([others, found]))


def recall(run: Run, db: duckdb.DuckDBPyConnection, own: str) -> None:
    """Replace billing.early_windows by what the documents of an earlier run say of it.

    `own` is SQL over lake.facts.billed_lines: the lines of that run.
    """
    run.warehouse.replace_by(
        db, TABLE, RECALLED.format(through=run.through.isoformat(), own=own, has=HAS)
    )


def early(db: duckdb.DuckDBPyConnection, table: str = TABLE) -> Early:
    """What is billed now before it is due, and the lines that only such documents billed."""
    if not _has_thresholds(db):
        return NOTHING_EARLY
    boundaries = f"select distinct contract_id, due_on from {table} where is_reached"
    return Early(db.sql(boundaries).pl(), db.sql(BEGUN).pl())


def _has_thresholds(db: duckdb.DuckDBPyConnection) -> bool:
    """Few books have any: then nothing that was billed is read for them."""
    return db.execute(f"select 1 from book.contracts where {HAS} limit 1").fetchone() is not None


def _of_others(db: duckdb.DuckDBPyConnection, of: str) -> pl.DataFrame:
    if of == "true":
        return pl.DataFrame(schema=SCHEMA)
    return db.sql(
        f"from {TABLE} anti join (select contract_id from billing.charge_windows as windows "
        f"where {of}) using (contract_id)"
    ).pl()


def _reached(
    db: duckdb.DuckDBPyConnection, opened: pl.DataFrame, lines: pl.DataFrame
) -> pl.DataFrame:
    """The open windows that are billed now, or that were billed early before."""
    usage = lines.filter(pl.col("component") == "usage")
    total = pl.col("amount").sum().cast(AMOUNT)
    due = usage.join(opened, on="window_id", how="anti").group_by("contract_id").agg(due=total)
    amounts = (
        usage.group_by("contract_id").agg(usage_amount=total)
        .join(due, on="contract_id", how="left")
        .join(db.sql(BILLED).pl(), on="contract_id", how="left")
    )  # fmt: skip
    # What is due is billed in any case: only what comes on top of it can be the cause.
    before = pl.max_horizontal(pl.col("due").fill_null(0), pl.col("most").fill_null(0))
    looks = [
        amounts.select(
            account_id="contract_id", look_no=pl.lit(number, pl.Int64),
            lifetime_amount=amount.cast(AMOUNT),
        )
        for number, amount in enumerate((before, pl.col("usage_amount")))
    ]  # fmt: skip
    given = db.sql(GIVEN).pl().select(*THRESHOLDS).cast(pl.Schema(THRESHOLDS))
    last = crossed(pl.concat(looks).select(*LOOKS), given).filter(pl.col("look_no") == 1)
    reached = last.select(
        contract_id="account_id", is_reached="is_crossed", usage_amount="lifetime_amount",
        level="level",
    )  # fmt: skip
    billed_before = db.sql(BEFORE).pl().with_columns(was_early=True)
    return (
        opened.select("window_id", "contract_id", "due_on")
        .join(reached, on="contract_id")
        .join(billed_before, on=["contract_id", "due_on"], how="left")
        .filter(pl.col("is_reached") | pl.col("was_early").fill_null(value=False))
        .select(*SCHEMA)
        .cast(pl.Schema(SCHEMA))
    )
