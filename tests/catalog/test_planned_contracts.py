"""What contracts plan is checked against the rest of the book before anything is recorded."""

import pytest

from meterhouse.catalog.references import check
from tests.catalog.test_references import contract, meter, usage

YEAR = {"start": "2024-01-01", "end": "2025-01-01"}
AFTER = contract("next", start="2025-01-01", item=usage("m"))
FINE_METER = meter(decimals=9, event_type="llm_request", aggregation="sum",
                   property="context_tokens")  # fmt: skip
CELL = "{keys: {planet: mars}, price: {model: per_unit, unit_amount: 1}}"
MATRIX = f"{{model: matrix, cells: [{CELL}]}}"


@pytest.mark.parametrize(
    ("renewal", "is_refused"),
    [
        ("{kind: none}", False),
        ("{kind: same, declined_on: 2024-06-01}", False),
        ("{kind: same}", True),
        ("{kind: same, declined_on: 2025-06-01}", True),
    ],
)
def test_a_renewed_contract_still_reads_its_meters(renewal, is_refused, book):
    before = contract(item=usage("m"), renewal=renewal, **YEAR)
    found = check(book(more="---\n".join([meter(), before, AFTER])))
    assert any("would be billed twice" in one for one in found) == is_refused


def test_prices_of_phases_and_of_later_days_must_fit_their_meter_too(book):
    phases = f"[{{id: p, from: 2024-03-01, items: {{i: {{price: {MATRIX}}}}}}}]"
    phased = contract(item=usage("m"), phases=phases)
    (found,) = check(book(more="---\n".join([meter(), phased])))
    assert "reads dimension 'planet', which meter 'm' does not have" in found
    later = ", prices: [{from: 2024-03-01, price: {model: per_unit, unit_amount: '0.0123456789'}}]"
    dated = contract(item=usage("m") + later)
    (found,) = check(book(more="---\n".join([FINE_METER, dated])))
    assert "the price has 10 decimals and meter 'm' has 9" in found


def test_a_plan_may_be_declined_but_is_the_same_for_all_dates_of_a_contract(book):
    first = contract(renewal="{kind: same}", **YEAR)
    second = contract(renewal="{kind: none}", valid_from="2024-06-01", **YEAR)
    (found,) = check(book(more="---\n".join([first, second])))
    assert "`renewal` is" in found
