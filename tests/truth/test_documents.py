"""What is issued is what the book and the usage say, however the usage arrived."""

import shutil
from pathlib import Path

import pytest

from tests.truth import oracle
from tests.truth.events import usage
from tests.truth.harness import GREAT_EXPECTATIONS, MONTHS

GOLDEN = Path(__file__).parents[1] / "golden" / "test_book.ndjson"
pytestmark = [pytest.mark.slow, GREAT_EXPECTATIONS]


def test_documents_are_what_the_oracle_says_to_the_cent(in_one_run):
    got = oracle.in_order(oracle.shown(one) for one in in_one_run.documents())
    wanted = oracle.documents(in_one_run.book, usage(), MONTHS[-1])
    assert len(wanted) == 28
    assert got == wanted


def test_documents_are_the_golden_ones(in_one_run, pytestconfig):
    """Whole documents, so that a change of any published value is seen and listed."""
    documents, _ = in_one_run.contents()
    text = "".join(f"{document}\n" for document in documents)
    if pytestconfig.getoption("--update-golden"):
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


@pytest.mark.soak
def test_billed_month_by_month_gives_the_documents_of_one_run(october, in_one_run):
    for through in MONTHS[2:]:
        assert october.issue(through).issued.numbers
    numbers = [one["issue"]["number"] for one in october.documents()]
    assert october.contents() == in_one_run.contents()
    assert len(set(numbers)) == len(numbers)


@pytest.mark.soak
def test_a_second_run_changes_no_fact(october):
    october.bill(MONTHS[1])
    before = october.count_facts()
    again = october.bill(MONTHS[1])
    assert again.issued.numbers == ()
    assert october.count_facts() == before


@pytest.mark.soak
def test_a_warehouse_that_was_deleted_changes_nothing(october, in_one_run):
    shutil.rmtree(october.path / "warehouse")
    assert october.issue(MONTHS[1]).issued.batch_seq is None
    shutil.rmtree(october.path / "warehouse")
    october.issue(MONTHS[-1])
    assert october.contents() == in_one_run.contents()


@pytest.mark.soak
def test_a_run_that_looks_back_is_dry(october):
    before = october.count_facts()
    done = october.issue(MONTHS[0])
    assert done.is_dry
    assert done.issued.numbers == ()
    assert october.count_facts()["documents"] == before["documents"]
