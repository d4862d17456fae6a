"""Rules take a draft only when nothing speaks against it, and name all that does."""

from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterhouse.invoicing.approval_rules import EARLIER, LIMITS, RULES, judged

DRAFT = {
    "draft_id": pl.String,
    "entity_id": pl.String,
    "customer_id": pl.String,
    "currency": pl.String,
    "kind": pl.String,
    "total": pl.Decimal(38, 18),
}
NOTHING = {"draft_id": pl.String, "sentence": pl.String}


def frame(rows, schema):
    return pl.DataFrame(rows, schema=schema, orient="row")


def why(total, past=(), kind="invoice", currency="EUR", limits=None, **other):
    """Why a draft of 'us' for 'ann' is not taken, where 0.25 off the mean of 3 is allowed."""
    drafts = frame([("d", "us", "ann", currency, kind, total)], DRAFT)
    rules = frame([("us", Decimal("0.25"), 3, bool(limits))], RULES)
    bounds = frame([("us", *one) for one in (limits or {}).items()], LIMITS)
    rows = [("us", "ann", currency, kind, one, age) for age, one in enumerate(past, 1)]
    manual = frame(other.get("manual", []), {"draft_id": pl.String})
    fired = frame(other.get("fired", []), NOTHING)
    made = judged(drafts, rules, bounds, frame(rows, EARLIER), manual, fired)
    return dict(made.iter_rows())["d"]


def decimals(*texts):
    return [Decimal(text) for text in texts]


@pytest.mark.parametrize(
    ("total", "past", "is_taken"),
    [
        ("125", ("100", "100", "100"), True),
        ("125.01", ("100", "100", "100"), False),
        ("75", ("100", "100", "100"), True),
        ("74.99", ("100", "100", "100"), False),
        # The fourth last does not count, and fewer than three make a mean too.
        ("100", ("100", "100", "100", "9000"), True),
        ("100", ("100",), True),
        ("0", ("0", "0"), True),
        ("0.01", ("0", "0"), False),
    ],
)
def test_a_total_lies_within_a_share_of_the_mean_of_the_last_documents(total, past, is_taken):
    said = why(Decimal(total), decimals(*past))
    assert (said == "") is is_taken
    if not is_taken:
        assert f"Its total of {Decimal(total):.2f} EUR is more than 0.25 off the mean" in said


def test_a_first_document_a_credit_note_a_manual_line_and_a_fired_check_are_never_taken():
    past = decimals("100", "100", "100")
    assert why(Decimal(100), past) == ""
    assert why(Decimal(100)) == "It is the payer's first document of its kind."
    assert "credit note" in why(Decimal(-100), decimals("-100"), kind="credit_note")
    assert "below" not in why(Decimal(100), past)
    assert "person made" in why(Decimal(100), past, manual=[("d",)])
    assert why(Decimal(100), past, fired=[("d", "B."), ("d", "A.")]) == "A. B."
    assert why(None, past) == "Its tax is not decided."


def test_a_limit_holds_for_its_currency_and_no_currency_goes_without():
    limits = {"EUR": Decimal(100)}
    assert why(Decimal(100), decimals("100"), limits=limits) == ""
    assert why(Decimal(101), decimals("101"), limits=limits) == (
        "Its total of 101.00 EUR is above the limit of 100."
    )
    assert "no limit for JPY" in why(Decimal(5), decimals("5"), currency="JPY", limits=limits)


def test_all_reasons_are_told_at_once():
    said = why(Decimal(-5), currency="USD", kind="credit_note", manual=[("d",)],
               limits={"EUR": Decimal(1)}, fired=[("d", "Check x failed.")])  # fmt: skip
    for part in ("credit note", "first document", "no limit for USD", "person", "Check x failed."):
        assert part in said


def test_drafts_of_entities_without_rules_are_not_judged():
    drafts = frame([("d", "jp", "ann", "EUR", "invoice", Decimal(1))], DRAFT)
    empty = [frame([], schema) for schema in (RULES, LIMITS, EARLIER, {"draft_id": pl.String})]
    assert judged(drafts, *empty, frame([], NOTHING)).is_empty()


@given(
    st.decimals(0, 10**9, places=2),
    st.lists(st.decimals(0, 10**9, places=2), min_size=1, max_size=3),
)
def test_the_deviation_is_the_obvious_one(total, past):
    mean_of = sum(past, Decimal(0))
    is_off = abs(total * len(past) - mean_of) * 4 > mean_of
    assert (why(total, past) == "") is not is_off
