"""Corrections as tests give them, and what an event is worth after them."""

import json

import polars as pl

from meterhouse.run.amending import ASKED

SEPTEMBER = "2025-09-12T12:00:00Z"
LIVE = """
select events.source, events.event_id, events.occurred_at, events.p_tokens
from facts.usage_events as events
anti join (
    select replaces_seq, replaces_row from facts.usage_events where replaces_seq is not null
) as newer on newer.replaces_seq = events.batch_seq and newer.replaces_row = events.row_no
where events.action is distinct from 'void'
order by all
"""


def asked(*ids, source="api", time=None, **values):
    """The events to correct, all in one way."""
    rows = [
        (number, f"row {number}: ", source, id, time, json.dumps(values))
        for number, id in enumerate(ids, 1)
    ]
    return pl.DataFrame(rows, schema=ASKED, orient="row")


def live(home):
    """Id to tokens of every event in force; fails if one is there twice."""
    rows = home.rows(LIVE)
    found = {row[1]: int(row[3]) for row in rows}
    assert len(found) == len(rows), rows
    return found


def balanced(home):
    """Whether every batch adds up and accepted what it stored."""
    off = home.rows(
        "select batch_seq from facts.batches where received + released "
        "<> accepted + duplicate + conflict + quarantined + refused"
    )
    lost = home.rows(
        "with said as (select batch_seq, sum(accepted) as n from facts.batches group by 1), "
        "stored as (select batch_seq, count(*) as n from facts.usage_events group by 1) "
        "select * from said full join stored using (batch_seq) "
        "where coalesce(said.n, 0) <> coalesce(stored.n, 0)"
    )
    return off == [] and lost == []
