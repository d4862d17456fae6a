"""The files of the demo, loaded into a real lake, give what the plan says."""

from collections import Counter
from datetime import date
from itertools import pairwise

import polars as pl
import pytest

from meterhouse.demo.records import API_FAULTS, STORAGE_FAULTS
from meterhouse.run.book import flatten
from meterhouse.run.ingest import OUTCOMES, ingest

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("demo")]


def outcomes(loaded):
    total = Counter({name: sum(getattr(one, name) for one in loaded) for name in OUTCOMES})
    return {name: count for name, count in total.items() if count}


def test_each_stage_gives_the_outcomes_of_the_plan(demo):
    got = [outcomes(loaded) for loaded in demo.loaded]
    assert got == [dict(stage.outcomes) for stage in demo.plan.stages]


def test_every_reason_of_the_plan_is_met_as_often_as_said(demo):
    with demo.lake.reading() as db:
        got = db.execute(
            "select reason, count(*) from facts.rejected_events group by reason"
        ).fetchall()
    assert dict(got) == demo.plan.reasons
    assert set(demo.plan.reasons) == {*API_FAULTS, *STORAGE_FAULTS}


def test_every_spoilt_record_is_wrong_in_one_thing_only(demo):
    with demo.lake.reading() as db:
        found = db.execute(
            "select distinct detail from facts.rejected_events where contains(detail, ';') "
            "and reason not in ('exponent_form', 'too_many_decimals', 'bad_record')"
        ).fetchall()
    assert found == []


def test_only_the_named_customers_are_in_conflict(demo):
    with demo.lake.reading() as db:
        found = db.execute("select customer_id, occurred_at::date from facts.conflicts").fetchall()
    assert {customer for customer, _ in found} == set(demo.plan.in_conflict)
    assert len(found) == demo.plan.outcomes["conflict"] == 4
    assert all(day < date(2026, 9, 1) for _, day in found)


def test_only_the_named_customers_use_outside_of_their_contracts(demo):
    with demo.lake.reading() as db:
        flatten(db)
        contracts = db.sql("from book.contracts").pl()
        events = db.sql(
            "select source, event_id, customer_id, occurred_at from facts.usage_events"
        ).pl()
    met = events.join(contracts, on="customer_id", how="left")
    within = pl.lit(False)
    for zone in contracts["zone"].unique().to_list():
        day = pl.col("occurred_at").dt.convert_time_zone(zone).dt.date()
        is_in_life = (day >= pl.col("start_on")) & (day < pl.col("end_on").fill_null(date.max))
        within = within | ((pl.col("zone") == zone) & is_in_life)
    covered = met.with_columns(within=within.fill_null(False))
    loose = covered.group_by("source", "event_id", "customer_id").agg(pl.col("within").any())
    outside = set(loose.filter(~pl.col("within"))["customer_id"])
    assert outside == set(demo.plan.without_contract)


def test_one_event_in_fifty_or_so_comes_after_its_month_was_billed(demo):
    ends = [first[-1].batch_seq for first in demo.loaded[:3]]
    with demo.lake.reading() as db:
        late = [
            db.execute(
                "select count(*) from facts.usage_events "
                "where batch_seq > ? and batch_seq <= ? and event_day < ?",
                [before, upto, day],
            ).fetchone()[0]
            for (before, upto), day in zip(
                pairwise(ends), (date(2026, 8, 31), date(2026, 9, 30)), strict=True
            )
        ]
    accepted = demo.plan.outcomes["accepted"]
    assert 0.01 < sum(late) / accepted < 0.03


def test_the_correction_is_for_a_billed_month_of_the_largest_customer(demo):
    before = max(one.batch_seq or 0 for loaded in demo.loaded[:3] for one in loaded)
    with demo.lake.reading() as db:
        late = db.execute(
            "select customer_id, min(occurred_at) >= timestamptz '2026-10-01 04:00:00+00', "
            "max(occurred_at) < timestamptz '2026-11-01 04:00:00+00' "  # New York's October in UTC
            "from facts.usage_events where batch_seq > ? group by customer_id",
            [before],
        ).fetchall()
        largest = db.execute(
            "select customer_id from facts.usage_events where event_type = 'completion' "
            "group by customer_id order by sum(p_tokens_in) desc limit 1"
        ).fetchone()
    assert late == [(demo.plan.largest, True, True)]
    assert largest == (demo.plan.largest,)


def test_an_old_name_and_an_own_offset_are_read(demo):
    with demo.lake.reading() as db:
        legacy = db.execute(
            "select count(*), max(event_day) from facts.usage_events where subject like '%-legacy'"
        ).fetchone()
    assert legacy[0] > 0
    assert legacy[1] == date(2026, 8, 31)
    assert b"+05:45" in demo.plan.stages[0].files["api"][0].read_bytes()


def test_loading_again_changes_nothing(demo):
    before = demo.lake.head().batch_seq
    again = ingest(demo.lake)
    assert outcomes(again) == {}
    assert all(one.batch_seq is None for one in again)
    assert demo.lake.head().batch_seq == before
