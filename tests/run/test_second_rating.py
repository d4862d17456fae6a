"""A rater that is wrong bills nobody it is wrong about: the second one sees it in the same run."""

import json

import pytest

from meterhouse.run.commands import record
from meterhouse.run.second_rating import OFF, spelled, standing
from tests.run.planted import EVERYTHING
from tests.second_rater.mutants import Mutant, planted
from tests.truth.harness import MONTHS

pytestmark = [pytest.mark.slow]
# Only the contract of Berlin has tiers.
FAULT = Mutant("pricing.graduated", 'units = pl.col("quantity") - pl.col("above")',
               'units = pl.col("quantity")')  # fmt: skip
SCOPE = ("second_rater_agrees", "customer", "berlin")
SENTENCES = """
select sentence from facts.check_results
where check_name = 'second_rater_agrees' and not passed
qualify attempt = max(attempt) over ()
"""
NUMBERS = """
select numbers from facts.check_results where check_name = 'second_rater_agrees'
order by batch_seq desc limit 1
"""
LINES = """
select item_id, window_id, amount from billing.desired_lines
where contract_id = 'berlin-main' order by window_start_on desc limit 1
"""


def of_warehouse(home, ask):
    """What `ask` finds in the warehouse of a home."""
    with home.lake.reading() as db:
        db.execute(f"attach '{home.lake.settings.warehouse}' as made (read_only)")
        db.execute("use made")
        return ask(db)


def waived(home):
    """The failed check of Berlin, waived by a person."""
    subjects = [("|".join(SCOPE), None)]
    payload = '{"expires":"2026-06-01","reason":"seen"}'
    with home.lake.session() as db:
        home.lake.commit(db, lambda commit: record(commit, "waive", subjects, payload, "seen"))


def test_a_fault_in_rating_holds_the_customer_it_concerns_until_it_is_waived(october, monkeypatch):
    with monkeypatch.context() as patch:
        planted(FAULT, patch)
        october.draft(MONTHS[2])
    done = october.judge(None)

    assert done.failed == {SCOPE}
    assert set(done.held) == {"berlin-main"}
    assert done.billed == EVERYTHING - {"berlin-main"}
    ((sentence,),) = october.rows(SENTENCES)
    item, window, amount = of_warehouse(october, lambda db: db.execute(LINES).fetchone())
    for name in ("berlin", "berlin-main", item, window, f"{amount.normalize():f} USD"):
        assert name in sentence

    # What was compared and agreed stands; what differs is compared again.
    told = of_warehouse(october, standing)
    lines = of_warehouse(
        october, lambda db: db.execute("select count(*) from billing.desired_lines").fetchone()[0]
    )
    assert told["compared"] == lines - 1
    assert told["not_covered"] == {}
    assert spelled(told) == f"{lines - 1} lines compared"

    waived(october)
    again = october.judge(None)
    assert again.failed == {SCOPE}
    assert again.held == {}
    assert len(again.issued.numbers) == 1

    with (october.path / "meterhouse.yaml").open("a") as file:
        file.write("second_rater: false\n")
    assert october.judge(None).failed == set()
    ((numbers,),) = october.rows(NUMBERS)
    assert json.loads(numbers)["detail"] == OFF
