"""Small amounts that corrections would ask for after all: written off when others are issued.

A draft that only corrects what was invoiced before, asks for something and comes to less than its
entity's `write_off_below` is not issued: its lines become facts.written_off, which count as billed
from then on. Never a decrease, and per payer, currency and year no more than `write_off_limit`.
No entry is posted, because none of it was recognised; what a close accrued of it, the next close
takes back. Who names a draft to issue has it issued.
"""

from collections.abc import Mapping

import duckdb
import polars as pl

from meterhouse.invoicing.by_hand import BY_HAND
from meterhouse.lake import Commit, Lake
from meterhouse.pricing.order import MODIFIERS
from meterhouse.schema import FACTS

# How many times `write_off_below` a payer has in a year where no limit is given.
TIMES = 10
HAS = "select 1 from book.entities where write_off_below is not null limit 1"
# Drafts that are small enough, and how much the payer had and would have in the year with them.
SMALL = f"""
with limits as (
    select entity_id, currency,
        cast(write_off_below->>('$.' || currency) as decimal(38, 18)) as below,
        coalesce(
            cast(write_off_limit->>('$.' || currency) as decimal(38, 18)),
            cast({TIMES} * cast(write_off_below->>('$.' || currency) as decimal(38, 18))
                as decimal(38, 18))
        ) as most
    from (
        select entity_id, write_off_below, write_off_limit,
            unnest(json_keys(write_off_below)) as currency
        from book.entities where write_off_below is not null
    )
),
corrections as (
    select draft_id from billing.draft_lines group by draft_id
    having bool_and(
        is_correction and original_number is not null and role not in {(*MODIFIERS, *BY_HAND)}
    )
),
earlier as (
    select entity_id, payer_id, currency, year(written_on) as of_year, sum(amount) as amount
    from facts.standing_write_offs group by all
),
small as (
    select drafts.*, most, year(invoice_date) as of_year
    from billing.drafts as drafts semi join corrections using (draft_id)
    join limits using (entity_id, currency)
    where total > 0 and net > 0 and total < below
        and draft_id in (select draft_id from asked)
        -- What was written off since these drafts were made.
        and draft_id not in (
            select draft_id from facts.written_off
            where batch_seq > (select known_at from ops.run)
        )
)
select small.draft_id
from small left join earlier
    on earlier.entity_id = small.entity_id and earlier.payer_id = small.customer_id
    and earlier.currency = small.currency and earlier.of_year = small.of_year
qualify coalesce(earlier.amount, 0) + sum(net) over (
    partition by small.entity_id, small.customer_id, small.currency, small.of_year
    order by small.draft_id
) <= most
"""
LINES = """
select lines.* replace (amount + coalesce(tax_included, 0) as amount),
    drafts.invoice_date as written_on, (select run_id from ops.run) as run_id
from billing.draft_lines as lines
join (select draft_id, invoice_date from billing.drafts) as drafts using (draft_id)
where lines.draft_id in (select draft_id from asked)
order by draft_id, line_no
"""


def free(
    drafts: pl.DataFrame, kept: Mapping[str, tuple[str, str]], held: Mapping[str, str]
) -> list[str]:
    """The drafts that could be written off: nothing holds them but that somebody approves them,
    which what is asked of nobody does not need."""
    waiting = {
        draft
        for draft, (state, why) in kept.items()
        if (state, why) == ("waiting", held.get(draft))
    }
    return [one for one in drafts["draft_id"].sort() if one in waiting or one not in held]


def small_lines(db: duckdb.DuckDBPyConnection, drafts: list[str]) -> pl.DataFrame:
    """The lines of those of the drafts that are written off, columns of facts.written_off."""
    columns = list(FACTS["written_off"])
    if not drafts or db.execute(HAS).fetchone() is None:
        return pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
    small = _of(db, drafts, SMALL)["draft_id"].to_list()
    return _of(db, small, LINES).select(columns)


def _of(db: duckdb.DuckDBPyConnection, drafts: list[str], sql: str) -> pl.DataFrame:
    asked = pl.DataFrame({"draft_id": drafts}, schema={"draft_id": pl.String})
    db.register("asked", asked.to_arrow())
    found = db.sql(sql).pl()
    db.unregister("asked")
    return found


def append(commit: Commit, lines: pl.DataFrame) -> None:
    """Write the lines as facts, if there are any."""
    if lines.is_empty():
        return
    commit.db.register("frame_in", lines.to_arrow())
    commit.append("written_off", "select * from frame_in")
    commit.db.unregister("frame_in")


def alone(lake: Lake, lines: pl.DataFrame) -> int | None:
    """Write off in a commit of its own, where nothing is issued beside it; returns its batch."""
    if lines.is_empty():
        return None

    def write(commit: Commit) -> int:
        append(commit, lines)
        return commit.batch_seq

    with lake.session() as session:
        return lake.commit(session, write)
