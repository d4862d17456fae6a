"""What people decided on drafts: approved, discarded, reopened, each on the content as it stood."""

import duckdb
import polars as pl

from meterhouse.canonical_columns import array_of, integer, short_sha256, string
from meterhouse.lake import Commit
from meterhouse.run.commands import SCHEMA

APPROVED, DISCARDED, REOPENED = "approve", "discard", "reopen"
# A draft that was discarded or reopened needs its approvals anew.
DECISIONS = f"""
with given as (
    select drafts.draft_id, commands.kind, commands.actor, commands.batch_seq,
        commands.content_hash = drafts.content_hash as is_current, commands.sentence
    from facts.commands as commands
    join drafts_in as drafts on drafts.draft_id = commands.subject_id
    where commands.kind in ('{APPROVED}', '{DISCARDED}', '{REOPENED}')
        and commands.result = 'done'
),
turned as (
    select draft_id, max(batch_seq) as turned_seq, arg_max(kind, batch_seq) as last_turn,
        arg_max(actor, batch_seq) as turned_by, arg_max(sentence, batch_seq) as reason
    from given where is_current and kind <> '{APPROVED}'
    group by draft_id
)
select draft_id,
    coalesce(list(distinct actor order by actor) filter (
        kind = '{APPROVED}' and is_current and batch_seq > coalesce(turned_seq, 0)
    ), []) as people,
    bool_or(kind = '{APPROVED}') as was_approved,
    coalesce(any_value(last_turn) = '{DISCARDED}', false) as is_discarded,
    any_value(turned_by) as turned_by, any_value(reason) as reason
from given left join turned using (draft_id)
group by draft_id
"""


def decisions(db: duckdb.DuckDBPyConnection, drafts: pl.DataFrame) -> pl.DataFrame:
    """One row per draft that somebody decided on: people who approve it as it is now, whether an
    earlier content was approved, whether it is discarded, by whom and why."""
    db.register("drafts_in", drafts.select("draft_id", "content_hash").to_arrow())
    found = db.sql(DECISIONS).pl()
    db.unregister("drafts_in")
    return found


def discarded(found: pl.DataFrame) -> dict[str, str]:
    """Draft to the sentence who took it off the table."""
    rows = found.filter("is_discarded").select("draft_id", "turned_by", "reason")
    return {
        draft: f"{actor} discarded it: {reason} `meterhouse invoices reopen` takes that back."
        for draft, actor, reason in rows.iter_rows()
    }


def append_commands(commit: Commit, commands: pl.DataFrame) -> None:
    """Append commands as facts: kind, subject_id, content_hash, payload and sentence of each.

    As `commands.record`, for as many as there may be drafts.
    """
    key = [string(pl.col(name)) for name in ("kind", "subject_id", "content_hash")]
    texts = commands.select(text=array_of(*key, integer(pl.lit(commit.batch_seq)))).to_series()
    made = commands.with_columns(
        command_id=short_sha256(texts),
        actor=pl.lit(commit.lake.settings.actor),
        result=pl.lit("done"),
    ).select(*SCHEMA)
    commit.db.register("commands_in", made.to_arrow())
    commit.append(
        "commands",
        "select *, ?::timestamptz as given_at from commands_in",
        [commit.lake.settings.now()],
    )
    commit.db.unregister("commands_in")
