"""Documents that nobody got yet are taken back: number kept, entries reversed, windows free."""

from datetime import date
from decimal import Decimal

import pytest

from meterhouse.errors import Rejected, UsageError
from meterhouse.run.crediting import Request, credit
from meterhouse.run.rebuild import rebuild
from meterhouse.run.sent import mark_sent
from meterhouse.run.voiding import void
from tests.truth.events import usage
from tests.truth.harness import GREAT_EXPECTATIONS, MONTHS

pytestmark = [pytest.mark.slow, GREAT_EXPECTATIONS]
DAY = date(2025, 12, 15)
BALANCES = "select account, sum(debit - credit) from facts.journal_lines group by account"


def numbers_of(home, contract):
    return [
        row[0]
        for row in home.rows(
            "select number from facts.documents where contract_id = ? and total <> 0 "
            "order by batch_seq, row_no",
            [contract],
        )
    ]


def content(home, number):
    """The document without its number, run and dates."""
    one = next(one for one in home.documents() if one["issue"]["number"] == number)
    return {name: one[name] for name in ("buyer", "currency", "kind", "net", "tax_total", "total")}


@pytest.fixture
def voided(october):
    """The number of a document of `alpha-main` that was voided."""
    number = numbers_of(october, "alpha-main")[0]
    before = dict(october.rows(BALANCES))
    void(october.lake, [number], "wrong buyer", DAY)
    return october, number, before


def test_a_voided_document_is_billed_again_as_if_it_had_never_been_issued(voided):
    home, number, _ = voided
    first = content(home, number)
    again = home.issue(MONTHS[1])
    assert again.failed == set()
    new = [one for one in numbers_of(home, "alpha-main") if one != number]
    assert first in [content(home, one) for one in new]
    lines = home.rows(
        "select is_correction, original_number from facts.billed_lines "
        "where list_contains(?, number)",
        [new],
    )
    assert set(lines) == {(False, None)}
    assert home.issue(MONTHS[1]).issued.numbers == ()


def test_its_entries_are_reversed_and_its_lines_taken_back(voided):
    home, number, before = voided
    lines = home.rows("select sum(amount) from facts.billed_lines where number = ?", [number])
    assert lines == [(Decimal(0),)]
    reversals = home.rows(
        "select event, posting_date, reversal_of is not null from facts.journal_entries "
        "where event in ('document.voided', 'prepaid.returned', 'revenue.unrecognised')"
    )
    assert reversals == [("document.voided", DAY, True)]
    after = dict(home.rows(BALANCES))
    total = home.rows("select total from facts.documents where number = ?", [number])[0][0]
    receivable = "accounts_receivable"
    assert before[receivable] - after[receivable] == total != 0
    home.issue(MONTHS[1])
    assert dict(home.rows(BALANCES)) == before


def test_who_voided_it_when_and_why_is_on_record(voided):
    home, number, _ = voided
    rows = home.rows("select number, voided_on, posting_date, reason from facts.voids")
    assert rows == [(number, DAY, DAY, "wrong buyer")]
    kinds = home.rows("select kind, result from facts.commands where kind = 'void'")
    assert kinds == [("void", "done")]


def test_what_was_voided_and_what_came_instead_are_made_again_to_the_byte(voided):
    home, _, _ = voided
    home.issue(MONTHS[1])
    home.load(usage())
    home.issue(MONTHS[2])
    assert [one.number for one in rebuild(home.lake, None) if not one.is_identical] == []


@pytest.mark.soak
def test_a_document_is_voided_once(voided):
    home, number, _ = voided
    with pytest.raises(Rejected, match=f"{number} cannot be voided: It was voided on 2025-12-15"):
        void(home.lake, [number], "again", DAY)


def test_what_was_sent_or_credited_and_a_note_that_was_applied_are_not_voided(october):
    number = numbers_of(october, "alpha-main")[0]
    note = credit(october.lake, Request(number, "goodwill", {1: Decimal(1)}, on=DAY)).number
    with pytest.raises(Rejected) as refused:
        void(october.lake, [number, note], "wrong buyer", DAY)
    assert f"{note} cannot be voided: It lowers what is due of {number}" in str(refused.value)
    assert f"{number} cannot be voided: What is due of it was lowered" in str(refused.value)
    assert mark_sent(october.lake, [number], "by mail") == [number]
    assert mark_sent(october.lake, [number], "by mail") == []
    with pytest.raises(Rejected, match="It was sent"):
        void(october.lake, [number], "wrong buyer", DAY)


@pytest.mark.soak
def test_what_a_later_document_corrects_is_voided_only_with_it(october):
    original, later = corrected(october)
    with pytest.raises(Rejected, match=f"Later documents correct its lines: {later}"):
        void(october.lake, [original], "wrong price", DAY)
    done = void(october.lake, [later, original], "wrong price", DAY)
    assert {one["number"] for one in done.documents} == {original, later}
    sums = october.rows("select sum(amount) from facts.standing_lines where number = ?", [original])
    assert sums == [(None,)]


def corrected(home):
    """A document and a later one that corrects it."""
    flat = home.book["contract", "alpha-main", None]["items"]
    dearer = [
        {**one, "price": {**one["price"], "amount": "999"}}
        if one["price"]["model"] == "flat"
        else one
        for one in flat
    ]
    home.record(home.changed("contract", "alpha-main", items=dearer))
    home.issue(MONTHS[1])
    return home.rows(
        "select distinct original_number, number from facts.billed_lines "
        "where is_correction and contract_id = 'alpha-main' order by 1, 2"
    )[0]


def test_a_dry_run_and_a_wrong_number_change_nothing(october):
    number = numbers_of(october, "alpha-main")[0]
    before = october.count_facts()
    assert void(october.lake, [number], "try", DAY, dry=True).documents[0]["number"] == number
    with pytest.raises(UsageError, match="No document has the number X-9"):
        void(october.lake, [number, "X-9"], "try", DAY)
    with pytest.raises(Rejected, match="before its own date"):
        void(october.lake, [number], "try", date(2020, 1, 1))
    assert october.count_facts() == before
