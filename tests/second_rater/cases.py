"""A fixed set of windows for both raters: every model at its bounds, fees by part, divided periods.

The tables are those that a run has, in a database of memory, so that the same SQL as in a run makes
what the second rater is asked.
"""

from datetime import date
from decimal import Decimal
from itertools import count
from typing import NamedTuple

import duckdb
import polars as pl

from meterhouse.canonical import canonical_json
from meterhouse.money import QUANTITY
from meterhouse.pricing.charging import charge_lines
from meterhouse.pricing.models import PARTS
from meterhouse.run.second_asking import ASKED
from meterhouse.run.second_asking import PARTS as MADE_OF
from meterhouse.second_rater.amounts import statements
from meterhouse.second_rater.items import STATEMENTS as AFTER_PRICE

TEXTS = (
    *(
        "window_id",
        "charge_id",
        "contract_id",
        "customer_id",
        "item_id",
        "item_description",
        "component",
    ),
    *("dimensions", "timing", "meter_id", "price_model", "price", "currency", "modifiers"),
    *("credit_basis", "split_tiers", "stub_flags", "aggregation"),
)
DAYS = ("window_start_on", "window_end_on", "period_start_on", "period_end_on")
FRACTIONS = ("share_numerator", "share_denominator", "credit_numerator", "credit_denominator")
WINDOWS = {
    **dict.fromkeys(TEXTS, pl.String),
    **dict.fromkeys(("quantity", "above_quantity"), QUANTITY),
    **dict.fromkeys(DAYS, pl.Date),
    **dict.fromkeys(FRACTIONS, pl.Int64),
    **dict.fromkeys(("prorate_start", "prorate_end"), pl.Boolean),
}
FIRST, LAST = date(2025, 3, 1), date(2025, 4, 1)
QUANTITIES = (
    *("-3", "0", "0.000001", "1", "5", "9.5", "10", "10.5", "15", "20", "20.25", "25"),
    *("100", "100.000001", "137", "1000", "2500.5"),
)
BY_UNITS = (
    {"up_to": "10", "unit_amount": "1.005", "flat_amount": "3"},
    {"up_to": "20", "unit_amount": "0.5", "flat_amount": "2.5", "cap": "6.25"},
    {"up_to": "100", "package_size": "5", "package_amount": "2", "unit_amount": "0",
     "flat_amount": "0"},
    {"up_to": None, "unit_amount": "0.015", "flat_amount": "1.1", "cap": "30"},
)  # fmt: skip
PRICES = (
    {"model": "per_unit", "unit_amount": "0.125", "per": "1"},
    {"model": "per_unit", "unit_amount": "2.505", "per": "100"},
    {"model": "overage", "included_units": "10", "unit_amount": "0.335"},
    {"model": "package", "package_size": "5", "package_amount": "1.25", "free_units": "10",
     "rounding": "up"},
    {"model": "package", "package_size": "5", "package_amount": "1.25", "free_units": "0",
     "rounding": "down"},
    {"model": "dynamic", "multiplier": "1.205"},
    {"model": "graduated", "bill_flat_on_zero": True, "tiers": BY_UNITS},
    {"model": "graduated", "bill_flat_on_zero": False, "tiers": BY_UNITS},
    {"model": "volume", "bill_flat_on_zero": True, "tiers": BY_UNITS},
    {"model": "volume", "bill_flat_on_zero": False, "tiers": BY_UNITS},
    {"model": "stairstep", "bill_flat_on_zero": True, "tiers": (
        {"up_to": "10", "flat_amount": "4"}, {"up_to": "100", "flat_amount": "7.5"},
        {"up_to": None, "flat_amount": "9"})},
    {"model": "graduated_percentage", "bill_flat_on_zero": True, "tiers": (
        {"up_to": "20", "rate": "0.025", "flat_amount": "1"},
        {"up_to": None, "rate": "0.0125", "flat_amount": "0.5"})},
    {"model": "percentage", "rate": "0.0275", "fixed_amount": "0", "free_events": 0,
     "free_amount": "12.5", "min_per_event": None, "max_per_event": None,
     "bill_fixed_on_zero": False},
    {"model": "bps", "bps": "27.5", "per_event_cap": None},
    *({"model": model, "bill_flat_on_zero": True, "tiers": (
        {"up_to": "20", "bps": "125.5", "per_event_cap": None},
        {"up_to": None, "bps": "33", "per_event_cap": None})}
      for model in ("bulk_bps", "tiered_bps")),
)  # fmt: skip
# Of a full period: share, what a change leaves unused, of what was billed or of the price.
SHARES = (
    ((1, 1), (0, 1), "price"),
    ((16, 31), (0, 1), "price"),
    ((31, 31), (7, 31), "price"),
    ((30, 31), (7, 31), "billed"),
    ((20, 31), (7, 30), "billed"),
    ((3, 31), (9, 31), "price"),
    ((0, 31), (0, 1), "price"),
)
CURRENCIES = ("EUR", "JPY", "KWD", "CLF")


def window(number, price, quantity, **fields):
    """A window of a whole month as a row of WINDOWS; of an item of its own unless it says one."""
    known = {
        "window_id": f"w{number:04}",
        "charge_id": f"w{number:04}",
        "contract_id": f"c{number:04}",
        "customer_id": "someone",
        "item_id": "item",
        "item_description": "Item",
        "component": "usage",
        "dimensions": "{}",
        "timing": "arrears",
        "meter_id": "meter",
        "price_model": price["model"],
        "price": canonical_json(price),
        "currency": CURRENCIES[number % len(CURRENCIES)],
        "quantity": Decimal(quantity),
        **dict.fromkeys(("window_start_on", "period_start_on"), FIRST),
        **dict.fromkeys(("window_end_on", "period_end_on"), LAST),
        "share_numerator": 1,
        "share_denominator": 1,
        "credit_numerator": 0,
        "credit_denominator": 1,
        "credit_basis": "price",
        "prorate_start": True,
        "prorate_end": True,
    }
    return {name: {**known, **fields}.get(name) for name in WINDOWS}


def _usage(numbers):
    for price in PRICES:
        for quantity in QUANTITIES:
            yield window(next(numbers), price, quantity)


def _narrow(numbers):
    """Where a rounded quotient would decide otherwise: next to a full package, on half a cent."""
    for size, rounding in (("3000000", "down"), ("3000000", "up")):
        price = {"model": "package", "package_size": size, "package_amount": "1",
                 "free_units": "0", "rounding": rounding}  # fmt: skip
        for quantity in ("8999999.999999999999", "9000000", "9000000.000000000001"):
            yield window(next(numbers), price, quantity)
    cent = {"model": "flat", "amount": "0.01"}
    for share in ((15, 30), (3, 6), (7, 14)):
        yield window(
            next(numbers), cent, "1", component="fee", meter_id=None, currency="EUR",
            share_numerator=share[0], share_denominator=share[1],
        )  # fmt: skip


def _fees(numbers):
    flat = {"model": "flat", "amount": "99.995"}
    for price in (flat, *PRICES[:4], *PRICES[6:9]):
        for quantity, above in (("1", None), ("7", None), ("8", "6"), ("25", "12"), ("0", None)):
            for share, credit, basis in SHARES:
                number = next(numbers)
                yield window(
                    number, price, quantity, component="fee", meter_id=None,
                    above_quantity=None if above is None else Decimal(above),
                    share_numerator=share[0], share_denominator=share[1],
                    credit_numerator=credit[0], credit_denominator=credit[1],
                    credit_basis=basis, timing="advance",
                )  # fmt: skip


def _divided(numbers):
    """Months in three parts, with one price for all of them, or another one from the second on."""
    days = [FIRST, date(2025, 3, 11), date(2025, 3, 21), LAST]
    changes = [(PRICES[6], PRICES[7]), (PRICES[10], PRICES[6]), (PRICES[3], PRICES[2])]
    for price, later in [*((one, one) for one in PRICES), *changes]:
        for quantities in (("5", "5", "15"), ("0", "12.5", "100"), ("99", "1", "0")):
            first = next(numbers)
            for place, quantity in enumerate(quantities):
                yield window(
                    first if place == 0 else next(numbers), later if place else price, quantity,
                    contract_id=f"c{first:04}", currency="EUR",
                    window_start_on=days[place], window_end_on=days[place + 1],
                    share_numerator=11 if place == 2 else 10, share_denominator=31,
                )  # fmt: skip


def _modified(numbers):
    """Units that an item turns into others or gives away, shared by what a window is made of."""
    price = PRICES[6]
    for op, factor in (("multiply", "1.5"), ("divide", "3"), ("divide", "0.7")):
        for mode in ("none", "up", "down", "half_up"):
            told = {"convert": {"op": op, "factor": factor, "rounding": mode}}
            for quantity in ("-2", "0", "1", "10.5", "21"):
                yield window(next(numbers), price, quantity, modifiers=canonical_json(told))
    given = (
        {"free_quantity": "12"},
        {"included_quantity": {"quantity": "7.5", "prorate": True}},
        {"convert": {"op": "divide", "factor": "2", "rounding": "up"}, "free_quantity": "4"},
    )
    for told in given:
        first = next(numbers)
        for place, quantity in enumerate(("5", "-1", "20.5", "3")):
            yield window(
                first if place == 0 else next(numbers), PRICES[0], quantity, currency="EUR",
                charge_id=f"w{first:04}", contract_id=f"c{first:04}",
                dimensions=canonical_json({"region": "abcd"[place]}),
                modifiers=canonical_json(told),
            )  # fmt: skip


MODIFIERS = (
    {"discounts": [{"percentage": "0.125"}]},
    {"discounts": [{"amount": "20.005"}, {"percentage": "0.333", "cap": "9.995"}]},
    {"discounts": [{"percentage": "0.1", "order": 5}, {"amount": "7.5", "order": 1},
                   {"percentage": "0.2"}]},
    {"discounts": [{"percentage": "0.5", "from": "2025-03-02"},
                   {"percentage": "0.25", "until": "2025-03-01"}, {"amount": "3"}]},
    {"discounts": [{"percentage": "0.5", "from": "2025-03-01", "until": "2025-03-02"}]},
    {"maximum": {"amount": "12.505", "prorate": True}},
    {"minimum": {"amount": "25", "prorate": True}},
    {"discounts": [{"percentage": "0.6"}], "maximum": {"amount": "30", "prorate": False},
     "minimum": {"amount": "12.345", "prorate": True}},
    {"commitment": {"amount": "15", "overage_factor": "1.335", "true_up": True, "prorate": True}},
    {"commitment": {"amount": "15", "overage_factor": "0.5", "true_up": False, "prorate": True}},
    {"minimum": {"amount": "10", "prorate": True},
     "commitment": {"amount": "20", "overage_factor": "2", "true_up": True, "prorate": True}},
)  # fmt: skip


def _limited(numbers):
    """What an item costs in a whole period, made less or more; also over two dimension values."""
    price = {"model": "per_unit", "unit_amount": "1.005", "per": "1"}
    for told in MODIFIERS:
        for quantity in ("0", "10", "12.5", "19.9", "25", "100"):
            yield window(next(numbers), price, quantity, modifiers=canonical_json(told))
        first = next(numbers)
        for place, quantity in enumerate(("9", "13.37")):
            yield window(
                first if place == 0 else next(numbers), price, quantity, currency="EUR",
                charge_id=f"w{first:04}", contract_id=f"c{first:04}",
                dimensions=canonical_json({"region": "abcd"[place]}),
                modifiers=canonical_json(told),
            )  # fmt: skip


def bound(amount=None, units=None, factor="1", true_up=False):
    """What a bucket is to cost at least, as an amount or as units, and what is above it."""
    return {"price": PRICES[0], "commitment_amount": amount, "commitment_quantity": units,
            "overage_factor": factor, "true_up": true_up}  # fmt: skip


CELLS = {
    "model": "matrix",
    "cells": [
        {"keys": {"region": ["eu", "us"]}, "price": PRICES[0]},
        {"keys": {"region": ["eu"], "size": ["l"]}, "price": PRICES[6]},
        {"keys": {"size": ["l"]}, "price": PRICES[2]},
    ],
}
MADE_OF_PARTS = (
    {**CELLS, "default": None},
    {**CELLS, "default": PRICES[8]},
    {"model": "two_dimensional", "tier_by": {"region": "eu"}, "price_by": {"size": "l"}, "tiers": [
        {"up_to": "10", "price": PRICES[0]}, {"up_to": None, "price": PRICES[4]}]},
    {"model": "two_dimensional", "tier_by": {}, "price_by": {"region": "us"}, "tiers": [
        {"up_to": "30.5", "price": PRICES[8]}, {"up_to": None, "price": PRICES[0]}]},
    {"model": "capacity", "dimension": "region", "tiers": [
        {"limits": {"eu": "10", "us": "5"}, "amount": "10"},
        {"limits": {"eu": "20", "us": "15"}, "amount": "25"}, {"limits": {}, "amount": "60"}]},
    {"model": "bucketed", "price": PRICES[0]},
    {"model": "bucketed", "price": PRICES[4]},
    {"model": "windowed_commitment", "default": bound(amount="30", factor="1.5", true_up=True),
     "cells": [{"keys": {"region": ["eu"]}, **bound(amount="12.5", factor="2")},
               {"keys": {"region": ["eu"], "size": ["s"]}, **bound(units="6", true_up=True)}]},
    {"model": "windowed_commitment", "default": bound(), "cells": []},
    {"model": "windowed_commitment", "default": bound(units="8", factor="0.75"), "cells": []},
)  # fmt: skip
MEASURED = (
    {},
    {("eu", "s"): "10", ("us", "l"): "5"},
    {("eu", "l"): "10.000001", ("us", "s"): "5", (None, "l"): "7", ("ap", None): "3"},
    {("eu", "l"): "20", ("eu", "s"): "0.5", ("us", "l"): "15", ("ap", "l"): "100"},
    {("eu", "l"): "-5", ("eu", "s"): "11", ("us", "s"): "10.5"},
)


def by_parts(numbers):
    """Windows of prices by parts, and the parts of each: keys to quantity."""
    for price in MADE_OF_PARTS:
        for told in MEASURED:
            made_of = {
                canonical_json({"region": region, "size": size}): Decimal(quantity)
                for (region, size), quantity in told.items()
            }
            yield window(next(numbers), price, sum(made_of.values())), made_of


LEVELS = tuple(
    {"model": model, "bill_flat_on_zero": on_zero, "tiers": [
        {"up_to": "5", "unit_amount": "10", "flat_amount": "100"},
        {"up_to": "10", "unit_amount": "5.5", "flat_amount": "50"},
        {"up_to": None, "unit_amount": "7", "flat_amount": "1.5"}]}
    for model in ("prorated_graduated", "prorated_volume")
    for on_zero in (True, False)
)  # fmt: skip
# Units that come or go, and the days of 31 that were left.
MOVES = (
    (),
    (("5", 20), ("2", 15)),
    (("4", 31), ("8", 10), ("-7", 3)),
    (("10", 31), ("0.5", 30), ("-0.5", 1)),
    (("3", 31), ("-3", 12)),
    (("6", 31), ("-9", 16)),
    (("2", 3), ("-1", 31)),
    (("2", 5), ("3", 17), ("5", 11), ("7.25", 2)),
)


def by_movement(numbers):
    """Windows of prices by movement, and the movements of each: units and days that were left."""
    for price in LEVELS:
        for moves in MOVES:
            total = sum(Decimal(units) for units, _ in moves)
            yield window(next(numbers), price, total), moves


OF_MONEY = (
    {"model": "percentage", "rate": "0.013", "fixed_amount": "2", "free_events": 3,
     "free_amount": "250", "min_per_event": "2.5", "max_per_event": None,
     "bill_fixed_on_zero": False},
    {"model": "percentage", "rate": "0.01", "fixed_amount": "0.25", "free_events": 0,
     "free_amount": "100", "min_per_event": None, "max_per_event": "3",
     "bill_fixed_on_zero": False},
    {"model": "percentage", "rate": "0.01", "fixed_amount": "0.25", "free_events": 0,
     "free_amount": "0", "min_per_event": None, "max_per_event": None,
     "bill_fixed_on_zero": False},
    {"model": "percentage", "rate": "0.029", "fixed_amount": "0.30", "free_events": 0,
     "free_amount": "0", "min_per_event": "1.5", "max_per_event": "9.995",
     "bill_fixed_on_zero": True},
    {"model": "bps", "bps": "25", "per_event_cap": "0.25"},
    {"model": "bulk_bps", "tiers": [
        {"up_to": "400", "bps": "25", "per_event_cap": "2"},
        {"up_to": "1000", "bps": "40", "per_event_cap": "0.5"},
        {"up_to": None, "bps": "10", "per_event_cap": None}]},
    {"model": "tiered_bps", "tiers": [
        {"up_to": "400", "bps": "25", "per_event_cap": "0.6"},
        {"up_to": None, "bps": "10", "per_event_cap": None}]},
)  # fmt: skip
PAID = ((), ("0", "0"), ("50", "100", "250", "400"), ("250", "0.5"), ("400", "-3", "1000"),
        ("150.505", "100", "149.495"))  # fmt: skip


def by_event(numbers):
    """Windows of prices that read single events, and the values of each."""
    for price in OF_MONEY:
        for values in PAID:
            yield window(next(numbers), price, sum(map(Decimal, values))), values


class Cases(NamedTuple):
    """Windows (columns of WINDOWS), and the parts of some (columns of PARTS)."""

    windows: pl.DataFrame
    parts: pl.DataFrame


def cases():
    """The fixed set."""
    numbers = count()
    rows = [*_usage(numbers), *_narrow(numbers), *_fees(numbers), *_divided(numbers)]
    rows += [*_modified(numbers), *_limited(numbers)]
    made = list(by_parts(numbers))
    parts = [
        (one["window_id"], place, keys, quantity, 1, 1)
        for one, told in made
        for place, (keys, quantity) in enumerate(told.items())
    ]
    moved = list(by_movement(numbers))
    parts += [
        (one["window_id"], place, "{}", Decimal(units), days, 31)
        for one, moves in moved
        for place, (units, days) in enumerate(moves)
    ]
    paid = list(by_event(numbers))
    parts += [
        (one["window_id"], place, "{}", Decimal(value), 1, 1)
        for one, values in paid
        for place, value in enumerate(values)
    ]
    made += [*moved, *paid]
    return Cases(
        pl.DataFrame([*rows, *(one for one, _ in made)], schema=WINDOWS, orient="row"),
        pl.DataFrame(parts, schema=dict(PARTS), orient="row"),
    )


def of_models(given, models):
    """The windows of contracts that have a price of one of the models."""
    mine = given.windows.filter(pl.col("price_model").is_in(models))["contract_id"]
    assert not mine.is_empty()
    return Cases(given.windows.filter(pl.col("contract_id").is_in(mine.implode())), given.parts)


def first_amounts(given):
    """What the rater that bills makes of the windows: amount by window_id, and of what modifiers
    add by window_id/component."""
    lines = charge_lines(given.windows, given.parts)
    is_own = pl.col("window_id") == pl.col("based_on")
    name = pl.when(is_own).then("window_id").otherwise(pl.format("{}/{}", "based_on", "component"))
    return dict(lines.select(name, "amount").iter_rows())


# A window with several combinations of dimension values has a row for each among those given.
TABLES = """
create schema billing; create schema usage; create schema book; create schema facts;
create table facts.imported_openings (contract_id varchar, item_id varchar, kind varchar);
create table billing.charge_windows as
    select * exclude (quantity, split_tiers, stub_flags, aggregation, charge_id)
            replace (charge_id as window_id),
        1 as meter_version, case when component = 'fee' then quantity end as fixed_quantity
    from given qualify row_number() over (partition by charge_id) = 1;
create table usage.determinants as
    select charge_id as window_id, dimensions, quantity, null::varchar as determinant_id from given
    where component = 'usage' and price_model not in ('matrix', 'two_dimensional', 'capacity')
    union all
    select window_id, keys, parts.quantity, null from parts join given using (window_id)
    where price_model in ('matrix', 'two_dimensional', 'capacity');
create table book.contracts as
    select distinct contract_id, split_tiers, stub_flags, null::json as modifiers from given;
create table book.meters as
    select 'meter' as meter_id, 1 as meter_version, null as bucket, false as recurring,
        'sum' as aggregation;
create table billing.desired_lines as
    select charge_id as window_id, contract_id, customer_id, currency, item_id, dimensions,
        component, window_start_on, window_end_on, 1::ubigint as unit_no,
        0::decimal(38, 18) as amount
    from given;
create table billing.early_windows (window_id varchar);
create temp table second_new as select 1::ubigint as unit_no;
"""
# What a run reads from events.
BUCKETS = """
insert into second_measured
select line_no, part_no, keys, quantity, weight_numerator, weight_denominator
from parts join second_asked on rated_id = parts.window_id
where price_model not in ('matrix', 'two_dimensional', 'capacity')
"""
FOUND = """
select given.window_id, reason, cast(lines.amount as varchar) as units, places
from second_lines as lines
join given on charge_id = lines.window_id and given.dimensions = lines.dimensions
where lines.component = given.component
union all
select window_id || '/' || component, reason, cast(amount as varchar), places
from second_lines where component not in ('fee', 'usage')
"""


def second_amounts(given):
    """What the second rater makes of them, asked by the SQL of a run: amounts by the same names,
    and the reason of each that it leaves out."""
    with duckdb.connect() as db:
        db.register("given", given.windows.to_arrow())
        db.register("parts", given.parts.to_arrow())
        db.execute(TABLES)
        told = statements("second_asked", "second_measured")
        for statement in (ASKED, MADE_OF, BUCKETS, *told, *AFTER_PRICE):
            db.execute(statement)
        rows = db.execute(FOUND).fetchall()
    amounts = {row[0]: Decimal(row[2]).scaleb(-row[3]) for row in rows if row[1] is None}
    return amounts, {row[0]: row[1] for row in rows if row[1] is not None}
