"""Steps that do not commute: what either order gives, and the one that is billed."""

from decimal import Decimal
from pathlib import Path

from meterhouse.pricing.order import MODIFIERS, ORDER
from tests.pricing.modified import FEE, TEN, lines, sums, total, window


def test_the_table_names_every_component_once_and_in_order():
    names = [step.name for step in ORDER]
    assert len(names) == len(set(names))
    limits = ["discount", "maximum", "minimum", "commitment", "true_up"]
    assert list(MODIFIERS) == [*limits, "credit", "voucher", "service_fee"]


def test_units_are_converted_before_free_ones_are_taken_off():
    """1900 units are 1 (down) - 0.5 free = 0.5; free first is (1900 - 0.5) / 1000, down: 1."""
    terms = {"convert": {"op": "divide", "factor": "1000", "rounding": "down"}}
    converted_first, free_first = Decimal(5), Decimal(10)
    assert total("1900", {**terms, "free_quantity": "0.5"}) == converted_first != free_first


def test_conversion_is_rounded_before_tiers_are_walked():
    """1400 by 1000 up is 2 units: 1 x 10 + 1 x 5; tiers of 1.4 units would cost 12."""
    tiers = [
        {"up_to": "1", "unit_amount": "10", "flat_amount": "0"},
        {"up_to": None, "unit_amount": "5", "flat_amount": "0"},
    ]
    price = {"bill_flat_on_zero": True, "model": "graduated", "tiers": tiers}
    terms = {"convert": {"op": "divide", "factor": "1000", "rounding": "up"}}
    rounded_first, tiers_first = Decimal(15), Decimal(12)
    assert total("1400", terms, price=price) == rounded_first != tiers_first


def test_free_units_are_taken_off_before_the_tier_is_chosen():
    """20 units less 5 free are 15, which cost 10 each; chosen by 20 they would cost 5 each."""
    tiers = [
        {"up_to": "15", "unit_amount": "10", "flat_amount": "0"},
        {"up_to": None, "unit_amount": "5", "flat_amount": "0"},
    ]
    price = {"bill_flat_on_zero": True, "model": "volume", "tiers": tiers}
    free_first, tier_first = Decimal(150), Decimal(75)
    assert total("20", {"free_quantity": "5"}, price=price) == free_first != tier_first


def test_the_discount_comes_before_the_maximum():
    """27 x 10 less 50 % are 135, at most 100; the maximum first would leave 50."""
    terms = {"discounts": [{"percentage": "0.5"}], "maximum": {"amount": "100"}}
    discount_first, maximum_first = Decimal(100), Decimal(50)
    assert total("27", terms) == discount_first != maximum_first


def test_the_discount_comes_before_the_minimum():
    """12 x 10 less 50 % are 60, at least 100; the minimum first would leave 60."""
    terms = {"discounts": [{"percentage": "0.5"}], "minimum": {"amount": "100"}}
    discount_first, minimum_first = Decimal(100), Decimal(60)
    assert total("12", terms) == discount_first != minimum_first


def test_percentages_come_before_amounts_whatever_the_order_they_are_given_in():
    """100 less 10 % less 50 are 40; 50 first leaves 45."""
    given = {"discounts": [{"amount": "50"}, {"percentage": "0.1"}]}
    percentage_first, amount_first = Decimal(40), Decimal(45)
    assert total("10", given) == percentage_first != amount_first
    wanted = {"discounts": [{"percentage": "0.1"}, {"amount": "50", "order": 1}]}
    assert total("10", wanted) == amount_first


def test_the_item_minimum_comes_before_the_contract_discount():
    """At least 100, less 10 %: 90; the discount first would be filled up to 100 again."""
    found = lines([window(1, "2", {"minimum": {"amount": "100"}})], TENTH)
    minimum_first, discount_first = Decimal(90), Decimal(100)
    assert found["amount"].sum() == minimum_first != discount_first


def test_the_contract_discount_comes_before_the_commitment_which_counts_net():
    """10 x 10 less 10 % are 90 of 100 committed: 10 are short; gross, nothing is short."""
    terms = {**TENTH, "commitments": [{"id": "k", "amount": "100", "period": "window"}]}
    assert lines([window(1, "10")], terms)["amount"].sum() == Decimal(100)
    terms["commitments"][0]["counts"] = "gross"
    assert lines([window(1, "10")], terms)["amount"].sum() == Decimal(90)


def test_the_contract_minimum_comes_after_its_discount():
    """90 after the discount are filled up to 100; the minimum first would end at 90."""
    terms = {**TENTH, "minimum": {"amount": "100"}}
    discount_first, minimum_first = Decimal(100), Decimal(90)
    assert lines([window(1, "10")], terms)["amount"].sum() == discount_first != minimum_first


def test_the_commitment_comes_before_the_credit():
    """A credit pays what is due and does not use up a commitment: 50 + 50 short - 30, not 100."""
    terms = {
        "commitments": [{"id": "k", "amount": "100", "period": "window"}],
        "credits": [{"id": "g", "amount": "30"}],
    }
    commitment_first, credit_first = Decimal(70), Decimal(100)
    found = lines([window(1, "5")], terms)["amount"].sum()
    assert found == commitment_first != credit_first


def test_the_credit_comes_before_the_service_fee():
    """5 % of 100 - 30; the fee first is 5 % of 100."""
    terms = {"credits": [{"id": "g", "amount": "30"}], "service_fee": {"percentage": "0.05"}}
    credit_first, fee_first = Decimal("73.5"), Decimal(75)
    assert lines([window(1, "10")], terms)["amount"].sum() == credit_first != fee_first


def test_the_service_fee_is_on_the_true_up_as_well():
    """50 used of 1000: 5 % of all 1000 are 50."""
    terms = {
        "commitments": [{"id": "k", "amount": "1000", "period": "window"}],
        "service_fee": {"percentage": "0.05"},
    }
    found = sums(lines([window(1, "5")], terms))
    assert found == {"usage": "50", "true_up": "950", "service_fee": "50"}


def test_lines_are_rounded_before_a_commitment_counts_them():
    """749.996 is billed as 750.00, so 250.00 are short and not 250.004."""
    price = {**TEN, "unit_amount": "749.996"}
    terms = {"commitments": [{"id": "k", "amount": "1000", "period": "window"}]}
    found = sums(lines([window(1, "1", price=price)], terms))
    assert found == {"usage": "750", "true_up": "250"}


def test_the_item_commitment_comes_before_the_contract_discount():
    """50 beyond 50 cost 1.5 times: 125, less 10 %; the discount first would be 90 and 110."""
    commitment = {"commitment": {"amount": "50", "overage_factor": "1.5"}}
    found = lines([window(1, "10", commitment)], TENTH)
    assert found["amount"].sum() == Decimal("112.5") != Decimal(110)


def test_a_fee_in_advance_and_usage_in_arrears_share_the_discount_of_their_boundary():
    """7 off 100 + 40 at the same boundary: 5 and 2."""
    terms = {"discounts": [{"id": "seven", "amount": "7"}]}
    found = lines([window(1, "4"), window(2, "1", price=FEE, item="fee")], terms)
    off = found.filter(component="discount").sort("dimensions")
    assert off["amount"].to_list() == [-2, -5]
    assert off["timing"].to_list() == ["arrears", "advance"]


TENTH = {"discounts": [{"id": "tenth", "percentage": "0.1"}]}


def test_the_documentation_has_the_table():
    rows = [
        f"| {at} | `{one.name}` | {f'`{one.component}` ' if one.component else ''}"
        f"| {one.scope} | {one.meaning} |"
        for at, one in enumerate(ORDER, start=1)
    ]
    document = (Path(__file__).parents[2] / "docs" / "modifiers.md").read_text()
    assert "\n".join(rows) in document
