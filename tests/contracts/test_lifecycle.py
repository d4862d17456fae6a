from datetime import date, timedelta
from decimal import Decimal

import duckdb
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from meterhouse.canonical import canonical_json
from meterhouse.contracts.documents import Contract
from meterhouse.contracts.profile import Profile, resolved
from meterhouse.contracts.segments import PAUSES, PRICES, QUANTITIES, Series
from meterhouse.contracts.windows import charge_windows
from meterhouse.money import QUANTITY
from meterhouse.periods import zone_days
from meterhouse.pricing.charging import charge_lines
from meterhouse.run.book import flatten
from meterhouse.run.windows import read_series
from tests.contracts.test_windows import ALWAYS, CONTRACT, CONTRACT_SCHEMA, ITEM, ITEM_SCHEMA

DAYS = zone_days(["UTC"], date(2021, 1, 1), date(2030, 1, 1))
START = date(2024, 1, 1)
HORIZON = date(2024, 4, 1)
FLAT = '{"amount":"10","model":"flat"}'


def series(quantities=(), prices=(), pauses=()):
    key = {"contract_id": "c", "slot_from": ALWAYS, "item_id": "seats"}
    return Series(
        pl.DataFrame([{**key, "from_on": on, "quantity": q} for on, q in quantities], QUANTITIES),
        pl.DataFrame(
            [
                {
                    **key,
                    "from_on": on,
                    "price_model": "flat",
                    "price": f'{{"amount":"{amount}","model":"flat"}}',
                }
                for on, amount in prices
            ],
            PRICES,
        ),
        pl.DataFrame([("c", *days) for days in pauses], PAUSES, orient="row"),
    )


def windows(told=None, contract=None, item=None, horizon=HORIZON):
    contracts = pl.DataFrame([CONTRACT | {"zone": "UTC"}], schema=CONTRACT_SCHEMA)
    contracts = contracts.with_columns(**{n: pl.lit(v) for n, v in (contract or {}).items()})
    items = pl.DataFrame([ITEM], schema=ITEM_SCHEMA)
    items = items.with_columns(**{n: pl.lit(v) for n, v in (item or {}).items()})
    return charge_windows(contracts, items, DAYS, horizon, told or Series())


def lines(told=None, **more):
    frame = windows(told, **more)
    asked = frame.with_columns(quantity=pl.col("fixed_quantity").cast(QUANTITY))
    return frame.join(
        charge_lines(asked).select("window_id", "amount", "steps"), on="window_id", validate="1:1"
    ).sort("window_start_on")


def amounts(frame):
    return [str(amount.normalize() + 0) for amount in frame["amount"]]


def spans(frame):
    return [
        (start.isoformat(), end.isoformat())
        for start, end in frame.select("window_start_on", "window_end_on").rows()
    ]


@pytest.mark.parametrize(
    ("every", "unit", "start", "anchor", "expected"),
    [
        (1, "week", date(2024, 1, 3), None, ["01-03", "01-10", "01-17"]),
        (10, "day", date(2024, 1, 3), None, ["01-03", "01-13", "01-23"]),
        (3, "month", date(2024, 1, 31), None, ["01-31", "04-30", "07-31"]),
        (3, "month", date(2024, 1, 3), 15, ["01-03", "01-15", "04-15"]),
        (1, "month", date(2024, 1, 30), None, ["01-30", "02-29", "03-30"]),
        (2, "week", date(2024, 1, 3), None, ["01-03", "01-17", "01-31"]),
    ],
)
def test_periods_of_any_cadence_begin_on_their_grid(every, unit, start, anchor, expected):
    frame = windows(
        contract={"start_on": start, "anchor_day": anchor},
        item={"cadence_every": every, "cadence_unit": unit},
        horizon=date(2025, 1, 1),
    )
    found = frame["window_start_on"].sort().dt.to_string("%m-%d").to_list()
    assert found[:3] == expected


@pytest.mark.parametrize(
    ("every", "unit", "first", "second"),
    [
        (1, "week", "2024-02-19", "2024-02-26"),
        (1, "month", "2024-02-01", "2024-03-01"),
        (3, "month", "2024-01-01", "2024-04-01"),
        (1, "year", "2024-01-01", "2025-01-01"),
    ],
)
def test_periods_of_the_calendar_do_not_follow_the_start(every, unit, first, second):
    frame = windows(
        contract={"start_on": date(2024, 2, 20), "is_calendar": True},
        item={"cadence_every": every, "cadence_unit": unit},
    )
    assert frame.sort("window_start_on").select(
        pl.col("period_start_on", "period_end_on").dt.to_string("%Y-%m-%d")
    ).row(0) == (first, second)


def test_a_price_that_changes_credits_the_rest_of_what_was_paid():
    frame = lines(series(prices=[(date(2024, 1, 16), "20")]), horizon=date(2024, 2, 1))
    # 30 - round(30 x 16/31) = 14.52 is kept under the key that was billed; 60 x 16/31 is new.
    assert spans(frame) == [("2024-01-01", "2024-02-01"), ("2024-01-16", "2024-02-01")]
    assert amounts(frame) == ["14.52", "30.97"]
    assert frame["served_end_on"].to_list() == [date(2024, 1, 16), date(2024, 2, 1)]
    assert '"step":"unused"' in frame["steps"][0]


def test_an_entry_that_repeats_what_holds_cuts_nothing():
    same = series(prices=[(date(2024, 1, 16), "10")], quantities=[(date(2024, 1, 20), Decimal(3))])
    assert windows(same).equals(windows())


def test_a_pause_is_not_paid_for():
    frame = lines(series(pauses=[(date(2024, 1, 11), date(2024, 1, 21))]), horizon=date(2024, 2, 1))
    assert amounts(frame) == ["9.68", "10.65"]  # 10 and 11 of 31 days.


def test_a_cancellation_gives_back_what_is_left_and_its_day_may_be_paid_for():
    cancelled = {"cancellation_on": date(2024, 1, 16), "cancellation_effective": "at_once"}
    plain = lines(contract=cancelled | {"cancel_day": "not_charged"})
    paid = lines(contract=cancelled | {"cancel_day": "charged"})
    later = lines(contract=cancelled | {"cancel_day": None, "cancellation_effective": "period_end"})
    assert (amounts(plain), amounts(paid), amounts(later)) == (["14.52"], ["15.48"], ["30"])


def test_a_quantity_that_is_charged_whole_is_charged_above_the_highest_only():
    told = series(
        quantities=[
            (date(2024, 1, 6), Decimal(5)),
            (date(2024, 1, 9), Decimal(2)),
            (date(2024, 1, 12), Decimal(6)),
        ]
    )
    frame = lines(told, contract={"prorate_quantity": "full"}, horizon=date(2024, 2, 2))
    assert amounts(frame) == ["30", "20", "10", "60"]


def test_a_fall_may_wait_for_the_next_period():
    told = series(quantities=[(date(2024, 1, 9), Decimal(2))])
    frame = lines(told, contract={"downgrade_effect": "end_of_period"}, horizon=date(2024, 2, 2))
    assert amounts(frame) == ["30", "20"]


def test_fees_begin_when_the_trial_ends_and_are_anchored_there():
    frame = windows(contract={"trial_until": date(2024, 1, 11)}, horizon=date(2024, 2, 20))
    assert spans(frame) == [("2024-01-11", "2024-02-11"), ("2024-02-11", "2024-03-11")]


@given(
    st.lists(st.tuples(st.integers(0, 80), st.integers(0, 9999), st.booleans()), max_size=5).map(
        lambda found: sorted({day: (day, n, q) for day, n, q in found}.values())
    )
)
def test_changes_one_by_one_come_to_what_they_come_to_at_once(changes):
    """What is billed after each change, and in the end, is what is desired in the end."""
    billed: dict[str, Decimal] = {}
    for count in range(len(changes) + 1):
        known = changes[:count]
        told = series(
            [(START + timedelta(d), Decimal(n)) for d, n, is_q in known if is_q],
            [(START + timedelta(d), Decimal(n) / 100) for d, n, is_q in known if not is_q],
        )
        desired = dict(lines(told).select("window_id", "amount").iter_rows())
        # A change never takes the key of what was paid in advance away: it lowers its amount.
        assert set(billed) <= set(desired)
        billed = desired
    at_once = lines(told)
    assert sum(billed.values()) == at_once["amount"].sum()
    assert all(amount >= 0 for amount in billed.values())


def test_the_profile_of_a_contract_stands_before_that_of_its_customer():
    own, customer = Profile(day_count="actual_360"), Profile(day_count="fixed_days", fixed_days=28)
    found = resolved(own, customer)
    assert (found.day_count, found.fixed_days, found.granularity) == ("actual_360", 28, "day")


FEE = {"id": "seats", "description": "Seats", "price": {"model": "flat", "amount": "10"}}
BOOK = {
    "customer": "c",
    "entity": "e",
    "currency": "EUR",
    "zone": "UTC",
    "payment_terms": "t",
    "start": "2024-01-01",
}


def test_what_a_document_says_reaches_the_windows():
    said = Contract.model_validate(
        {
            **BOOK,
            "pauses": [{"from": "2024-01-11", "until": "2024-01-21"}],
            "profile": {"day_count": "fixed_days", "fixed_days": 30},
            "items": [
                {**FEE, "cadence": "quarterly"},
                {**FEE, "id": "desks", "quantities": [{"from": "2024-01-06", "quantity": "4"}]},
            ],
        }
    )
    content = canonical_json(said.model_dump(mode="json", by_alias=True))
    with duckdb.connect() as db:
        db.execute("create schema facts")
        db.execute(
            "create table facts.book_versions as select 'contract' as kind, 'k' as doc_id, "
            "null::date as valid_from, $1 as content, 1 as batch_seq, 1 as row_no",
            [content],
        )
        flatten(db)
        frame = charge_windows(
            db.sql("from book.contracts").pl(),
            db.sql("from book.contract_items").pl(),
            DAYS,
            date(2024, 1, 31),
            read_series(db),
        )
    rows = frame.select("item_id", "window_start_on", "served_end_on", "fixed_quantity").rows()
    assert rows == [
        ("desks", date(2024, 1, 1), date(2024, 1, 6), 1),
        ("desks", date(2024, 1, 6), date(2024, 1, 11), 4),
        ("desks", date(2024, 1, 21), date(2024, 2, 1), 4),
        ("seats", date(2024, 1, 1), date(2024, 1, 11), 1),
        ("seats", date(2024, 1, 21), date(2024, 4, 1), 1),
    ]
    assert frame["credit_denominator"].to_list() == [30, 30, 1, 90, 1]


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"pauses": [{"from": "2024-02-01", "until": "2024-01-01"}]}, "must be later than"),
        ({"trial": {"until": "2024-01-01"}}, "before the contract starts"),
        ({"cancellation": {"on": "2023-01-01"}}, "is before `start`"),
        (
            {"anchor_changes": [{"from": "2024-03-01", "anchor_day": 1}] * 2},
            "`anchor_changes` are not in order",
        ),
    ],
)
def test_a_contract_is_refused_for(fields, sentence):
    with pytest.raises(ValidationError, match=sentence):
        Contract.model_validate({**BOOK, "items": [FEE], **fields})


def test_a_pause_that_was_over_before_an_item_began_is_none_of_its():
    told = series(pauses=[(date(2024, 1, 5), date(2024, 1, 10))])
    found = spans(lines(told, item={"from_on": date(2024, 2, 1)}))
    assert found == [("2024-02-01", "2024-03-01"), ("2024-03-01", "2024-04-01")]


def test_an_item_that_a_dated_version_adds_has_its_first_stub():
    since = date(2024, 1, 16)
    found = lines(item={"slot_from": since, "from_on": since})
    assert spans(found)[0] == ("2024-01-16", "2024-02-01")


def test_a_document_with_a_trial_is_anchored_at_its_end_unless_it_names_a_day():
    plain = Contract.model_validate({**BOOK, "items": [FEE]})
    trial = {**BOOK, "items": [FEE], "trial": {"until": "2024-01-11"}}
    assert plain.anchor_day == 1
    assert Contract.model_validate(trial).anchor_day is None
    assert Contract.model_validate({**trial, "anchor_day": 5}).anchor_day == 5
