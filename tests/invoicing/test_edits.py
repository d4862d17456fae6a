"""What edits make of gathered lines, without a warehouse."""

from datetime import date
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhouse.invoicing.columns import LINE, select_line
from meterhouse.invoicing.edits import EDITS, edited, orphans, with_header, with_orphans

DAY = date(2025, 12, 1)
GROUP = {
    "payer_id": "acme", "entity_id": "us", "currency": "USD", "terms_id": "net30",
    "boundary_on": DAY,
}  # fmt: skip


def lines(*amounts, **others):
    """One line per amount, with keys l1, l2 and quantity 4."""
    rows = [
        {
            **GROUP, "line_key": f"l{no}", "contract_id": "c", "role": "fee", "amount": amount,
            "amount_unrounded": amount, "desired_amount": amount, "already_billed": Decimal(0),
            "quantity": Decimal(4), "item_description": f"Line {no}", "is_correction": False,
            **others,
        }
        for no, amount in enumerate(amounts, 1)
    ]  # fmt: skip
    frame = pl.DataFrame(rows, schema_overrides={n: LINE[n] for n in rows[0]})
    return select_line(frame).with_columns(for_contract=pl.lit("c"))


def asked(op, value=None, line="l1", text=None, **others):
    row = {"edit_id": f"{op}-{line}", "op": op, "value": value, "line_key": line, "text": text,
           "key": f"key-{op}-{line}", "draft_id": "d", **others}  # fmt: skip
    return pl.DataFrame([row], schema_overrides=EDITS).select(
        (pl.col(n) if n in row else pl.lit(None)).cast(kind).alias(n) for n, kind in EDITS.items()
    )


@pytest.mark.parametrize(
    ("op", "value", "amount"),
    [
        ("amount", "7.00", "7.00"),
        ("discount", "1.25", "8.76"),
        ("percent", "0.125", "8.76"),
        ("quantity", "1", "2.50"),
        ("quantity", "0", "0"),
        ("waive", None, "0"),
    ],
)
def test_a_line_and_its_adjustment_come_to_what_was_asked(op, value, amount):
    # 12.5 % of 10.01 is 1.25125, and a quarter of it 2.5025.
    made = edited(lines(Decimal("10.01"), Decimal(3)), asked(op, value))
    assert made["amount"].to_list()[:2] == [Decimal("10.01"), Decimal(3)]
    own = made.filter(pl.col("role") == "adjustment").row(0, named=True)
    assert own["amount"] + Decimal("10.01") == Decimal(amount)
    assert own["price"] == f'{{"edit":"{op}-l1","model":"adjustment","of_line":"l1"}}'
    assert own["line_key"] == own["window_id"] == f"key-{op}-l1"
    assert [own[name] for name in GROUP] == list(GROUP.values())


def test_an_edit_that_changes_nothing_makes_no_line_and_a_description_changes_no_amount():
    whole = lines(Decimal(10))
    assert edited(whole, asked("amount", "10.00")).equals(whole)
    renamed = edited(whole, asked("description", text="Chairs"))
    assert renamed["item_description"].to_list() == ["Chairs"]
    assert renamed.drop("item_description").equals(whole.drop("item_description"))


def test_a_correction_keeps_what_it_corrects_in_its_adjustment():
    made = edited(lines(Decimal(10), is_correction=True, original_number="us-1"), asked("waive"))
    assert made.select("is_correction", "original_number").unique().rows() == [(True, "us-1")]


def test_an_added_line_needs_its_document_and_a_lost_line_blocks_its_draft():
    added = asked("add", "5.00", None, "Training", for_contract="c", contract_id="c", **GROUP)
    assert edited(lines(Decimal(1)), added)["amount"].sum() == 6
    elsewhere = added.with_columns(for_contract=pl.lit("other"))
    assert edited(lines(Decimal(1)), elsewhere)["amount"].sum() == 1
    lost = orphans(lines(Decimal(1)), pl.concat([elsewhere, asked("waive", line="gone")]))
    assert lost["edit_id"].to_list() == ["waive-gone", "add-None"]
    heads = pl.DataFrame(
        {"draft_id": ["d", "e"], "is_blocked": [False, True], "blocked_reason": [None, "No tax."]},
        schema_overrides={"blocked_reason": pl.String},
    )
    blocked = with_orphans(heads, lost)
    assert blocked["is_blocked"].to_list() == [True, True]
    assert blocked["blocked_reason"][0].count("is orphaned") == 2
    assert blocked["blocked_reason"][1] == "No tax."


def test_what_people_set_on_a_draft_stands_in_its_head():
    heads = pl.DataFrame(
        {"draft_id": ["d", "e"], "purchase_order": ["PO-1", "PO-2"], "due_date": [DAY, DAY]}
    )
    told = pl.concat(
        [asked("note", "Hello", None), asked("due_on", "2026-01-15", None),
         asked("purchase_order", "PO-9", None)]
    )  # fmt: skip
    made = with_header(heads, told).sort("draft_id").rows()
    assert made == [("d", "PO-9", date(2026, 1, 15), "Hello"), ("e", "PO-2", DAY, None)]
    assert with_header(heads, pl.DataFrame(schema=EDITS)).equals(heads)


@given(
    st.lists(st.decimals(-(10**9), 10**9, places=2), min_size=1, max_size=5),
    st.decimals(0, 10**9, places=2),
)
def test_edits_leave_every_rated_line_as_it_was(amounts, wanted):
    made = edited(lines(*amounts), asked("amount", str(wanted)))
    rated = made.filter(pl.col("role") != "adjustment")
    assert rated.equals(lines(*amounts))
    assert made["amount"].sum() == sum(amounts[1:], wanted)
