"""One-off invoices: drafted until they are issued, once, taxed and posted as every other."""

import json
from datetime import date
from decimal import Decimal

import pytest
from click.testing import CliRunner

from meterhouse.catalog.one_offs import read_one_offs
from meterhouse.cli.main import cli
from meterhouse.errors import Rejected
from meterhouse.run.one_offs import record_one_offs, withdraw_one_off
from meterhouse.run.rebuild import rebuild
from meterhouse.run.voiding import void
from tests.truth.harness import GREAT_EXPECTATIONS, MONTHS

FILE = """\
id: setup-1
customer: alpha
entity: us
currency: USD
date: 2025-10-20
payment_terms: net30
reference: PO-99
lines:
  - {description: Set-up, quantity: "2", unit_price: "100.005"}
  - {description: Goodwill, unit_price: "-0.01", custom: {why: delay}, reference: L2}
---
- id: support-1
  customer: sato
  entity: jp
  currency: JPY
  date: 2025-10-20
  payment_terms: net30
  lines:
    - {description: Support, unit_price: "3000", from: 2025-11-01, until: 2026-02-01}
- id: later
  customer: alpha
  entity: us
  currency: USD
  date: 2025-12-31
  payment_terms: net7
  lines: [{description: Later, unit_price: "1"}]
"""


def given(tmp_path, text=FILE, name="one.yaml"):
    file = tmp_path / name
    file.write_text(text)
    return read_one_offs(file)


def test_a_file_holds_many_and_tells_every_fault_at_once(tmp_path):
    found, faults = given(tmp_path)
    assert ([one.id for one in found], faults) == (["setup-1", "support-1", "later"], [])
    wrong = FILE.replace('quantity: "2"', 'quantity: "-2"').replace("2026-02-01", "2025-11-01")
    found, faults = given(tmp_path, wrong.replace("id: later", "id: support-1"))
    assert [fault.split(":")[1] for fault in faults[:2]] == ["9", "19"]
    assert "`until` 2025-11-01 is the day after the last one" in faults[1]
    assert given(tmp_path, "", "none.yaml")[1] == ["none.yaml holds no invoice."]
    assert "less than zero" in given(tmp_path, FILE.replace("-0.01", "-300"))[1][0]
    assert "`until` needs `from`" in given(tmp_path, FILE.replace("from: 2025-11-01, ", ""))[1][0]
    as_json = '[{"id": "a", "customer": 5, "lines": []}]'
    assert len(given(tmp_path, as_json, "one.json")[1]) > 3


@pytest.mark.soak
@GREAT_EXPECTATIONS
def test_it_is_billed_once_taxed_posted_and_made_again_to_the_byte(october, tmp_path):
    asked, _ = given(tmp_path)
    lake = october.lake
    first = record_one_offs(lake, asked)
    assert (first.recorded, first.known) == (("setup-1", "support-1", "later"), ())
    again = record_one_offs(lake, asked)
    assert (again.batch_seq, again.recorded) == (None, ())
    done = october.issue(MONTHS[1])
    assert done.failed == set()
    assert done.billed == {"one-off:setup-1", "one-off:support-1"}
    own = [one for one in october.documents() if "one-off" in one["lines"][0]["contract"]]
    setup, support = sorted(own, key=lambda one: one["buyer"]["id"])
    # 2 x 100.005 is 200.01, less a cent; alpha pays 8.875 % sales tax.
    assert (setup["net"], setup["tax_total"], setup["purchase_order"]) == (
        "200.00", "17.75", "PO-99",
    )  # fmt: skip
    assert setup["lines"][1]["price"] == {
        "custom": {"why": "delay"}, "model": "per_unit", "reference": "L2", "unit_amount": "-0.01",
    }  # fmt: skip
    assert (support["net"], support["tax_total"]) == ("3000", "300")
    posted = dict(
        october.rows(
            "select contract_id || ' ' || account, sum(credit) from facts.journal_lines "
            "where contract_id like 'one-off:%' and account in ('revenue', 'deferred_revenue') "
            "group by all having sum(credit) > 0"
        )
    )
    assert posted == {
        "one-off:setup-1 revenue": Decimal("200.01"),
        "one-off:support-1 deferred_revenue": Decimal(3000),
    }
    assert october.issue(MONTHS[1]).issued.numbers == ()
    assert [one.path for one in rebuild(lake, None) if not one.is_identical] == []
    changed = [one.model_copy(update={"reference": "PO-1"}) for one in asked]
    with pytest.raises(Rejected, match=r"setup-1: it is issued with another content"):
        record_one_offs(lake, changed)
    with pytest.raises(Rejected, match="One-off setup-1 is issued"):
        withdraw_one_off(lake, "setup-1", "mistake")
    # What is voided comes again until it is withdrawn.
    void(lake, [setup["issue"]["number"]], "wrong", date(2025, 12, 1))
    assert october.issue(MONTHS[1]).billed == {"one-off:setup-1"}
    withdraw_one_off(lake, "later", "not agreed")
    done = october.issue(MONTHS[3])
    assert done.failed == set()
    assert "one-off:later" not in done.billed
    assert [one.path for one in rebuild(lake, None) if not one.is_identical] == []


@pytest.mark.slow
@GREAT_EXPECTATIONS
def test_what_the_book_does_not_hold_is_told_and_nothing_is_recorded(in_october, tmp_path):
    wrong = FILE.replace("customer: alpha", "customer: alpa").replace("entity: jp", "entity: us")
    before = in_october.count_facts()
    with pytest.raises(Rejected) as told:
        record_one_offs(in_october.lake, given(tmp_path, wrong)[0])
    assert str(told.value).splitlines() == [
        "setup-1: no customer alpa is in the book; did you mean 'alpha'?",
        "support-1: us sells in USD, not in JPY.",
        "later: no customer alpa is in the book; did you mean 'alpha'?",
        "Nothing was recorded.",
    ]
    (tmp_path / "wrong.yaml").write_text(FILE.replace("id: setup-1", "name: setup-1"))
    (tmp_path / "right.yaml").write_text(FILE)
    call = ["--home", str(in_october.path), "invoices", "one-off"]
    refused = CliRunner().invoke(cli, [*call, str(tmp_path / "wrong.yaml")])
    assert refused.exit_code != 0
    assert "wrong.yaml:1: an invoice without an id" in refused.stderr
    planned = CliRunner().invoke(cli, [*call, str(tmp_path / "right.yaml"), "--dry-run", "--json"])
    assert json.loads(planned.stdout)["recorded"] == ["setup-1", "support-1", "later"]
    assert in_october.count_facts() == before
