"""What was imported from the system before, and what is left of it by now."""

import json
from typing import Any

from meterhouse.lake import Lake

IMPORTS = """
select subject_id as import_id, batch_seq, actor, given_at, payload
from facts.commands where kind = 'history' order by batch_seq
"""
# By entity and currency, what was open at the cut-over and what the ledger still holds of it.
OPEN = """
with opened as (
    select case lines.account when 'accounts_receivable' then 'open items'
            when 'deferred_revenue' then 'deferred' else 'credit' end as what,
        lines.account, entries.entity_id, entries.currency, entries.document_id, lines.contract_id,
        lines.item_id, lines.window_start_on, sum(lines.debit - lines.credit) as amount
    from facts.journal_lines as lines join facts.journal_entries as entries using (entry_id)
    where entries.event = 'history.opened' and (
        lines.customer_id is not null and lines.account <> 'opening_balances'
    )
    group by all
),
moved as (
    select lines.account, entries.document_id, lines.contract_id, lines.item_id,
        lines.window_start_on, entries.event, sum(lines.debit - lines.credit) as amount
    from facts.journal_lines as lines join facts.journal_entries as entries using (entry_id)
    where entries.event not in ('history.opened', 'history.imported')
        and lines.account in (select account from opened)
    group by all
),
-- Lots are drawn by documents of their own; receivables and schedules are named by their entries.
since as (
    select opened.*, coalesce((
        select sum(moved.amount) from moved
        where moved.account = opened.account and (
            moved.document_id = opened.document_id
            or opened.what = 'credit' and moved.contract_id = opened.contract_id
                and moved.item_id = opened.item_id
                and moved.window_start_on = opened.window_start_on
        )
    ), 0) as gone
    from opened
)
select what, entity_id, currency, abs(sum(amount))::decimal(38, 4) as at_cut_over,
    abs(sum(amount + gone))::decimal(38, 4) as left
from since group by what, entity_id, currency order by all
"""


def history_report(lake: Lake) -> dict[str, Any]:
    """`imports`: who imported what, when; `open`: what was open, and what is left of it."""

    with lake.reading() as db:
        imports = db.sql(IMPORTS).pl().to_dicts()
        found = db.sql(OPEN).pl().to_dicts()
    told = [
        {
            **{name: one[name] for name in ("import_id", "batch_seq", "actor")},
            "given_at": one["given_at"].isoformat(timespec="seconds"),
            "files": json.loads(one["payload"])["files"],
        }
        for one in imports
    ]
    for one in told:
        one["rows"] = sum(one["files"].values())
    amounts = ("at_cut_over", "left")
    left = [{**one, **{name: str(one[name]) for name in amounts}} for one in found]
    return {"imports": told, "open": left}
