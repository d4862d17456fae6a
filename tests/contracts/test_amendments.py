"""Contracts amended again and again, with billing in between, come to the last of them at once."""

from datetime import date, timedelta
from decimal import Decimal

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterhouse.canonical import canonical_json
from meterhouse.contracts.documents import Contract
from meterhouse.contracts.windows import charge_windows
from meterhouse.invoicing.columns import with_line_key
from meterhouse.invoicing.difference import difference
from meterhouse.money import AMOUNT, QUANTITY
from meterhouse.periods import zone_days
from meterhouse.pricing.charging import charge_lines
from meterhouse.run.book import flatten
from meterhouse.run.windows import read_series

pytestmark = pytest.mark.slow
START, END = date(2024, 1, 1), date(2024, 6, 1)
ZONE_DAYS = zone_days(["UTC"], date(2022, 1, 1), date(2027, 1, 1))
LENGTH = (END - START).days
FEE = {"id": "fee", "description": "Fee", "price": {"model": "flat", "amount": "100"}}
USAGE = {
    "id": "usage",
    "description": "Usage",
    "meter": "calls",
    "price": {
        "model": "graduated",
        "tiers": [{"up_to": "40", "unit_amount": "0.10"}, {"unit_amount": "0.03"}],
    },
    "modifiers": {"minimum": {"amount": "2"}, "discounts": [{"percentage": "0.1"}]},
}
BASE = {
    "customer": "c",
    "entity": "e",
    "currency": "EUR",
    "zone": "UTC",
    "payment_terms": "t",
    "start": START.isoformat(),
    "items": [FEE, USAGE],
}
# What an amendment may say, the day from which it holds (also before what was billed) and a number.
KINDS = (
    *("quantity", "price", "usage price", "upgrade", "downgrade", "phase"),
    *("pause", "add", "remove", "discount", "cancel"),
)
PLANS = {"upgrade": 1, "downgrade": -1}
AMENDMENTS = st.lists(
    st.tuples(st.sampled_from(KINDS), st.integers(1, LENGTH - 1), st.integers(1, 30)),
    min_size=1,
    max_size=5,
    unique_by=lambda one: one[:2],
)
DAILY = st.lists(st.integers(0, 9), min_size=LENGTH, max_size=LENGTH)


def on(day):
    return (START + timedelta(day)).isoformat()


def entered(entries, day, **fields):
    """The entries with another one, in the order of their days."""
    kept = [one for one in entries or [] if one["from"] != on(day)]
    return sorted([*kept, {"from": on(day), **fields}], key=lambda one: one["from"])


def one_of_a_day(told, fee, kind, day):
    """The kind of the amendment: a phase and a dated change of one day are refused together."""
    dated = [*fee.get("quantities", ()), *fee.get("prices", ())]
    if kind == "phase" and any(one["from"] == on(day) for one in dated):
        return "quantity"
    if kind != "phase" and "phases" in told:
        told["phases"] = [one for one in told["phases"] if one["from"] != on(day)]
    return kind


def change_plan(fee, usage, day, number):
    """All prices are those of another plan from that day on."""
    price = {"model": "flat", "amount": str(100 + number)}
    fee["prices"] = entered(fee.get("prices"), day, price=price)
    price = {"model": "per_unit", "unit_amount": "0.01" if number > 0 else "0.2"}
    usage["prices"] = entered(usage.get("prices"), day, price=price)


def amended(contract, kind, day, number):
    """The contract after one amendment."""
    items = {item["id"]: dict(item) for item in contract["items"]}
    fee, usage = items["fee"], items["usage"]
    told = dict(contract)
    kind = one_of_a_day(told, fee, kind, day)
    if kind == "quantity":
        fee["quantities"] = entered(fee.get("quantities"), day, quantity=str(number))
    elif kind == "price":
        price = {"model": "flat", "amount": str(number * 10)}
        fee["prices"] = entered(fee.get("prices"), day, price=price)
    elif kind == "usage price":
        price = {"model": "per_unit", "unit_amount": f"0.{number:02}"}
        usage["prices"] = entered(usage.get("prices"), day, price=price)
    elif kind in PLANS:
        change_plan(fee, usage, day, number * PLANS[kind])
    elif kind == "phase":
        known = told.get("phases") or [{"id": "first", "from": on(0)}]
        planned = {"fee": {"quantity": str(number)}}
        told["phases"] = entered(known, day, id=f"phase{day}", items=planned)
    elif kind == "pause":
        told["pauses"] = [{"from": on(day), "until": on(day + number)}]
    elif kind == "add":
        items[f"add{day}"] = {**FEE, "id": f"add{day}", "from": on(day)}
    elif kind == "remove":
        fee["until"] = on(day)
    elif kind == "discount":
        told["modifiers"] = {"discounts": [{"id": "off", "percentage": f"0.{number:02}"}]}
    else:
        told["cancellation"] = {"on": on(day)}
    return {**told, "items": list(items.values())}


def desired(db, contract, daily, through):
    """What the contract should have been billed `through`, from its document."""
    content = Contract.model_validate(contract).model_dump(mode="json", by_alias=True)
    db.execute("update facts.book_versions set content = ?", [canonical_json(content)])
    flatten(db)
    frame = charge_windows(
        db.sql("from book.contracts").pl(),
        db.sql("from book.contract_items").pl(),
        ZONE_DAYS,
        END,
        read_series(db),
    ).with_columns(meter_version=pl.lit(1, pl.Int64), determinant_id=pl.lit(None, pl.String))
    used = pl.DataFrame({"day": [START + timedelta(n) for n in range(LENGTH)], "used": daily})
    within = pl.col("day").is_between("window_start_on", "window_end_on", closed="left")
    measured = (
        frame.join(used, how="cross")
        .filter(within, pl.col("component") == "usage")
        .group_by("window_id")
        .agg(measured=pl.col("used").sum().cast(QUANTITY))
    )
    last = frame.group_by("item_id", "period_start_on").agg(
        pl.col("window_id").sort_by("window_start_on").last(), is_period_last=pl.lit(value=True)
    )
    asked = (
        frame.join(measured, on="window_id", how="left")
        .join(last.select("window_id", "is_period_last"), on="window_id", how="left")
        .with_columns(
            pl.col("is_period_last").fill_null(value=False),
            quantity=pl.coalesce("fixed_quantity", "measured").fill_null(0).cast(QUANTITY),
        )
        .filter(pl.col("due_on") <= through)
    )
    contracts = db.sql(
        "select contract_id, modifiers, start_on, end_on from book.contracts "
        "where modifiers is not null"
    ).pl()
    lines = charge_lines(asked, None, contracts, through=through)
    of = asked.drop("quantity", "is_period_last").rename({"window_id": "based_on"})
    own = [name for name in lines.columns if name in of.columns and name != "based_on"]
    told = lines.join(of, on="based_on", suffix="_of")
    return told.with_columns(pl.coalesce(name, f"{name}_of").alias(name) for name in own)


def keyed(lines):
    """Lines as the facts keep them: by key, with what was billed in all."""
    return with_line_key(lines).with_columns(
        billed=pl.col("desired_amount"),
        original_number=pl.lit("N-1"),
        original_invoice_date=pl.col("due_on"),
    )


@settings(max_examples=6)
@given(AMENDMENTS, DAILY, st.lists(st.integers(1, LENGTH), min_size=5, max_size=5))
def test_what_amendments_were_billed_one_by_one_is_what_the_last_contract_costs(
    amendments, daily, days
):
    with duckdb.connect() as db:
        db.execute("create schema facts")
        db.execute(
            "create table facts.book_versions as select 'contract' as kind, 'k' as doc_id, "
            "null::date as valid_from, '' as content, 1 as batch_seq, 1 as row_no"
        )
        contract, issued = BASE, {}
        runs = [*zip(amendments, sorted(days), strict=False)]
        for (kind, day, number), at in runs:
            contract = amended(contract, kind, day, number)
            bill(db, issued, contract, daily, START + timedelta(at))
        bill(db, issued, contract, daily, END)
        # A second run finds nothing to bill.
        assert bill(db, issued, contract, daily, END) == 0
        at_once = sums(desired(db, contract, daily, END))
    assert {key: total for key, (total, _) in issued.items() if total} == at_once


def sums(lines):
    found = with_line_key(lines).group_by("line_key").agg(pl.col("amount").sum())
    return {key: total for key, total in found.iter_rows() if total}


def bill(db, issued, contract, daily, through):
    """Add to what was issued what is to bill now; returns how many lines that were."""
    wanted = desired(db, contract, daily, through)
    known = wanted.clear() if not issued else pl.concat([row for _, row in issued.values()])
    if not issued:
        known = keyed(known.with_columns(desired_amount=pl.col("amount")))
    lines = difference(wanted, known, through, through)
    rows = keyed(lines.drop("line_key"))
    for key, amount in lines.select("line_key", "amount").iter_rows():
        total = issued.get(key, (Decimal(0), None))[0] + amount
        row = rows.filter(pl.col("line_key") == key).with_columns(billed=pl.lit(total).cast(AMOUNT))
        issued[key] = (total, row.select(_COLUMNS))
    return lines.height


_COLUMNS = (
    *("line_key", "billed", "original_number", "original_invoice_date", "contract_id"),
    *("item_id", "component", "dimensions", "payer_id", "currency", "window_start_on"),
    *("window_end_on", "role", "customer_id", "entity_id", "terms_id", "timing", "due_on"),
)
